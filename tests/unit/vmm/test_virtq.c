/* SPDX-License-Identifier: Apache-2.0
 *
 * The split ring, device side: honest chains, hostile ones, suppression of notifications.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "tests/lib/vmm/gring.h"
#include "vmm/mem/layout.h"
#include "vmm/virtio/virtq.h"

#define RAM	 (2 * MIB)
#define DATA	 (1 * MIB) /* buffers */
#define RING	 UINT64_C(0x1000)
#define NEXT	 VRING_DESC_F_NEXT
#define WRITE	 VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

struct ring {
	struct gmem *mem;
	struct gring drv;
	struct virtq q;
	struct chain c;
};

static int setup_size(void **state, uint16_t size)
{
	struct ring *r = calloc(1, sizeof(*r));

	r->mem = gmem_new(RAM, NULL);
	gring_place(&r->drv, r->mem, size, RING);
	r->q.indirect = true;
	assert_int_equal(virtq_enable(&r->q, r->mem, size, r->drv.desc, r->drv.avail, r->drv.used),
			 0);
	*state = r;
	return 0;
}

static int setup(void **state)
{
	return setup_size(state, 8);
}

static int teardown(void **state)
{
	struct ring *r = *state;

	gmem_free(r->mem);
	free(r);
	return 0;
}

static void malformed(struct ring *r, const char *why)
{
	assert_int_equal(virtq_pop(&r->q, &r->c), -1);
	assert_non_null(strstr(r->q.error, why));
}

/* --- enabling --- */

static void test_enable_checks_whole_ranges(void **state)
{
	struct ring *r = *state;
	struct gmem *m = r->mem;
	static const struct {
		uint16_t size;
		gpa_t desc, avail, used;
		const char *why; /* NULL: fine */
	} cases[] = {
		{8, 0x1000, 0x2000, 0x3000, NULL},
		{1024, 0x10000, 0x20000, 0x30000, NULL},
		{1, 0x1000, 0x2000, 0x3000, NULL},
		{0, 0x1000, 0x2000, 0x3000, "power of two"},
		{3, 0x1000, 0x2000, 0x3000, "power of two"},
		{2048, 0x10000, 0x20000, 0x30000, "power of two"},
		{32768, 0x10000, 0x20000, 0x30000, "power of two"},
		{8, 0x1008, 0x2000, 0x3000, "aligned"},
		{8, 0x1000, 0x2001, 0x3000, "aligned"},
		{8, 0x1000, 0x2000, 0x3002, "aligned"},
		/* The last byte of each part is RAM, and then it is not. */
		{8, RAM - 128, 0x2000, 0x3000, NULL},
		{8, RAM - 112, 0x2000, 0x3000, "RAM"},
		{8, 0x1000, RAM - 22, 0x3000, NULL},
		{8, 0x1000, RAM - 20, 0x3000, "RAM"},
		{8, 0x1000, 0x2000, RAM - 72, NULL},
		{8, 0x1000, 0x2000, RAM - 68, "RAM"},
		{8, LAYOUT_ECAM, 0x2000, 0x3000, "RAM"},
		{8, UINT64_MAX - 15, 0x2000, 0x3000, "RAM"},
		{8, 0x1000, UINT64_MAX - 1, 0x3000, "RAM"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct virtq q = {0};
		int got = virtq_enable(&q, m, cases[i].size, cases[i].desc, cases[i].avail,
				       cases[i].used);

		assert_int_equal(got, cases[i].why ? -1 : 0);
		assert_int_equal(q.enabled, !cases[i].why);
		if (cases[i].why)
			assert_non_null(strstr(q.error, cases[i].why));
	}
}

static void test_a_queue_that_is_not_enabled(void **state)
{
	struct ring *r = *state;

	virtq_reset(&r->q);
	assert_int_equal(virtq_pop(&r->q, &r->c), 0);
	assert_false(virtq_should_notify(&r->q));
	assert_false(virtq_notify_on(&r->q));
	virtq_notify_off(&r->q);
}

/* --- honest chains --- */

static void test_pop_and_push(void **state)
{
	struct ring *r = *state;
	uint32_t head, len;

	assert_int_equal(virtq_pop(&r->q, &r->c), 0);
	gring_put_desc(&r->drv, 2, DATA, 16, NEXT, 5);
	gring_put_desc(&r->drv, 5, DATA + 0x100, 4096, NEXT | WRITE, 1);
	gring_put_desc(&r->drv, 1, DATA + 0x8000, 1, WRITE, 0);
	gring_offer(&r->drv, 2);

	assert_int_equal(virtq_pop(&r->q, &r->c), 1);
	assert_int_equal(r->c.head, 2);
	assert_int_equal(r->c.nout, 1);
	assert_int_equal(r->c.nin, 2);
	assert_int_equal(r->c.out_len, 16);
	assert_int_equal(r->c.in_len, 4097);
	assert_ptr_equal(r->c.iov[1].iov_base, gmem_ptr(r->mem, DATA + 0x100, 1));
	assert_int_equal(virtq_pop(&r->q, &r->c), 0);

	virtq_push(&r->q, 2, 4097);
	assert_true(gring_take_used(&r->drv, &head, &len));
	assert_int_equal(head, 2);
	assert_int_equal(len, 4097);
	assert_false(gring_take_used(&r->drv, &head, &len));
}

static void test_unpop_gives_the_same_again(void **state)
{
	struct ring *r = *state;

	gring_put_desc(&r->drv, 3, DATA, 1, 0, 0);
	gring_offer(&r->drv, 3);
	assert_int_equal(virtq_pop(&r->q, &r->c), 1);
	virtq_unpop(&r->q);
	r->c.head = 99;
	assert_int_equal(virtq_pop(&r->q, &r->c), 1);
	assert_int_equal(r->c.head, 3);
	assert_int_equal(virtq_pop(&r->q, &r->c), 0);
}

static void test_indices_wrap(void **state)
{
	struct ring *r = *state;
	uint32_t head, len;

	gring_put_desc(&r->drv, 6, DATA, 10, WRITE, 0);
	for (unsigned i = 0; i < 70000; i++) {
		gring_offer(&r->drv, 6);
		assert_int_equal(virtq_pop(&r->q, &r->c), 1);
		virtq_push(&r->q, 6, i);
		assert_true(gring_take_used(&r->drv, &head, &len));
		assert_int_equal(len, i);
	}
}

static void test_a_full_ring(void **state)
{
	struct ring *r = *state;

	for (unsigned i = 0; i < 8; i++) {
		gring_put_desc(&r->drv, i, DATA + i, 1, 0, 0);
		gring_offer(&r->drv, (uint16_t)i);
	}
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(virtq_pop(&r->q, &r->c), 1);
		assert_int_equal(r->c.head, i);
	}
	assert_int_equal(virtq_pop(&r->q, &r->c), 0);
}

