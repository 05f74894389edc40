/* SPDX-License-Identifier: Apache-2.0
 *
 * The guarded process: answers and errors come through, crashes stay inside, and what reading never
 * needs is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/guard.h"
#include "base/mem.h"
#include "base/util.h"

static int answer(void *ctx, struct buf *result, struct err *err)
{
	(void)err;
	buf_puts(result, ctx);
	return 0;
}

static int refuse(void *ctx, struct buf *result, struct err *err)
{
	buf_puts(result, "not this");
	return err_set(err, ERR_NOT_FOUND, "no %s\x1b[0m", (const char *)ctx);
}

static int crash(void *ctx, struct buf *result, struct err *err)
{
	(void)ctx, (void)result, (void)err;
	__builtin_trap();
}

static int too_much(void *ctx, struct buf *result, struct err *err)
{
	(void)ctx, (void)err;
	for (int i = 0; i < 1000; i++)
		buf_puts(result, "0123456789");
	return 0;
}

static void test_answers(void **state)
{
	auto_buf struct buf result = BUF_INIT(100000);
	struct buf small = BUF_INIT(100);
	auto_free char *large = xzalloc(90001);
	struct err err = {0};

	(void)state;
	assert_int_equal(guard_run(answer, (char[]){"hello"}, -1, 0, &result, &err), 0);
	assert_string_equal(buf_str(&result), "hello");
	buf_reset(&result);
	memset(large, 'x', 90000); /* more than a pipe holds */
	assert_int_equal(guard_run(answer, large, -1, 0, &result, &err), 0);
	assert_string_equal(buf_str(&result), large);
	buf_reset(&result);
	assert_int_equal(guard_run(refuse, (char[]){"thing"}, -1, 0, &result, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(err.msg, "no thing?[0m");
	assert_int_equal(result.len, 0);
	assert_int_equal(guard_run(too_much, NULL, -1, 0, &small, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	buf_done(&small);
}

static void test_crash(void **state)
{
	auto_buf struct buf result = BUF_INIT(100);
	struct err err = {0};

	(void)state;
	assert_int_equal(guard_run(crash, NULL, -1, 0, &result, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "crashed"));
	/* And the next one works. */
	assert_int_equal(guard_run(answer, (char[]){"on"}, -1, 0, &result, &err), 0);
}

struct attempts {
	int readable, writable;
};

/* Each thing that must not be possible, and what came of it. */
static int attempt(void *ctx, struct buf *result, struct err *err)
{
	struct attempts *a = ctx;
	char byte = 'x';

	(void)err;
	buf_printf(result, "open:%d ", open("/etc/passwd", O_RDONLY) >= 0);
	buf_printf(result, "create:%d ",
		   open("/tmp/croft-guard-test", O_CREAT | O_WRONLY, 0600) >= 0);
	buf_printf(result, "socket:%d ", socket(AF_INET, SOCK_STREAM, 0) >= 0);
	buf_printf(result, "fork:%d ", fork() >= 0);
	buf_printf(result, "kill:%d ", kill(getppid(), 0) == 0);
	buf_printf(result, "exec:%d ", execl("/bin/true", "true", NULL) == 0);
	buf_printf(result, "chmod:%d ", fchmod(a->writable, 0777) == 0);
	buf_printf(result, "write:%d ", write(a->writable, &byte, 1) == 1);
	buf_printf(result, "pwrite:%d ", pwrite(a->writable, &byte, 1, 0) == 1);
	buf_printf(result, "stderr:%d ", write(2, &byte, 0) == 0);
	buf_printf(result, "code:%d ",
		   mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
			   MAP_FAILED);
	buf_printf(result, "memory:%d ",
		   mmap(NULL, 8 * GIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
			   MAP_FAILED);
	/* And what must be. */
	buf_printf(result, "read:%d ", pread(a->readable, &byte, 1, 0) == 1);
	free(malloc(64 * MIB));
	return 0;
}

static void test_confinement(void **state)
{
	auto_buf struct buf result = BUF_INIT(1000);
	auto_close int file = memfd_create("other", MFD_CLOEXEC),
		       in = memfd_create("in", MFD_CLOEXEC);
	struct attempts a = {in, file};
	struct err err = {0};
	struct stat st;

	(void)state;
	if (SANITIZED)
		skip();
	unlink("/tmp/croft-guard-test"); /* of a run without the filter */
	assert_int_equal(write(in, "x", 1), 1);
	if (guard_run(attempt, &a, -1, 0, &result, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(
		buf_str(&result),
		"open:0 create:0 socket:0 fork:0 kill:0 exec:0 chmod:0 write:0 pwrite:0 stderr:0 "
		"code:0 memory:0 read:1 ");
	assert_int_equal(fstat(file, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(access("/tmp/croft-guard-test", F_OK), -1);
}

static int write_out(void *ctx, struct buf *result, struct err *err)
{
	char data[1000] = "content";

	(void)result;
	for (int i = 0; i < 10; i++)
		if (write_all(*(int *)ctx, data, sizeof(data)) < 0)
			return err_sys(err, ERR_FAILED, "write");
	return 0;
}

static void test_output_file(void **state)
{
	struct buf result = BUF_INIT(0);
	struct err err = {0};
	struct stat st;

	(void)state;
	for (int fits = 0; fits < 2; fits++) {
		auto_close int fd = memfd_create("out", MFD_CLOEXEC);
		int rc;

		assert_int_equal(write(fd, "before", 6), 6);
		rc = guard_run(write_out, &fd, fd, fits ? 10000 : 5000, &result, &err);
		assert_int_equal(rc, fits ? 0 : -1);
		assert_int_equal(fstat(fd, &st), 0);
		assert_true(fits ? st.st_size == 10006 : st.st_size <= 5006);
	}
}

/* Reads a byte before it answers: it goes on when the test wants it to. */
static int wait_then_answer(void *ctx, struct buf *result, struct err *err)
{
	char byte;

	(void)err;
	if (read(*(int *)ctx, &byte, 1) == 1)
		buf_puts(result, "went on");
	return 0;
}

static void test_side_by_side(void **state)
{
	const struct guard_limits limits = {.out_fd = -1};
	auto_buf struct buf result = BUF_INIT(100);
	struct err err = {0};
	struct guard g, other;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(guard_start(wait_then_answer, &ends[0], &limits, 100, &other, &err), 0);
	assert_int_equal(guard_start(wait_then_answer, &ends[0], &limits, 100, &g, &err), 0);
	assert_false(guard_answered(&g));
	guard_kill(&other);
	guard_kill(&other); /* harmless */
	assert_int_equal(other.pid, 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(guard_finish(&g, &result, &err), 0);
	assert_true(guard_answered(&g));
	assert_string_equal(buf_str(&result), "went on");
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_confinement),
		cmocka_unit_test(test_output_file),
		cmocka_unit_test(test_side_by_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
