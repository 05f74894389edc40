/* SPDX-License-Identifier: Apache-2.0
 *
 * state.json and the journal: see state.h.
 */
#include "provision/state.h"

#include <errno.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "base/util.h"

#define ROW(field, key, kind) RECORD_ROW(struct vm_state, field, key, RECORD_##kind)

static const struct record_field asked_fields[] = {
	RECORD_ROW(struct asked, key, "key", RECORD_STRING),
	RECORD_ROW(struct asked, value, "value", RECORD_STRING),
};
static const struct record_class asked_class = {
	.name = "asked", .fields = asked_fields, .nfields = ARRAY_LEN(asked_fields)};

static const struct record_field disk_fields[] = {
	RECORD_ROW(struct state_disk, name, "name", RECORD_TEXT),
	RECORD_ROW(struct state_disk, format, "format", RECORD_TEXT),
	RECORD_ROW(struct state_disk, size, "size", RECORD_NUMBER),
};
static const struct record_class disk_class = {
	.name = "disk", .fields = disk_fields, .nfields = ARRAY_LEN(disk_fields)};

static const struct record_field nic_fields[] = {
	RECORD_ROW(struct state_nic, bridge, "bridge", RECORD_TEXT),
	RECORD_ROW(struct state_nic, tap, "tap", RECORD_TEXT),
	RECORD_ROW(struct state_nic, mac, "mac", RECORD_TEXT),
	RECORD_ROW(struct state_nic, address, "address", RECORD_TEXT),
	RECORD_ROW(struct state_nic, bridge_is_ours, "bridge_is_ours", RECORD_FLAG),
};
static const struct record_class nic_class = {
	.name = "nic", .fields = nic_fields, .nfields = ARRAY_LEN(nic_fields)};

static const struct record_field state_fields[] = {
	ROW(uuid, "uuid", TEXT),
	ROW(created, "created", TEXT),
	ROW(spec_path, "spec", STRING),
	ROW(image_source, "image.source", STRING),
	ROW(image_path, "image.path", STRING),
	ROW(image_digest, "image.digest", TEXT),
	ROW(image_format, "image.format", TEXT),
	ROW(image_trust, "image.trust", TEXT),
	ROW(image_size, "image.size", NUMBER),
	ROW(image_user, "image.user", STRING),
	ROW(disk_size, "disk.size", NUMBER),
	ROW(disk_used, "disk.used", FLAG),
	RECORD_ROW_LIST(struct vm_state, disks, ndisks, "disks", &disk_class),
	ROW(seed, "seed", FLAG),
	ROW(user, "user", STRING),
	ROW(identity, "identity", STRING),
	ROW(os_id, "os.id", TEXT),
	ROW(os_name, "os.name", TEXT),
	ROW(boot, "boot", STRING),
	RECORD_ROW_LIST(struct vm_state, nics, nnics, "nics", &nic_class),
	RECORD_ROW_LIST(struct vm_state, asked, nasked, "asked", &asked_class),
	ROW(cpus, "cpus", NUMBER),
	ROW(memory, "memory", NUMBER),
};
const struct record_class state_record = {
	.name = "state", .version = 1, .fields = state_fields, .nfields = ARRAY_LEN(state_fields)};

static const struct record_field running_fields[] = {
	RECORD_ROW(struct vm_running, pid, "pid", RECORD_NUMBER),
	RECORD_ROW(struct vm_running, start_time, "start_time", RECORD_NUMBER),
	RECORD_ROW(struct vm_running, boot_id, "boot_id", RECORD_TEXT),
	RECORD_ROW(struct vm_running, started_ms, "started_ms", RECORD_NUMBER),
	RECORD_ROW(struct vm_running, socket, "socket", RECORD_STRING),
};
static const struct record_class running_class = {.name = "run",
						  .version = 1,
						  .fields = running_fields,
						  .nfields = ARRAY_LEN(running_fields)};

/* The name of a disk in the VM's directory, or NULL. The caller frees. */
static char *some_disk(const struct vmdir *d)
{
	auto_closedir DIR *dir = opendir(d->path);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (text_ends(e->d_name, ".qcow2") || text_ends(e->d_name, ".raw"))
			return xstrdup(e->d_name);
	return NULL;
}