static void test_fill_and_publish_together(void **state)
{
	struct ring *r = *state;
	uint32_t head, len;

	virtq_fill(&r->q, 4, 100, 0);
	virtq_fill(&r->q, 5, 200, 1);
	assert_int_equal(gring_used_idx(&r->drv), 0);
	virtq_publish(&r->q, 2);
	assert_true(gring_take_used(&r->drv, &head, &len));
	assert_int_equal(head, 4);
	assert_true(gring_take_used(&r->drv, &head, &len));
	assert_int_equal(len, 200);
}

static void test_a_chain_of_the_whole_queue(void **state)
{
	struct ring *r = *state;

	for (unsigned i = 0; i < 8; i++)
		gring_put_desc(&r->drv, i, DATA + 16 * i, 16, i < 7 ? NEXT : 0, (uint16_t)(i + 1));
	gring_offer(&r->drv, 0);
	assert_int_equal(virtq_pop(&r->q, &r->c), 1);
	assert_int_equal(r->c.nout, 8);
}

/* 2.7.5.3.2: plain descriptors may precede an indirect one, whose WRITE flag is ignored. */
static void test_indirect_after_plain(void **state)
{
	struct ring *r = *state;
	gpa_t table = DATA + 0x10000;

	gring_put_desc(&r->drv, 0, DATA, 16, NEXT, 1);
	gring_put_desc(&r->drv, 1, table, 3 * 16, INDIRECT | WRITE, 0);
	gring_desc_at(r->mem, table, 0, DATA + 0x100, 8, NEXT, 2);
	gring_desc_at(r->mem, table, 2, DATA + 0x200, 32, WRITE, 0);
	gring_offer(&r->drv, 0);
	assert_int_equal(virtq_pop(&r->q, &r->c), 1);
	assert_int_equal(r->c.nout, 2);
	assert_int_equal(r->c.nin, 1);
	assert_int_equal(r->c.out_len, 24);
	assert_int_equal(r->c.in_len, 32);
}

