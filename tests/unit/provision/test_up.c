/* SPDX-License-Identifier: Apache-2.0
 *
 * `up`, `down` and `destroy` from a spec to a VMM that is a fake (tests/lib/provision/fakevmm.h):
 * what is made, what a second `up` does, what changes mean, what failures and kills leave behind.
 * In a network namespace of the test's own where that is allowed; without networks elsewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/util.h"
#include "cloudinit/seed.h"
#include "provision/images.h"
#include "provision/launch.h"
#include "tests/lib/provision/fakevmm.h"
#include "tests/lib/provision/home.h"
#include "vmm/config.h"

static bool has_net;
static char notes[8192];
static char steps[8192];

static void on_note(void *ctx, const char *text)
{
	(void)ctx;
	strncat(notes, text, sizeof(notes) - strlen(notes) - 1);
	strncat(notes, "\n", sizeof(notes) - strlen(notes) - 1);
}

static void on_step(void *ctx, const char *step, bool done, const char *text)
{
	(void)ctx;
	if (done && strlen(steps) + strlen(step) + strlen(text) + 4 < sizeof(steps))
		sprintf(steps + strlen(steps), "%s: %s\n", step, text);
}

static const struct reporter rep = {.note = on_note, .step = on_step};
static const struct up_options options = {0};

/* --- a spec with an image and a kernel that are whole enough ---------------------------------- */

enum { IMAGE_BYTES = 3 << 20 };

static void make_files(struct home *h)
{
	auto_free char *image = home_file(h, "image.raw", "an image"), *kernel = NULL;
	uint8_t head[8192] = {0};
	FILE *f;

	assert_int_equal(truncate(image, IMAGE_BYTES), 0);
	head[0x1f1] = 4; /* boot protocol 2.15, 64-bit entry, command lines of 2047 bytes */
	put_le16(head + 0x1fe, 0xaa55);
	memcpy(head + 0x202, "HdrS", 4);
	put_le16(head + 0x206, 0x20f);
	put_le16(head + 0x236, 1);
	put_le32(head + 0x238, 2047);
	kernel = path_join(h->path, "kernel");
	f = fopen(kernel, "w");
	fwrite(head, 1, sizeof(head), f);
	fclose(f);
}

/* A VM of the project `name`; `more` is further lines of the spec. */
static struct spec *spec_of(struct home *h, const char *name, const char *disk, const char *more)
{
	auto_free char *net =
		has_net ? xasprintf("networks:\n  lan: { bridge: cr%s, create: true, host_address: "
				    "10.99.1.1/24, address: 10.99.1.5/24 }\n",
				    name)
			: xstrdup("");
	auto_free char *text =
		xasprintf("version: 1\nname: %s\nimage: { path: ../image.raw, format: raw }\n"
			  "disk: %s\n%s%sboot: { mode: kernel, kernel: ../kernel, cmdline: "
			  "root=/dev/vda }\n%s",
			  name, disk, strstr(more, "cpus:") ? "" : "cpus: 2\n", net, more);
	auto_free char *file = xasprintf("%s/croft.yaml", name);
	auto_free char *path = home_file(h, file, text);
	struct err err = {0};
	struct spec *spec = spec_load(path, &err);

	if (!spec)
		fail_msg("%s", err.msg);
	return spec;
}

static int up(const struct spec *spec, bool *started, struct err *err)
{
	notes[0] = steps[0] = '\0';
	return vm_up(spec, &spec->vms[0], &options, &rep, started, err);
}

static void must_up(struct home *h, const char *name, const char *disk, const char *more)
{
	auto_spec struct spec *spec = spec_of(h, name, disk, more);
	struct err err = {0};
	bool started;

	if (up(spec, &started, &err) < 0)
		fail_msg("%s", err.msg);
}

static struct vm_name name_of(const char *name)
{
	struct vm_name n;

	snprintf(n.project, sizeof(n.project), "%s", name);
	snprintf(n.vm, sizeof(n.vm), "%s", name);
	return n;
}

static void must_destroy(const char *name)
{
	struct vm_name n = name_of(name);
	struct err err = {0};

	if (vm_destroy(&n, &rep, &err) < 0)
		fail_msg("%s", err.msg);
}

static struct vm_state state_of(struct home *h, const char *name)
{
	struct err err = {0};
	struct vm_state s;
	struct vmdir d;

	home_vmdir(h, name, name, false, &d);
	if (state_load(&d, &s, &err) < 0)
		fail_msg("%s", err.msg);
	vmdir_done(&d);
	return s;
}

static pid_t pid_of(struct home *h, const char *name)
{
	struct vm_state s = state_of(h, name);
	pid_t pid = (pid_t)s.vmm.pid;

	state_done(&s);
	return pid;
}

static char *text_of(struct home *h, const char *name, const char *file)
{
	auto_buf struct buf text = BUF_INIT(1 << 20);
	auto_free char *path = NULL;
	struct vmdir d;

	home_vmdir(h, name, name, false, &d);
	path = vmdir_file(&d, file);
	vmdir_done(&d);
	file_read(path, &text, NULL);
	return buf_take(&text);
}

static bool has_file(struct home *h, const char *name, const char *file)
{
	struct vmdir d;
	bool has;

	home_vmdir(h, name, name, false, &d);
	has = vmdir_has(&d, file);
	vmdir_done(&d);
	return has;
}

