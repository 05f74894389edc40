/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: where its words and options may stand, what is said of words that croft does
 * not know or not yet, and when there are colours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/util.h"
#include "cli/cli.h"

static struct cli cli;
static struct err err;

/* "image -o json ls" as the shell would split it. */
static int parse(const char *line)
{
	static char copy[256], *argv[32];
	int argc = 0;

	snprintf(copy, sizeof(copy), "croft %s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	err = (struct err){0};
	return cli_parse(argc, argv, &cli, &err);
}

static void refused(const char *line, const char *message)
{
	assert_int_equal(parse(line), -1);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_string_equal(err.msg, message);
}

static void test_options_anywhere(void **state)
{
	static const char *const lines[] = {"-o json image inspect f", "image -o json inspect f",
					    "image inspect -o json f", "image inspect f -o json"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		assert_int_equal(parse(lines[i]), 0);
		assert_string_equal(cli.command->name, "image inspect");
		assert_int_equal(cli.output, OUT_JSON);
		assert_int_equal(cli.nargs, 1);
		assert_string_equal(cli.args[0], "f");
	}
	assert_int_equal(parse("image rm rm"), 0);
	assert_string_equal(cli.args[0], "rm");
	assert_int_equal(parse("apply"), 0);
	assert_string_equal(cli.command->name, "up");
}

static void test_help(void **state)
{
	(void)state;
	assert_int_equal(parse("image --help"), 1);
	assert_int_equal(parse("-h seed"), 1);
	assert_int_equal(parse("image rm -h"), 1);
	assert_int_equal(parse("help image"), 0);
	assert_int_equal(cli.command->run(&cli, &err), 0);
	assert_int_equal(parse("help image inspect"), 0);
	assert_int_equal(cli.command->run(&cli, &err), 0);
	assert_int_equal(parse("help image frob"), 0);
	assert_int_equal(cli.command->run(&cli, &err), -1);
	assert_string_equal(err.msg, "no command 'image frob'; see 'croft image --help'");
}

static void test_unknown(void **state)
{
	(void)state;
	refused("image", "'croft image' needs a verb; see 'croft image --help'");
	refused("image rmm x", "no command 'image rmm'; did you mean 'croft image rm'?");
	refused("validat", "no command 'validat'; did you mean 'croft validate'?");
	refused("frobnicate", "no command 'frobnicate'; see 'croft --help'");
	refused("up --bogus", "unknown option '--bogus' (see 'croft up --help')");
	refused("--bogus", "unknown option '--bogus' (see 'croft --help')");
	refused("up --ofline", "unknown option '--ofline' (did you mean --offline?)");
	refused("list -o xml", "-o xml: not an output format (table, json)");
}

static void test_planned(void **state)
{
	(void)state;
	refused("snapshot create", "'snapshot': not supported yet");
	refused("restart", "'restart': not supported yet (meanwhile: croft down, then croft up)");
	refused("image gc", "'image gc': not supported yet (meanwhile: croft image prune)");
	refused("up --dry-run", "'up --dry-run': not supported yet (meanwhile: croft plan)");
	refused("--project=x up",
		"'--project': not supported yet (meanwhile: write name: in the spec)");
	refused("list -o yaml", "'-o yaml': not supported yet (meanwhile: -o json)");
}

static bool colour(const char *line, const char *no_color, const char *force)
{
	setenv("NO_COLOR", no_color, 1);
	setenv("CLICOLOR_FORCE", force, 1);
	assert_int_equal(parse(line), 0);
	return cli.colour;
}

static void test_colour(void **state)
{
	(void)state;
	parse("list");
	if (cli.tty)
		skip();
	assert_true(colour("list", "", "1"));
	assert_false(colour("list", "", "0"));
	assert_false(colour("list", "", ""));
	assert_false(colour("list", "1", "1"));
	assert_false(colour("list --no-color", "", "1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_anywhere), cmocka_unit_test(test_help),
		cmocka_unit_test(test_unknown),		 cmocka_unit_test(test_planned),
		cmocka_unit_test(test_colour),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
