/* SPDX-License-Identifier: Apache-2.0
 *
 * Complaints: order, places in embedded texts, carets, what is not shown, how many there can be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>

#include "base/util.h"
#include "base/yaml/diag.h"
#include "base/mem.h"

struct fixture {
	struct arena *arena;
	struct diags diags;
	char *text;
};

static int setup(void **state)
{
	struct fixture *f = xzalloc(sizeof(*f));

	f->arena = arena_new();
	diags_init(&f->diags, f->arena);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	diags_done(&f->diags);
	arena_free(f->arena);
	free(f->text);
	free(f);
	return 0;
}

static const char *printed(struct fixture *f, bool colour)
{
	size_t n;
	FILE *out;

	free(f->text);
	f->text = NULL;
	out = open_memstream(&f->text, &n);
	diags_print(&f->diags, out, colour);
	fclose(out);
	return f->text;
}

static struct source text_source(const char *name, const char *text)
{
	return (struct source){.name = name, .text = text, .len = strlen(text)};
}

#define AT(line, column) ((struct mark){line, column})

static void test_shape(void **state)
{
	struct fixture *f = *state;
	struct source s = text_source("croft.yaml", "version: 1\ndisk: 500MiB\n");

	diag_error(&f->diags, &s, AT(2, 7), "write at least 2GiB", "disk: %s is too small",
		   "500MiB");
	assert_string_equal(printed(f, false), "croft.yaml:2:7: error: disk: 500MiB is too small\n"
					       "    2 | disk: 500MiB\n"
					       "      |       ^\n"
					       "      = help: write at least 2GiB\n");
	assert_non_null(strstr(printed(f, true), "\033[1;31merror:\033[0m"));
	assert_int_equal(f->diags.errors, 1);
}

static void test_order_and_levels(void **state)
{
	struct fixture *f = *state;
	struct source s = text_source("a", "x\ny\nz\n"), t = text_source("b", "x\n");

	diag_error(&f->diags, &t, AT(1, 1), NULL, "in b");
	diag_error(&f->diags, &s, AT(3, 1), NULL, "third");
	diag_warn(&f->diags, &s, AT(1, 1), NULL, "first");
	diag_error(&f->diags, &s, AT(3, 1), NULL, "third, too");
	diag_error(&f->diags, &s, AT(0, 0), NULL, "as a whole");
	diag_error(&f->diags, &s, AT(3, 1), NULL, "third"); /* once is enough */
	assert_string_equal(printed(f, false), "a: error: as a whole\n"
					       "a:1:1: warning: first\n    1 | x\n      | ^\n"
					       "a:3:1: error: third\n    3 | z\n      | ^\n"
					       "a:3:1: error: third, too\n    3 | z\n      | ^\n"
					       "b:1:1: error: in b\n    1 | x\n      | ^\n");
	assert_int_equal(f->diags.errors, 4);
	assert_int_equal(f->diags.n, 5);
}

/* A text that stands in another file is shown where that file has it. */
static void test_embedded(void **state)
{
	struct fixture *f = *state;
	struct source s = text_source("croft.yaml", "#cloud-config\npakages: []\n");

	s.line_offset = 10;
	s.column_offset = 4;
	diag_error(&f->diags, &s, AT(2, 1), NULL, "unknown");
	assert_string_equal(printed(f, false), "croft.yaml:12:5: error: unknown\n"
					       "   12 |     pakages: []\n"
					       "      |     ^\n");
}

static void test_hostile_text(void **state)
{
	struct fixture *f = *state;
	struct source s = text_source("a\033[2J", "k:\tx\033[31m\xff\xe2\x80\xae ä: y\r\nz");

	diag_error(&f->diags, &s, AT(1, 16),
		   "be\x07"
		   "ep",
		   "bad \033]0;title\x07 text");
	assert_string_equal(printed(f, false), "a?[2J:1:16: error: bad ?]0;title? text\n"
					       "    1 | k: x?[31m?? ä: y\n"
					       "      |                ^\n"
					       "      = help: be?ep\n");
}

static void test_long_line(void **state)
{
	struct fixture *f = *state;
	char text[400];
	struct source s = {.name = "a", .text = text, .len = sizeof(text)};
	const char *caret;

	memset(text, '.', sizeof(text));
	text[299] = 'X';
	diag_error(&f->diags, &s, AT(1, 300), NULL, "here");
	caret = strchr(printed(f, false), '^');
	assert_non_null(caret);
	/* The caret stands below the X, and no line is longer than a terminal is wide or so. */
	assert_int_equal(strchr(f->text, 'X') - strstr(f->text, "    1 |"),
			 caret - strstr(f->text, "      |"));
	for (const char *p = f->text; *p; p += strcspn(p, "\n") + 1)
		assert_true(strcspn(p, "\n") < 120);
}

static void test_places_outside(void **state)
{
	struct fixture *f = *state;
	struct source s = text_source("a", "x");

	diag_error(&f->diags, &s, AT(7, 3), NULL, "no such line");
	diag_error(&f->diags, &s, AT(1, 90), NULL, "beyond the end");
	diag_error(&f->diags, NULL, AT(0, 0), NULL, "of nothing");
	assert_non_null(strstr(printed(f, false), "a:7:3: error: no such line\n"));
	assert_non_null(strstr(f->text, "of nothing"));
}

static void test_ceiling(void **state)
{
	struct fixture *f = *state;
	struct source s = text_source("a", "x\n");

	for (unsigned i = 0; i < DIAGS_MAX + 50; i++)
		diag_error(&f->diags, &s, AT(1, i + 1), NULL, "number %u", i);
	assert_int_equal(f->diags.n, DIAGS_MAX);
	assert_int_equal(f->diags.errors, DIAGS_MAX + 50);
	assert_true(f->diags.full);
	assert_non_null(strstr(printed(f, false), "stopped after 200 complaints"));
}

static void test_json(void **state)
{
	struct fixture *f = *state;
	struct source s = text_source("a\"b", "x\n");
	auto_free char *text = NULL;
	json_t *j;

	diag_warn(&f->diags, &s, AT(1, 1), "help", "say \"%s\"", "x");
	diag_error(&f->diags, &s, AT(0, 0), NULL, "whole");
	text = diags_json(&f->diags);
	j = json_loads(text, 0, NULL);
	assert_int_equal(json_array_size(j), 2);
	assert_true(json_is_null(json_object_get(json_array_get(j, 0), "help")));
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 1), "message")),
			    "say \"x\"");
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 1), "level")),
			    "warning");
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 1), "file")),
			    "a\"b");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(j, 1), "line")), 1);
	json_decref(j);
}

static void test_source_line(void **state)
{
	struct source s = text_source("a", "\xef\xbb\xbfone\r\ntwo\rthree\xc2\x85"
					   "four\xe2\x80\xa8"
					   "five\n");
	static const char *const lines[] = {"one", "two", "three", "four", "five", ""};
	size_t len;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
		const char *line = source_line(&s, i + 1, &len);

		assert_non_null(line);
		assert_int_equal(len, strlen(lines[i]));
		assert_memory_equal(line, lines[i], len);
	}
	assert_null(source_line(&s, 7, &len));
	assert_null(source_line(&s, 0, &len));
	assert_null(source_line(NULL, 1, &len));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_shape),	TEST(test_order_and_levels),
		TEST(test_embedded),	TEST(test_hostile_text),
		TEST(test_long_line),	TEST(test_places_outside),
		TEST(test_ceiling),	TEST(test_json),
		TEST(test_source_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
