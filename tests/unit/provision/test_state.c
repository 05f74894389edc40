/* SPDX-License-Identifier: Apache-2.0
 *
 * What croft remembers of a VM: round trips, damaged and hostile files, the journal, the lock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "tests/lib/provision/home.h"

static void fill(struct vm_state *s, const struct vm_name *name)
{
	state_init(s, name);
	s->spec_path = xstrdup("/home/a \"b\"/croft.yaml");
	s->image_source = xstrdup("https://example.test/ä.qcow2");
	snprintf(s->image_digest, sizeof(s->image_digest), "sha256:00");
	s->image_size = UINT64_C(3) << 30;
	s->disk_size = INT64_MAX;
	s->disk_used = true;
	s->ndisks = 2;
	snprintf(s->disks[1].name, sizeof(s->disks[1].name), "disk2");
	s->disks[1].size = 7;
	s->nnics = 1;
	snprintf(s->nics[0].bridge, sizeof(s->nics[0].bridge), "br0");
	s->nasked = 1;
	s->asked[0] = (struct asked){xstrdup("cpus"), xstrdup("2")};
}

static void round_trip(void **state)
{
	struct vm_state a, b;
	struct err err = {0};
	struct vmdir d;

	home_vmdir(*state, "p", "trip", true, &d);
	fill(&a, &d.name);
	a.vmm.pid = 12;
	assert_int_equal(state_save(&d, &a, true, &err), 0);
	assert_int_equal(state_load(&d, &b, &err), 0);
	assert_string_equal(a.uuid, b.uuid);
	assert_string_equal(a.spec_path, b.spec_path);
	assert_string_equal(a.image_source, b.image_source);
	assert_string_equal(b.image_digest, "sha256:00");
	assert_true(b.disk_size == INT64_MAX);
	assert_true(b.disk_used);
	assert_int_equal(b.ndisks, 2);
	assert_string_equal(b.disks[1].name, "disk2");
	assert_int_equal(b.disks[1].size, 7);
	assert_string_equal(b.nics[0].bridge, "br0");
	assert_string_equal(b.asked[0].value, "2");
	assert_null(b.user);
	assert_int_equal(b.vmm.pid, 12);
	state_done(&a);
	state_done(&b);
	vmdir_done(&d);
}

/* The same project and VM are the same machine, another name is another; and it is a UUID. */
static void identity(void **state)
{
	struct vm_name one = {"p", "vm"}, same = {"p", "vm"}, other = {"pv", "m"};
	struct vm_state a, b, c;

	(void)state;
	state_init(&a, &one);
	state_init(&b, &same);
	state_init(&c, &other);
	assert_string_equal(a.uuid, b.uuid);
	assert_string_not_equal(a.uuid, c.uuid);
	assert_int_equal(strlen(a.uuid), 36);
	assert_int_equal(a.uuid[14], '5');
	assert_non_null(strchr("89ab", a.uuid[19]));
	state_done(&a);
	state_done(&b);
	state_done(&c);
}

static void damaged(void **state)
{
	static const struct {
		const char *text, *says;
		enum err_kind kind;
	} bad[] = {
		{"", "line 1", ERR_CORRUPT},
		{"{", "line 1", ERR_CORRUPT},
		{"[]", "'version' is missing", ERR_CORRUPT},
		{"{\"version\":1}", "'uuid' is missing", ERR_CORRUPT},
		{"{\"version\":\"1\",\"uuid\":\"x\"}", "'version' is missing", ERR_CORRUPT},
		{"{\"version\":1,\"version\":1}", "duplicate", ERR_CORRUPT},
		{"{\"version\":2,\"uuid\":\"x\"}", "newer than this croft", ERR_UNSUPPORTED},
		{"{\"version\":1,\"uuid\":7}", "'uuid' is not a text", ERR_CORRUPT},
		{"{\"version\":1,\"uuid\":\"0123456789012345678901234567890123456789\"}",
		 "'uuid' is not a text of at most 36 bytes", ERR_CORRUPT},
		{"{\"version\":1,\"uuid\":\"x\",\"disk\":{\"size\":-1}}",
		 "'disk.size' is not a whole number", ERR_CORRUPT},
		{"{\"version\":1,\"uuid\":\"x\",\"disk\":{\"used\":1}}",
		 "'disk.used' is not true or false", ERR_CORRUPT},
		{"{\"version\":1,\"uuid\":\"x\",\"nics\":{}}", "'nics' is not a list", ERR_CORRUPT},
		{"{\"version\":1,\"uuid\":\"x\",\"nics\":[7]}", "nics[0]: not a JSON object",
		 ERR_CORRUPT},
		{"{\"version\":1,\"uuid\":\"x\",\"nics\":[{},{},{},{},{},{},{},{},{}]}",
		 "'nics' is not a list of at most 8", ERR_CORRUPT},
		{"{\"version\":1,\"uuid\":\"x\",\"asked\":[{\"key\":\"a\",\"value\":\"b\"},{"
		 "\"key\":1}]}",
		 "asked[1]: 'key' is not a text", ERR_CORRUPT},
	};
	struct vmdir d;

	home_vmdir(*state, "p", "bad", true, &d);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_free char *path = vmdir_file(&d, "state.json");
		struct err err = {0};
		struct vm_state s;

		file_put(path, bad[i].text, strlen(bad[i].text), 0600, NULL);
		assert_int_equal(state_load(&d, &s, &err), -1);
		if (!strstr(err.msg, bad[i].says) || err.kind != bad[i].kind)
			fail_msg("%s: %s", bad[i].text, err.msg);
		/* Every such message says what can be done. */
		assert_true(strstr(err.msg, "croft destroy p/bad") ||
			    strstr(err.msg, "use the croft"));
	}
	vmdir_done(&d);
}

