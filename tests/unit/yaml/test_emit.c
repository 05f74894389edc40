/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing YAML and JSON: what is quoted, what is a block, and that everything reads back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "tests/lib/yaml/doc.h"

/* A text as the value of a key. */
static char *emit_text(const char *text, bool plain)
{
	struct arena *a = arena_new();
	struct yaml_node *map = yaml_map(a);
	struct buf out = BUF_INIT(1 << 20);

	yaml_set(a, map, "k", plain ? yaml_plain(a, text) : yaml_str(a, text));
	yaml_emit(map, &out);
	arena_free(a);
	return buf_take(&out);
}

static void check_text(const char *text, const char *expected)
{
	auto_free char *yaml = emit_text(text, false);
	struct doc d;

	assert_string_equal(yaml, expected);
	doc_open(&d, yaml, strlen(yaml));
	assert_int_equal(d.diags.n, 0);
	assert_string_equal(yaml_get(d.root, "k")->text, text);
	assert_int_equal(yaml_type(yaml_get(d.root, "k")), YAML_TEXT);
	doc_close(&d);
}

static void test_bare(void **state)
{
	static const char *const texts[] = {
		"a",	  "two words", "/etc/motd", "10.0.0.5/24", "52:54:00:aa:00:01",	     "-c",
		"--init", "a#b",       "x:y",	    "sha256:00",   "ALL=(ALL) NOPASSWD:ALL", "it's",
		"1.2.3",  "v1",	       "é ü",	    "a, b",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		auto_free char *expected = xasprintf("k: %s\n", texts[i]);

		check_text(texts[i], expected);
	}
}

static void test_quoted(void **state)
{
	static const char *const texts[] = {
		/* YAML 1.2 would read something else */
		"",
		"~",
		"null",
		"true",
		"False",
		"0",
		"-1",
		"1.5",
		"1e3",
		".5",
		"0x1f",
		"0o17",
		".inf",
		".nan",
		/* YAML 1.1 would */
		"yes",
		"No",
		"on",
		"OFF",
		"y",
		"0644",
		"1_000",
		"22:22",
		"1:30:00.5",
		"52:54:00:12:34:56",
		"2026-11-23",
		"2026-1-2 10:00:00",
		"0b1",
		"=",
		"<<",
		/* the syntax would */
		" a",
		"a ",
		"a: b",
		"a:",
		": a",
		"a #b",
		"#a",
		"- a",
		"-",
		"? a",
		"[a",
		"{a",
		"]",
		"}",
		",a",
		"&a",
		"*a",
		"!a",
		"|a",
		">a",
		"'a",
		"%a",
		"@a",
		"`a",
		"---",
		"--- a",
		"...",
		"a\tb",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		auto_free char *yaml = emit_text(texts[i], false);
		struct doc d;

		if (yaml[3] != '"')
			fail_msg("'%s' is written bare: %s", texts[i], yaml);
		doc_open(&d, yaml, strlen(yaml));
		assert_int_equal(d.diags.n, 0);
		assert_string_equal(yaml_get(d.root, "k")->text, texts[i]);
		doc_close(&d);
	}
	check_text("say \"a\\b\"", "k: say \"a\\b\"\n");
	check_text("\"a\\b\"", "k: \"\\\"a\\\\b\\\"\"\n");
	check_text("bell\x07", "k: \"bell\\x07\"\n");
	check_text("\xe2\x80\xae"
		   "evil",
		   "k: \"\\u202Eevil\"\n"); /* turns the direction of text around */
	check_text("\xc2\x85", "k: \"\\x85\"\n");
}

static void test_plain_stays(void **state)
{
	static const char *const texts[] = {"true", "42", "null", "0x1f", "1.5", ""};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		auto_free char *yaml = emit_text(texts[i], true);
		auto_free char *expected = xasprintf("k:%s%s\n", *texts[i] ? " " : "", texts[i]);

		assert_string_equal(yaml, expected);
	}
}

static void test_blocks(void **state)
{
	(void)state;
	check_text("a\nb\n", "k: |\n  a\n  b\n");
	check_text("a\nb", "k: |-\n  a\n  b\n");
	check_text("a\n\n\n", "k: |+\n  a\n\n\n");
	check_text("  a\nb\n", "k: |2\n    a\n  b\n");
	check_text("\n\na\n", "k: |2\n\n\n  a\n");
	check_text("\ta\n", "k: |2\n  \ta\n");
	check_text("a\n \nb\n", "k: |\n  a\n   \n  b\n");
	check_text("# not a comment\n--- \n...\n", "k: |\n  # not a comment\n  --- \n  ...\n");
	/* A block would lose these. */
	check_text("\n", "k: \"\\n\"\n");
	check_text("a\n ", "k: \"a\\n \"\n");
	check_text("a\r\nb\n", "k: \"a\\x0D\\nb\\n\"\n");
}

