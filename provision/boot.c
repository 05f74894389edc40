/* SPDX-License-Identifier: Apache-2.0
 *
 * Which kernel the VM boots: see boot.h. A copy is a directory with `kernel` (unpacked, when it could
 * be), `initrd` and `initrd.unpacked` (when there is one, and it could be), and `boot.json`; it is
 * made aside and renamed, so it is whole or not there.
 */
#include "provision/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "images/inspect/inspect.h"
#include "images/inspect/unpack.h"
#include "images/store/store.h"
#include "images/store/trust/hash.h"

/* Far above what distributions ship; what an image claims beyond it is not copied. */
enum { KERNEL_MAX = 256 << 20, INITRD_MAX = 1 << 30 };

/* An unpacked initrd is in the guest's memory twice for a moment: it may be this part of it. */
enum { INITRD_SHARE = 4 };

static const struct record_field choice_fields[] = {
	RECORD_ROW(struct boot_choice, text, "text", RECORD_STRING),
	RECORD_ROW(struct boot_choice, cmdline, "cmdline", RECORD_STRING),
	RECORD_ROW(struct boot_choice, cmdline_limit, "cmdline_limit", RECORD_NUMBER),
	RECORD_ROW(struct boot_choice, os_id, "os.id", RECORD_TEXT),
	RECORD_ROW(struct boot_choice, os_name, "os.name", RECORD_TEXT),
	RECORD_ROW(struct boot_choice, kernel_digest, "kernel_digest", RECORD_TEXT),
	RECORD_ROW(struct boot_choice, initrd_digest, "initrd_digest", RECORD_TEXT),
	RECORD_ROW(struct boot_choice, has_initrd, "initrd", RECORD_FLAG),
	RECORD_ROW(struct boot_choice, unpacked_initrd, "unpacked_initrd", RECORD_FLAG),
};
/*
 * The version changes when another croft would decide otherwise: then what is cached is made anew.
 */
static const struct record_class choice_class = {
	.name = "boot", .version = 3, .fields = choice_fields, .nfields = ARRAY_LEN(choice_fields)};

void boot_choice_init(struct boot_choice *c)
{
	*c = (struct boot_choice){.kernel = -1, .initrd = -1};
}

void boot_choice_done(struct boot_choice *c)
{
	auto_close_fn(&c->kernel);
	auto_close_fn(&c->initrd);
	record_done(&choice_class, c);
	boot_choice_init(c);
}

/* --- a copy ----------------------------------------------------------------------------------- */

static int open_in(const char *dir, const char *name)
{
	auto_free char *path = path_join(dir, name);

	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static bool larger_than(int fd, uint64_t bytes)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (uint64_t)st.st_size > bytes;
}

/* The unpacked one, in a VM with this memory, where that is large enough. */
static int open_initrd(const char *dir, const struct boot_choice *c, uint64_t memory)
{
	int fd = c->unpacked_initrd ? open_in(dir, "initrd.unpacked") : -1;

	if (fd >= 0 && !larger_than(fd, memory / INITRD_SHARE))
		return fd;
	auto_close_fn(&fd);
	return open_in(dir, "initrd");
}

/* True when there is a whole copy that this croft understands. */
static bool copy_open(const char *dir, uint64_t memory, struct boot_choice *c)
{
	auto_free char *json = path_join(dir, "boot.json");

	boot_choice_init(c);
	if (record_load(&choice_class, json, c, NULL) < 0)
		return false;
	c->kernel = open_in(dir, "kernel");
	if (c->has_initrd)
		c->initrd = open_initrd(dir, c, memory);
	if (c->kernel >= 0 && c->text && c->cmdline && (!c->has_initrd || c->initrd >= 0))
		return true;
	boot_choice_done(c);
	return false;
}

/* Puts `fresh` where `dir` is. Both are whole at every moment; what was there before is removed. */
static int copy_install(const char *fresh, const char *dir, struct err *err)
{
	if (rename(fresh, dir) == 0)
		return 0;
	if (errno != EEXIST && errno != ENOTEMPTY)
		return err_sys(err, ERR_HOST, "cannot rename '%s'", fresh);
	if (renameat2(AT_FDCWD, fresh, AT_FDCWD, dir, RENAME_EXCHANGE) < 0) {
		/*
		 * File systems without the exchange: for a moment there is no copy, and the next
		 * start looks again.
		 */
		if (dir_remove(dir, err) < 0)
			return -1;
		if (rename(fresh, dir) < 0)
			return err_sys(err, ERR_HOST, "cannot rename '%s'", fresh);
		return 0;
	}
	return dir_remove(fresh, err);
}

