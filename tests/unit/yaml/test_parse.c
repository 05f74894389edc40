/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading YAML: marks, kinds, merge keys, and everything that is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "tests/lib/yaml/doc.h"

#define OPEN(d, text) doc_open(&(d), text, strlen(text))

/* Parses, and expects exactly one complaint, with this place and beginning. */
static void refuse_bytes(const char *text, size_t len, const char *complaint)
{
	struct doc d;

	doc_open(&d, text, len);
	assert_int_equal(d.diags.n, 1);
	if (strncmp(doc_complaints(&d), complaint, strlen(complaint)) != 0)
		fail_msg("expected '%s', got '%s'", complaint, doc_complaints(&d));
	doc_close(&d);
}

static void refuse(const char *text, const char *complaint)
{
	refuse_bytes(text, strlen(text), complaint);
}

static void assert_mark(const struct yaml_node *n, unsigned line, unsigned column)
{
	assert_non_null(n);
	assert_int_equal(n->at.line, line);
	assert_int_equal(n->at.column, column);
}

static void test_kinds_and_marks(void **state)
{
	const struct yaml_node *list, *map;
	struct doc d;

	(void)state;
	OPEN(d, "a: plain\n"
		"b: 'quoted'\n"
		"c: |\n  block\n"
		"ü: [ x, { k: v } ]\n"
		"e:\n");
	assert_non_null(d.root);
	assert_int_equal(d.diags.n, 0);
	assert_int_equal(d.root->kind, YAML_MAP);
	assert_int_equal(d.root->n, 5);
	assert_mark(yaml_get(d.root, "a"), 1, 4);
	assert_true(yaml_get(d.root, "a")->plain);
	assert_false(yaml_get(d.root, "b")->plain);
	assert_mark(yaml_get(d.root, "c"), 3, 4);
	assert_true(yaml_get(d.root, "c")->block);
	assert_string_equal(yaml_get(d.root, "c")->text, "block\n");
	list = yaml_get(d.root, "ü"); /* columns are characters, not bytes */
	assert_mark(list, 5, 4);
	assert_int_equal(list->kind, YAML_SEQ);
	assert_mark(list->items[0], 5, 6);
	map = list->items[1];
	assert_mark(yaml_get(map, "k"), 5, 14);
	assert_ptr_equal(map->source, &d.source);
	assert_true(yaml_is_null(yaml_get(d.root, "e")));
	assert_null(yaml_get(d.root, "f"));
	assert_null(yaml_get(list, "k"));
	doc_close(&d);
}

static void test_empty(void **state)
{
	static const char *const texts[] = {"", "\n", "# only a comment\n", "---\n...\n",
					    "\xef\xbb\xbf"};
	struct doc d;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		OPEN(d, texts[i]);
		assert_non_null(d.root);
		assert_int_equal(d.diags.n, 0);
		if (d.root->kind == YAML_SCALAR)
			assert_true(yaml_is_null(d.root)); /* "---" alone is a null document */
		else
			assert_int_equal(d.root->n, 0);
		doc_close(&d);
	}
}

/* A text without a NUL behind it: the parser keeps to the length. */
static void test_length_is_the_length(void **state)
{
	char *text = malloc(4);
	struct doc d;

	(void)state;
	assert_non_null(text);
	memcpy(text, "a: b", 4);
	doc_open(&d, text, 4);
	assert_string_equal(yaml_get(d.root, "a")->text, "b");
	doc_close(&d);
	free(text);
}

static void test_embedded_nul(void **state)
{
	struct doc d;

	(void)state;
	OPEN(d, "a: \"x\\0y\"\n");
	assert_int_equal(yaml_get(d.root, "a")->len, 3);
	assert_memory_equal(yaml_get(d.root, "a")->text, "x\0y", 4);
	doc_close(&d);
}

static void test_bom_and_line_ends(void **state)
{
	struct doc d;

	(void)state;
	OPEN(d, "\xef\xbb\xbf"
		"a: 1\r\nb: 2\r\nc: 3\r\n");
	assert_int_equal(d.diags.n, 0);
	assert_mark(yaml_get(d.root, "a"), 1, 4);
	assert_mark(yaml_get(d.root, "c"), 3, 4);
	doc_close(&d);
}

