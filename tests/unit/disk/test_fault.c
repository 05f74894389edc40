// SPDX-License-Identifier: Apache-2.0
//
// A host that fails: in a fixed sequence of operations every change of the file fails once, in
// turn, with ENOSPC and with EIO. Whatever happens after that, requests that did not meet the
// failure are served, the image is sound, and a sync that failed is never forgotten.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "images/disk/host.h"
#include "tests/lib/disk/image.h"

enum { SIZE = 1 << 20 };

struct fault {
	unsigned at, seen; /* the operation that fails; how many there were */
	uint64_t before;   /* counts only writes in front of this offset; 0: everything */
	int error;
	bool was_sync;
};

static int fail_one(void *ctx, enum host_op op, int fd, uint64_t off, uint64_t len,
		    const struct iov_pos *data)
{
	struct fault *f = ctx;

	(void)fd;
	(void)len;
	(void)data;
	if (f->before && (op != HOST_WRITE || off >= f->before))
		return 0;
	if (f->seen++ != f->at)
		return 0;
	f->was_sync = op == HOST_SYNC;
	return -f->error;
}

static const uint8_t *pattern(uint8_t value, size_t n)
{
	static uint8_t buf[SIZE];

	memset(buf, value, n);
	return buf;
}

/* What each byte may be: `sure` when it must be `value`. */
static struct {
	uint8_t value;
	bool sure;
} model[SIZE];

static void expect(uint64_t off, uint64_t n, uint8_t value, int result)
{
	for (uint64_t i = off; i < off + n; i++) {
		if (result == 0) {
			model[i].value = value;
			model[i].sure = true;
		} else if (!model[i].sure || model[i].value != value) {
			model[i].sure = false;
		}
	}
}

/* New clusters, copies, overwrites, zeroes, discards, reuse of what was freed. */
static int sequence(struct blk *blk, uint32_t cluster)
{
	int worst = 0;

	for (uint8_t round = 1; round < 4; round++) {
		for (uint64_t off = 300; off + 9000 < SIZE; off += 77777) {
			int r = blk_write(blk, off, pattern(round, 9000), 9000);

			expect(off, 9000, round, r);
			worst = r < 0 ? r : worst;
		}
		if (round == 2) {
			uint64_t from = align_up(100000, cluster);
			uint64_t to = align_down(600000, cluster);
			int r = blk_discard(blk, 100000, 500000);

			if (to > from)
				expect(from, to - from, 0, r);
			worst = r < 0 ? r : worst;
			r = blk_zero(blk, 700000, 100000, true);
			expect(700000, 100000, 0, r);
			worst = r < 0 ? r : worst;
		}
		if (blk_flush(blk) < 0)
			worst = -EIO;
	}
	return worst;
}

static void compare(struct blk *blk, unsigned at)
{
	uint8_t *buf = xmalloc(SIZE);

	assert_int_equal(blk_read(blk, 0, buf, SIZE), 0);
	for (unsigned i = 0; i < SIZE; i++)
		if (model[i].sure && buf[i] != model[i].value)
			fail_msg("fault %u: byte %u is %u, not %u", at, i, buf[i], model[i].value);
	free(buf);
}

/* Returns false when the fault was never reached: the sequence is shorter. */
static bool run(uint32_t cluster, bool extended, unsigned at, uint64_t before, int error)
{
	struct fault fault = {.at = at, .before = before, .error = error};
	struct host_watch watch = {.op = fail_one, .ctx = &fault};
	int below = mem_file(pattern(0xbb, SIZE / 2), SIZE / 2);
	int fd = mem_overlay(SIZE, cluster, extended, BLK_RAW, SIZE / 2);
	struct err err = {0};
	struct blk *blk = mem_open(fd, BLK_QCOW2, below, BLK_RAW, BLK_DISCARD, &err);
	bool reached;
	int r;

	assert_non_null(blk);
	expect(0, SIZE / 2, 0xbb, 0);
	expect(SIZE / 2, SIZE / 2, 0, 0);
	host_set_watch(&watch);
	r = sequence(blk, cluster);
	reached = fault.seen > at;
	host_set_watch(NULL);
	if (fault.was_sync) {
		/* Nobody knows what is on disk: every later flush and change says so. */
		assert_int_equal(blk_flush(blk), -error);
		assert_int_equal(blk_write(blk, 0, "x", 1), -error);
		assert_int_equal(blk_zero(blk, 0, 1, false), -error);
	} else {
		assert_int_equal(blk_flush(blk), 0);
		compare(blk, at);
	}
	/* A late refcount or the freeing of space may fail unnoticed; the rest is told. */
	assert_true(r == 0 || reached);
	r = blk_close(blk);
	if (!fault.was_sync) {
		assert_int_equal(r, 0);
		blk = mem_open(fd, BLK_QCOW2, below, BLK_RAW, BLK_RDONLY, &err);
		assert_non_null(blk);
		compare(blk, at);
		blk_close(blk);
	}
	if (mem_corruptions(fd))
		fail_msg("fault %u (%s): corrupt", at, strerror(error));
	close(fd);
	close(below);
	return reached;
}

