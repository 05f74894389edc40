/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

static void size_good(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0B", 0},	       {"1B", 1},
		{"4GiB", 4 * GIB},     {"512MiB", 512 * MIB},
		{"1.5GiB", 3 * GIB / 2}, {"500MB", 500000000},
		{"2TiB", 2048 * GIB},  {"10kB", 10000},
		{"4G", 4 * GIB},       {"4Gi", 4 * GIB},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		uint64_t v = 7;

		assert_int_equal(parse_size(good[i].text, &v, NULL, NULL), 0);
		assert_int_equal(v, good[i].bytes);
	}
}

static void size_bad(void **state)
{
	static const char *const bad[] = {"",	   "4",	      "GiB",	 "-4GiB", "4 GiB", "4GiB ",
					  "4gib",  "0.3KiB", "4.GiB", "4.5",   "99999999999999999999B",
					  "99999999TiB", "0x10MiB", "1.1234567GiB"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = {0};
		uint64_t v = 7;

		assert_int_equal(parse_size(bad[i], &v, NULL, &err), -1);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_int_equal(v, 7);
	}
}

static void size_vague_units_are_noted(void **state)
{
	const char *note = "";
	uint64_t v;

	(void)state;
	assert_int_equal(parse_size("4GiB", &v, &note, NULL), 0);
	assert_null(note);
	assert_int_equal(parse_size("4G", &v, &note, NULL), 0);
	assert_non_null(note);
}

static void size_text_reads_back(void **state)
{
	static const uint64_t sizes[] = {0, 1, 1023, 1024, 3 * GIB / 2, 4 * GIB, 5 * KIB * GIB, UINT64_MAX};
	char text[SIZE_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint64_t v = 7;

		assert_int_equal(parse_size(format_size_exact(sizes[i], text, sizeof(text)), &v, NULL, NULL), 0);
		assert_int_equal(v, sizes[i]);
	}
	assert_string_equal(format_size(2 * GIB, text, sizeof(text)), "2.0GiB");
	assert_string_equal(format_size(700, text, sizeof(text)), "700B");
}

static void durations(void **state)
{
	static const char *const bad[] = {"", "5", "m", "5 m", "5min", "-5s", "5m3", "99999999999999999999s"};
	uint64_t v = 0;
	char text[SIZE_TEXT];

	(void)state;
	assert_int_equal(parse_duration("90s", &v, NULL), 0);
	assert_int_equal(v, 90000);
	assert_int_equal(parse_duration("1m30s", &v, NULL), 0);
	assert_int_equal(v, 90000);
	assert_int_equal(parse_duration("250ms", &v, NULL), 0);
	assert_int_equal(v, 250);
	assert_int_equal(parse_duration("2d", &v, NULL), 0);
	assert_int_equal(v, 2 * 24 * 3600 * 1000);
	assert_int_equal(parse_duration("250ms", &v, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(parse_duration(bad[i], &v, NULL), -1);
	assert_int_equal(v, 250);
	assert_string_equal(format_duration(185000, text, sizeof(text)), "3m05s");
	assert_string_equal(format_duration(12345, text, sizeof(text)), "12.3s");
}

static void integers(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_int_equal(parse_u64("0x1f", &v, NULL), 0);
	assert_int_equal(v, 31);
	assert_int_equal(parse_u64("18446744073709551615", &v, NULL), 0);
	assert_int_equal(v, UINT64_MAX);
	assert_int_equal(parse_u64("18446744073709551616", &v, NULL), -1);
	assert_int_equal(parse_u64("12a", &v, NULL), -1);
	assert_int_equal(parse_u64("+1", &v, NULL), -1);
	assert_int_equal(parse_uint("65", 1, 64, &v, NULL), -1);
	assert_int_equal(v, UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_good),
		cmocka_unit_test(size_bad),
		cmocka_unit_test(size_vague_units_are_noted),
		cmocka_unit_test(size_text_reads_back),
		cmocka_unit_test(durations),
		cmocka_unit_test(integers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