static void test_tags(void **state)
{
	struct doc d;

	(void)state;
	OPEN(d, "a: !!str 1\nb: !own x\nc: !<tag:x.org,2000:y> z\nd: 1\n");
	assert_string_equal(yaml_get(d.root, "a")->tag, "!!str");
	assert_string_equal(yaml_get(d.root, "b")->tag, "!own");
	assert_string_equal(yaml_get(d.root, "c")->tag, "tag:x.org,2000:y");
	assert_null(yaml_get(d.root, "d")->tag);
	assert_int_equal(yaml_type(yaml_get(d.root, "a")), YAML_TEXT);
	assert_int_equal(yaml_type(yaml_get(d.root, "d")), YAML_INT);
	doc_close(&d);
}

static void test_aliases_share(void **state)
{
	struct doc d;

	(void)state;
	OPEN(d, "a: &x [ 1 ]\nb: *x\n&k key: v\nc: { *k : w }\n");
	assert_int_equal(d.diags.n, 0);
	assert_ptr_equal(yaml_get(d.root, "a"), yaml_get(d.root, "b"));
	assert_string_equal(yaml_get(yaml_get(d.root, "c"), "key")->text, "w");
	doc_close(&d);
}

static void test_merge(void **state)
{
	struct doc d;

	(void)state;
	OPEN(d, "one: &one { a: 1, b: 1 }\n"
		"two: &two { b: 2, c: 2 }\n"
		"m: { <<: [ *one, *two ], a: 0, d: 0 }\n"
		"n: { a: 9, <<: *two }\n"
		"q: { \"<<\": *two }\n");
	assert_int_equal(d.diags.n, 0);
	assert_string_equal(doc_json(&d),
			    "{\n"
			    "  \"one\": {\n    \"a\": 1,\n    \"b\": 1\n  },\n"
			    "  \"two\": {\n    \"b\": 2,\n    \"c\": 2\n  },\n"
			    "  \"m\": {\n    \"a\": 0,\n    \"d\": 0,\n    \"b\": 1,\n"
			    "    \"c\": 2\n  },\n"
			    "  \"n\": {\n    \"a\": 9,\n    \"b\": 2,\n    \"c\": 2\n  },\n"
			    "  \"q\": {\n    \"<<\": {\n      \"b\": 2,\n      \"c\": 2\n    }\n"
			    "  }\n}\n");
	doc_close(&d);
	refuse("a: { <<: 1 }\n", "t.yaml:1:6: error: '<<' merges maps");
	refuse("a: { <<: [ [] ] }\n", "t.yaml:1:6: error: '<<' merges maps");
}

static void test_duplicate_keys(void **state)
{
	struct doc d;

	(void)state;
	OPEN(d, "a: 1\nb: 2\na: 3\n'a': 4\n");
	assert_non_null(d.root);
	assert_int_equal(d.diags.errors, 2);
	assert_int_equal(d.root->n, 2);
	assert_string_equal(yaml_get(d.root, "a")->text, "1");
	assert_string_equal(d.diags.list[0].message, "duplicate key 'a'");
	assert_int_equal(d.diags.list[0].at.line, 3);
	assert_string_equal(d.diags.list[0].help, "it is given on line 1 already");
	doc_close(&d);
}

static void test_refused_syntax(void **state)
{
	(void)state;
	refuse("a:\n\tb: 1\n", "t.yaml:2:1: error: a tab cannot indent");
	refuse("a: [\n \tb ]\n", "t.yaml:2:2: error: a tab cannot indent");
	refuse("a: 1\n---\nb: 2\n", "t.yaml:2:1: error: a second document");
	refuse("[ a ]: 1\n", "t.yaml:1:1: error: a list or map cannot be a key");
	refuse("{ a: 1 }: 1\nb: 2\n", "t.yaml:1:1: error: a list or map cannot be a key");
	refuse("a: b: c\n", "t.yaml:1:5: error: a 'key: value' cannot stand here");
	refuse("a: 1\n  b: 2\n", "t.yaml:2:4: error: a 'key: value' cannot stand here");
	refuse("a:\n    b: 1\n  c: 2\n", "t.yaml:3:3: error: a key was expected here");
	refuse("- a\nb: 1\n", "t.yaml:2:1: error: a '- item' of the list was expected here");
	refuse("a: \"x\n", "t.yaml:1:4: error: this is never closed");
	refuse("a: 'x\n", "t.yaml:1:4: error: this is never closed");
	refuse("a: [ 1, 2\n", "t.yaml:1:4: error: this list is not closed");
	refuse("a: { b: 1\n", "t.yaml:1:4: error: this map is not closed");
	refuse("a: @x\n", "t.yaml:1:4: error: a plain text cannot begin with '@'");
	refuse("a: `x\n", "t.yaml:1:4: error: a plain text cannot begin with '`'");
	refuse("a: \"\\q\"\n", "t.yaml:1:5: error: unknown escape");
	refuse("a: *b\n", "t.yaml:1:4: error: nothing is called '&b'");
	refuse("a: &x { b: *x }\n", "t.yaml:1:12: error: '*x' stands inside of what it names");
	refuse("a: - b\n", "t.yaml:1:4: error: a '- item' cannot stand here");
	refuse("a: 1\nb\nc: 1\n", "t.yaml:2:1: error: this key has no ':' after it");
	refuse("a:\tb\n", "t.yaml:1:3: error: a tab cannot stand between values");
	refuse("ä: [ 1,\t\t2 ]\n", "t.yaml:1:8: error: a tab cannot stand between values");
	refuse("a: |\n  \tb\n", "t.yaml:2:3: error: a tab cannot indent");
}