/*
 * A disk that no state tells of may be the only copy of something; the one exception is a first
 * `up` that was cut short, whose journal says what it made.
 */
static int no_state(const struct vmdir *d, struct err *err)
{
	auto_free char *disk = vmdir_has(d, "journal") ? NULL : some_disk(d);

	if (disk)
		return err_set(err, ERR_CORRUPT,
			       "'%s' holds a disk, %s, and no state.json: put state.json back, "
			       "move the disks away, or `croft destroy %s/%s`",
			       d->path, disk, d->name.project, d->name.vm);
	return err_set(err, ERR_NOT_FOUND,
		       "there is no VM '%s/%s' (croft list shows what there is)", d->name.project,
		       d->name.vm);
}

/*
 * The socket's usual place depends on the environment: a command of cron's has no XDG_RUNTIME_DIR.
 * A VMM that runs is found where it was started to listen.
 */
static void use_socket(struct vmdir *d, const struct vm_state *s)
{
	if (!s->vmm.socket || !state_alive(s))
		return;
	free(d->socket);
	d->socket = xstrdup(s->vmm.socket);
}

int state_open(struct vmdir *d, struct vm_state *out, struct err *err)
{
	if (state_load(d, out, err) < 0)
		return -1;
	use_socket(d, out);
	return 0;
}

int state_load(const struct vmdir *d, struct vm_state *out, struct err *err)
{
	auto_free char *path = vmdir_file(d, "state.json"), *run = vmdir_file(d, "run.json");
	struct err why = {0};

	*out = (struct vm_state){0};
	if (record_load(&state_record, path, out, &why) == 0 && out->uuid[0]) {
		/* Unreadable is what a power cut leaves: then nothing runs. */
		record_load(&running_class, run, &out->vmm, NULL);
		return 0;
	}
	state_done(out);
	if (why.kind == ERR_NOT_FOUND)
		return no_state(d, err);
	if (why.kind == ERR_UNSUPPORTED)
		return err_set(err, ERR_UNSUPPORTED, "%s: use the croft that made this VM",
			       why.msg);
	if (why.kind == ERR_NONE)
		err_set(&why, ERR_CORRUPT, "%s: 'uuid' is missing", path);
	return err_set(
		err, why.kind,
		"%s: put a good copy of the file back, or `croft destroy %s/%s` and start anew",
		why.msg, d->name.project, d->name.vm);
}

/* What every step begins and ends with meets a full disk first. */
static int need_room(const struct vmdir *d, struct err *err)
{
	if (err && (err->sys == ENOSPC || err->sys == EDQUOT))
		err_hint(err,
			 "make room where '%s' is; if images are there, too: croft image prune",
			 d->path);
	return -1;
}

static int save(const struct vmdir *d, const char *name, const struct record_class *c,
		const void *rec, bool durable, struct err *err)
{
	auto_buf struct buf want = BUF_INIT(RECORD_MAX_BYTES), have = BUF_INIT(RECORD_MAX_BYTES);
	auto_free char *path = vmdir_file(d, name);

	record_write(c, rec, &want);
	if (file_read(path, &have, NULL) == 0 && have.len == want.len &&
	    !memcmp(buf_str(&have), buf_str(&want), want.len))
		return 0;
	return record_save(c, path, rec, durable, err) < 0 ? need_room(d, err) : 0;
}

int state_save(const struct vmdir *d, const struct vm_state *s, bool durable, struct err *err)
{
	if (save(d, "state.json", &state_record, s, durable, err) < 0)
		return -1;
	return save(d, "run.json", &running_class, &s->vmm, false, err);
}

void state_done(struct vm_state *s)
{
	record_done(&state_record, s);
	record_done(&running_class, &s->vmm);
}

