/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of cloud-init 22.4 (Debian 12), 23.1 (RHEL 9) and 24.4 (Ubuntu 24.04), and hostile ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/util.h"
#include "provision/cistatus.h"

static void answers(void **state)
{
	static const struct {
		const char *json, *status, *error;
		bool running, disabled;
	} cases[] = {
		{"{\"boot_status_code\": \"enabled-by-generator\", \"datasource\": \"nocloud\", "
		 "\"detail\": \"DataSourceNoCloud [seed=/dev/vdb]\", \"errors\": [], \"status\": "
		 "\"done\"}\n",
		 "done", NULL, false, false},
		{"{\"errors\": [], \"status\": \"running\"}", "running", NULL, true, false},
		{"{\"errors\": [], \"status\": \"not run\"}", "not run", NULL, true, false},
		{"{\"status\": \"not started\", \"extended_status\": \"not started\"}",
		 "not started", NULL, true, false},
		{"{\"errors\": [\"('write-files', OSError('Unknown user or group'))\"], "
		 "\"status\": \"error\"}",
		 "error", "('write-files', OSError('Unknown user or group'))", false, false},
		{"{\"status\": \"error\"}", "error", "cloud-init status says error", false, false},
		{"{\"status\": \"disabled\"}", "disabled", NULL, false, true},
		{"{\"status\": \"done\", \"extended_status\": \"degraded done\", \"errors\": [], "
		 "\"recoverable_errors\": {\"WARNING\": [\"bad schema\"], \"DEPRECATED\": [\"old "
		 "key\"]}}",
		 "done", "bad schema", false, false},
		{"{\"status\": \"done\", \"recoverable_errors\": {\"DEPRECATED\": [\"old key\"]}}",
		 "done", NULL, false, false},
		{"{\"status\": \"done\\u001b[2J\", \"errors\": [\"a\\nb\"]}", "done?[2J", "a?b",
		 false, false},
		{"{\"status\": \"done\", \"errors\": [7]}", "done", NULL, false, false},
		{"{\"status\": \"done\"} and more", "done", NULL, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cloud_init_status s;

		assert_true(cloud_init_parse(cases[i].json, &s));
		assert_string_equal(s.status, cases[i].status);
		assert_int_equal(s.running, cases[i].running);
		assert_int_equal(s.disabled, cases[i].disabled);
		assert_int_equal(s.failed, cases[i].error != NULL);
		assert_string_equal(s.error, cases[i].error ? cases[i].error : "");
	}
}

static void no_answers(void **state)
{
	static const char *const bad[] = {"",
					  "{",
					  "[]",
					  "null",
					  "7",
					  "{}",
					  "{\"status\": 7}",
					  "{\"status\": []}",
					  "{\"status\": \"\"}",
					  "bash: cloud-init: command not found"};
	struct cloud_init_status s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(cloud_init_parse(bad[i], &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(no_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
