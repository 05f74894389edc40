/* SPDX-License-Identifier: Apache-2.0
 *
 * The console hub: replay, several listeners, the log and its limit, slow and gone clients.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "tests/lib/vmm/fakes.h"
#include "vmm/dev/chardev_hub.h"

static struct loop *loop;
static struct chardev *hub;

static int setup(void **state)
{
	(void)state;
	loop = loop_new(NULL);
	hub = chardev_new(loop);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	chardev_free(hub);
	loop_free(loop);
	return 0;
}

static int attach(uint64_t replay, bool read_only)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(chardev_attach(hub, pair[0], replay, read_only, NULL), 0);
	return pair[1];
}

static void say(const char *text)
{
	chardev_write(hub, text, strlen(text));
	chardev_flush(hub);
}

static void expect(int fd, const char *text)
{
	char got[1024] = "";
	ssize_t n = read(fd, got, sizeof(got) - 1);

	assert_int_equal(n, strlen(text));
	assert_string_equal(got, text);
}

static void expect_nothing(int fd)
{
	char c;

	assert_int_equal(read(fd, &c, 1), -1);
	assert_int_equal(errno, EAGAIN);
}

static void test_replay(void **state)
{
	int all, some, none;

	(void)state;
	say("one two three");
	all = attach(1000, true);
	some = attach(5, true);
	none = attach(0, true);
	expect(all, "one two three");
	expect(some, "three");
	expect_nothing(none);
	say("!");
	expect(all, "!");
	expect(none, "!");
	assert_int_equal(chardev_written(hub), 14);
	close(all);
	close(some);
	close(none);
	loop_settle(loop); /* the hub notices that they went */
	say("more");
}

static void test_output_leaves_without_a_flush(void **state)
{
	int fd = attach(0, true);
	char c = 0;

	(void)state;
	chardev_write(hub, "x", 1);
	while (read(fd, &c, 1) < 0)
		loop_settle(loop);
	assert_int_equal(c, 'x');
	close(fd);
}

static unsigned told;

static void on_readable(void *ctx)
{
	assert_ptr_equal(ctx, &told);
	told++;
}

static void test_input(void **state)
{
	int one = attach(0, false), two = attach(0, false), reader = attach(0, true);
	char got[16] = "";

	(void)state;
	told = 0;
	chardev_set_reader(hub, on_readable, &told);
	assert_int_equal(write(reader, "no", 2), 2);
	assert_int_equal(write(one, "ab", 2), 2);
	loop_settle(loop);
	assert_int_equal(write(two, "cd", 2), 2);
	loop_settle(loop);
	assert_int_equal(told, 1); /* once, when it was empty */
	assert_int_equal(chardev_read(hub, got, 3), 3);
	assert_int_equal(chardev_read(hub, got + 3, 8), 1);
	assert_string_equal(got, "abcd");
	assert_int_equal(chardev_read(hub, got, 8), 0);
	assert_int_equal(write(one, "e", 1), 1);
	loop_settle(loop);
	assert_int_equal(told, 2);
	close(one);
	close(two);
	close(reader);
	loop_settle(loop);
}

/* The queue is short: the sender waits, then everything arrives. */
static void test_input_pushes_back(void **state)
{
	int fd = attach(0, false);
	size_t sent = 0, got = 0;
	uint8_t block[256];

	(void)state;
	while (got < 40000) {
		uint8_t v = (uint8_t)(sent % 251);

		while (sent < 40000 && write(fd, &v, 1) == 1)
			v = (uint8_t)(++sent % 251);
		loop_settle(loop);
		for (size_t n; (n = chardev_read(hub, block, sizeof(block)));)
			for (size_t i = 0; i < n; i++)
				assert_int_equal(block[i], got++ % 251);
	}
	close(fd);
	loop_settle(loop);
}

static void test_a_slow_client_loses_the_oldest(void **state)
{
	auto_free char *line = xmalloc(4096);
	auto_free char *got = xzalloc(CHARDEV_RING * 8);
	int fd = attach(0, true);
	size_t n = 0;
	ssize_t k;

	(void)state;
	for (int i = 0; i < 1024; i++) { /* 4 MiB, and nobody reads */
		memset(line, 'a' + i % 26, 4096);
		chardev_write(hub, line, 4096);
		if (i % 16 == 0)
			chardev_flush(hub);
	}
	say("the end");
	for (int idle = 0; idle < 3;) {
		k = read(fd, got + n, CHARDEV_RING * 8 - 1 - n);
		idle = k > 0 ? 0 : idle + 1;
		n += k > 0 ? (size_t)k : 0;
		loop_settle(loop);
	}
	assert_true(n < 2 * 1024 * 1024);
	assert_non_null(strstr(got, "console output was lost here"));
	assert_string_equal(got + n - 7, "the end"); /* the newest arrived */
	close(fd);
	loop_settle(loop);
}