/* Linux fills an indirect table with more parts than the queue has entries. */
static void test_indirect_longer_than_the_queue(void **state)
{
	struct ring *r = *state;
	gpa_t table = DATA + 0x10000;

	for (unsigned i = 0; i < 100; i++)
		gring_desc_at(r->mem, table, i, DATA + i, 1, i < 99 ? NEXT : 0, (uint16_t)(i + 1));
	gring_put_desc(&r->drv, 0, table, 100 * 16, INDIRECT, 0);
	gring_offer(&r->drv, 0);
	assert_int_equal(virtq_pop(&r->q, &r->c), 1);
	assert_int_equal(r->c.nout, 100);
}

/* --- hostile ones --- */

static void test_loops_end(void **state)
{
	struct ring *r = *state;

	gring_put_desc(&r->drv, 0, DATA, 1, NEXT, 1);
	gring_put_desc(&r->drv, 1, DATA, 1, NEXT, 0);
	gring_offer(&r->drv, 0);
	malformed(r, "loops");
	malformed(r, "loops"); /* and it does not go away by asking again */
}

static void test_indirect_loops_end(void **state)
{
	struct ring *r = *state;
	gpa_t table = DATA + 0x10000;

	gring_desc_at(r->mem, table, 0, DATA, 1, NEXT, 0);
	gring_put_desc(&r->drv, 0, table, 16, INDIRECT, 0);
	gring_offer(&r->drv, 0);
	malformed(r, "loops");
}

static void test_too_many_parts(void **state)
{
	struct ring *r = *state;
	gpa_t table = DATA + 0x10000;

	/* 7 plain ones and 1024 indirect ones are more than the iovec takes. */
	for (unsigned i = 0; i < 7; i++)
		gring_put_desc(&r->drv, i, DATA, 1, NEXT, (uint16_t)(i + 1));
	gring_put_desc(&r->drv, 7, table, 1024 * 16, INDIRECT, 0);
	for (unsigned i = 0; i < 1024; i++)
		gring_desc_at(r->mem, table, i, DATA, 1, i < 1023 ? NEXT : 0, (uint16_t)(i + 1));
	gring_offer(&r->drv, 0);
	malformed(r, "too many parts");
}

static void test_avail_index_runs_ahead(void **state)
{
	struct ring *r = *state;

	gring_put_desc(&r->drv, 0, DATA, 1, 0, 0);
	gring_set_avail_idx(&r->drv, 9);
	malformed(r, "ahead");
	gring_set_avail_idx(&r->drv, 0xffff); /* one back */
	malformed(r, "ahead");
}

static void test_bad_indices(void **state)
{
	struct ring *r = *state;

	gring_offer(&r->drv, 8);
	malformed(r, "outside");
	gring_set_avail_idx(&r->drv, 0);
	gring_put_desc(&r->drv, 0, DATA, 1, NEXT, 8);
	gring_offer(&r->drv, 0);
	malformed(r, "outside");
}

static void test_bad_descriptors(void **state)
{
	struct ring *r = *state;
	gpa_t table = DATA + 0x10000;
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags;
		const char *why;
	} cases[] = {
		{DATA, 0, 0, "RAM"},
		{RAM - 1, 2, 0, "RAM"},
		{RAM, 1, WRITE, "RAM"},
		{LAYOUT_ECAM, 4, 0, "RAM"},
		{LAYOUT_PCI32, 4096, WRITE, "RAM"},
		{UINT64_MAX, 1, 0, "RAM"},
		{UINT64_MAX - 10, 100, 0, "RAM"},
		{DATA, UINT32_MAX, 0, "RAM"},
		{DATA, 16, INDIRECT | NEXT, "with a next"},
		{DATA, 0, INDIRECT, "multiple of 16"},
		{DATA, 15, INDIRECT, "multiple of 16"},
		{DATA, 24, INDIRECT, "multiple of 16"},
		{RAM - 16, 32, INDIRECT, "does not lie in RAM"},
		{DATA, 0xfffffff0, INDIRECT, "does not lie in RAM"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		gring_set_avail_idx(&r->drv, 0);
		gring_put_desc(&r->drv, 0, cases[i].addr, cases[i].len, cases[i].flags, 0);
		gring_offer(&r->drv, 0);
		malformed(r, cases[i].why);
	}

	/* Indirect in indirect, and an index outside the small table (inside the ring's). */
	gring_set_avail_idx(&r->drv, 0);
	gring_put_desc(&r->drv, 0, table, 16, INDIRECT, 0);
	gring_desc_at(r->mem, table, 0, table, 16, INDIRECT, 0);
	gring_offer(&r->drv, 0);
	malformed(r, "inside an indirect");
	gring_desc_at(r->mem, table, 0, DATA, 16, NEXT, 1);
	malformed(r, "outside");

	r->q.indirect = false;
	malformed(r, "without VIRTIO_F_INDIRECT_DESC");
}

