/* SPDX-License-Identifier: Apache-2.0
 *
 * Guest memory: the hole, the door's bounds, zeroing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "vmm/mem/gmem.h"
#include "vmm/mem/layout.h"

static void test_small_memory_is_one_aligned_region(void **state)
{
	struct gmem *m = gmem_new(16 * MIB, NULL);

	(void)state;
	assert_non_null(m);
	assert_int_equal(m->n, 1);
	assert_int_equal(m->size, 16 * MIB);
	assert_int_equal((uintptr_t)m->regions[0].host % (2 * MIB), 0);
	gmem_free(m);
}

static void test_memory_above_the_hole(void **state)
{
	struct gmem *m = gmem_new(LAYOUT_HOLE + 4 * MIB, NULL);

	(void)state;
	assert_non_null(m);
	assert_int_equal(m->n, 2);
	assert_int_equal(m->regions[0].size, LAYOUT_HOLE);
	assert_int_equal(m->regions[1].gpa, LAYOUT_4GIB);
	assert_int_equal(m->regions[1].size, 4 * MIB);
	assert_non_null(gmem_ptr(m, LAYOUT_HOLE - 1, 1));
	assert_null(gmem_ptr(m, LAYOUT_HOLE - 1, 2));
	assert_null(gmem_ptr(m, LAYOUT_ECAM, 4));
	assert_null(gmem_ptr(m, LAYOUT_4GIB - 1, 2));
	assert_ptr_equal(gmem_ptr(m, LAYOUT_4GIB + 4096, 8), m->regions[1].host + 4096);
	/* A range over both regions and the hole between them. */
	assert_null(gmem_ptr(m, 0, LAYOUT_4GIB + MIB));
	gmem_free(m);
}

static void test_the_door(void **state)
{
	struct gmem *m = gmem_new(2 * MIB, NULL);

	(void)state;
	assert_ptr_equal(gmem_ptr(m, 0, 2 * MIB), m->regions[0].host);
	assert_null(gmem_ptr(m, 0, 2 * MIB + 1));
	assert_null(gmem_ptr(m, 1, 2 * MIB));
	assert_null(gmem_ptr(m, 0, 0));
	assert_null(gmem_ptr(m, 2 * MIB, 1));
	assert_null(gmem_ptr(m, 2 * MIB, 0));
	assert_null(gmem_ptr(m, UINT64_MAX, 1));
	assert_null(gmem_ptr(m, UINT64_MAX, UINT64_MAX));
	assert_null(gmem_ptr(m, UINT64_MAX - 3, 8));
	assert_null(gmem_ptr(m, 4096, UINT64_MAX));
	gmem_free(m);
}

static void test_copies(void **state)
{
	struct gmem *m = gmem_new(2 * MIB, NULL);
	uint8_t got[4] = {9, 9, 9, 9};

	(void)state;
	assert_int_equal(gmem_write(m, 2 * MIB - 4, "abcd", 4), 0);
	assert_int_equal(gmem_read(m, 2 * MIB - 4, got, 4), 0);
	assert_memory_equal(got, "abcd", 4);
	assert_int_equal(gmem_write(m, 2 * MIB - 3, "wxyz", 4), -1);
	assert_int_equal(gmem_read(m, 2 * MIB - 3, got, 4), -1);
	assert_memory_equal(got, "abcd", 4);
	gmem_free(m);
}

static void test_clear(void **state)
{
	struct gmem *m = gmem_new(4 * MIB, NULL);

	(void)state;
	memset(gmem_ptr(m, 0, 4 * MIB), 0xa5, 4 * MIB);
	gmem_clear(m);
	for (uint64_t at = 0; at < 4 * MIB; at += 4096)
		assert_int_equal(*(uint64_t *)gmem_ptr(m, at, 8), 0);
	gmem_free(m);
}

static void test_refused_sizes(void **state)
{
	static const uint64_t bad[] = {0, 1, 4095, 2 * MIB + 1, UINT64_MAX, UINT64_C(1) << 60};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = {0};

		assert_null(gmem_new(bad[i], &err));
		assert_true(err.kind != ERR_NONE);
	}
	gmem_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_memory_is_one_aligned_region),
		cmocka_unit_test(test_memory_above_the_hole),
		cmocka_unit_test(test_the_door),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_clear),
		cmocka_unit_test(test_refused_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