static bool bridge_there(const char *name)
{
	auto_free char *raw = xasprintf("cr%s:", name);
	auto_buf struct buf text = BUF_INIT(65536);

	/* Not /sys, which shows the namespace it was mounted in. */
	return file_read("/proc/self/net/dev", &text, NULL) == 0 && strstr(buf_str(&text), raw);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void makes_a_machine(void **state)
{
	struct home *h = *state;
	auto_spec struct spec *spec = spec_of(h, "machine", "5MiB",
					      "memory: 512MiB\nhostname: till\n"
					      "disks: [ { size: 1MiB, format: raw } ]\n");
	auto_free char *json = NULL, *log = NULL, *known = NULL;
	struct vmm_config *c = NEW(struct vmm_config);
	struct err err = {0};
	struct vm_info info;
	struct vm_name name = name_of("machine");
	struct stat st;
	bool started;
	pid_t pid;

	if (up(spec, &started, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(started);
	log = text_of(h, "machine", "vmm.log");
	assert_null(strstr(log, "WRONG"));

	json = text_of(h, "machine", "machine.json");
	if (vmm_config_read(json, strlen(json), c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(c->name, "machine/machine");
	assert_string_equal(c->smbios_serial, "ds=nocloud");
	assert_int_equal(c->cpus, 2);
	assert_true(c->memory == 512 * MIB);
	assert_string_equal(c->cmdline, "root=/dev/vda console=ttyS0,115200n8");
	assert_int_equal(c->ndisks, 3);
	assert_string_equal(c->disks[0].id, "root");
	assert_int_equal(c->disks[0].nlayers, 2);
	assert_int_equal(c->disks[0].layers[0].format, VMM_QCOW2);
	assert_int_equal(c->disks[0].layers[1].format, VMM_RAW);
	assert_string_equal(c->disks[1].id, "cidata");
	assert_true(c->disks[1].read_only);
	assert_string_equal(c->disks[2].id, "disk1");
	assert_int_equal(c->nnics, has_net);
	assert_null(strstr(json, h->path)); /* nothing in it is a path */
	vmm_config_done(c);
	free(c);

	known = text_of(h, "machine", "known_hosts");
	assert_true(strncmp(known, "machine.machine.croft ssh-ed25519 AAAA", 38) == 0);
	assert_int_equal(vm_info_get(&name, &info, &err), 0);
	assert_int_equal(info.phase, VM_RUNS);
	assert_true(info.disk == 5 * MIB);
	assert_string_equal(info.spec_path, spec->path);
	assert_int_equal(stat(info.socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(info.ladder.rungs[RUNG_VMM].reached);
	assert_int_equal(info.ladder.rungs[RUNG_SSH].applies, has_net);
	vm_info_done(&info);
	assert_int_equal(bridge_there("machine"), has_net);

	/* Again: nothing to do, quickly or not. */
	pid = pid_of(h, "machine");
	assert_int_equal(up(spec, &started, &err), 0);
	assert_false(started);
	assert_int_equal(pid_of(h, "machine"), pid);
	assert_string_equal(notes, ""); /* nothing to say either */

	must_destroy("machine");
	assert_false(has_file(h, "machine", "state.json"));
	assert_false(bridge_there("machine"));
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(vm_info_get(&name, &info, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

/* Of a running VM: what waits for a restart is said, and nothing is silently ignored. */
static void changes_of_a_running_vm(void **state)
{
	struct home *h = *state;
	struct vm_name name = name_of("change");
	struct err err = {0};
	struct vm_state s;
	bool started;
	pid_t pid;

	must_up(h, "change", "5MiB", "");
	pid = pid_of(h, "change");
	auto_spec struct spec *spec = spec_of(h, "change", "7MiB", "cpus: 3\nmemory: 2GiB\n");
	assert_int_equal(up(spec, &started, &err), 0);
	assert_false(started);
	assert_int_equal(pid_of(h, "change"), pid);
	assert_non_null(strstr(notes, "cpus: 2 -> 3"));
	assert_non_null(strstr(notes, "memory: 1GiB -> 2GiB"));
	assert_non_null(strstr(notes, "7.0MiB (was 5.0MiB)"));
	assert_non_null(strstr(notes, "takes effect after `croft down` and `croft up`"));
	s = state_of(h, "change");
	assert_true(s.disk_size == 5 * MIB);
	state_done(&s);

	assert_int_equal(vm_down(&name, 10000, false, &rep, &err), 0);
	assert_int_equal(up(spec, &started, &err), 0);
	assert_true(started);
	s = state_of(h, "change");
	assert_true(s.disk_size == 7 * MIB);
	assert_int_equal(s.cpus, 3);
	state_done(&s);

	auto_spec struct spec *data =
		spec_of(h, "change", "7MiB", "cpus: 3\nmemory: 2GiB\nhostname: other\n");
	assert_int_equal(up(data, &started, &err), 0);
	assert_non_null(strstr(notes, "first boot only"));
	must_destroy("change");
}

/* The plan as `croft plan` prints it, or what it fails with. */
static char *plan_text(const struct spec *spec, struct err *err)
{
	struct vm_plan plan;
	char *text = NULL;
	size_t n;
	FILE *f;

	notes[0] = steps[0] = '\0';
	if (vm_plan(spec, &spec->vms[0], &options, &rep, &plan, err) < 0)
		return NULL;
	f = open_memstream(&text, &n);
	vm_plan_print(&plan, f);
	fclose(f);
	assert_int_equal(vm_plan_changes(&plan),
			 strstr(text, "+ ") || strstr(text, "~ ") || strstr(text, "! "));
	vm_plan_done(&plan);
	return text;
}

/* One line of a plan, found by its sign and step. */
static void must_plan(const struct spec *spec, const char *line)
{
	struct err err = {0};
	auto_free char *text = plan_text(spec, &err);

	if (!text || !strstr(text, line))
		fail_msg("no '%s' in: %s", line, text ? text : err.msg);
}

/* What `up` would fail with, and can be known before. */
static void plans_that_fail(void **state)
{
	static const struct {
		const char *disk, *more, *says;
		enum err_kind kind;
		bool net;
	} cases[] = {
		{"1MiB", "", "1.0MiB is smaller than the image, which has 3.0MiB", ERR_SPEC, false},
		{"5MiB", "disks: [ nosuch.raw ]\n", "nosuch.raw", ERR_HOST, false},
		{"5MiB", "networks: { lan: { bridge: nobr0 } }\n", "there is no bridge 'nobr0'",
		 ERR_HOST, true},
		{"5MiB", "networks: { lan: { bridge: lo } }\n", "'lo' is not a Linux bridge",
		 ERR_HOST, true},
	};
	struct home *h = *state;
	bool had = has_net;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};

		if (cases[i].net && !had)
			continue;
		has_net = false; /* no network but the case's */
		auto_spec struct spec *spec = spec_of(h, "wont", cases[i].disk, cases[i].more);
		has_net = had;
		assert_null(plan_text(spec, &err));
		if (!strstr(err.msg, cases[i].says))
			fail_msg("%s", err.msg);
		assert_int_equal(err.kind, cases[i].kind);
	}
}

/* What `up` would do is told at each point of a VM's life, and nothing of it is done. */
static void plans(void **state)
{
	struct home *h = *state;
	struct vm_name name = name_of("plan");
	auto_spec struct spec *spec = spec_of(h, "plan", "5MiB", "");
	auto_free char *all = NULL;
	struct journal cut = {.step = "disk", .was = STEP_CHANGE};
	struct err err = {0};
	struct vmdir dir;

	must_plan(spec, "+ image  ");
	must_plan(spec, "image.raw (to be copied into the cache, local)");
	must_plan(spec, "+ disk   5.0MiB overlay on image.raw");
	must_plan(spec, "+ seed   instance-id iid-");
	must_plan(spec, has_net ? "+ net    lan on crplan, 10.99.1.5/24" : "  net    none");
	must_plan(spec, "+ vm     2 CPUs, 1.0GiB");
	assert_string_equal(steps, "");
	home_vmdir(h, "plan", "plan", false, &dir);
	assert_int_equal(access(dir.path, F_OK), -1);
	assert_false(bridge_there("plan"));

	must_up(h, "plan", "5MiB", "");
	all = plan_text(spec, &err);
	assert_non_null(all);
	assert_true(!strchr(all, '+') && !strchr(all, '~') && !strchr(all, '!'));
	assert_non_null(strstr(all, "(raw, 3.0MiB, local)"));
	assert_string_equal(notes, "");

	auto_spec struct spec *more = spec_of(h, "plan", "7MiB", "cpus: 3\nhostname: other\n");
	must_plan(more, "! disk   7.0MiB (was 5.0MiB)");
	must_plan(more, "~ seed   ");
	assert_non_null(strstr(notes, "first boot only"));
	must_plan(more, "! vm     cpus: 2 -> 3");
	assert_int_equal(vm_down(&name, 10000, false, &rep, &err), 0);
	must_plan(more, "~ disk   7.0MiB (was 5.0MiB)");
	must_plan(more, "+ vm     3 CPUs");

	/* What cannot be done is refused before it is tried; what was cut short is said. */
	auto_spec struct spec *less = spec_of(h, "plan", "4MiB", "");
	assert_null(plan_text(less, &err));
	assert_int_equal(err.kind, ERR_SPEC);
	assert_non_null(strstr(err.msg, "cannot shrink"));
	assert_int_equal(journal_write(&dir, &cut, &err), 0);
	must_plan(more, "~ disk   7.0MiB (was 5.0MiB)");
	assert_non_null(strstr(notes, "was interrupted while it worked on 'disk'"));
	assert_true(vmdir_has(&dir, "journal"));
	vmdir_done(&dir);
	must_destroy("plan");
}

static void refused_changes(void **state)
{
	struct home *h = *state;
	struct err err = {0};
	auto_free char *other = NULL;
	bool started;

	auto_spec struct spec *small = spec_of(h, "refuse", "1MiB", "");
	assert_int_equal(up(small, &started, &err), -1);
	assert_int_equal(err.kind, ERR_SPEC);
	assert_non_null(strstr(err.msg, "1.0MiB is smaller than the image, which has 3.0MiB"));
	assert_false(has_file(h, "refuse", "state.json"));

	must_up(h, "refuse", "5MiB", "");
	auto_spec struct spec *shrink = spec_of(h, "refuse", "4MiB", "");
	assert_int_equal(up(shrink, &started, &err), -1);
	assert_int_equal(err.kind, ERR_SPEC);
	assert_non_null(
		strstr(err.msg, "4.0MiB is smaller than the VM's disk 'root', which has 5.0MiB"));

	other = home_file(h, "other.raw", "another image");
	assert_int_equal(truncate(other, IMAGE_BYTES), 0);
	auto_spec struct spec *moved = spec_of(h, "refuse", "5MiB", "");
	moved->vms[0].image.path = other;
	assert_int_equal(up(moved, &started, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "a disk cannot move to another image"));
	assert_non_null(strstr(err.msg, "croft destroy refuse/refuse"));
	must_destroy("refuse");
}

/* Two VMs that would be one machine to everybody else on the bridge. */
static void clashes(void **state)
{
	static const struct {
		const char *name, *nic, *says;
	} cases[] = {
		{"clash-a", "address: 10.99.1.5/24",
		 "first/first runs on bridge 'crfirst' with the same address"},
		{"clash-m", "mac: \"02:00:00:00:00:77\"", "with the same MAC"},
		{"clash-n", "address: 10.99.1.50/24", NULL},
	};
	struct home *h = *state;

	if (!has_net)
		skip();
	must_up(h, "first", "5MiB", "");
	must_up(h, "second", "5MiB", ""); /* the same address, on a bridge of its own */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *text = xasprintf(
			"version: 1\nname: %s\nimage: { path: ../image.raw, format: raw }\n"
			"disk: 5MiB\nboot: { mode: kernel, kernel: ../kernel }\n"
			"networks: { lan: { bridge: crfirst, %s } }\n",
			cases[i].name, cases[i].nic);
		auto_free char *file = xasprintf("%s/croft.yaml", cases[i].name);
		auto_free char *path = home_file(h, file, text);
		struct err err = {0};
		bool started;
		auto_spec struct spec *spec = spec_load(path, &err);

		if (!spec)
			fail_msg("%s", err.msg);
		if (i == 1) {
			struct vm_state s = state_of(h, "first");
			uint8_t *m = spec->vms[0].nics[0].mac;

			sscanf(s.nics[0].mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &m[0], &m[1],
			       &m[2], &m[3], &m[4], &m[5]);
			state_done(&s);
		}
		if (up(spec, &started, &err) < 0) {
			assert_int_equal(err.kind, ERR_CONFLICT);
			if (!cases[i].says || !strstr(err.msg, cases[i].says))
				fail_msg("%s", err.msg);
		} else {
			assert_null(cases[i].says);
			must_destroy(cases[i].name);
		}
	}
	must_destroy("first");
	must_destroy("second");
}

/* Of several that start at once with one address, one gets it. */
static void clashes_at_once(void **state)
{
	enum { N = 4 };
	struct home *h = *state;
	unsigned started = 0, refused = 0;
	pid_t who[N];

	if (!has_net)
		skip();
	for (unsigned i = 0; i < N; i++) {
		auto_free char *text = xasprintf(
			"version: 1\nname: race%u\nimage: { path: ../image.raw, format: raw }\n"
			"disk: 5MiB\nboot: { mode: kernel, kernel: ../kernel }\n"
			"networks: { lan: { bridge: crrace, create: true, address: 10.98.1.5/24 } "
			"}\n",
			i);
		auto_free char *file = xasprintf("race%u/croft.yaml", i);
		auto_free char *path = home_file(h, file, text);

		who[i] = fork();
		if (who[i] == 0) {
			struct spec *spec = spec_load(path, NULL);
			struct err err = {0};
			bool made;

			_exit(up(spec, &made, &err) == 0 ? 0 : err.kind == ERR_CONFLICT ? 1 : 2);
		}
	}
	for (unsigned i = 0; i < N; i++) {
		int status;

		assert_int_equal(waitpid(who[i], &status, 0), who[i]);
		started += status == 0;
		refused += WIFEXITED(status) && WEXITSTATUS(status) == 1;
	}
	assert_int_equal(started, 1);
	assert_int_equal(refused, N - 1);
	for (unsigned i = 0; i < N; i++) {
		auto_free char *name = xasprintf("race%u", i);

		must_destroy(name);
	}
	assert_false(bridge_there("race"));
}

/* What the spec no longer names goes from the host and from the state, after a crash as well. */
static void networks_that_change(void **state)
{
	struct home *h = *state;
	struct vm_name name = name_of("moves");
	struct err err = {0};
	struct vm_state s;
	bool started;

	if (!has_net)
		skip();
	must_up(h, "moves", "5MiB", "");
	assert_true(bridge_there("moves"));
	kill(pid_of(h, "moves"), SIGKILL);
	auto_spec struct spec *spec = spec_of(h, "moves", "5MiB", "");
	spec->vms[0].nics[0].bridge = "crmoved";
	while (up(spec, &started, &err) == 0 && !started)
		; /* its end takes a moment */
	assert_true(started);
	assert_false(bridge_there("moves"));
	assert_true(bridge_there("moved"));

	assert_int_equal(vm_down(&name, 10000, false, &rep, &err), 0);
	spec->vms[0].nnics = 0;
	must_plan(spec, "~ net    none");
	assert_int_equal(up(spec, &started, &err), 0);
	s = state_of(h, "moves");
	assert_int_equal(s.nnics, 0);
	state_done(&s);
	must_destroy("moves");
	assert_false(bridge_there("moved"));
}

static bool stop_now(void *ctx)
{
	(void)ctx;
	return true;
}

/* Ctrl-C while another command holds the VM: then nothing is done to it, not later either. */
static void interrupted_in_the_queue(void **state)
{
	static const struct reporter impatient = {.interrupted = stop_now};
	struct home *h = *state;
	struct vm_name name = name_of("queue");
	struct err err = {0};
	struct vmdir d;

	must_up(h, "queue", "5MiB", "");
	home_vmdir(h, "queue", "queue", false, &d);
	for (unsigned held = 0; held < 2; held++) {
		if (held)
			assert_int_equal(vmdir_lock(&d, false, NULL, &err), 0);
		assert_int_equal(vm_destroy(&name, &impatient, &err), -1);
		assert_int_equal(err.kind, ERR_INTERRUPTED);
		assert_true(has_file(h, "queue", "disk.qcow2"));
	}
	vmdir_done(&d);
	must_destroy("queue");
}

/* A command with another environment finds the VMM where it listens. */
static void another_runtime_directory(void **state)
{
	struct home *h = *state;
	auto_free char *home = xstrdup(getenv("CROFT_HOME")), *alias = path_join(h->path, "alias");
	auto_free char *run = path_join(alias, "run"), *vms = path_join(alias, "state");
	auto_spec struct spec *spec = spec_of(h, "env", "5MiB", "");
	struct vm_name name = name_of("env");
	struct err err = {0};
	bool started;

	assert_int_equal(dir_make(alias, 0700, &err), 0);
	assert_int_equal(symlink("../home/state", vms), 0);
	must_up(h, "env", "5MiB", "");
	setenv("CROFT_HOME", alias, 1);
	notes[0] = '\0';
	assert_int_equal(vm_down(&name, 600000, false, &rep, &err), 0);
	assert_string_equal(notes, ""); /* the power button worked */

	/* A directory that cannot be had is found before anything is done. */
	assert_int_equal(dir_remove(run, &err), 0);
	free(home_file(h, "alias/run", "a file"));
	assert_int_equal(up(spec, &started, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	if (!strstr(err.msg, "control sockets: ") || !strstr(err.msg, "(CROFT_HOME is '"))
		fail_msg("%s", err.msg);
	assert_string_equal(steps, "");
	assert_int_equal(unlink(run), 0);
	setenv("CROFT_HOME", home, 1);
	must_destroy("env");
}

/* A disk that the spec no longer names stays, and that is said. */
static void left_over_disk(void **state)
{
	struct home *h = *state;
	struct vm_name name = name_of("left");
	struct err err = {0};

	must_up(h, "left", "5MiB", "disks: [ { size: 1MiB } ]\n");
	assert_int_equal(vm_down(&name, 10000, false, &rep, &err), 0);
	must_up(h, "left", "5MiB", "");
	assert_non_null(strstr(notes, "'disk1' is no longer in the spec: its file stays"));
	assert_true(has_file(h, "left", "disk1.qcow2"));
	must_destroy("left");
}

/* Taking the first of two out of the list must not give its file to the second. */
static void disk_moves_up(void **state)
{
	struct home *h = *state;
	struct vm_name name = name_of("moves");
	auto_spec struct spec *unclear = spec_of(h, "moves", "5MiB", "disks: [ { size: 2MiB } ]\n");
	struct err err = {0};
	bool started;

	must_up(h, "moves", "5MiB", "disks: [ { size: 1MiB }, { size: 2MiB } ]\n");
	assert_int_equal(vm_down(&name, 10000, false, &rep, &err), 0);
	assert_int_equal(up(unclear, &started, &err), -1);
	assert_int_equal(err.kind, ERR_SPEC);
	assert_non_null(strstr(err.msg, "'disk2' is no longer in the list"));
	err = (struct err){0};
	must_up(h, "moves", "5MiB", "disks: [ { name: disk2, size: 2MiB } ]\n");
	assert_non_null(strstr(notes, "'disk1' is no longer in the spec: its file stays"));
	must_destroy("moves");
}

/* A failed `up` of a new VM: the VMM's own words, a report, and nothing else is left. */
static void failures(void **state)
{
	static const struct {
		const char *mood, *says;
		enum err_kind kind;
	} cases[] = {
		{"refuse", "/dev/kvm: no such luck", ERR_HOST},
		{"die", "croft-vmm ended with exit code 3", ERR_VM},
		{"killed", "croft-vmm was killed by signal 9", ERR_VM},
	};
	struct home *h = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_spec struct spec *spec = spec_of(h, "fail", "5MiB", "");
		auto_free char *report = NULL, *path = NULL;
		struct err err = {0};
		struct vm_name *list;
		struct vmdir d;
		bool started;
		size_t n;

		setenv("CROFT_TEST_VMM", cases[i].mood, 1);
		assert_int_equal(up(spec, &started, &err), -1);
		unsetenv("CROFT_TEST_VMM");
		assert_int_equal(err.kind, cases[i].kind);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("%s", err.msg);
		assert_false(bridge_there("fail"));
		report = text_of(h, "fail", "report.txt");
		assert_non_null(strstr(report, cases[i].says));
		assert_non_null(strstr(report, "+ disk"));
		if (!strcmp(cases[i].mood, "die"))
			assert_non_null(strstr(report, "dying as told"));
		assert_non_null(strstr(notes, "report.txt"));
		assert_int_equal(vm_list(&list, &n, &err), 0);
		assert_int_equal(n, 0);
		free(list);
		home_vmdir(h, "fail", "fail", false, &d);
		path = xasprintf("ls -A %s | tr '\\n' ' '", d.path);
		FILE *f = popen(path, "r");
		char left[256] = "";
		assert_non_null(fgets(left, sizeof(left), f));
		pclose(f);
		assert_string_equal(left, "report.txt vm.lock ");
		vmdir_done(&d);
	}
	/* And then it works. */
	must_up(h, "fail", "5MiB", "");
	must_destroy("fail");
}

/* A VM that was there keeps its disk when a later start fails. */
static void failure_of_an_old_vm(void **state)
{
	struct home *h = *state;
	struct vm_name name = name_of("old");
	struct err err = {0};
	struct vm_state s;
	bool started;

	must_up(h, "old", "5MiB", "");
	assert_int_equal(vm_down(&name, 10000, false, &rep, &err), 0);
	auto_spec struct spec *spec = spec_of(h, "old", "6MiB", "");
	setenv("CROFT_TEST_VMM", "die", 1);
	assert_int_equal(up(spec, &started, &err), -1);
	unsetenv("CROFT_TEST_VMM");
	s = state_of(h, "old");
	assert_true(s.disk_size == 6 * MIB); /* grown, and known to be */
	assert_int_equal(s.vmm.pid, 0);
	state_done(&s);
	assert_true(has_file(h, "old", "disk.qcow2"));
	assert_true(has_file(h, "old", "host_key"));
	assert_int_equal(up(spec, &started, &err), 0);
	must_destroy("old");
}

static void crash_and_recovery(void **state)
{
	struct home *h = *state;
	struct vm_name name = name_of("crash");
	struct err err = {0};
	struct vm_info info;
	pid_t pid;

	must_up(h, "crash", "5MiB", "");
	pid = pid_of(h, "crash");
	assert_int_equal(kill(pid, SIGKILL), 0);
	waitpid(pid, NULL, 0);
	assert_int_equal(vm_info_get(&name, &info, &err), 0);
	assert_int_equal(info.phase, VM_CRASHED);
	assert_non_null(strstr(info.stop_reason, "without a report"));
	vm_info_done(&info);
	must_up(h, "crash", "5MiB", "");
	assert_true(pid_of(h, "crash") != pid);
	must_destroy("crash");
}

static void down_with_and_without_force(void **state)
{
	struct home *h = *state;
	struct vm_name name = name_of("down");
	auto_free char *log = NULL;
	struct err err = {0};
	struct vm_info info;

	setenv("CROFT_TEST_VMM", "stubborn", 1);
	must_up(h, "down", "5MiB", "");
	unsetenv("CROFT_TEST_VMM");
	assert_int_equal(vm_down(&name, 300, false, &rep, &err), -1);
	assert_int_equal(err.kind, ERR_TIMEOUT);
	assert_non_null(strstr(err.msg, "did not shut down within 300ms"));
	assert_non_null(strstr(err.msg, "`croft down --force --grace 0s`"));
	log = text_of(h, "down", "vmm.log");
	assert_non_null(strstr(log, "shutdown"));
	assert_int_equal(vm_info_get(&name, &info, &err), 0);
	assert_int_equal(info.phase, VM_RUNS);
	vm_info_done(&info);

	assert_int_equal(vm_down(&name, 300, true, &rep, &err), 0);
	assert_int_equal(vm_info_get(&name, &info, &err), 0);
	assert_int_equal(info.phase, VM_STOPPED);
	assert_string_equal(info.stop_reason, "killed");
	vm_info_done(&info);
	assert_false(bridge_there("down"));
	assert_int_equal(vm_down(&name, 300, false, &rep, &err), 0); /* does not run: no error */

	must_up(h, "down", "5MiB", "");
	assert_int_equal(vm_down(&name, 10000, false, &rep, &err), 0);
	assert_int_equal(vm_info_get(&name, &info, &err), 0);
	assert_string_equal(info.stop_reason, "poweroff");
	vm_info_done(&info);
	must_destroy("down");
}

static void damaged_state(void **state)
{
	struct home *h = *state;
	auto_free char *path = NULL;
	struct err err = {0};
	struct vmdir d;
	bool started;
	pid_t pid;

	must_up(h, "damaged", "5MiB", "");
	pid = pid_of(h, "damaged");
	home_vmdir(h, "damaged", "damaged", false, &d);
	path = vmdir_file(&d, "state.json");
	vmdir_done(&d);
	file_put(path, "{\"version\": 1, \"uuid\": ", 23, 0600, NULL);
	auto_spec struct spec *spec = spec_of(h, "damaged", "5MiB", "");
	assert_int_equal(up(spec, &started, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "croft destroy damaged/damaged"));
	assert_true(has_file(h, "damaged", "disk.qcow2")); /* nothing was thrown away */
	must_destroy("damaged");			   /* ends the VMM, too */
	assert_int_equal(kill(pid, 0), -1);
}

/* Disks that no state tells of may be the only copy of something: nothing touches them. */
static void disk_without_state(void **state)
{
	struct home *h = *state;
	struct vm_name name = name_of("lost");
	auto_free char *saved = NULL, *path = NULL, *disk = NULL, *stray = NULL;
	struct err err = {0};
	struct stat before, now;
	struct vm_info info;
	struct vmdir d;
	bool started;

	auto_spec struct spec *spec = spec_of(h, "lost", "5MiB", "");
	must_up(h, "lost", "5MiB", "");
	assert_int_equal(vm_down(&name, 10000, false, &rep, &err), 0);
	saved = text_of(h, "lost", "state.json");
	home_vmdir(h, "lost", "lost", false, &d);
	path = vmdir_file(&d, "state.json");
	disk = vmdir_file(&d, "disk.qcow2");
	stray = vmdir_file(&d, "disk1.qcow2");
	vmdir_done(&d);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(stat(disk, &before), 0);

	assert_null(plan_text(spec, &err));
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_int_equal(vm_info_get(&name, &info, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_int_equal(up(spec, &started, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "holds a disk, disk.qcow2, and no state.json"));
	assert_non_null(strstr(err.msg, "croft destroy lost/lost"));
	assert_int_equal(stat(disk, &now), 0);
	assert_true(now.st_ino == before.st_ino);

	/* With the state back all is well; a further disk does not replace what is there either. */
	assert_int_equal(file_put(path, saved, strlen(saved), 0600, &err), 0);
	assert_int_equal(up(spec, &started, &err), 0);
	assert_int_equal(vm_down(&name, 10000, false, &rep, &err), 0);
	assert_int_equal(file_put(stray, "mine", 4, 0600, &err), 0);
	auto_spec struct spec *more = spec_of(h, "lost", "5MiB", "disks: [ { size: 1MiB } ]\n");
	assert_null(plan_text(more, &err));
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_int_equal(up(more, &started, &err), -1);
	assert_non_null(strstr(err.msg, "disk1.qcow2' is there, and this VM did not make it"));
	assert_int_equal(stat(stray, &now), 0);
	assert_int_equal(now.st_size, 4);

	/* Killed while it made that disk: the journal says that it is nobody's. */
	struct journal cut = {.step = "disk", .was = STEP_CHANGE, .disks = "disk1.qcow2 "};
	home_vmdir(h, "lost", "lost", false, &d);
	assert_int_equal(journal_write(&d, &cut, &err), 0);
	vmdir_done(&d);
	assert_int_equal(up(more, &started, &err), 0);
	assert_int_equal(vm_down(&name, 10000, false, &rep, &err), 0);

	assert_int_equal(unlink(path), 0);
	must_destroy("lost");
	assert_false(has_file(h, "lost", "disk.qcow2"));
}

/* Two directories of one name are two specs: the second does not get at the VM of the first. */
static void somebody_elses_spec(void **state)
{
	struct home *h = *state;
	auto_spec struct spec *spec = spec_of(h, "twin", "5MiB", "");
	auto_buf struct buf text = BUF_INIT(65536);
	auto_free char *path = NULL, *link = path_join(h->path, "same"), *linked = NULL;
	auto_free char *dir = path_join(h->path, "twin"), *moved = path_join(h->path, "moved");
	struct seed seed = {0};
	struct err err = {0};
	struct vm_name name;
	bool started;

	must_up(h, "twin", "5MiB", "");
	assert_int_equal(file_read(spec->path, &text, &err), 0);
	path = home_file(h, "elsewhere/croft.yaml", buf_str(&text));
	auto_spec struct spec *other = spec_load(path, &err);
	assert_non_null(other);

	assert_int_equal(up(other, &started, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, spec->path));
	assert_non_null(strstr(err.msg, "another `name:`"));
	assert_null(plan_text(other, &err));
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_int_equal(vm_seed(other, &other->vms[0], &seed, &err), -1);
	assert_int_equal(vm_resolve(NULL, path, &name, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_int_equal(vm_resolve("twin", path, &name, &err), -1);
	assert_int_equal(vm_resolve("twin/twin", path, &name, &err), 0);
	assert_int_equal(vm_resolve(NULL, spec->path, &name, &err), 0);

	/* The same file by another way, and one that was moved, are no other spec. */
	assert_int_equal(symlink("twin", link), 0);
	linked = path_join(link, "croft.yaml");
	assert_int_equal(vm_resolve(NULL, linked, &name, &err), 0);
	assert_int_equal(rename(dir, moved), 0);
	assert_int_equal(vm_resolve(NULL, path, &name, &err), 0);
	must_destroy("twin");
}

/* A failed first `up` leaves alone what it did not make. */
static void failure_beside_other_files(void **state)
{
	struct home *h = *state;
	auto_spec struct spec *spec = spec_of(h, "beside", "5MiB", "");
	struct err err = {0};
	struct vmdir d;
	bool started;

	home_vmdir(h, "beside", "beside", true, &d);
	auto_free char *path = vmdir_file(&d, "notes.txt");
	vmdir_done(&d);
	assert_int_equal(file_put(path, "x", 1, 0600, &err), 0);
	setenv("CROFT_TEST_VMM", "die", 1);
	assert_int_equal(up(spec, &started, &err), -1);
	unsetenv("CROFT_TEST_VMM");
	assert_true(has_file(h, "beside", "notes.txt"));
	assert_false(has_file(h, "beside", "disk.qcow2"));
	must_up(h, "beside", "5MiB", "");
	must_destroy("beside");
}

static int remove_image(struct store *store, const char *path, struct err *err)
{
	struct image_list list;
	int rc = -1;

	*err = (struct err){0};
	assert_int_equal(image_list_load(store, &list, err), 0);
	for (size_t i = 0; i < list.n; i++)
		if (!strcmp(list.entries[i].path, path))
			rc = store_remove(store, &list.entries[i], &image_vms_guard, err);
	image_list_done(&list);
	return rc;
}

/* The image stays as long as the VM has a disk on it, and is made whole when it was damaged. */
static void image_of_a_vm(void **state)
{
	struct home *h = *state;
	struct vm_name name = name_of("base");
	struct vm_state s;
	struct croft_dirs dirs;
	struct store *store;
	struct err err = {0};
	struct stat st;
	auto_free char *path = NULL, *source = path_join(h->path, "image.raw");
	auto_free char *elsewhere = path_join(h->path, "elsewhere.raw");
	auto_close int fd = -1;
	char c = 'x';

	must_up(h, "base", "5MiB", "");
	s = state_of(h, "base");
	path = xstrdup(s.image_path);
	state_done(&s);
	assert_int_equal(croft_dirs_get(&dirs, &err), 0);
	store = store_open(dirs.cache, &err);
	croft_dirs_done(&dirs);

	assert_int_equal(remove_image(store, path, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "base/base"));
	assert_int_equal(vm_down(&name, 10000, false, &rep, &err), 0);
	assert_int_equal(remove_image(store, path, &err), -1);
	assert_non_null(strstr(err.msg, "croft destroy base/base"));

	/* The VM does not need the file that it was made from. */
	assert_int_equal(rename(source, elsewhere), 0);
	must_up(h, "base", "5MiB", "");
	assert_int_equal(vm_down(&name, 10000, false, &rep, &err), 0);
	assert_int_equal(rename(elsewhere, source), 0);

	assert_int_equal(chmod(path, 0644), 0);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite_all(fd, &c, 1, 4096), 0);
	must_up(h, "base", "5MiB", "");
	assert_non_null(strstr(notes, ".damaged"));
	close(take_fd(&fd));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread_all(fd, &c, 1, 4096, NULL), 0);
	assert_int_equal(c, 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0222, 0);

	must_destroy("base");
	assert_int_equal(remove_image(store, path, &err), 0);
	store_close(store);
}

/* The seed's bytes follow the spec; the instance-id follows the VM's identity only. */
static void seeds(void **state)
{
	struct home *h = *state;
	auto_spec struct spec *spec = spec_of(h, "seed", "5MiB", "");
	auto_free char *before = NULL, *after = NULL, *key = NULL, *id = NULL;
	struct seed seed = {0};
	struct err err = {0};
	bool started;

	assert_int_equal(vm_seed(spec, &spec->vms[0], &seed, &err), 0);
	id = xstrdup(buf_str(&seed.files[SEED_META_DATA]));
	assert_non_null(strstr(id, "iid-"));
	seed_done(&seed);
	assert_int_equal(up(spec, &started, &err), 0);
	assert_int_equal(vm_seed(spec, &spec->vms[0], &seed, &err), 0);
	assert_string_equal(buf_str(&seed.files[SEED_META_DATA]), id);
	key = text_of(h, "seed", "host_key.pub");
	key[strcspn(key, "\n")] = '\0';
	after = xstrdup(buf_str(&seed.files[SEED_USER_DATA]));
	before = xstrdup(buf_str(&seed.files[SEED_VENDOR_DATA]));
	assert_true(strstr(after, "ssh_keys") || strstr(before, "ssh_keys"));
	seed_done(&seed);
	must_destroy("seed");
}

/* --- killed, and several at once -------------------------------------------------------------- */

/* How many of the VMMs that were ever started for this test run, and forget about them. */
static unsigned alive(const char *pids)
{
	FILE *f = fopen(pids, "r");
	unsigned n = 0;
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1) {
		auto_free char *path = xasprintf("/proc/%d/stat", pid);
		auto_buf struct buf text = BUF_INIT(4096);
		const char *after;

		waitpid(pid, NULL, WNOHANG);
		if (file_read(path, &text, NULL) < 0)
			continue;
		after = strrchr(buf_str(&text), ')');
		n += after && after[2] != 'Z' && after[2] != 'X';
	}
	if (f)
		fclose(f);
	return n;
}

/*
 * kill -9 at whatever moment: the next `up` brings the VM up, with one VMM, and nothing half-made.
 */
static void killed_at_any_moment(void **state)
{
	enum { ROUNDS = 60 };
	struct home *h = *state;
	auto_spec struct spec *spec = spec_of(h, "kill9", "5MiB", "");
	auto_free char *pids = path_join(h->path, "pids");
	uint64_t whole_us = UINT64_MAX;
	unsigned seen[2][2] = {0}; /* [a journal][a VMM] found after the kill */
	bool made;

	setenv("CROFT_TEST_PIDS", pids, 1);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t start_ms = now_ms();

		assert_int_equal(up(spec, &made, NULL), 0);
		whole_us = min_u64(whole_us, (now_ms() - start_ms + 1) * 1100);
		must_destroy("kill9");
	}
	unlink(pids);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct timespec delay = {.tv_nsec = (long)(whole_us * 1000 * i / ROUNDS)};
		struct err err = {0};
		bool started;
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			vm_up(spec, &spec->vms[0], &options, &rep, &started, NULL);
			_exit(0);
		}
		nanosleep(&delay, NULL);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		seen[has_file(h, "kill9", "journal")][alive(pids) != 0]++;

		if (up(spec, &started, &err) < 0)
			fail_msg("killed after %ld us: %s", delay.tv_nsec / 1000, err.msg);
		assert_int_equal(alive(pids), 1);
		assert_false(has_file(h, "kill9", "journal"));
		must_destroy("kill9");
		assert_int_equal(alive(pids), 0);
		assert_false(bridge_there("kill9"));
		unlink(pids);
	}
	print_message("killed within a step %u times, with a VMM %u times; between steps %u, with "
		      "a VMM %u\n",
		      seen[1][0] + seen[1][1], seen[1][1], seen[0][0] + seen[0][1], seen[0][1]);
	unsetenv("CROFT_TEST_PIDS");
}

static void several_at_once(void **state)
{
	enum { N = 6 };
	struct home *h = *state;
	auto_spec struct spec *spec = spec_of(h, "crowd", "5MiB", "");
	auto_free char *pids = path_join(h->path, "pids");
	unsigned starters = 0;
	pid_t who[N];

	setenv("CROFT_TEST_PIDS", pids, 1);
	for (unsigned i = 0; i < N; i++) {
		who[i] = fork();
		if (who[i] == 0) {
			struct err err = {0};
			bool started;

			_exit(vm_up(spec, &spec->vms[0], &options, &rep, &started, &err) < 0
				      ? 9
				      : started);
		}
	}
	for (unsigned i = 0; i < N; i++) {
		int status;

		assert_int_equal(waitpid(who[i], &status, 0), who[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
		starters += (unsigned)WEXITSTATUS(status);
	}
	assert_int_equal(starters, 1);
	assert_int_equal(alive(pids), 1);
	must_destroy("crowd");
	assert_int_equal(alive(pids), 0);
	unsetenv("CROFT_TEST_PIDS");
}

static int setup(void **state)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n] = '\0';
	if (home_setup(state) < 0 || setenv("CROFT_VMM", self, 1) < 0)
		return -1;
	/* Orphaned VMMs become ours, and can be waited for. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	make_files(*state);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_a_machine),
		cmocka_unit_test(changes_of_a_running_vm),
		cmocka_unit_test(plans),
		cmocka_unit_test(plans_that_fail),
		cmocka_unit_test(refused_changes),
		cmocka_unit_test(clashes),
		cmocka_unit_test(clashes_at_once),
		cmocka_unit_test(networks_that_change),
		cmocka_unit_test(interrupted_in_the_queue),
		cmocka_unit_test(another_runtime_directory),
		cmocka_unit_test(left_over_disk),
		cmocka_unit_test(disk_moves_up),
		cmocka_unit_test(failures),
		cmocka_unit_test(failure_of_an_old_vm),
		cmocka_unit_test(crash_and_recovery),
		cmocka_unit_test(down_with_and_without_force),
		cmocka_unit_test(damaged_state),
		cmocka_unit_test(disk_without_state),
		cmocka_unit_test(failure_beside_other_files),
		cmocka_unit_test(somebody_elses_spec),
		cmocka_unit_test(image_of_a_vm),
		cmocka_unit_test(seeds),
		cmocka_unit_test(killed_at_any_moment),
		cmocka_unit_test(several_at_once),
	};

	if (fakevmm_wanted(argc, argv))
		return fakevmm_main(argv[2]);
	has_net = own_network() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0;
	if (!has_net)
		fprintf(stderr, "no network namespace of our own here: VMs without networks\n");
	return cmocka_run_group_tests(tests, setup, home_teardown);
}