static void test_readable_after_writable(void **state)
{
	struct ring *r = *state;

	gring_put_desc(&r->drv, 0, DATA, 1, NEXT | WRITE, 1);
	gring_put_desc(&r->drv, 1, DATA, 1, 0, 0);
	gring_offer(&r->drv, 0);
	malformed(r, "readable descriptor after");
}

static void test_four_gigabytes_in_all(void **state)
{
	struct gmem *m = gmem_new(GIB, NULL);
	struct gring drv;
	struct virtq q = {0};
	struct chain *c = malloc(sizeof(*c));

	(void)state;
	gring_place(&drv, m, 8, RING);
	assert_int_equal(virtq_enable(&q, m, 8, drv.desc, drv.avail, drv.used), 0);
	for (unsigned i = 0; i < 8; i++)
		gring_put_desc(&drv, i, 0, GIB, i < 7 ? NEXT : 0, (uint16_t)(i + 1));
	gring_offer(&drv, 0);
	assert_int_equal(virtq_pop(&q, c), -1);
	assert_non_null(strstr(q.error, "4 GiB"));
	free(c);
	gmem_free(m);
}

/* --- who is told --- */

static void test_interrupts_by_flag(void **state)
{
	struct ring *r = *state;

	virtq_push(&r->q, 0, 0);
	assert_true(virtq_should_notify(&r->q));
	gring_set_avail_flags(&r->drv, VRING_AVAIL_F_NO_INTERRUPT);
	virtq_push(&r->q, 0, 0);
	assert_false(virtq_should_notify(&r->q));
	gring_set_avail_flags(&r->drv, 0);
	assert_false(virtq_should_notify(&r->q)); /* nothing new */
}

static void test_interrupts_by_event_index(void **state)
{
	struct ring *r = *state;

	r->q.event_idx = true;
	gring_set_avail_flags(&r->drv, VRING_AVAIL_F_NO_INTERRUPT); /* means nothing now: 2.7.7 */
	virtq_push(&r->q, 0, 0);
	assert_true(virtq_should_notify(&r->q)); /* used_event is 0: tell me of the first */
	gring_set_used_event(&r->drv, 3); /* tell me when index 3 is used, that is at used.idx 4 */
	virtq_push(&r->q, 0, 0);
	assert_false(virtq_should_notify(&r->q));
	virtq_push(&r->q, 0, 0);
	assert_false(virtq_should_notify(&r->q));
	virtq_push(&r->q, 0, 0);
	assert_true(virtq_should_notify(&r->q));
	assert_false(virtq_should_notify(&r->q)); /* nothing new */
	gring_set_used_event(&r->drv, 6);
	virtq_publish(&r->q, 5); /* jumps over it */
	assert_true(virtq_should_notify(&r->q));
}

static void test_doorbells_by_flag(void **state)
{
	struct ring *r = *state;

	virtq_notify_off(&r->q);
	assert_int_equal(gring_used_flags(&r->drv), VRING_USED_F_NO_NOTIFY);
	assert_false(virtq_notify_on(&r->q));
	assert_int_equal(gring_used_flags(&r->drv), 0);
	virtq_notify_off(&r->q);
	gring_put_desc(&r->drv, 0, DATA, 1, 0, 0);
	gring_offer(&r->drv, 0);
	assert_true(virtq_notify_on(&r->q));
}