static void every_failure_is_survived(void **state)
{
	static const struct {
		uint32_t cluster;
		bool extended;
	} kinds[] = {{512, false}, {4096, false}, {65536, false}, {16384, true}, {131072, true}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		/* Small clusters make thousands of writes: every so many of them. */
		unsigned step = kinds[i].cluster < 4096 ? 41 : kinds[i].cluster < 16384 ? 5 : 1;
		unsigned n = 0;

		while (run(kinds[i].cluster, kinds[i].extended, n, 0, n % 2 ? ENOSPC : EIO))
			n += step;
		assert_true(n > 20);
	}
}

/* The rare write of a refcount table entry, which those steps miss: the table is cluster 1. */
static void every_refcount_block_is_announced(void **state)
{
	unsigned n = 0;

	(void)state;
	while (run(512, false, n, 1024, ENOSPC))
		n++;
	assert_true(n > 0);
}

static int fail_writes(void *ctx, enum host_op op, int fd, uint64_t off, uint64_t len,
		       const struct iov_pos *data)
{
	(void)ctx;
	(void)fd;
	(void)off;
	(void)len;
	(void)data;
	return op == HOST_WRITE ? -ENOSPC : 0;
}

/* A cluster at the end of the file that a write failed to reach becomes an L2 table. */
static void tables_lie_inside_the_file(void **state)
{
	const struct host_watch watch = {.op = fail_writes};
	int fd = mem_qcow2(SIZE, 512, false);
	struct blk *blk = mem_must_open(fd, 0);

	(void)state;
	assert_int_equal(blk_write(blk, 0, pattern(1, 512), 512), 0);
	assert_int_equal(blk_flush(blk), 0);
	host_set_watch(&watch);
	assert_int_equal(blk_write(blk, 512, pattern(2, 512), 512), -ENOSPC);
	assert_int_equal(blk_write(blk, SIZE / 2, pattern(2, 512), 512), -ENOSPC);
	host_set_watch(NULL);
	assert_int_equal(blk_flush(blk), 0);
	assert_int_equal(blk_close(blk), 0);
	blk_close(mem_must_open(fd, 0));
	assert_int_equal(mem_corruptions(fd), 0);
	close(fd);
}

static void growing_fails_without_harm(void **state)
{
	(void)state;
	for (unsigned at = 0;; at++) {
		struct fault fault = {.at = at, .error = ENOSPC};
		struct host_watch watch = {.op = fail_one, .ctx = &fault};
		int fd = mem_qcow2(SIZE, 512, false);
		struct blk *blk = mem_must_open(fd, 0);
		struct err err = {0};
		int r;

		assert_int_equal(blk_write(blk, 0, pattern(5, SIZE), SIZE), 0);
		assert_int_equal(blk_close(blk), 0);
		host_set_watch(&watch);
		r = blk_grow(fd, BLK_QCOW2, 50 << 20, 0, &err);
		host_set_watch(NULL);
		assert_int_equal(mem_corruptions(fd), 0);
		blk = mem_must_open(fd, 0);
		assert_true(blk_size(blk) == SIZE || blk_size(blk) == 50 << 20);
		{
			uint8_t *buf = xmalloc(SIZE);

			assert_int_equal(blk_read(blk, 0, buf, SIZE), 0);
			assert_memory_equal(buf, pattern(5, SIZE), SIZE);
			free(buf);
		}
		blk_close(blk);
		close(fd);
		if (fault.seen <= at) {
			assert_int_equal(r, 0);
			break;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_failure_is_survived),
		cmocka_unit_test(every_refcount_block_is_announced),
		cmocka_unit_test(tables_lie_inside_the_file),
		cmocka_unit_test(growing_fails_without_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
