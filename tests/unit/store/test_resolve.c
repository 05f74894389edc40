/* SPDX-License-Identifier: Apache-2.0
 *
 * Indexes: what they say, and what is not believed of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/util.h"
#include "images/store/catalog/resolve.h"

static void serials(void **state)
{
	static const char *const ascending[] = {"1",
						"1.0",
						"1.9",
						"1.10",
						"2",
						"9.6-20250531.0",
						"10.0-20250101.0",
						"20260712-9",
						"20260712-10",
						"20260712-010.1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ascending); i++)
		for (size_t j = 0; j < ARRAY_LEN(ascending); j++) {
			int c = serial_compare(ascending[i], ascending[j]);

			assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
		}
}

static void listings(void **state)
{
	static const struct {
		const char *text, *match, *name, *serial;
	} cases[] = {
		{"x-1.qcow2 x-2.qcow2", "x-*.qcow2", "x-2.qcow2", "2"},
		{"x-10.qcow2\nx-9.qcow2\n", "x-*.qcow2", "x-10.qcow2", "10"},
		{"SHA256 (x-1.2-3.q) = 00", "x-*.q", "x-1.2-3.q", "1.2-3"},
		{"<a href=\"x-1.q\">x-2.q..&gt;</a>", "x-*.q", "x-1.q", "1"},
		{"a-3.4-b-r5.q a-3.4-b-r5.q.asc a-3.4-c-r9.q", "a-3.*-b-r*.q", "a-3.4-b-r5.q",
		 "4-5"},
		{"x-1.q.sha256 yx-2.q x-latest.q x-.q x-3.qq", "x-*.q", NULL, NULL},
		{"x-1..q x-1-.q x--1.q", "x-*.q", NULL, NULL},
		{"v1 v2/ v3", "v*", "v3", "3"},
		{"x-12-3.q", "x-*-3.q", "x-12-3.q",
		 "12"}, /* the star gives back what the rest needs */
		{"", "x-*.q", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct found f = {0};
		struct err err = {0};
		int rc = listing_find(cases[i].text, strlen(cases[i].text), "https://x/",
				      cases[i].match, &f, &err);

		if ((rc == 0) != (cases[i].name != NULL))
			fail_msg("case %zu: %d %s %s", i, rc, f.name, err.msg);
		if (rc == 0) {
			assert_string_equal(f.name, cases[i].name);
			assert_string_equal(f.serial, cases[i].serial);
		} else {
			assert_int_equal(err.kind, ERR_NOT_FOUND);
		}
	}
}

#define UPLOAD(format, version, digest, ref)                                                       \
	"{\"kind\":\"Upload\",\"data\":{\"ref\":\"" ref                                            \
	"\"},\"metadata\":{\"annotations\":{\"cloud.debian.org/digest\":\"" digest                 \
	"\"},\"labels\":{\"cloud.debian.org/version\":\"" version                                  \
	"\",\"upload.cloud.debian.org/image-format\":\"" format "\"}}}"
#define B64_86                                                                                     \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/w"