static void test_doorbells_by_event_index(void **state)
{
	struct ring *r = *state;

	r->q.event_idx = true;
	gring_put_desc(&r->drv, 0, DATA, 1, 0, 0);
	gring_offer(&r->drv, 0);
	virtq_notify_off(&r->q);
	assert_int_equal(gring_used_flags(&r->drv), 0);
	assert_true(virtq_notify_on(&r->q));
	assert_int_equal(virtq_pop(&r->q, &r->c), 1);
	assert_false(virtq_notify_on(&r->q));
	assert_int_equal(gring_avail_event(&r->drv), 1);
}

/* --- a chain's bytes --- */

static void test_bytes_of_a_chain(void **state)
{
	struct ring *r = *state;
	struct iovec iov[4];
	uint8_t got[16];

	memcpy(gmem_ptr(r->mem, DATA, 4), "abcd", 4);
	memcpy(gmem_ptr(r->mem, DATA + 100, 4), "efgh", 4);
	gring_put_desc(&r->drv, 0, DATA, 4, NEXT, 1);
	gring_put_desc(&r->drv, 1, DATA + 100, 4, NEXT, 2);
	gring_put_desc(&r->drv, 2, DATA + 200, 3, NEXT | WRITE, 3);
	gring_put_desc(&r->drv, 3, DATA + 300, 5, WRITE, 0);
	gring_offer(&r->drv, 0);
	assert_int_equal(virtq_pop(&r->q, &r->c), 1);

	assert_int_equal(chain_read(&r->c, 0, got, 8), 8);
	assert_memory_equal(got, "abcdefgh", 8);
	assert_int_equal(chain_read(&r->c, 3, got, 2), 2);
	assert_memory_equal(got, "de", 2);
	assert_int_equal(chain_read(&r->c, 6, got, 16), 2);
	assert_int_equal(chain_read(&r->c, 8, got, 1), 0);
	assert_int_equal(chain_read(&r->c, UINT64_MAX, got, 1), 0);

	assert_int_equal(chain_write(&r->c, 1, "123456789", 9), 7);
	assert_memory_equal(gmem_ptr(r->mem, DATA + 200, 3),
			    "\0"
			    "12",
			    3);
	assert_memory_equal(gmem_ptr(r->mem, DATA + 300, 5), "34567", 5);
	assert_int_equal(chain_write(&r->c, 8, "x", 1), 0);

	assert_int_equal(chain_out_iov(&r->c, 0, 8, iov, 4), 2);
	assert_int_equal(chain_out_iov(&r->c, 3, 2, iov, 4), 2);
	assert_int_equal(iov[0].iov_len, 1);
	assert_int_equal(iov[1].iov_len, 1);
	assert_ptr_equal(iov[1].iov_base, gmem_ptr(r->mem, DATA + 100, 1));
	assert_int_equal(chain_out_iov(&r->c, 4, 4, iov, 4), 1);
	assert_int_equal(chain_out_iov(&r->c, 0, 0, iov, 4), 0);
	assert_int_equal(chain_out_iov(&r->c, 0, 9, iov, 4), -1);
	assert_int_equal(chain_out_iov(&r->c, 0, 8, iov, 1), -1);
	assert_int_equal(chain_in_iov(&r->c, 2, 6, iov, 4), 2);
	assert_int_equal(chain_in_iov(&r->c, 3, 6, iov, 4), -1);
}

int main(void)
{
#define RING_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		RING_TEST(test_enable_checks_whole_ranges),
		RING_TEST(test_a_queue_that_is_not_enabled),
		RING_TEST(test_pop_and_push),
		RING_TEST(test_unpop_gives_the_same_again),
		RING_TEST(test_indices_wrap),
		RING_TEST(test_a_full_ring),
		RING_TEST(test_fill_and_publish_together),
		RING_TEST(test_a_chain_of_the_whole_queue),
		RING_TEST(test_indirect_after_plain),
		RING_TEST(test_indirect_longer_than_the_queue),
		RING_TEST(test_loops_end),
		RING_TEST(test_indirect_loops_end),
		RING_TEST(test_too_many_parts),
		RING_TEST(test_avail_index_runs_ahead),
		RING_TEST(test_bad_indices),
		RING_TEST(test_bad_descriptors),
		RING_TEST(test_readable_after_writable),
		cmocka_unit_test(test_four_gigabytes_in_all),
		RING_TEST(test_interrupts_by_flag),
		RING_TEST(test_interrupts_by_event_index),
		RING_TEST(test_doorbells_by_flag),
		RING_TEST(test_doorbells_by_event_index),
		RING_TEST(test_bytes_of_a_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