static void test_log_and_limit(void **state)
{
	int log = memfd_create("log", 0), unlimited = memfd_create("log", 0);
	char got[256] = "";
	size_t n;

	(void)state;
	chardev_set_log(hub, log, 10);
	chardev_set_log(hub, unlimited, 0);
	say("12345");
	say("67890abc");
	say("def");
	pread_all(log, got, sizeof(got) - 1, 0, &n);
	assert_memory_equal(got, "1234567890", 10);
	assert_non_null(strstr(got, "this log has reached its limit"));
	assert_null(strstr(got, "abc"));
	memset(got, 0, sizeof(got));
	pread_all(unlimited, got, sizeof(got) - 1, 0, &n);
	assert_string_equal(got, "1234567890abcdef");
	close(log);
	close(unlimited);
}

static void test_a_log_that_cannot_be_written(void **state)
{
	int full = open("/dev/full", O_WRONLY);

	(void)state;
	chardev_set_log(hub, full, 0);
	say("gone"); /* said in our own log, once a minute; the guest goes on */
	say("more");
	close(full);
}

static void let_files_grow_to(rlim_t n)
{
	struct rlimit r;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &r);
	r.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

static void test_a_log_goes_on_when_there_is_room_again(void **state)
{
	auto_free char *much = xmalloc(CHARDEV_RING), *got = xzalloc(2 * CHARDEV_RING);
	int log = memfd_create("log", 0);
	size_t n;

	(void)state;
	chardev_set_log(hub, log, 0);
	say("one");
	let_files_grow_to(5);
	say("two");
	say("three");
	let_files_grow_to(RLIM_INFINITY);
	say("four");
	pread_all(log, got, CHARDEV_RING, 0, &n);
	assert_string_equal(got, "onetwothreefour");

	let_files_grow_to(n);
	memset(much, '.', CHARDEV_RING);
	say("lost");
	chardev_write(hub, much, CHARDEV_RING);
	chardev_flush(hub);
	let_files_grow_to(RLIM_INFINITY);
	say("!"); /* and a dot with it */
	pread_all(log, got, 2 * CHARDEV_RING, 0, &n);
	assert_non_null(
		strstr(got, "four\r\n[croft: console output was lost here, 5 bytes]\r\n.."));
	assert_int_equal(got[n - 1], '!');
	close(log);
}

static void test_clients_are_limited(void **state)
{
	int fds[CHARDEV_MAX_CLIENTS], pair[2];
	struct err err = {0};
	char c;

	(void)state;
	for (int i = 0; i < CHARDEV_MAX_CLIENTS; i++)
		fds[i] = attach(0, true);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
	assert_int_equal(chardev_attach(hub, pair[0], 0, true, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_int_equal(read(pair[1], &c, 1), 0); /* closed for us */
	close(pair[1]);
	for (int i = 0; i < CHARDEV_MAX_CLIENTS; i++)
		close(fds[i]);
}

static unsigned quits;

static void on_quit(void *ctx)
{
	(void)ctx;
	quits++;
}

static void test_stdio(void **state)
{
	int in[2], out = memfd_create("out", 0);
	char got[16] = "";
	size_t n;

	(void)state;
	quits = 0;
	assert_int_equal(pipe2(in, O_NONBLOCK), 0);
	chardev_attach_stdio(hub, in[0], out, on_quit, NULL);
	assert_int_equal(write(in[1], "ls\n\x1dnot this", 12), 12);
	loop_settle(loop);
	assert_int_equal(quits, 1);
	assert_int_equal(chardev_read(hub, got, sizeof(got)), 3);
	close(in[1]); /* the end of the input is not the end of the output */
	loop_settle(loop);
	say("still here");
	memset(got, 0, sizeof(got));
	pread_all(out, got, sizeof(got) - 1, 0, &n);
	assert_string_equal(got, "still here");
	close(in[0]);
	close(out);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_replay),
		T(test_output_leaves_without_a_flush),
		T(test_input),
		T(test_input_pushes_back),
		T(test_a_slow_client_loses_the_oldest),
		T(test_log_and_limit),
		T(test_a_log_that_cannot_be_written),
		T(test_a_log_goes_on_when_there_is_room_again),
		T(test_clients_are_limited),
		T(test_stdio),
	};

	return cmocka_run_group_tests_name("chardev", tests, NULL, NULL);
}
