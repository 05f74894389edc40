/* SPDX-License-Identifier: Apache-2.0
 *
 * Bus dispatch: ranges, edges, and a table that changes under running readers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "vmm/bus/bus.h"

struct fake {
	uint64_t off, val;
	unsigned size, reads, writes;
	uint64_t answer;
};

static uint64_t fake_read(void *dev, uint64_t off, unsigned size)
{
	struct fake *f = dev;

	f->off = off;
	f->size = size;
	f->reads++;
	return f->answer;
}

static void fake_write(void *dev, uint64_t off, uint64_t val, unsigned size)
{
	struct fake *f = dev;

	f->off = off;
	f->val = val;
	f->size = size;
	f->writes++;
}

static const struct bus_ops fake_ops = {"fake", fake_read, fake_write};

static void test_dispatch_by_offset(void **state)
{
	struct bus *b = bus_new("test", 0x10000);
	struct fake low = {.answer = 0x1122334455667788}, high = {.answer = 7};
	uint64_t val;

	(void)state;
	assert_int_equal(bus_add(b, 0x3f8, 8, &fake_ops, &high, NULL, NULL), 0);
	assert_int_equal(bus_add(b, 0x70, 2, &fake_ops, &low, NULL, NULL), 0);

	assert_true(bus_read(b, 0x71, 1, &val));
	assert_int_equal(val, 0x88);
	assert_int_equal(low.off, 1);
	assert_int_equal(low.size, 1);
	assert_true(bus_read(b, 0x70, 2, &val));
	assert_int_equal(val, 0x7788);

	assert_true(bus_write(b, 0x3fc, 4, 0xffffffff12345678));
	assert_int_equal(high.off, 4);
	assert_int_equal(high.val, 0x12345678);
	assert_int_equal(low.writes, 0);
	bus_free(b);
}

static void test_nobody_reads_all_ones(void **state)
{
	struct bus *b = bus_new("test", UINT64_MAX);
	struct fake f = {0};
	uint64_t val = 0;

	(void)state;
	assert_false(bus_read(b, 0, 4, &val));
	assert_int_equal(val, 0xffffffff);
	assert_int_equal(bus_add(b, 0x1000, 0x10, &fake_ops, &f, NULL, NULL), 0);
	assert_false(bus_read(b, 0xfff, 1, &val));
	assert_int_equal(val, 0xff);
	assert_false(bus_read(b, 0x1010, 8, &val));
	assert_int_equal(val, UINT64_MAX);
	/* Across either edge. */
	assert_false(bus_read(b, 0xfff, 2, &val));
	assert_false(bus_read(b, 0x100e, 4, &val));
	assert_int_equal(val, 0xffffffff);
	assert_false(bus_write(b, 0x100f, 2, 0));
	assert_false(bus_write(b, UINT64_MAX, 8, 0));
	assert_int_equal(f.reads + f.writes, 0);
	assert_true(bus_read(b, 0x100c, 4, &val));
	bus_free(b);
}