static void test_structure(void **state)
{
	static const char yaml[] = "a:\n"
				   "  b:\n"
				   "    - 1\n"
				   "    - x: 1\n"
				   "      y: |\n"
				   "        text\n"
				   "        more\n"
				   "    - - p\n"
				   "      - q\n"
				   "      - - r\n"
				   "    - []\n"
				   "    - {}\n"
				   "  \"c: d\": {}\n"
				   "e: []\n";
	struct doc d;

	(void)state;
	doc_open(&d, yaml, strlen(yaml));
	assert_int_equal(d.diags.n, 0);
	assert_string_equal(doc_yaml(&d), yaml);
	doc_close(&d);
}

/* Flow style, anchors, odd keys, tags: the same tree in croft's own hand. */
static void test_rewritten(void **state)
{
	static const char yaml[] =
		"{ a: &x [ 1, 'two' ], b: *x, ? 'k: v' : 1, c: !!int \"3\", d: !own { e: f } }";
	struct doc d, again;

	(void)state;
	doc_open(&d, yaml, strlen(yaml));
	assert_string_equal(doc_yaml(&d), "a:\n  - 1\n  - two\n"
					  "b:\n  - 1\n  - two\n"
					  "\"k: v\": 1\n"
					  "c: !!int 3\n"
					  "d: !own\n  e: f\n");
	doc_open(&again, buf_str(&d.out), d.out.len);
	assert_int_equal(again.diags.n, 0);
	doc_close(&again);
	doc_close(&d);
}

static void test_long_and_empty_keys(void **state)
{
	struct arena *a = arena_new();
	struct yaml_node *map = yaml_map(a), *list = yaml_seq(a);
	auto_buf struct buf out = BUF_INIT(1 << 20);
	char key[3001];
	struct doc d;

	(void)state;
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	yaml_set(a, map, key, yaml_str(a, "v"));
	yaml_set(a, map, "", yaml_str(a, "w"));
	yaml_add(a, list, map);
	yaml_emit(list, &out);
	doc_open(&d, buf_str(&out), out.len);
	assert_int_equal(d.diags.n, 0);
	assert_string_equal(yaml_get(d.root->items[0], key)->text, "v");
	assert_string_equal(yaml_get(d.root->items[0], "")->text, "w");
	doc_close(&d);
	arena_free(a);
}

static void test_set_replaces(void **state)
{
	struct arena *a = arena_new();
	struct yaml_node *map = yaml_map(a);
	auto_buf struct buf out = BUF_INIT(1 << 20);

	(void)state;
	yaml_set(a, map, "a", yaml_plain(a, "1"));
	yaml_set(a, map, "b", yaml_plain(a, "2"));
	yaml_set(a, map, "a", yaml_plain(a, "3"));
	yaml_emit(map, &out);
	assert_string_equal(buf_str(&out), "a: 3\nb: 2\n");
	arena_free(a);
}

static void check_json(const char *yaml, const char *json)
{
	struct doc d;

	doc_open(&d, yaml, strlen(yaml));
	assert_int_equal(d.diags.n, 0);
	assert_string_equal(doc_json(&d), json);
	doc_close(&d);
}

static void test_json(void **state)
{
	(void)state;
	check_json("[ 1, -0, +2, 007, 0x1F, 0o17, 1.50, .5, 1., -1.e3, 1E+3 ]",
		   "[\n  1,\n  -0,\n  2,\n  7,\n  31,\n  15,\n  1.50,\n  0.5,\n  1.0,\n  -1.0e3,\n "
		   " 1E+3\n]\n");
	check_json("[ true, False, null, ~, '1', \"true\", yes, !!str 1, .inf, -.Inf, .nan ]",
		   "[\n  true,\n  false,\n  null,\n  null,\n  \"1\",\n  \"true\",\n  \"yes\",\n  "
		   "\"1\",\n"
		   "  \".inf\",\n  \"-.Inf\",\n  \".nan\"\n]\n");
	check_json("[ 0xffffffffffffffff, 0x10000000000000000, 123456789012345678901234567890 ]",
		   "[\n  18446744073709551615,\n  \"0x10000000000000000\",\n"
		   "  123456789012345678901234567890\n]\n");
	check_json("{ \"a\\\"\\\\\": \"\\0\\n\\t\\x7f\\u2028\", é: {}, l: [] }",
		   "{\n  \"a\\\"\\\\\": \"\\u0000\\n\\t\\u007f\\u2028\",\n  \"é\": {},\n  \"l\": "
		   "[]\n}\n");
}

/* What croft builds may hold bytes that are no text: they do not make the output unreadable. */
static void test_not_utf8(void **state)
{
	struct arena *a = arena_new();
	struct yaml_node *n = yaml_str(a, "a\xff\xc3(b");
	auto_buf struct buf yaml = BUF_INIT(1000), json = BUF_INIT(1000);

	(void)state;
	yaml_emit(n, &yaml);
	yaml_emit_json(n, &json);
	assert_string_equal(buf_str(&yaml), "--- \"a\\uFFFD\\uFFFD(b\"\n");
	assert_string_equal(buf_str(&json), "\"a\\ufffd\\ufffd(b\"\n");
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bare),
		cmocka_unit_test(test_quoted),
		cmocka_unit_test(test_plain_stays),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_rewritten),
		cmocka_unit_test(test_long_and_empty_keys),
		cmocka_unit_test(test_set_replaces),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_not_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