static int link_or_copy(const char *from_dir, const char *name, const char *to_dir, const char *as,
			struct err *err)
{
	auto_free char *from = path_join(from_dir, name), *to = path_join(to_dir, as);
	auto_close int in = -1, out = -1;
	ssize_t n;

	if (link(from, to) == 0)
		return 0;
	in = open(from, O_RDONLY | O_CLOEXEC);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (in < 0 || out < 0)
		return err_sys(err, ERR_HOST, "cannot copy '%s' to '%s'", from, to);
	while ((n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0)) > 0)
		;
	if (n < 0)
		return err_sys(err, ERR_HOST, "cannot copy '%s' to '%s'", from, to);
	return 0;
}

static int keep_file(const char *from_dir, const char *to_dir, const char *name, struct err *err)
{
	return link_or_copy(from_dir, name, to_dir, name, err);
}

/* The VM keeps what it boots from, whatever becomes of the cache. */
static int copy_keep(const char *from, const char *dir, const struct boot_choice *c, struct err *err)
{
	auto_free char *fresh = xasprintf("%s.new", dir);

	if (dir_remove(fresh, err) < 0 || dir_make(fresh, 0700, err) < 0 ||
	    keep_file(from, fresh, "kernel", err) < 0 ||
	    (c->has_initrd && keep_file(from, fresh, "initrd", err) < 0) ||
	    (c->unpacked_initrd && keep_file(from, fresh, "initrd.unpacked", err) < 0) ||
	    keep_file(from, fresh, "boot.json", err) < 0)
		return -1;
	return copy_install(fresh, dir, err);
}

/* --- out of a disk ---------------------------------------------------------------------------- */