/* The name-based UUID of "project/vm" in a namespace of croft's own. */
static void uuid_of(const struct vm_name *name, char out[37])
{
	static const uint8_t space[16] = {0x6f, 0x2d, 0x9a, 0x41, 0x5c, 0x0b, 0x4e, 0x1f,
					  0x9d, 0x37, 0x63, 0x72, 0x6f, 0x66, 0x74, 0x31};
	uint8_t text[sizeof(space) + 2 * 64], h[EVP_MAX_MD_SIZE];
	int n = snprintf((char *)text + sizeof(space), sizeof(text) - sizeof(space), "%s/%s",
			 name->project, name->vm);

	memcpy(text, space, sizeof(space));
	if (!EVP_Digest(text, sizeof(space) + (size_t)n, h, NULL, EVP_sha1(), NULL))
		abort(); /* a digest of a few bytes fails only when the library is broken */
	h[6] = (uint8_t)((h[6] & 0x0f) | 0x50);
	h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
	for (unsigned i = 0, at = 0; i < 16; i++)
		at += (unsigned)sprintf(
			out + at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", h[i]);
}

void state_init(struct vm_state *s, const struct vm_name *name)
{
	time_t now = time(NULL);
	struct tm tm;

	*s = (struct vm_state){0};
	uuid_of(name, s->uuid);
	strftime(s->created, sizeof(s->created), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
}

int state_check_spec(const struct vm_state *s, const struct vm_name *name, const char *spec_path,
		     struct err *err)
{
	struct stat from, this;

	if (!s->spec_path || !strcmp(s->spec_path, spec_path))
		return 0;
	if (stat(s->spec_path, &from) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;
	} else if (stat(spec_path, &this) == 0 && from.st_ino == this.st_ino &&
		   from.st_dev == this.st_dev) {
		return 0;
	}
	return err_set(err, ERR_CONFLICT,
		       "%s: the VM '%s/%s' was made from '%s': give this one another `name:` (to "
		       "mean the other, write %s/%s)",
		       spec_path, name->project, name->vm, s->spec_path, name->project, name->vm);
}

static void read_boot_id(char *out, size_t n)
{
	auto_buf struct buf text = BUF_INIT(256);

	out[0] = '\0';
	if (file_read("/proc/sys/kernel/random/boot_id", &text, NULL) == 0)
		snprintf(out, n, "%.*s", (int)strcspn(buf_str(&text), "\n"), buf_str(&text));
}

bool state_same_boot(const struct vm_state *s)
{
	char boot_id[sizeof(s->vmm.boot_id)];

	read_boot_id(boot_id, sizeof(boot_id));
	return !strcmp(boot_id, s->vmm.boot_id);
}

bool state_alive(const struct vm_state *s)
{
	return s->vmm.pid && s->vmm.start_time &&
	       proc_start_time((pid_t)s->vmm.pid) == s->vmm.start_time && state_same_boot(s);
}

void state_set_vmm(struct vm_state *s, pid_t pid, const char *socket)
{
	struct vm_running *v = &s->vmm;
	struct timespec now;

	record_done(&running_class, v);
	if (!pid)
		return;
	v->socket = xstrdup(socket);
	clock_gettime(CLOCK_REALTIME, &now);
	v->pid = (uint64_t)pid;
	v->start_time = proc_start_time(pid);
	v->started_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	read_boot_id(v->boot_id, sizeof(v->boot_id));
}

/* --- journal ---------------------------------------------------------------------------------- */

static const struct record_field journal_fields[] = {
	RECORD_ROW(struct journal, step, "step", RECORD_TEXT),
	RECORD_ROW(struct journal, was, "was", RECORD_NUMBER),
	RECORD_ROW(struct journal, vmm_pid, "vmm.pid", RECORD_NUMBER),
	RECORD_ROW(struct journal, vmm_start_time, "vmm.start_time", RECORD_NUMBER),
	RECORD_ROW(struct journal, bridges, "bridges", RECORD_TEXT),
	RECORD_ROW(struct journal, disks, "disks", RECORD_TEXT),
};
static const struct record_class journal_class = {.name = "journal",
						  .version = 1,
						  .fields = journal_fields,
						  .nfields = ARRAY_LEN(journal_fields)};

int journal_write(const struct vmdir *d, const struct journal *j, struct err *err)
{
	auto_free char *path = vmdir_file(d, "journal");

	return record_save(&journal_class, path, j, false, err) < 0 ? need_room(d, err) : 0;
}

int journal_read(const struct vmdir *d, struct journal *out)
{
	auto_free char *path = vmdir_file(d, "journal");
	struct err err = {0};

	*out = (struct journal){0};
	if (record_load(&journal_class, path, out, &err) == 0)
		return 1;
	return err.kind == ERR_NOT_FOUND ? 0 : 1;
}

void journal_remove(const struct vmdir *d)
{
	auto_free char *path = vmdir_file(d, "journal");

	unlink(path);
}