static void absent(void **state)
{
	struct err err = {0};
	struct vm_state s;
	struct vmdir d;

	home_vmdir(*state, "p", "none", false, &d);
	assert_int_equal(state_load(&d, &s, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(vmdir_lock(&d, false, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	vmdir_done(&d);
}

/* A power cut may leave run.json empty: then nothing runs, and the VM is fine. */
static void running_is_optional(void **state)
{
	struct err err = {0};
	struct vm_state s;
	struct vmdir d;
	auto_free char *path = NULL;

	home_vmdir(*state, "p", "run", true, &d);
	fill(&s, &d.name);
	state_set_vmm(&s, getpid(), d.socket);
	assert_true(state_alive(&s));
	s.vmm.start_time++;
	assert_false(state_alive(&s)); /* another process with that pid */
	s.vmm.start_time--;
	s.vmm.boot_id[0] ^= 1;
	assert_false(state_alive(&s)); /* another boot */
	assert_int_equal(state_save(&d, &s, true, &err), 0);
	state_done(&s);
	path = vmdir_file(&d, "run.json");
	file_put(path, "", 0, 0600, NULL);
	assert_int_equal(state_load(&d, &s, &err), 0);
	assert_int_equal(s.vmm.pid, 0);
	assert_false(state_alive(&s));
	state_done(&s);
	vmdir_done(&d);
}

/* A full disk is told with the next move. Where a file system of a few pages can be mounted. */
static void full_disk(void **state)
{
	auto_free char *filler = NULL;
	struct journal j = {.step = "disk"};
	struct vmdir d;
	int status;
	pid_t pid;

	home_vmdir(*state, "p", "full", true, &d);
	filler = vmdir_file(&d, "filler");
	pid = fork();
	if (pid == 0) {
		char block[65536] = {0};
		struct err err = {0};

		if ((unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("none", d.path, "tmpfs", 0, "size=64k") < 0)
			_exit(77);
		for (size_t n = sizeof(block); n; n /= 2) {
			auto_close int fd = open(filler, O_WRONLY | O_CREAT | O_APPEND, 0600);

			while (write(fd, block, n) > 0)
				;
		}
		_exit(journal_write(&d, &j, &err) == 0	      ? 1
		      : strstr(err.msg, "(make room where '") ? 0
							      : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	vmdir_done(&d);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void journal(void **state)
{
	struct journal in = {.step = "net",
			     .was = STEP_CREATE,
			     .vmm_pid = 7,
			     .bridges = "br0 br1 "},
		       out;
	auto_free char *path = NULL;
	struct err err = {0};
	struct vmdir d;

	home_vmdir(*state, "p", "journal", true, &d);
	path = vmdir_file(&d, "journal");
	assert_int_equal(journal_read(&d, &out), 0);
	assert_int_equal(journal_write(&d, &in, &err), 0);
	assert_int_equal(journal_read(&d, &out), 1);
	assert_string_equal(out.step, "net");
	assert_string_equal(out.bridges, in.bridges);
	assert_int_equal(out.vmm_pid, 7);
	file_put(path, "\0garbage", 8, 0600, NULL);
	assert_int_equal(journal_read(&d, &out), 1); /* something was under way */
	assert_string_equal(out.step, "");
	journal_remove(&d);
	assert_int_equal(journal_read(&d, &out), 0);
	vmdir_done(&d);
}

/* Whoever waits for the lock of a VM that is destroyed meanwhile gets the lock of the new one. */
static void lock_of_a_removed_vm(void **state)
{
	struct home *h = *state;
	auto_free char *doomed = path_join(h->path, "doomed");
	struct vmdir d, again;
	struct err err = {0};
	int started[2], status;
	char c;
	pid_t pid;

	home_vmdir(h, "p", "lock", true, &d);
	assert_int_equal(vmdir_lock(&d, true, NULL, &err), 0);
	assert_int_equal(pipe(started), 0);
	pid = fork();
	if (pid == 0) {
		auto_free char *file = NULL;

		close(d.lock); /* a lock is held as long as anybody has its descriptor */
		home_vmdir(h, "p", "lock", false, &again);
		if (write(started[1], "x", 1) != 1 || vmdir_lock(&again, true, NULL, NULL) < 0)
			_exit(1);
		file = vmdir_file(&again, "vm.lock");
		_exit(access(file, F_OK) == 0 ? 0 : 2);
	}
	assert_int_equal(read(started[0], &c, 1), 1);
	usleep(50000); /* most likely it waits by now; if not, it simply finds the new directory */
	assert_int_equal(rename(d.path, doomed), 0);
	vmdir_done(&d);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(started[0]);
	close(started[1]);
}

static void sweep(void **state)
{
	static const char *const names[] = {".state.json.abc", "disk.qcow2.new", "disk.qcow2",
					    "state.json"};
	auto_free char *sub = NULL;
	struct vmdir d;

	home_vmdir(*state, "p", "sweep", true, &d);
	sub = vmdir_file(&d, "boot.new/kernel");
	dir_make(sub, 0700, NULL);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *path = vmdir_file(&d, names[i]);

		file_put(path, "x", 1, 0600, NULL);
	}
	vmdir_sweep(&d);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(vmdir_has(&d, names[i]), i >= 2);
	assert_false(vmdir_has(&d, "boot.new"));
	vmdir_done(&d);
}

static void directories(void **state)
{
	struct home *h = *state;
	auto_free char *was = xstrdup(getenv("CROFT_HOME"));
	struct croft_dirs d;
	struct err err = {0};

	setenv("CROFT_HOME", "relative/dir", 1);
	assert_int_equal(croft_dirs_get(&d, &err), 0);
	assert_int_equal(d.state[0], '/');
	croft_dirs_done(&d);

	setenv("CROFT_HOME", "/tmp/caf\xe9", 1);
	assert_int_equal(croft_dirs_get(&d, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	assert_null(d.cache);
	setenv("CROFT_HOME", "/tmp/caf\u00e9", 1);
	assert_int_equal(croft_dirs_get(&d, &err), 0);
	croft_dirs_done(&d);

	unsetenv("CROFT_HOME");
	if (getuid() == 0) {
		assert_int_equal(croft_dirs_get(&d, &err), 0);
		assert_string_equal(d.state, "/var/lib/croft");
		assert_string_equal(d.runtime, "/run/croft");
	} else {
		setenv("XDG_STATE_HOME", "/x/state", 1);
		setenv("XDG_CACHE_HOME", "not/absolute",
		       1); /* to be ignored, says the specification */
		setenv("XDG_RUNTIME_DIR", h->path, 1);
		setenv("HOME", "/home/me", 1);
		assert_int_equal(croft_dirs_get(&d, &err), 0);
		assert_string_equal(d.state, "/x/state/croft");
		assert_string_equal(d.cache, "/home/me/.cache/croft");
	}
	croft_dirs_done(&d);
	setenv("CROFT_HOME", was, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_disk), cmocka_unit_test(round_trip),
		cmocka_unit_test(identity),  cmocka_unit_test(damaged),
		cmocka_unit_test(absent),    cmocka_unit_test(running_is_optional),
		cmocka_unit_test(journal),   cmocka_unit_test(lock_of_a_removed_vm),
		cmocka_unit_test(sweep),     cmocka_unit_test(directories),
	};

	return cmocka_run_group_tests(tests, home_setup, home_teardown);
}