static int extract_file(struct blk *blk, const struct inspect *in, const char *path, int out,
			uint64_t max, struct err *err)
{
	if (inspect_extract(blk, in, in->boot.part, path, out, max, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}

/*
 * Several initrds follow each other on 4-byte boundaries (kernel:
 * Documentation/driver-api/early-userspace/buffer-format.rst).
 */
static int extract_initrds(struct blk *blk, const struct inspect *in, int out, struct err *err)
{
	for (unsigned i = 0; i < in->boot.ninitrd; i++) {
		off_t end;

		if (extract_file(blk, in, in->boot.initrd[i], out, INITRD_MAX, err) < 0)
			return -1;
		end = lseek(out, 0, SEEK_END);
		if (end < 0 || ftruncate(out, (off_t)align_up((uint64_t)end, 4)) < 0 ||
		    lseek(out, 0, SEEK_END) < 0)
			return err_sys(err, ERR_HOST, "cannot write the initrd");
	}
	return 0;
}

static int create_in(const char *dir, const char *name, struct err *err)
{
	auto_free char *path = path_join(dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(err, ERR_HOST, "cannot create '%s'", path) : fd;
}

/* --- unpacked --------------------------------------------------------------------------------- */

typedef int unpack_fn(int in_fd, int out_fd, uint64_t max_bytes, struct err *);

/*
 * dir/to from what `in` holds. False when it cannot be unpacked: the guest does it then, as it would
 * anywhere else.
 */
static bool unpack(unpack_fn *fn, int in, const char *dir, const char *to, uint64_t max)
{
	auto_free char *path = path_join(dir, to);
	auto_close int out = create_in(dir, to, NULL);

	if (out >= 0 && fn(in, out, max, NULL) == 0 && fdatasync(out) == 0)
		return true;
	unlink(path);
	return false;
}

/* As unpack; `before` (or NULL) is the copy of an earlier start, which may have unpacked the same. */
static void unpack_kernel(const char *dir, int in, const char *before, struct boot_choice *c,
			  const struct boot_choice *then)
{
	auto_free char *packed = path_join(dir, "kernel"), *plain = path_join(dir, "kernel.unpacked");
	bool known = before && !strcmp(then->kernel_digest, c->kernel_digest);

	if ((known && link_or_copy(before, "kernel", dir, "kernel.unpacked", NULL) == 0) ||
	    unpack(kernel_unpack, in, dir, "kernel.unpacked", KERNEL_MAX))
		rename(plain, packed);
}

static void unpack_initrd(const char *dir, int in, const char *before, struct boot_choice *c,
			  const struct boot_choice *then)
{
	if (before && !strcmp(then->initrd_digest, c->initrd_digest))
		c->unpacked_initrd = then->unpacked_initrd &&
				     keep_file(before, dir, "initrd.unpacked", NULL) == 0;
	else
		c->unpacked_initrd = unpack(initrd_unpack, in, dir, "initrd.unpacked", INITRD_MAX);
}

static int unpack_both(const char *dir, int kernel, int initrd, const char *before,
		       struct boot_choice *c, struct err *err)
{
	auto_free char *json = before ? path_join(before, "boot.json") : NULL;
	struct boot_choice then;

	boot_choice_init(&then);
	if (hash_file(HASH_SHA256, kernel, c->kernel_digest, err) < 0 ||
	    (initrd >= 0 && hash_file(HASH_SHA256, initrd, c->initrd_digest, err) < 0))
		return -1;
	if (before && record_load(&choice_class, json, &then, NULL) < 0)
		before = NULL;
	unpack_kernel(dir, kernel, before, c, &then);
	if (initrd >= 0)
		unpack_initrd(dir, initrd, before, c, &then);
	boot_choice_done(&then);
	return 0;
}

/* --- both steps ------------------------------------------------------------------------------- */

/* Kernel, initrd and boot.json of what `in` found, into a directory that does not exist yet. */
static int extract_to(const char *dir, const char *before, struct blk *blk, const struct inspect *in,
		      struct err *err)
{
	const struct boot_entry *e = &in->boot;
	struct boot_choice c = {.cmdline_limit = in->kernel.cmdline_size,
				.has_initrd = e->ninitrd > 0};
	auto_free char *json = path_join(dir, "boot.json");
	auto_close int kernel = -1, initrd = -1;
	struct kernel_facts facts;
	int rc;

	static_assert(sizeof(c.kernel_digest) > strlen("sha256:") + 64, "a digest fits");
	if (dir_remove(dir, err) < 0 || dir_make(dir, 0700, err) < 0)
		return -1;
	kernel = create_in(dir, "kernel", err);
	if (kernel < 0 || extract_file(blk, in, e->kernel, kernel, KERNEL_MAX, err) < 0)
		return -1;
	/* Said here, by its name in the image, rather than by the VMM. */
	if (kernel_facts_read(kernel, &facts, err) < 0)
		return err_wrap(err, "the boot entry's kernel, %s", e->kernel);
	if (c.has_initrd) {
		initrd = create_in(dir, "initrd", err);
		if (initrd < 0 || extract_initrds(blk, in, initrd, err) < 0)
			return -1;
	}
	if (fdatasync(kernel) < 0 || (initrd >= 0 && fdatasync(initrd) < 0))
		return err_sys(err, ERR_HOST, "cannot write to '%s'", dir);
	if (unpack_both(dir, kernel, initrd, before, &c, err) < 0)
		return -1;

	c.text = xasprintf("%s: %s%s%s", boot_source_name(e->source), e->title,
			   e->title[0] ? ", " : "", e->kernel);
	c.cmdline = xstrdup(e->cmdline);
	snprintf(c.os_id, sizeof(c.os_id), "%s", in->os.id);
	snprintf(c.os_name, sizeof(c.os_name), "%s", in->os.pretty_name);
	rc = record_save(&choice_class, json, &c, true, err);
	record_done(&choice_class, &c);
	return rc;
}

/* The guest did not unmount it, and what its journal holds could not be applied while reading. */
static bool part_stale(const struct inspect *in, unsigned number)
{
	for (unsigned i = 0; i < in->nparts; i++)
		if (in->part[i].number == number)
			return in->part[i].fs_dirty && !in->part[i].fs_replayed;
	return false;
}

struct finding {
	bool stale;	      /* see boot.h */
	struct boot_env used; /* see inspect_use */
};

/*
 * Looks into the disk and copies what it boots into `dir`, which is made anew. `before`: see
 * unpack_kernel.
 */
static int extract(const struct blk_layer layers[], unsigned n, const char *dir, const char *before,
		   struct finding *out, struct err *err)
{
	auto_blk struct blk *blk = blk_open(layers, n, BLK_RDONLY, err);
	struct inspect *in;
	int rc;

	*out = (struct finding){.stale = false};
	if (!blk)
		return -1;
	in = inspect_disk(blk, err);
	if (!in)
		return -1;
	if (in->boot.source == BOOT_NONE) {
		rc = err_set(err, ERR_VM, "%s", in->boot_note);
	} else {
		*out = (struct finding){part_stale(in, in->boot.part), in->boot.used};
		rc = extract_to(dir, before, blk, in, err);
	}
	inspect_free(in);
	return rc;
}

static int layer_open(const char *path, const char *format, int mode, struct blk_layer *out,
		      struct err *err)
{
	*out = (struct blk_layer){.fd = -1, .name = path};
	if (blk_format_parse(format, &out->format, err) < 0)
		return err_wrap(err, "%s", path);
	out->fd = open(path, mode | O_CLOEXEC);
	return out->fd < 0 ? err_sys(err, ERR_HOST, "cannot open '%s'", path) : 0;
}

/* --- the image's, cached ---------------------------------------------------------------------- */

static char *cache_dir(const struct run *run)
{
	return image_boot_dir(run->dirs.cache, run->state.image_digest);
}

static int cache_fill(const struct run *run, const char *dir, struct err *err)
{
	auto_free char *parent = path_dir(dir);
	auto_free char *fresh = xasprintf("%s/.%s.%d", parent, path_base(dir), (int)getpid());
	struct blk_layer layer;
	struct finding f;

	if (dir_make(parent, 0700, err) < 0 ||
	    layer_open(run->state.image_path, run->state.image_format, O_RDONLY, &layer, err) < 0)
		return -1;
	if (extract(&layer, 1, fresh, NULL, &f, err) < 0 || copy_install(fresh, dir, err) < 0) {
		dir_remove(fresh, NULL);
		return -1;
	}
	return 0;
}

static int from_image(struct run *run, const char *keep, struct boot_choice *out, struct err *err)
{
	auto_free char *dir = cache_dir(run);

	if (!copy_open(dir, run->vm->memory, out)) {
		if (cache_fill(run, dir, err) < 0)
			return -1;
		if (!copy_open(dir, run->vm->memory, out))
			return err_set(err, ERR_FAILED, "'%s' vanished while it was used", dir);
	}
	return copy_keep(dir, keep, out, err);
}

void boot_prepare(struct run *run)
{
	auto_free char *dir = cache_dir(run);
	struct boot_choice c;

	if (copy_open(dir, run->vm->memory, &c))
		boot_choice_done(&c);
	else
		cache_fill(run, dir, NULL);
}

/* --- the VM's own disk ------------------------------------------------------------------------ */

/* The overlay, for reading or both, and the image below it. */
static int disk_layers(const struct run *run, int mode, const char *overlay,
		       struct blk_layer layers[2], struct err *err)
{
	if (layer_open(overlay, "qcow2", mode, &layers[0], err) < 0)
		return -1;
	if (layer_open(run->state.image_path, run->state.image_format, O_RDONLY, &layers[1], err) < 0) {
		close(layers[0].fd);
		return -1;
	}
	return 0;
}

/* The boot loader that croft stands for would write this before it starts the kernel. */
static void use(struct run *run, const char *overlay, const struct boot_env *env)
{
	struct blk_layer layers[2];
	struct err why = {0};

	if (!env->size)
		return;
	if (disk_layers(run, O_RDWR, overlay, layers, &why) == 0) {
		auto_blk struct blk *blk = blk_open(layers, 2, 0, &why);

		if (blk && inspect_use(blk, env, &why) == 0)
			return;
	}
	run_note(run, "the entry that the guest chose for one start stays chosen: %s", why.msg);
}

static int from_disk(struct run *run, const char *keep, struct boot_choice *out, struct err *err)
{
	auto_free char *overlay = vmdir_file(&run->dir, "disk.qcow2");
	auto_free char *fresh = xasprintf("%s.new", keep);
	struct blk_layer layers[2];
	struct err why = {0};
	struct finding f;
	bool found;

	if (disk_layers(run, O_RDONLY, overlay, layers, err) < 0)
		return -1;
	found = extract(layers, 2, fresh, keep, &f, &why) == 0;
	if ((!found || f.stale) && copy_open(keep, run->vm->memory, out)) {
		run_note(run, "booting the kernel of the last start: %s",
			 found ? "the guest did not shut down cleanly, and its file system needs a "
				 "repair that only it can make"
			       : why.msg);
		dir_remove(fresh, NULL);
		return 0;
	}
	if (!found) {
		if (err)
			*err = why;
		return -1;
	}
	if (copy_install(fresh, keep, err) < 0)
		return -1;
	use(run, overlay, &f.used);
	return copy_open(keep, run->vm->memory, out)
		       ? 0
		       : err_set(err, ERR_FAILED, "'%s' vanished while it was used", keep);
}

/* --- with the spec's wishes ------------------------------------------------------------------- */

/* boot.mode kernel: files of the host; the disk still says which root to mount, if it can. */
static int from_host(struct run *run, const char *keep, struct boot_choice *out, struct err *err)
{
	const struct spec_boot *b = &run->vm->boot;
	struct kernel_facts facts = {0};

	boot_choice_init(out);
	if (!b->cmdline) {
		if ((run->state.disk_used ? from_disk : from_image)(run, keep, out, NULL) < 0)
			boot_choice_init(out);
		auto_close_fn(&out->kernel);
		auto_close_fn(&out->initrd);
		out->kernel = out->initrd = -1;
	}
	out->kernel = open(b->kernel, O_RDONLY | O_CLOEXEC);
	if (out->kernel < 0)
		return err_sys(err, ERR_SPEC, "boot: kernel: cannot open '%s'", b->kernel);
	if (kernel_facts_read(out->kernel, &facts, err) < 0)
		return err_wrap(err, "boot: kernel: %s", b->kernel);
	out->has_initrd = b->initrd != NULL;
	if (b->initrd && (out->initrd = open(b->initrd, O_RDONLY | O_CLOEXEC)) < 0)
		return err_sys(err, ERR_SPEC, "boot: initrd: cannot open '%s'", b->initrd);
	free(out->text);
	out->text = xasprintf("kernel: %s", b->kernel);
	out->cmdline_limit = facts.cmdline_size;
	return 0;
}

static int final_cmdline(const struct run *run, const struct boot_choice *c,
			 char out[VMM_MAX_CMDLINE], struct err *err)
{
	const struct spec_boot *b = &run->vm->boot;
	const char *base = b->cmdline ? b->cmdline : c->cmdline ? c->cmdline : "";
	struct boot_entry e = {0};
	uint64_t limit = c->cmdline_limit ? c->cmdline_limit : VMM_MAX_CMDLINE - 1;

	if (strlen(base) >= sizeof(e.cmdline))
		return err_set(err, ERR_SPEC, "boot: cmdline: %zu bytes are too long (at most %zu)",
			       strlen(base), sizeof(e.cmdline) - 1);
	snprintf(e.cmdline, sizeof(e.cmdline), "%s", base);
	return boot_cmdline(&e, b->cmdline_append, (uint32_t)min_u64(limit, VMM_MAX_CMDLINE - 1),
			    out, VMM_MAX_CMDLINE, err);
}

int boot_choose(struct run *run, struct boot_choice *out, char cmdline[VMM_MAX_CMDLINE],
		struct err *err)
{
	auto_free char *keep = vmdir_file(&run->dir, "boot");
	int rc;

	boot_choice_init(out);
	if (run->vm->boot.mode == BOOT_KERNEL)
		rc = from_host(run, keep, out, err);
	else if (run->state.disk_used)
		rc = from_disk(run, keep, out, err);
	else
		rc = from_image(run, keep, out, err);
	if (rc == 0)
		rc = final_cmdline(run, out, cmdline, err);
	if (rc < 0) {
		boot_choice_done(out);
		return -1;
	}
	if (out->os_id[0]) {
		snprintf(run->state.os_id, sizeof(run->state.os_id), "%s", out->os_id);
		snprintf(run->state.os_name, sizeof(run->state.os_name), "%s", out->os_name);
	}
	free(run->state.boot);
	run->state.boot = xstrdup(out->text ? out->text : "");
	return 0;
}