static void test_refused_bytes(void **state)
{
	(void)state;
	refuse("a: 1\nb: x\xffy\n", "t.yaml:2:5: error: this is not UTF-8");
	refuse("a: \xc0\x80\n", "t.yaml:1:4: error: this is not UTF-8");
	refuse("a: x\x07\n", "t.yaml:1:5: error: control character U+0007");
	refuse("ä: x\x1b\n", "t.yaml:1:5: error: control character U+001B");
	refuse_bytes("a: x\0y\n", 7, "t.yaml:1:5: error: control character U+0000");
	refuse("\xff\xfe"
	       "a",
	       "t.yaml:1:1: error: this is not UTF-8"); /* UTF-16 is no way around the checks */
}

/* A tab that indents nothing is a character like any other. */
static void test_tabs_that_are_fine(void **state)
{
	struct doc d;

	(void)state;
	OPEN(d, "c: |\n  all:\tx\n  \tmake\n# \t\nd: 'x\ty'\ne: |2\n  \tx\n");
	assert_int_equal(d.diags.n, 0);
	assert_string_equal(yaml_get(d.root, "c")->text, "all:\tx\n\tmake\n");
	assert_string_equal(yaml_get(d.root, "e")->text, "\tx\n");
	doc_close(&d);
}

/* --- limits ------------------------------------------------------------------------ */

static void test_depth(void **state)
{
	char text[2 * YAML_MAX_DEPTH + 3];
	struct doc d;

	(void)state;
	memset(text, '[', YAML_MAX_DEPTH);
	memset(text + YAML_MAX_DEPTH, ']', YAML_MAX_DEPTH);
	doc_open(&d, text, 2 * YAML_MAX_DEPTH);
	assert_int_equal(d.diags.n, 0);
	assert_non_null(d.root);
	doc_close(&d);

	memset(text, '[', YAML_MAX_DEPTH + 1);
	memset(text + YAML_MAX_DEPTH + 1, ']', YAML_MAX_DEPTH + 1);
	refuse_bytes(text, 2 * YAML_MAX_DEPTH + 2,
		     "t.yaml:1:65: error: nested more than 64 levels deep");
}

/* Depth counts through aliases: twelve times six levels are more than 64. */
static void test_depth_through_aliases(void **state)
{
	auto_buf struct buf text = BUF_INIT(1 << 16);
	struct doc d;

	(void)state;
	buf_puts(&text, "a0: &a0 [[[[[[ x ]]]]]]\n");
	for (int i = 1; i < 12; i++)
		buf_printf(&text, "a%d: &a%d [[[[[[ *a%d ]]]]]]\n", i, i, i - 1);
	doc_open(&d, buf_str(&text), text.len);
	assert_null(d.root);
	assert_int_equal(d.diags.n, 1);
	assert_string_equal(d.diags.list[0].message, "nested more than 64 levels deep");
	assert_int_equal(d.diags.list[0].at.line,
			 11); /* 1 for the map, 10 times 6 fit, the next does not */
	doc_close(&d);
}

static void test_nodes(void **state)
{
	auto_buf struct buf text = BUF_INIT(1 << 20);
	struct doc d;

	(void)state;
	buf_puts(&text, "[");
	for (int i = 0; i < YAML_MAX_NODES - 1; i++)
		buf_puts(&text, "a,");
	buf_puts(&text, "]");
	doc_open(&d, buf_str(&text), text.len);
	assert_non_null(d.root); /* the list and its items: just as many as there may be */
	doc_close(&d);

	text.data[text.len - 1] = 'a';
	buf_puts(&text, "]");
	doc_open(&d, buf_str(&text), text.len);
	assert_null(d.root);
	assert_string_equal(d.diags.list[0].message, "more than 100000 values");
	doc_close(&d);
}

