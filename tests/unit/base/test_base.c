/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors, buffers, arenas, files, processes, names.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "base/util.h"

static char *scratch;

static int make_scratch(void **state)
{
	char template[] = "/tmp/croft-test-XXXXXX";

	(void)state;
	scratch = xstrdup(mkdtemp(template));
	return 0;
}

static int drop_scratch(void **state)
{
	(void)state;
	dir_remove(scratch, NULL);
	free(scratch);
	return 0;
}

static void errors_gather_context(void **state)
{
	struct err err = {0};

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_sys(&err, ERR_HOST, "cannot open '%s'", "/x"), -1);
	err_wrap(&err, "disk '%s'", "root");
	assert_string_equal(err.msg, "disk 'root': cannot open '/x': No such file or directory");
	assert_int_equal(err.kind, ERR_HOST);
	assert_int_equal(err.sys, ENOENT);
	err_hint(&err, "does it exist?");
	assert_true(text_ends(err.msg, "(does it exist?)"));
	assert_int_equal(err_exit_code(err.kind), 4);
	assert_int_equal(err_set(NULL, ERR_HOST, "nobody listens"), -1);
}

static void long_errors_keep_their_beginning(void **state)
{
	struct err err = {0};
	char big[1000];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&err, ERR_FAILED, "%s", big);
	err_wrap(&err, "spec");
	assert_true(text_starts(err.msg, "spec: xxx"));
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	err_wrap(&err, "%s", big);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void kinds_have_names(void **state)
{
	(void)state;
	for (int k = 0; k < ERR_KINDS; k++)
		assert_int_equal(err_kind_from_name(err_kind_name((enum err_kind)k)), k);
	assert_int_equal(err_exit_code(ERR_INTERRUPTED), 130);
}

static void buffers_stop_at_their_ceiling(void **state)
{
	auto_buf struct buf b = BUF_INIT(10);

	(void)state;
	assert_string_equal(buf_str(&b), "");
	buf_puts(&b, "12345");
	buf_printf(&b, "%d", 67890);
	assert_false(b.overflow);
	assert_string_equal(buf_str(&b), "1234567890");
	buf_putc(&b, 'x');
	assert_true(b.overflow);
	assert_int_equal(b.len, 10);
	buf_reset(&b);
	assert_string_equal(buf_str(&b), "");
	buf_puts(&b, "ok");
	assert_string_equal(buf_str(&b), "ok");
}

static void arenas_hold_small_and_large(void **state)
{
	struct arena *a = arena_new();
	char *big, *s = arena_printf(a, "%s-%d", "a", 1);

	(void)state;
	big = arena_zalloc(a, 100000);
	assert_int_equal(big[99999], 0);
	for (int i = 0; i < 10000; i++)
		assert_int_equal((uintptr_t)arena_zalloc(a, (size_t)i % 50) % _Alignof(max_align_t), 0);
	assert_string_equal(s, "a-1");
	assert_string_equal(arena_strndup(a, "hello", 3), "hel");
	arena_free(a);
}