static void test_overlap_is_refused(void **state)
{
	struct bus *b = bus_new("mmio", 0x10000);
	struct fake f = {0};
	static const struct {
		uint64_t base, size;
		bool ok;
	} cases[] = {
		{0x2000, 0x1000, false}, {0x1fff, 2, false}, {0x2fff, 2, false},
		{0x1000, 0x4000, false}, {0x2800, 1, false}, {0x1000, 0x1000, true},
		{0x3000, 0x1000, true},	 {0x4000, 0, false}, {0xffff, 2, false},
		{0x10000, 1, false},	 {0xffff, 1, true},  {UINT64_MAX, UINT64_MAX, false},
	};

	(void)state;
	assert_int_equal(bus_add(b, 0x2000, 0x1000, &fake_ops, &f, NULL, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		int r = bus_add(b, cases[i].base, cases[i].size, &fake_ops, &f, NULL, &err);

		assert_int_equal(r, cases[i].ok ? 0 : -1);
		assert_int_equal(err.kind, cases[i].ok ? ERR_NONE : ERR_FAILED);
	}
	bus_free(b);
}

static void test_a_full_bus_says_so(void **state)
{
	struct bus *b = bus_new("ports", 0x100000);
	struct fake f = {0};
	struct err err = {0};
	uint64_t n = 0, val;

	(void)state;
	while (bus_add(b, n * 16, 16, &fake_ops, &f, NULL, &err) == 0)
		n++;
	assert_true(n >= 128);
	assert_non_null(strstr(err.msg, "ranges already"));
	for (uint64_t i = 0; i < n; i++) {
		assert_true(bus_read(b, i * 16 + i % 16, 1, &val));
		assert_int_equal(f.off, i % 16);
	}
	bus_free(b);
}

static void test_remove_wants_base_and_owner(void **state)
{
	struct bus *b = bus_new("test", 0x10000);
	struct fake f = {0}, other = {0};
	uint64_t val;

	(void)state;
	assert_int_equal(bus_add(b, 0x100, 0x10, &fake_ops, &f, NULL, NULL), 0);
	bus_remove(b, 0x101, &f);
	bus_remove(b, 0x100, &other);
	assert_true(bus_read(b, 0x100, 1, &val));
	bus_remove(b, 0x100, &f);
	assert_false(bus_read(b, 0x100, 1, &val));
	assert_int_equal(bus_add(b, 0x108, 0x10, &fake_ops, &other, NULL, NULL), 0);
	bus_free(b);
}

/* --- a table that changes --- */

struct mover {
	struct bus *bus;
	pthread_mutex_t lock;
	uint64_t base;
	bool inside; /* guarded by lock: nobody else may be in a call */
	unsigned long calls;
	unsigned stop;
};

static uint64_t mover_read(void *dev, uint64_t off, unsigned size)
{
	struct mover *m = dev;

	(void)size;
	assert(!m->inside);
	m->inside = true;
	m->calls++;
	m->inside = false;
	return off;
}

static void mover_write(void *dev, uint64_t off, uint64_t val, unsigned size);
static const struct bus_ops mover_ops = {"mover", mover_read, mover_write};

/* A write moves the range, from inside its own handler. */
static void mover_write(void *dev, uint64_t off, uint64_t val, unsigned size)
{
	struct mover *m = dev;

	(void)off;
	(void)size;
	bus_remove(m->bus, m->base, m);
	m->base = val;
	bus_add(m->bus, m->base, 0x100, &mover_ops, m, &m->lock, NULL);
}

static void *reader(void *arg)
{
	struct mover *m = arg;
	uint64_t val;

	while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE)) {
		if (bus_read(m->bus, 0x1010, 4, &val))
			assert(val == 0x10);
		if (bus_read(m->bus, 0x2020, 4, &val))
			assert(val == 0x20);
	}
	return NULL;
}

static void test_moving_under_readers(void **state)
{
	struct mover m = {.bus = bus_new("mmio", 0x10000), .base = 0x1000};
	pthread_mutexattr_t recursive;
	pthread_t threads[3];
	unsigned long before;
	uint64_t val;

	(void)state;
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&m.lock, &recursive);
	assert_int_equal(bus_add(m.bus, m.base, 0x100, &mover_ops, &m, &m.lock, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, reader, &m);
	for (int i = 0; i < 5000; i++) {
		assert_true(bus_write(m.bus, 0x1000, 4, 0x2000));
		assert_false(bus_read(m.bus, 0x1010, 4, &val));
		assert_true(bus_write(m.bus, 0x2000, 4, 0x1000));
	}

	/* After a removal from outside no call is under way, and none comes. */
	bus_remove(m.bus, m.base, &m);
	before = m.calls;
	assert_false(bus_read(m.bus, 0x1010, 4, &val));
	__atomic_store_n(&m.stop, 1, __ATOMIC_RELEASE);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(m.calls, before);
	bus_free(m.bus);
	pthread_mutex_destroy(&m.lock);
	pthread_mutexattr_destroy(&recursive);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dispatch_by_offset),
		cmocka_unit_test(test_nobody_reads_all_ones),
		cmocka_unit_test(test_overlap_is_refused),
		cmocka_unit_test(test_a_full_bus_says_so),
		cmocka_unit_test(test_remove_wants_base_and_owner),
		cmocka_unit_test(test_moving_under_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