static void test_alias_bomb(void **state)
{
	auto_buf struct buf text = BUF_INIT(1 << 16);
	struct doc d;

	(void)state;
	buf_puts(&text, "a0: &a0 [ x, x, x, x, x, x, x, x, x, x ]\n");
	for (int i = 1; i < 30; i++)
		buf_printf(&text, "a%d: &a%d [ *a%d, *a%d, *a%d, *a%d ]\n", i, i, i - 1, i - 1,
			   i - 1, i - 1);
	doc_open(&d, buf_str(&text), text.len);
	assert_null(d.root);
	assert_int_equal(d.diags.n, 1);
	assert_string_equal(d.diags.list[0].message, "more than 100000 values");
	doc_close(&d);
}

/* Few values, but a long one many times: bytes count as well. */
static void test_text_bomb(void **state)
{
	auto_buf struct buf text = BUF_INIT(1 << 20);
	struct doc d;

	(void)state;
	buf_puts(&text, "a: &a ");
	for (int i = 0; i < 500 * 1024; i++)
		buf_putc(&text, 'x');
	buf_puts(&text, "\nb: [ *a, *a, *a, *a, *a, *a, *a ]\n");
	doc_open(&d, buf_str(&text), text.len);
	assert_non_null(d.root); /* eight times 500 KiB */
	doc_close(&d);
	buf_puts(&text, "c: *a\n");
	doc_open(&d, buf_str(&text), text.len);
	assert_null(d.root);
	assert_string_equal(d.diags.list[0].message, "more than 4096 KiB of text");
	doc_close(&d);
}

/* The same through merge keys, which copy pairs instead of naming a node. */
static void test_merge_bomb(void **state)
{
	auto_buf struct buf text = BUF_INIT(1 << 20);
	struct doc d;

	(void)state;
	buf_puts(&text, "a: &a {");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, " k%d: v,", i);
	buf_puts(&text, " }\nb: [");
	for (int i = 0; i < 1000; i++)
		buf_puts(&text, " { <<: *a },");
	buf_puts(&text, " ]\n");
	doc_open(&d, buf_str(&text), text.len);
	assert_null(d.root);
	assert_string_equal(d.diags.list[0].message, "more than 100000 values");
	doc_close(&d);
}

static void test_anchors(void **state)
{
	auto_buf struct buf text = BUF_INIT(1 << 20);
	struct doc d;

	(void)state;
	for (int i = 0; i < 1001; i++)
		buf_printf(&text, "- &a%d x\n", i);
	doc_open(&d, buf_str(&text), text.len);
	assert_null(d.root);
	assert_string_equal(d.diags.list[0].message, "more than 1000 anchors");
	doc_close(&d);
}

static void test_bytes(void **state)
{
	char *text = malloc(YAML_MAX_BYTES + 1);
	struct doc d;

	(void)state;
	assert_non_null(text);
	memset(text, '#', YAML_MAX_BYTES + 1);
	doc_open(&d, text, YAML_MAX_BYTES);
	assert_non_null(d.root);
	doc_close(&d);
	doc_open(&d, text, YAML_MAX_BYTES + 1);
	assert_null(d.root);
	assert_string_equal(d.diags.list[0].message, "larger than 1024 KiB");
	doc_close(&d);
	free(text);
}

/* Many duplicates: no more complaints than DIAGS_MAX, and no quadratic wait for them. */
static void test_many_duplicates(void **state)
{
	auto_buf struct buf text = BUF_INIT(1 << 20);
	struct doc d;

	(void)state;
	for (int i = 0; i < 40000; i++)
		buf_printf(&text, "k%d: v\n", i / 2);
	doc_open(&d, buf_str(&text), text.len);
	assert_non_null(d.root);
	assert_int_equal(d.root->n, 20000);
	assert_int_equal(d.diags.n, DIAGS_MAX);
	assert_true(d.diags.full);
	doc_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_and_marks),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_length_is_the_length),
		cmocka_unit_test(test_embedded_nul),
		cmocka_unit_test(test_bom_and_line_ends),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_aliases_share),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_duplicate_keys),
		cmocka_unit_test(test_refused_syntax),
		cmocka_unit_test(test_refused_bytes),
		cmocka_unit_test(test_tabs_that_are_fine),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_depth_through_aliases),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_alias_bomb),
		cmocka_unit_test(test_text_bomb),
		cmocka_unit_test(test_merge_bomb),
		cmocka_unit_test(test_anchors),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_many_duplicates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
