/* SPDX-License-Identifier: Apache-2.0
 *
 * Text that images carry: labels made safe to show, os-release, and the findings as JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "base/clean.h"
#include "base/util.h"
#include "images/inspect/inspect.h"
#include "images/inspect/osrelease.h"

static void test_clean(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"plain", "plain"},
		{"tab\tesc\x1b[0m", "tab?esc?[0m"},
		{"\x7f", "?"},
		{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"\xc2\x9b", "?"},		    /* C1: a terminal's CSI */
		{"\xe2\x80\xa8", "?"},		    /* line separator */
		{"\xe2\x80\xaa\xe2\x80\xae", "??"}, /* an embedding, an override */
		{"\xe2\x81\xa6\xe2\x81\xa9", "??"}, /* an isolate, its end */
		{"\xe2\x81\xa5\xe2\x80\xaf", "\xe2\x81\xa5\xe2\x80\xaf"}, /* their neighbours */
		{"\xc0\xaf", "??"},					  /* overlong */
		{"\xed\xa0\x80", "???"},				  /* surrogate */
		{"\xf5\x80\x80\x80", "????"},				  /* above U+10FFFF */
		{"\xc3", "?"},						  /* cut off */
		{"\xe2\x82", "??"},
		{"\x80"
		 "x",
		 "?x"},
		{"", ""},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		clean_copy(out, sizeof(out), cases[i].in, strlen(cases[i].in));
		assert_string_equal(out, cases[i].out);
		snprintf(out, sizeof(out), "%s", cases[i].in);
		clean_copy(out, sizeof(out), out, strlen(out)); /* in place */
		assert_string_equal(out, cases[i].out);
	}
	/* Too long: ends before the character that does not fit. */
	assert_int_equal(clean_copy(out, 4, "ab\xe2\x82\xac", 5), 2);
	assert_string_equal(out, "ab");
	assert_int_equal(clean_copy(out, 6, "ab\xe2\x82\xac", 5), 5);
	assert_int_equal(clean_copy(out, sizeof(out), "a\0b", 3), 1);
	assert_true(CLEAN_STR(out, "good"));
	assert_false(CLEAN_STR(out, "b\nad"));
}

static void test_utf16(void **state)
{
	char out[64];

	(void)state;
	clean_utf16(out, sizeof(out), "r\0o\0\xe4\0\xac\x20\0\0x\0", 6);
	assert_string_equal(out, "ro\xc3\xa4\xe2\x82\xac");
	clean_utf16(out, sizeof(out), "\x3d\xd8\x00\xde", 2);
	assert_string_equal(out, "\xf0\x9f\x98\x80");
	clean_utf16(out, sizeof(out), "\x3d\xd8x\0\x00\xde", 3); /* surrogates alone */
	assert_string_equal(out, "?x?");
	clean_utf16(out, 3, "a\0b\0c\0", 3);
	assert_string_equal(out, "ab");
}

static void test_os_release(void **state)
{
	struct os_release os = {0};

	(void)state;
	os_release_parse("# comment\nID=debian\nVERSION_ID=\"12\"\n"
			 "PRETTY_NAME='Debian \"GNU\"/Linux'\nID_LIKE=\"a b\"\nNAME=x\n",
			 &os);
	assert_string_equal(os.id, "debian");
	assert_string_equal(os.version_id, "12");
	assert_string_equal(os.pretty_name, "Debian \"GNU\"/Linux");
	assert_string_equal(os.id_like, "a b");

	os_release_parse("  ID=\"a\\\"b\\$c\\\\\"\nVERSION_ID=1\\ 2 # x\nPRETTY_NAME=\"unclosed\n"
			 "ID_LIKE=a\"b\"'c'\r\n",
			 &os);
	assert_string_equal(os.id, "a\"b$c\\");
	assert_string_equal(os.version_id, "1 2");
	assert_string_equal(os.pretty_name, "unclosed");
	assert_string_equal(os.id_like, "abc");

	os_release_parse("ID=first\nID=last", &os);
	assert_string_equal(os.id, "last");
	os_release_parse("ID=", &os);
	assert_string_equal(os.id, "");
	os_release_parse("XID=x\nID\nIDx=y\n\n\n=", &os);
	assert_string_equal(os.id, "");
	/* Longer than the field, and with an escape sequence. */
	os_release_parse(
		"ID=0123456789012345678901234567890123456789012345678901234567890123456789\n"
		"VERSION_ID=\"\x1b]0;x\"",
		&os);
	assert_int_equal(strlen(os.id), sizeof(os.id) - 1);
	assert_string_equal(os.version_id, "?]0;x");
}

static const char *text_at(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void test_json(void **state)
{
	struct inspect in = {
		.disk_size = 1000,
		.table = "gpt",
		.nparts = 1,
		.root_part = 0,
		.part[0] = {.number = 3,
			    .off = 512,
			    .size = 100,
			    .fs = "ext4",
			    .fs_label = "r\xc3\xa4"},
		.os = {.id = "debian"},
		.boot = {.source = BOOT_GRUB,
			 .part = 3,
			 .kernel = "/k",
			 .initrd = {"/i"},
			 .ninitrd = 1},
		.kernel = {.kind = "bzImage", .protocol = 0x20F},
	};
	char *text = inspect_json(&in);
	json_t *o = json_loads(text, 0, NULL), *part, *boot;

	(void)state;
	assert_non_null(o);
	assert_string_equal(text_at(o, "table"), "gpt");
	assert_int_equal(json_integer_value(json_object_get(o, "disk_size")), 1000);
	assert_int_equal(json_integer_value(json_object_get(o, "root")), 3);
	assert_true(json_is_null(json_object_get(o, "image")));
	part = json_array_get(json_object_get(o, "partitions"), 0);
	assert_string_equal(text_at(part, "label"), "r\xc3\xa4");
	assert_true(json_is_null(json_object_get(part, "uuid")));
	boot = json_object_get(o, "boot");
	assert_string_equal(text_at(boot, "source"), "grub");
	assert_string_equal(json_string_value(json_array_get(json_object_get(boot, "initrd"), 0)),
			    "/i");
	assert_string_equal(text_at(boot, "cmdline"), "");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(o, "kernel"), "protocol")),
		0x20F);
	json_decref(o);
	free(text);

	in = (struct inspect){.root_part = -1u,
			      .image = {.format = BLK_QCOW2, .file_size = 1, .qcow2_version = 3},
			      .boot_note = "nothing"};
	text = inspect_json(&in);
	o = json_loads(text, 0, NULL);
	assert_true(json_is_null(json_object_get(o, "boot")));
	assert_true(json_is_null(json_object_get(o, "os")));
	assert_true(json_is_null(json_object_get(o, "kernel")));
	assert_string_equal(text_at(o, "note"), "nothing");
	assert_string_equal(text_at(json_object_get(o, "image"), "format"), "qcow2");
	json_decref(o);
	free(text);
	inspect_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_utf16),
		cmocka_unit_test(test_os_release),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
