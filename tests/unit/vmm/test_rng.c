/* SPDX-License-Identifier: Apache-2.0
 *
 * The entropy device on the fake driver.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "tests/lib/vmm/vdrv.h"
#include "vmm/virtio/devices.h"

static struct vdrv d;

static int setup(void **state)
{
	(void)state;
	vdrv_init(&d);
	vdrv_start(&d, rng_new("rng0", d.mem, d.loop, NULL), VDRV_ALL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vdrv_done(&d);
	return 0;
}

static void test_fills_a_buffer(void **state)
{
	uint8_t *buf = vdrv_in(&d, 64), zero[64] = {0};
	struct vdrv_used used;

	(void)state;
	vdrv_kick(&d, 0);
	used = vdrv_used(&d);
	assert_true(used.found);
	assert_int_equal(used.len, 64);
	assert_memory_not_equal(buf, zero, 64); /* wrong once in 2^512 */
	assert_int_equal(d.interrupts[0], 1);
}

static void test_several_parts(void **state)
{
	static const uint8_t zero[32];
	uint8_t *parts[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		parts[i] = vdrv_in(&d, 32);
	vdrv_kick(&d, 0);
	assert_int_equal(vdrv_used(&d).len, 96);
	for (int i = 0; i < 3; i++)
		assert_memory_not_equal(parts[i], zero, 32);
}

static void test_a_huge_buffer_gets_a_page(void **state)
{
	uint8_t *buf = vdrv_in(&d, 1 * MIB);

	(void)state;
	vdrv_kick(&d, 0);
	assert_int_equal(vdrv_used(&d).len, 4096);
	assert_int_equal(get_le64(buf + 4096), 0);
}

static void test_a_buffer_without_room(void **state)
{
	(void)state;
	vdrv_out(&d, "text", 4);
	vdrv_kick(&d, 0);
	assert_int_equal(vdrv_used(&d).len, 0);
	assert_false(vdrv_needs_reset(&d));
}

static void test_more_than_a_batch(void **state)
{
	unsigned done = 0;

	(void)state;
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < VDRV_QUEUE_SIZE; i++) {
			vdrv_in(&d, 16);
			vdrv_offer(&d, 0);
		}
		vdrv_kick(&d, 0);
		while (vdrv_used(&d).found)
			done++;
	}
	assert_int_equal(done, 5 * VDRV_QUEUE_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fills_a_buffer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_several_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_huge_buffer_gets_a_page, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_buffer_without_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_more_than_a_batch, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