static void manifests(void **state)
{
	static const struct {
		const char *text;
		enum err_kind kind;
	} cases[] = {
		{"{\"items\":[" UPLOAD("raw", "1", "x", "a") "," UPLOAD(
			 "qcow2", "20260712-2537", "sha512:" B64_86, "a/b.qcow2") "]}",
		 ERR_NONE},
		{"{\"items\":[" UPLOAD("qcow2", "20260712-2537",
				       "sha512:" B64_86 "==", "a/b.qcow2") "]}",
		 ERR_NONE},
		{"{\"items\":[" UPLOAD("raw", "1", "x", "a") "]}", ERR_NOT_FOUND},
		{"{}", ERR_NOT_FOUND},
		{"[]", ERR_NOT_FOUND},
		{"", ERR_VERIFY},
		{"{\"items\":[", ERR_VERIFY},
		{"{\"a\":1,\"a\":2}", ERR_VERIFY},
		{"{\"items\":[" UPLOAD("qcow2", "../../x", "sha512:" B64_86, "a") "]}", ERR_VERIFY},
		{"{\"items\":[" UPLOAD("qcow2", "", "sha512:" B64_86, "a") "]}", ERR_VERIFY},
		{"{\"items\":[" UPLOAD("qcow2", "1", "sha512:AAAA", "a") "]}", ERR_VERIFY},
		{"{\"items\":[" UPLOAD("qcow2", "1", "sha256:" B64_86, "a") "]}", ERR_VERIFY},
		{"{\"items\":[" UPLOAD("qcow2", "1", "md5:" B64_86, "a") "]}", ERR_VERIFY},
		{"{\"items\":[" UPLOAD("qcow2", "1", "sha512:" B64_86, "a/../../etc") "]}",
		 ERR_VERIFY},
		{"{\"items\":[{\"kind\":\"Upload\",\"metadata\":{\"labels\":{\"upload.cloud.debian."
		 "org/image-format\":\"qcow2\"}}}]}",
		 ERR_VERIFY},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct found f = {0};
		struct err err = {0};

		manifest_find(cases[i].text, strlen(cases[i].text), "https://x/m.json", "qcow2", &f,
			      &err);
		if (err.kind != cases[i].kind)
			fail_msg("case %zu: %s", i, err.msg);
		if (err.kind)
			continue;
		assert_string_equal(f.serial, "20260712-2537");
		assert_string_equal(f.name, "b.qcow2");
		assert_int_equal(strlen(f.digest), 7 + 128);
		assert_string_equal(f.digest + 7 + 126, "ff");
	}
}

#define H64		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define STREAM(versions) "{\"products\":{\"p\":{\"versions\":{" versions "}}}}"
#define VERSION(v, path, sha, size)                                                                \
	"\"" v "\":{\"items\":{\"i\":{\"path\":\"" path "\",\"sha256\":\"" sha "\",\"size\":" size \
	"}}}"

static void streams(void **state)
{
	static const struct {
		const char *text;
		enum err_kind kind;
	} cases[] = {
		{STREAM(VERSION("9", "x/y.img", "", "1") "," VERSION("20", "x/y.img", H64,
								     "7") ",\"30\":{\"items\":{}}"),
		 ERR_NONE},
		{STREAM(""), ERR_NOT_FOUND},
		{"{\"products\":{}}", ERR_NOT_FOUND},
		{"{}", ERR_NOT_FOUND},
		{"7", ERR_VERIFY},
		{STREAM(VERSION("..", "x/y.img", H64, "7")), ERR_VERIFY},
		{STREAM(VERSION("20", "../y.img", H64, "7")), ERR_VERIFY},
		{STREAM(VERSION("20", "/y.img", H64, "7")), ERR_VERIFY},
		{STREAM(VERSION("20", "y.img?x", H64, "7")), ERR_VERIFY},
		{STREAM(VERSION("20", "x/y.img", "aa", "7")), ERR_VERIFY},
		{STREAM(VERSION("20", "x/y.img", H64 "a", "7")), ERR_VERIFY},
		{STREAM("\"20\":{\"items\":{\"i\":7}}"), ERR_VERIFY},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct found f = {0};
		struct err err = {0};

		streams_find(cases[i].text, strlen(cases[i].text), "https://x/s.json", "p", "i", &f,
			     &err);
		if (err.kind != cases[i].kind)
			fail_msg("case %zu: %s", i, err.msg);
		if (err.kind)
			continue;
		assert_string_equal(f.serial, "20");
		assert_string_equal(f.path, "x/y.img");
		assert_string_equal(f.digest, "sha256:" H64);
		assert_int_equal(f.size, 7);
	}
}

/* A few megabytes that would become gigabytes are refused before they are read. */
static void bombs(void **state)
{
	static const char *const units[] = {"[", "{\"a\":", "[],", "{},", "1,"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		auto_buf struct buf text = BUF_INIT(INDEX_MAX_BYTES);
		struct found f = {0};
		struct err err = {0};

		buf_putc(&text, '[');
		while (!text.overflow)
			buf_puts(&text, units[i]);
		assert_int_equal(
			streams_find(text.data, text.len, "https://x/", "p", "i", &f, &err), -1);
		assert_int_equal(err.kind, ERR_VERIFY);
		assert_non_null(strstr(err.msg, "more in it"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serials), cmocka_unit_test(listings), cmocka_unit_test(manifests),
		cmocka_unit_test(streams), cmocka_unit_test(bombs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
