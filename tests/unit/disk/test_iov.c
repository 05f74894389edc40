// SPDX-License-Identifier: Apache-2.0
//
// Positions in scatter lists.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/util.h"
#include "images/disk/iov.h"

static void total_refuses_what_does_not_fit(void **state)
{
	struct iovec iov[2] = {{.iov_len = SIZE_MAX}, {.iov_len = 1}};
	uint64_t total = 7;

	(void)state;
	assert_false(iov_total(iov, 2, &total));
	assert_false(iov_total(iov, -1, &total));
	assert_int_equal(total, 7);
	assert_true(iov_total(iov, 1, &total));
	assert_int_equal(total, SIZE_MAX);
	assert_true(iov_total(NULL, 0, &total));
	assert_int_equal(total, 0);
}

static void take_cuts_at_lengths_and_at_slots(void **state)
{
	char a[10], b[20];
	struct iovec iov[] = {{a, 10}, {NULL, 0}, {b, 20}}, out[4];
	struct iov_pos pos = IOV_POS(iov, 3);
	int n = 4;

	(void)state;
	assert_int_equal(iov_take(&pos, 4, out, &n), 4);
	assert_int_equal(n, 1);
	assert_ptr_equal(out[0].iov_base, a);
	n = 1;
	assert_int_equal(iov_take(&pos, 100, out, &n), 6);
	assert_ptr_equal(out[0].iov_base, a + 4);
	n = 4;
	assert_int_equal(iov_take(&pos, 100, out, &n), 20);
	assert_int_equal(n, 1);
	assert_ptr_equal(out[0].iov_base, b);
	n = 4;
	assert_int_equal(iov_take(&pos, 1, out, &n), 0);
	assert_int_equal(n, 0);
}

static void copying_crosses_segments(void **state)
{
	char a[3], b[5], back[8] = {0};
	struct iovec iov[] = {{a, 3}, {b, 5}};
	struct iov_pos pos = IOV_POS(iov, 2);

	(void)state;
	iov_put(&pos, "abcdefgh", 8);
	assert_memory_equal(a, "abc", 3);
	assert_memory_equal(b, "defgh", 5);
	pos = IOV_POS(iov, 2);
	iov_skip(&pos, 2);
	iov_put_zeroes(&pos, 3);
	pos = IOV_POS(iov, 2);
	iov_get(&pos, back, 8);
	assert_memory_equal(back, "ab\0\0\0fgh", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(total_refuses_what_does_not_fit),
		cmocka_unit_test(take_cuts_at_lengths_and_at_slots),
		cmocka_unit_test(copying_crosses_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
