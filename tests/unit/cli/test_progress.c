/* SPDX-License-Identifier: Apache-2.0
 *
 * The meter of downloads: the rate of the last seconds, and what it says. What interrupts.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <cmocka.h>

#include <string.h>

#include "base/util.h"
#include "cli/progress.h"

static void test_rate(void **state)
{
	struct meter m = {.from.ms = 0};
	uint64_t now = 1000, done = 50 * MIB;

	(void)state;
	assert_int_equal(meter_rate(&m, now, done), 0); /* what was there does not count */
	for (int i = 0; i < 20; i++)
		meter_rate(&m, now += 1000, done += MIB);
	assert_int_equal(meter_rate(&m, now, done), MIB);
	/* It stalls: the rate falls, and is nothing after two windows. */
	assert_true(meter_rate(&m, now += 4000, done) < MIB);
	meter_rate(&m, now += 6000, done);
	meter_rate(&m, now += 6000, done);
	assert_int_equal(meter_rate(&m, now, done), 0);
	/* It starts over. */
	assert_int_equal(meter_rate(&m, now += 1000, 0), 0);
	assert_int_equal(meter_rate(&m, now += 1000, 5000), 5000);
}

static void test_text(void **state)
{
	struct meter m = {.from.ms = 0};
	char text[200];

	(void)state;
	assert_string_equal(meter_text(&m, GIB, 2 * GIB, text, sizeof(text)), "1.0GiB of 2.0GiB (50%), 0B/s");
	m = (struct meter){.from.ms = 0};
	assert_string_equal(meter_text(&m, GIB, 0, text, sizeof(text)), "1.0GiB, 0B/s");
	m = (struct meter){.from.ms = 0};
	assert_non_null(strstr(meter_text(&m, UINT64_MAX, UINT64_MAX, text, sizeof(text)), "(100%)"));
	m = (struct meter){.from.ms = 0};
	assert_non_null(strstr(meter_text(&m, 3, 2, text, sizeof(text)), "(100%)"));
}

static void test_interrupts(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			struct cli cli = {.quiet = true};
			struct reporter r;

			progress_start(&cli, &r);
			if (r.interrupted(r.ctx))
				_exit(1);
			raise(signals[i]);
			_exit(r.interrupted(r.ctx) ? 0 : 2);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_interrupts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
