/* SPDX-License-Identifier: Apache-2.0
 *
 * The control socket: requests as people and attackers write them, and the server's bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/util.h"
#include "tests/lib/vmm/fakes.h"
#include "vmm/control/proto.h"
#include "vmm/control/server.h"

static int parse(const char *line, struct control_request *r, struct err *err)
{
	return control_parse(line, strlen(line), r, err);
}

static void test_requests(void **state)
{
	struct control_request r;

	(void)state;
	assert_int_equal(parse("{\"verb\":\"status\"}", &r, NULL), 0);
	assert_string_equal(r.verb, "status");
	assert_int_equal(r.replay, 0);
	assert_false(r.read_only);
	assert_string_equal(r.port, "ttyS0");
	assert_int_equal(parse("{\"verb\":\"console\",\"port\":\"hvc0\"}", &r, NULL), 0);
	assert_string_equal(r.port, "hvc0");
	assert_int_equal(parse(" { \"read_only\" : true , \"replay\": 65536, \"verb\":\"console\" } ", &r, NULL), 0);
	assert_int_equal(r.replay, 65536);
	assert_true(r.read_only);
}

static void test_requests_that_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"status",
		"[]",
		"\"status\"",
		"{}",
		"{\"verb\":\"\"}",
		"{\"verb\":1}",
		"{\"verb\":\"a\",\"verb\":\"b\"}",
		"{\"verb\":\"abcdefghijklmnopqrstuvwxyz\"}",
		"{\"verb\":\"console\",\"replay\":-1}",
		"{\"verb\":\"console\",\"replay\":1.5}",
		"{\"verb\":\"console\",\"replay\":99999999999999999999}",
		"{\"verb\":\"console\",\"read_only\":1}",
		"{\"verb\":\"console\",\"port\":\"\"}",
		"{\"verb\":\"console\",\"port\":\"/dev/ttyS0\"}",
		"{\"verb\":\"status\",\"path\":\"/etc/passwd\"}",
		"{\"verb\":\"status\"} {\"verb\":\"kill\"}",
		"{\"verb\":\"sta\xfftus\"}",
		"{\"verb\":\"status\"",
	};
	char deep[4000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct control_request r;
		struct err err = {0};

		if (parse(bad[i], &r, &err) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(err.kind, ERR_USAGE);
	}
	memset(deep, '[', sizeof(deep));
	assert_int_equal(control_parse(deep, sizeof(deep), &(struct control_request){0}, NULL), -1);
}

static void test_answers(void **state)
{
	auto_buf struct buf b = BUF_INIT(4096);
	struct vmm_status s = {.state = VMM_PAUSED, .name = "a\"b", .pid = 7, .resets = 3,
			       .last_broken = "disk0: \xe2\x82"};
	struct err err = {0};

	(void)state;
	control_answer(&b, NULL, NULL);
	assert_string_equal(buf_str(&b), "{\"ok\":true}\n");
	buf_reset(&b);
	err_set(&err, ERR_CONFLICT, "line\nbreak, half a \xc3");
	control_answer(&b, &err, NULL);
	assert_string_equal(buf_str(&b),
			    "{\"ok\":false,\"kind\":\"conflict\",\"error\":\"line?break, half a ?\"}\n");
	buf_reset(&b);
	control_answer(&b, NULL, &s);
	assert_non_null(strstr(buf_str(&b), "\"state\":\"paused\",\"name\":\"a\\\"b\",\"pid\":7"));
	assert_non_null(strstr(buf_str(&b), "\"resets\":3"));
	assert_non_null(strstr(buf_str(&b), "\"last_broken\":\"disk0: ?"));
}

/* --- the server ------------------------------------------------------------------------------------------ */

static char directory[] = "/tmp/croft-test-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static struct loop *loop;
static struct control *server;
static int listener;
static struct control_request last;
static unsigned served;

