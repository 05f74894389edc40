// SPDX-License-Identifier: Apache-2.0
//
// The metadata cache, whose freezing carries the crash safety of qcow2, and the set of metadata
// clusters.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "images/disk/qcow2.h"
#include "tests/lib/disk/image.h"
#include "tests/lib/disk/rng.h"

enum { SLICE = 512, LIMIT = 8 };

static struct host host;
static struct slice_cache cache;

static int setup(void **state)
{
	uint8_t bytes[64 * SLICE];

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		memset(bytes + i * SLICE, (int)i, SLICE);
	host = (struct host){.fd = mem_file(bytes, sizeof(bytes)), .sparse_end = true};
	cache_init(&cache, SLICE, LIMIT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cache_done(&cache);
	host_close(&host);
	return 0;
}

static uint8_t on_disk(unsigned i)
{
	uint8_t b;

	assert_int_equal(pread_all(host.fd, &b, 1, i * SLICE, NULL), 0);
	return b;
}

static struct slice *get(unsigned i)
{
	struct slice *s;

	assert_int_equal(cache_get(&cache, &host, (uint64_t)i * SLICE, &s), 0);
	return s;
}

static void set(unsigned i, uint8_t value)
{
	struct slice *s = get(i);

	assert_int_equal(cache_touch(&cache, s), 0);
	s->data[0] = value;
}

static void clean_slices_make_room(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < 64; i++)
			assert_int_equal(get(i)->data[SLICE - 1], i);
	assert_int_equal(get(70)->data[0], 0); /* past the end */
}

static void dirty_slices_stay(void **state)
{
	struct slice *s;

	(void)state;
	for (unsigned i = 0; i < LIMIT; i++)
		set(i, 100);
	assert_int_equal(cache_get(&cache, &host, 20 * SLICE, &s), -EBUSY);
	assert_int_equal(on_disk(0), 0);
	assert_int_equal(cache_write(&cache, &host), 0);
	assert_int_equal(on_disk(0), 100);
	assert_int_equal(cache.busy, 0);
	get(20);
}

static void a_commit_writes_what_was_frozen(void **state)
{
	(void)state;
	set(1, 101);
	set(2, 102);
	cache_freeze(&cache);
	set(2, 202); /* belongs to the next */
	set(3, 203);
	assert_int_equal(get(2)->data[0], 202);
	assert_int_equal(cache_thaw(&cache, &host), 1);
	assert_int_equal(on_disk(1), 101);
	assert_int_equal(on_disk(2), 102);
	assert_int_equal(on_disk(3), 3);
	assert_int_equal(cache.busy, 2);
	cache_freeze(&cache);
	assert_int_equal(cache_thaw(&cache, &host), 1);
	assert_int_equal(on_disk(2), 202);
	assert_int_equal(on_disk(3), 203);
	cache_freeze(&cache);
	assert_int_equal(cache_thaw(&cache, &host), 0);
	assert_int_equal(cache.busy, 0);
}

static void a_commit_that_fails_forgets_nothing(void **state)
{
	(void)state;
	set(1, 101);
	cache_freeze(&cache);
	set(1, 201);
	assert_int_equal(cache_thaw(&cache, NULL), 0);
	assert_int_equal(cache.busy, 1);
	assert_int_equal(on_disk(1), 1);
	cache_freeze(&cache);
	assert_int_equal(cache_thaw(&cache, &host), 1);
	assert_int_equal(on_disk(1), 201);
}

static void what_is_forgotten_is_read_again(void **state)
{
	(void)state;
	set(1, 101);
	set(2, 102);
	get(3);
	cache_forget(&cache, 0, 3 * SLICE);
	assert_int_equal(cache.busy, 0);
	assert_int_equal(get(1)->data[0], 1);
	assert_int_equal(cache_write(&cache, &host), 0);
	assert_int_equal(on_disk(2), 2);
}

static void the_set_knows_what_is_in_it(void **state)
{
	enum { RANGE = 5000, STEPS = 100000 };
	static bool in[RANGE];
	struct cluster_set clusters = {0};
	struct rng rng = {.state = 5};
	unsigned n = 0;

	(void)state;
	assert_false(cluster_set_has(&clusters, 0));
	cluster_set_remove(&clusters, 0);
	for (unsigned i = 0; i < STEPS; i++) {
		uint64_t c = rng_below(&rng, RANGE);
		/* Strides of file offsets, as tables have them. */
		uint64_t key = c << (c % 3 * 16);

		if (rng_below(&rng, 2)) {
			assert_true(cluster_set_reserve(&clusters, 1));
			assert_int_equal(cluster_set_add(&clusters, key), !in[c]);
			n += !in[c];
			in[c] = true;
		} else {
			cluster_set_remove(&clusters, key);
			n -= in[c];
			in[c] = false;
		}
		assert_int_equal(cluster_set_has(&clusters, key), in[c]);
	}
	assert_int_equal(clusters.used, n);
	for (uint64_t c = 0; c < RANGE; c++)
		assert_int_equal(cluster_set_has(&clusters, c << (c % 3 * 16)), in[c]);
	cluster_set_done(&clusters);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(clean_slices_make_room, setup, teardown),
		cmocka_unit_test_setup_teardown(dirty_slices_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(a_commit_writes_what_was_frozen, setup, teardown),
		cmocka_unit_test_setup_teardown(a_commit_that_fails_forgets_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_forgotten_is_read_again, setup, teardown),
		cmocka_unit_test(the_set_knows_what_is_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