static void replacing_is_all_or_nothing(void **state)
{
	auto_free char *path = path_join(scratch, "state.json");
	auto_free char *missing = path_join(scratch, "no/such/dir");
	auto_buf struct buf text = BUF_INIT(100);
	struct err err = {0};
	struct stat st;

	(void)state;
	assert_int_equal(file_replace(path, "one", 3, 0600, &err), 0);
	assert_int_equal(file_replace(path, "two!", 4, 0640, &err), 0);
	assert_int_equal(file_read(path, &text, &err), 0);
	assert_string_equal(buf_str(&text), "two!");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(file_replace(missing, "x", 1, 0600, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	text.ceiling = 6;
	assert_int_equal(file_read(path, &text, &err), -1); /* 4 + 4 bytes */
}

static void directories(void **state)
{
	auto_free char *deep = path_join(scratch, "a/b/c");
	auto_free char *top = path_join(scratch, "a");
	auto_free char *link = path_join(deep, "link");
	auto_free char *target = path_join(scratch, "kept");
	auto_free char *inside = path_join(target, "file");
	struct err err = {0};

	(void)state;
	assert_int_equal(dir_make(deep, 0755, &err), 0);
	assert_int_equal(dir_make(deep, 0755, &err), 0);
	assert_int_equal(dir_make(target, 0755, &err), 0);
	assert_int_equal(file_replace(inside, "x", 1, 0600, &err), 0);
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(dir_remove(top, &err), 0);
	assert_int_equal(access(top, F_OK), -1);
	assert_int_equal(access(inside, F_OK), 0); /* a link is removed, not what it points to */
	assert_int_equal(dir_remove(top, &err), 0);
	assert_int_equal(dir_make(inside, 0755, &err), -1); /* a file stands there */
}

static bool give_up(void *ctx)
{
	(void)ctx;
	return false;
}

static void locks_exclude(void **state)
{
	auto_free char *path = path_join(scratch, "lock");
	struct err err = {0};
	int fd = file_lock(path, 0, NULL, NULL, &err);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(file_lock(path, 0, NULL, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_int_equal(file_lock(path, 600000, give_up, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_INTERRUPTED);
	close(fd);
	fd = file_lock(path, 0, NULL, NULL, &err);
	assert_true(fd >= 0);
	close(fd);
}

static void paths(void **state)
{
	auto_free char *a = path_join("/a", "b"), *b = path_join("/a/", "b"), *c = path_join("/a", "/b");
	auto_free char *d = path_dir("/x"), *e = path_dir("x"), *f = path_dir("/x/y/z");
	auto_free char *home = path_expand("~/k", "/spec"), *rel = path_expand("k", "/spec");

	(void)state;
	assert_string_equal(a, "/a/b");
	assert_string_equal(b, "/a/b");
	assert_string_equal(c, "/b");
	assert_string_equal(d, "/");
	assert_string_equal(e, ".");
	assert_string_equal(f, "/x/y");
	assert_string_equal(path_base("/x/y"), "y");
	assert_string_equal(rel, "/spec/k");
	assert_true(!getenv("HOME") || text_starts(home, getenv("HOME")));
}

static void programs_run_to_their_end(void **state)
{
	const char *good[] = {"sh", "-c", "echo out; echo err >&2; exit 3", NULL};
	const char *none[] = {"/no/such/program", NULL};
	const char *slow[] = {"sleep", "100", NULL};
	struct proc_result r;
	struct err err = {0};

	(void)state;
	assert_int_equal(proc_run(good, 60000, &r, &err), 0);
	assert_int_equal(r.exit_code, 3);
	assert_string_equal(buf_str(&r.out), "out\n");
	assert_string_equal(buf_str(&r.errout), "err\n");
	proc_result_done(&r);
	assert_int_equal(proc_run(none, 60000, &r, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	assert_non_null(strstr(err.msg, "/no/such/program"));
	assert_int_equal(proc_run(slow, 100, &r, &err), -1);
	assert_int_equal(err.kind, ERR_TIMEOUT);
	assert_true(proc_start_time(getpid()) > 0);
	assert_int_equal(proc_start_time(0), 0);
}

static void closed_descriptors_are_taken(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		char c;

		for (int fd = 0; fd < 3; fd++)
			close(fd);
		proc_std_fds();
		if (read(0, &c, 1) != 0 || write(1, "x", 1) >= 0 || errno != EBADF ||
		    write(2, "x", 1) >= 0 || errno != EBADF)
			_exit(1);
		_exit(open("/dev/null", O_RDONLY) < 3 ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A signal that the caller handles ends the wait, and the program. */
static void programs_can_be_interrupted(void **state)
{
	const char *slow[] = {"sleep", "3600", NULL};
	const struct itimerval every_second = {{1, 0}, {1, 0}}, never = {0};
	struct sigaction sa = {.sa_handler = on_alarm};
	struct proc_result r;
	struct err err = {0};

	(void)state;
	sigaction(SIGALRM, &sa, NULL);
	/* Again and again: on a slow day the first comes before anybody waits. */
	setitimer(ITIMER_REAL, &every_second, NULL);
	assert_int_equal(proc_run(slow, 3600 * 1000, &r, &err), -1);
	assert_int_equal(err.kind, ERR_INTERRUPTED);
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
}

/* One that ended and was not waited for is still in the process table, and is no process. */
static void a_zombie_does_not_run(void **state)
{
	siginfo_t info;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_start_time(pid), 0);
	waitpid(pid, NULL, 0);
}

static void misspelt_words(void **state)
{
	static const char *const words[] = {"memory", "cpus", "networks", "name", "disk", "disks"};

	(void)state;
	assert_string_equal(text_nearest("memroy", words, ARRAY_LEN(words)), "memory");
	assert_string_equal(text_nearest("network", words, ARRAY_LEN(words)), "networks");
	assert_string_equal(text_nearest("cpu", words, ARRAY_LEN(words)), "cpus");
	assert_null(text_nearest("flavour", words, ARRAY_LEN(words)));
	assert_null(text_nearest("", words, ARRAY_LEN(words)));
}

static void names(void **state)
{
	(void)state;
	assert_true(text_is_name("web-1"));
	assert_false(text_is_name(""));
	assert_false(text_is_name("-a"));
	assert_false(text_is_name("a-"));
	assert_false(text_is_name("Web"));
	assert_false(text_is_name("a/b"));
	assert_false(text_is_name(".."));
	assert_false(text_is_name("a1234567890123456789012345678901234567890123456789012345678901234"));
}

static void logs_stay_on_their_line(void **state)
{
	int fds[2];
	char line[2048];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	log_setup(fds[1], LOG_INFO);
	log_info("guest said: %s", "a\nerror: forged\x1b[2J");
	log_debug("not wanted");
	n = read(fds[0], line, sizeof(line) - 1);
	log_setup(2, LOG_INFO);
	assert_true(n > 0);
	line[n] = '\0';
	assert_ptr_equal(strchr(line, '\n'), line + n - 1);
	assert_null(strchr(line, '\x1b'));
	assert_non_null(strstr(line, "info: guest said: a?error: forged?[2J"));
	close(fds[0]);
	close(fds[1]);
}

static void log_limits(void **state)
{
	struct log_limit limit = {.burst = 3, .interval_ms = 1000000};
	int passed = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		passed += log_limit_pass(&limit);
	assert_int_equal(passed, 3);
	assert_int_equal(limit.dropped, 97);
}

static void sums_that_do_not_fit(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_false(checked_add(UINT64_MAX, 1, &v));
	assert_false(checked_mul(UINT64_MAX, 2, &v));
	assert_int_equal(v, 7);
	assert_true(range_inside(0, 10, 10));
	assert_false(range_inside(1, 10, 10));
	assert_false(range_inside(UINT64_MAX, 2, 10));
	assert_true(range_inside(10, 0, 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_gather_context),
		cmocka_unit_test(long_errors_keep_their_beginning),
		cmocka_unit_test(kinds_have_names),
		cmocka_unit_test(buffers_stop_at_their_ceiling),
		cmocka_unit_test(arenas_hold_small_and_large),
		cmocka_unit_test(replacing_is_all_or_nothing),
		cmocka_unit_test(directories),
		cmocka_unit_test(locks_exclude),
		cmocka_unit_test(paths),
		cmocka_unit_test(programs_run_to_their_end),
		cmocka_unit_test(closed_descriptors_are_taken),
		cmocka_unit_test(programs_can_be_interrupted),
		cmocka_unit_test(a_zombie_does_not_run),
		cmocka_unit_test(misspelt_words),
		cmocka_unit_test(names),
		cmocka_unit_test(logs_stay_on_their_line),
		cmocka_unit_test(log_limits),
		cmocka_unit_test(sums_that_do_not_fit),
	};
	return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
