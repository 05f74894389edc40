/* SPDX-License-Identifier: Apache-2.0
 *
 * The prober against servers that greet late, not at all, or hang up.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "base/util.h"
#include "provision/probe.h"

static int listener;
static uint16_t port;

static int begin(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);

	(void)state;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &n), 0);
	port = ntohs(a.sin_port);
	return 0;
}

static int end(void **state)
{
	(void)state;
	close(listener);
	return 0;
}

static enum probe look(struct prober *p, char line[128])
{
	return prober_look(p, "127.0.0.1", port, 20, line, 128);
}

static void a_slow_greeting_is_waited_for(void **state)
{
	struct prober p = PROBER_INIT;
	char line[128] = "";
	int c;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(look(&p, line), PROBE_ANSWERED);
	c = accept(listener, NULL, NULL);
	assert_true(c >= 0);
	assert_int_equal(accept(listener, NULL, NULL), -1); /* it was not asked twice */
	assert_int_equal(write(c, "SSH-2.0-", 8), 8);
	assert_int_equal(look(&p, line), PROBE_ANSWERED);
	assert_int_equal(write(c, "slow\x1b\r\n", 7), 7);
	assert_int_equal(look(&p, line), PROBE_GREETED);
	assert_memory_equal(line, "SSH-2.0-slow", 12);
	assert_null(strchr(line, '\x1b'));
	assert_int_equal(p.fd, -1);
	close(c);
}

static void one_that_hangs_up_is_asked_again_later(void **state)
{
	struct prober p = PROBER_INIT;
	char line[128];

	(void)state;
	assert_int_equal(look(&p, line), PROBE_ANSWERED);
	close(accept(listener, NULL, NULL));
	assert_int_equal(look(&p, line), PROBE_ANSWERED);
	assert_int_equal(p.fd, -1);
	assert_int_equal(look(&p, line), PROBE_SILENT); /* not at once */
	assert_int_equal(p.fd, -1);
	p.again_ms = 0;
	assert_int_equal(look(&p, line), PROBE_ANSWERED);
	assert_true(p.fd >= 0);
	close(accept(listener, NULL, NULL));
	prober_close(&p);
}

static void a_line_without_an_end_is_given_up(void **state)
{
	struct prober p = PROBER_INIT;
	char line[128], much[400];
	int c;

	(void)state;
	memset(much, 'x', sizeof(much));
	assert_int_equal(look(&p, line), PROBE_ANSWERED);
	c = accept(listener, NULL, NULL);
	assert_int_equal(write(c, much, sizeof(much)), sizeof(much));
	assert_int_equal(look(&p, line), PROBE_ANSWERED);
	assert_int_equal(p.fd, -1);
	close(c);
}

static void nobody_listens(void **state)
{
	struct prober p = PROBER_INIT;
	char line[128];

	(void)state;
	close(listener);
	assert_int_equal(look(&p, line), PROBE_ANSWERED); /* refused: the address is alive */
	assert_int_equal(p.fd, -1);
	assert_int_equal(prober_look(&p, "not an address", port, 20, line, sizeof(line)), PROBE_SILENT);
	begin(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slow_greeting_is_waited_for),
		cmocka_unit_test(one_that_hangs_up_is_asked_again_later),
		cmocka_unit_test(a_line_without_an_end_is_given_up),
		cmocka_unit_test(nobody_listens),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
