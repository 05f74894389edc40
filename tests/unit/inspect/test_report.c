/* SPDX-License-Identifier: Apache-2.0
 *
 * The report that crosses from the guarded process: what comes back is believed no more than an image.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "images/inspect/report.h"

static struct inspect *reread(const struct inspect *in, const char *trail, struct err *err)
{
	auto_buf struct buf b = BUF_INIT(sizeof(*in) + 1000);

	buf_put(&b, in, sizeof(*in));
	buf_puts(&b, trail);
	return report_read(&b, err);
}

static void test_report(void **state)
{
	struct inspect in = {
		.disk_size = 100, .nparts = 1, .root_part = 0, .part[0] = {.off = 10, .size = 90}};
	struct inspect *got;
	struct err err = {0};

	(void)state;
	snprintf(in.boot.title, sizeof(in.boot.title), "esc\x1b[1m");
	memset(in.part[0].note, 'n', sizeof(in.part[0].note)); /* not terminated */
	memset(&in.part[0].fs_dirty, 0x55, 1);
	got = reread(&in, "one\ntwo\x1b\xc2\x9b!\n", &err);
	assert_non_null(got);
	assert_string_equal(got->boot.title, "esc?[1m");
	assert_int_equal(strlen(got->part[0].note), sizeof(in.part[0].note) - 1);
	assert_true(got->part[0].fs_dirty);
	assert_string_equal(got->trail, "one\ntwo?"
					"?!\n");
	inspect_free(got);
}

static void test_false_reports(void **state)
{
	struct inspect in = {.disk_size = 100, .root_part = -1u};
	struct buf shorter = BUF_INIT(100);
	struct err err = {0};

	(void)state;
	in.nparts = INSPECT_MAX_PARTS + 1;
	assert_null(reread(&in, "", &err));
	in.nparts = 1;
	in.part[0].size = 101;
	assert_null(reread(&in, "", &err));
	in.part[0] = (struct inspect_part){.off = UINT64_MAX, .size = 2};
	assert_null(reread(&in, "", &err));
	in.nparts = 0;
	in.boot.used = (struct boot_env){90, 11};
	assert_null(reread(&in, "", &err));
	in.boot.used.size = 0;
	in.root_part = 0;
	assert_null(reread(&in, "", &err));
	in.root_part = -1u;
	in.boot.ninitrd = BOOT_MAX_INITRDS + 1;
	assert_null(reread(&in, "", &err));
	in.boot.ninitrd = 0;
	in.boot.source = (enum boot_source)99;
	assert_null(reread(&in, "", &err));
	assert_int_equal(err.kind, ERR_CORRUPT);
	memset(&in, 0xFF, sizeof(in));
	assert_null(reread(&in, "", &err));
	buf_puts(&shorter, "short");
	assert_null(report_read(&shorter, &err));
	buf_done(&shorter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_false_reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