static void serve(void *ctx, const struct control_request *r, int *fd, struct buf *answer)
{
	assert_ptr_equal(ctx, &served);
	last = *r;
	served++;
	if (!strcmp(r->verb, "console")) {
		assert_int_equal(write(*fd, "yours\n", 6), 6);
		close(take_fd(fd));
		return;
	}
	control_answer(answer, NULL, NULL);
}

static int setup(void **state)
{
	(void)state;
	served = 0;
	loop = loop_new(NULL);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	unlink(address.sun_path);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 64) < 0)
		return -1;
	server = control_new(loop, listener, serve, &served, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	control_free(server);
	loop_free(loop);
	close(listener);
	return 0;
}

static int dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	loop_settle(loop);
	return fd;
}

static void send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	loop_settle(loop);
}

/* What came until the server hung up. */
static void expect(int fd, const char *want)
{
	char got[8192] = "";
	size_t n = 0;
	ssize_t k;

	loop_settle(loop);
	while ((k = read(fd, got + n, sizeof(got) - 1 - n)) > 0)
		n += (size_t)k;
	assert_int_equal(k, 0);
	if (!strstr(got, want) || (!*want && *got))
		fail_msg("'%s' is not in '%s'", want, got);
	close(fd);
}

static void test_one_request_one_answer(void **state)
{
	int fd = dial();

	(void)state;
	send_text(fd, "{\"verb\":\"sta");
	assert_int_equal(served, 0);
	send_text(fd, "tus\"}\n");
	assert_int_equal(served, 1);
	assert_string_equal(last.verb, "status");
	expect(fd, "{\"ok\":true}\n");
}

static void test_the_server_may_keep_a_connection(void **state)
{
	int fd = dial();

	(void)state;
	send_text(fd, "{\"verb\":\"console\",\"replay\":5}\n");
	assert_int_equal(last.replay, 5);
	expect(fd, "yours\n");
}

static void test_bad_lines(void **state)
{
	char big[CONTROL_LINE_MAX + 1];
	int fd = dial();

	(void)state;
	send_text(fd, "hello\n");
	expect(fd, "\"ok\":false");
	fd = dial();
	send_text(fd, "{\"verb\":\"status\"}\n{\"verb\":\"kill\"}\n");
	expect(fd, "more than one line");
	fd = dial();
	memset(big, 'x', sizeof(big));
	assert_true(send(fd, big, sizeof(big) - 1, MSG_NOSIGNAL) > 0);
	expect(fd, "at most 4096 bytes");
	fd = dial();
	close(fd); /* without a word */
	loop_settle(loop);
	fd = dial();
	send_text(fd, "{\"verb\":\"st");
	close(fd); /* in the middle of one */
	loop_settle(loop);
	assert_int_equal(served, 0);
}

static void test_too_many_connections(void **state)
{
	int fds[40], open = 0, refused = 0;
	char c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = dial();
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		if (read(fds[i], &c, 1) == 0)
			refused++;
		else
			open++;
		close(fds[i]);
	}
	assert_int_equal(open, 32);
	assert_int_equal(refused, 8);
	loop_settle(loop);
	expect((send_text(fds[0] = dial(), "{\"verb\":\"status\"}\n"), fds[0]), "{\"ok\":true}");
}

/* A client that cannot be accepted is left alone for a moment, and is not forgotten. */
static void test_no_descriptor_left(void **state)
{
	struct rlimit old, none;
	int fd;

	(void)state;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	send_text(fd, "{\"verb\":\"status\"}\n");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	loop_settle(loop);
	assert_int_equal(served, 0);
	while (!served)
		loop_settle(loop);
	expect(fd, "{\"ok\":true}\n");
}

static int group_setup(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	unlink(address.sun_path);
	return rmdir(directory);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_requests_that_are_refused),
		cmocka_unit_test(test_answers),
		T(test_one_request_one_answer),
		T(test_the_server_may_keep_a_connection),
		T(test_bad_lines),
		T(test_too_many_connections),
		T(test_no_descriptor_left),
	};

	return cmocka_run_group_tests_name("control", tests, group_setup, group_teardown);
}
