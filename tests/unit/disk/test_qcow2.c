// SPDX-License-Identifier: Apache-2.0
//
// Reading, writing, zeroing and discarding qcow2 images; how many syncs that takes; and what images
// that contradict themselves can do, which is to fail.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "images/disk/host.h"
#include "tests/lib/disk/image.h"

enum { K = 1024, CLUSTER = 65536 };

static struct err err;

/* What 64 KiB images have where, when they were just made: see qcow2_create.c. */
enum {
	AT_REFTABLE = CLUSTER,
	AT_REFBLOCK = 2 * CLUSTER,
	AT_L1 = 3 * CLUSTER,
	AT_FREE = 4 * CLUSTER
};

static bool all(const uint8_t *p, uint8_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != value)
			return false;
	return true;
}

/* Reads and compares with one value. */
static void expect(struct blk *blk, uint64_t off, size_t n, uint8_t value)
{
	uint8_t *buf = xmalloc(n);

	assert_int_equal(blk_read(blk, off, buf, n), 0);
	if (!all(buf, value, n))
		fail_msg("%#llx, %#zx bytes: not all %#x", (unsigned long long)off, n, value);
	free(buf);
}

static void put(struct blk *blk, uint64_t off, size_t n, uint8_t value)
{
	uint8_t *buf = xmalloc(n);

	memset(buf, value, n);
	assert_int_equal(blk_write(blk, off, buf, n), 0);
	free(buf);
}

static void poke(int fd, uint64_t off, uint64_t value)
{
	uint8_t raw[8];

	put_be64(raw, value);
	assert_int_equal(pwrite_all(fd, raw, 8, off), 0);
}

static uint64_t peek(int fd, uint64_t off)
{
	uint8_t raw[8];

	assert_int_equal(pread_all(fd, raw, 8, off, NULL), 0);
	return get_be64(raw);
}

/* --- what a disk does ------------------------------------------------------------------------ */

static void ranges_are_checked(void **state)
{
	int fd = mem_qcow2(100 * K, CLUSTER, false);
	struct blk *blk = mem_must_open(fd, 0);
	struct iovec huge[2] = {{.iov_base = blk, .iov_len = SIZE_MAX},
				{.iov_base = blk, .iov_len = SIZE_MAX}};
	char c = 1;

	(void)state;
	assert_int_equal(blk_size(blk), 100 * K);
	assert_int_equal(blk_read(blk, 100 * K, &c, 1), -EINVAL);
	assert_int_equal(blk_write(blk, 100 * K, &c, 1), -EINVAL);
	assert_int_equal(blk_write(blk, UINT64_MAX, &c, 2), -EINVAL);
	assert_int_equal(blk_readv(blk, 0, huge, 2), -EINVAL);
	assert_int_equal(blk_writev(blk, 0, huge, 1), -EINVAL);
	assert_int_equal(blk_readv(blk, 0, huge, -1), -EINVAL);
	assert_int_equal(blk_discard(blk, 1, 100 * K), -EINVAL);
	assert_int_equal(blk_zero(blk, UINT64_MAX, UINT64_MAX, true), -EINVAL);
	assert_int_equal(blk_read(blk, 100 * K, &c, 0), 0);
	assert_int_equal(blk_write(blk, 100 * K - 1, &c, 1), 0);
	assert_int_equal(blk_close(blk), 0);
	assert_int_equal(mem_corruptions(fd) + mem_leaks(fd), 0);

	blk = mem_must_open(fd, BLK_RDONLY);
	assert_true(blk_rdonly(blk));
	assert_int_equal(blk_write(blk, 0, &c, 1), -EROFS);
	assert_int_equal(blk_zero(blk, 0, 1, false), -EROFS);
	assert_int_equal(blk_discard(blk, 0, 1), -EROFS);
	assert_int_equal(blk_flush(blk), 0);
	blk_close(blk);
	close(fd);
}

/* Writes of a few bytes in every kind of place, with backing data around them. */
static void writes_keep_what_surrounds_them(void **state)
{
	static const struct {
		uint32_t cluster;
		bool extended;
	} kinds[] = {{512, false},   {4 * K, false},  {CLUSTER, false}, {2 << 20, false},
		     {16 * K, true}, {128 * K, true}, {2 << 20, true}};
	enum { SIZE = 3 << 20, BELOW = (2 << 20) + 700 };
	uint8_t *content = xmalloc(BELOW);

	(void)state;
	memset(content, 0xbb, BELOW);
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		int raw = mem_file(content, BELOW);
		int fd = mem_overlay(SIZE, kinds[i].cluster, kinds[i].extended, BLK_RAW, BELOW);
		struct blk *blk = mem_open(fd, BLK_QCOW2, raw, BLK_RAW, BLK_DISCARD, &err);

		assert_non_null(blk);
		expect(blk, 0, BELOW, 0xbb);
		expect(blk, BELOW, SIZE - BELOW, 0);
		put(blk, 70001, 3, 1);
		put(blk, BELOW - 2, 10, 2);
		put(blk, SIZE - 1, 1, 3);
		put(blk, 1 << 20, 300 * K, 4);
		assert_int_equal(blk_zero(blk, (1 << 20) + 100 * K + 5, 11 * K, true), 0);
		for (int again = 0; again < 2; again++) {
			expect(blk, 0, 70001, 0xbb);
			expect(blk, 70001, 3, 1);
			expect(blk, 70004, (1 << 20) - 70004, 0xbb);
			expect(blk, 1 << 20, 100 * K + 5, 4);
			expect(blk, (1 << 20) + 100 * K + 5, 11 * K, 0);
			expect(blk, (1 << 20) + 111 * K + 5, 189 * K - 5, 4);
			expect(blk, (1 << 20) + 300 * K, BELOW - 2 - (1 << 20) - 300 * K, 0xbb);
			expect(blk, BELOW - 2, 10, 2);
			expect(blk, BELOW + 8, SIZE - BELOW - 9, 0);
			expect(blk, SIZE - 1, 1, 3);
			assert_int_equal(blk_close(blk), 0);
			assert_int_equal(mem_corruptions(fd) + mem_leaks(fd), 0);
			blk = mem_open(fd, BLK_QCOW2, raw, BLK_RAW, BLK_RDONLY, &err);
			assert_non_null(blk);
		}
		blk_close(blk);
		close(fd);
		close(raw);
	}
	free(content);
}

/* The disk's end stands for that of its last cluster, but only where the range begins before it. */
static void zeroing_the_end_spares_what_is_before(void **state)
{
	int fd = mem_qcow2(100 * K, CLUSTER, false);
	struct blk *blk = mem_must_open(fd, BLK_DISCARD);

	(void)state;
	put(blk, 0, 100 * K, 1);
	assert_int_equal(blk_zero(blk, 70 * K, 30 * K, true), 0);
	expect(blk, 0, 70 * K, 1);
	expect(blk, 70 * K, 30 * K, 0);
	put(blk, 0, 100 * K, 2);
	assert_int_equal(blk_discard(blk, 70 * K, 30 * K), 0);
	expect(blk, 0, 100 * K, 2);
	assert_int_equal(blk_discard(blk, 60 * K, 40 * K), 0);
	expect(blk, 0, 64 * K, 2);
	expect(blk, 64 * K, 36 * K, 0);
	assert_int_equal(blk_close(blk), 0);
	assert_int_equal(mem_corruptions(fd) + mem_leaks(fd), 0);
	close(fd);
}

static void discards_give_space_back(void **state)
{
	int fd = mem_qcow2(10 << 20, CLUSTER, false);
	struct blk *blk = mem_must_open(fd, BLK_DISCARD);
	size_t n;

	(void)state;
	put(blk, 0, 10 << 20, 5);
	assert_int_equal(blk_flush(blk), 0);
	/* Whole clusters only. */
	assert_int_equal(blk_discard(blk, 1, CLUSTER), 0);
	expect(blk, 0, 10 << 20, 5);
	assert_int_equal(blk_discard(blk, 1, (8 << 20) - 2), 0);
	expect(blk, 0, CLUSTER, 5);
	expect(blk, CLUSTER, (8 << 20) - 2 * CLUSTER, 0);
	expect(blk, (8 << 20) - CLUSTER, CLUSTER, 5);
	/* Their space serves again after a flush. */
	assert_int_equal(blk_flush(blk), 0);
	put(blk, CLUSTER, 4 << 20, 6);
	assert_int_equal(blk_close(blk), 0);
	free(mem_bytes(fd, &n));
	assert_true(n <= (10 << 20) + 8 * CLUSTER);
	assert_int_equal(mem_corruptions(fd) + mem_leaks(fd), 0);

	/* Without the flag nothing happens. */
	blk = mem_must_open(fd, 0);
	assert_int_equal(blk_discard(blk, 0, 10 << 20), 0);
	expect(blk, CLUSTER, 4 << 20, 6);
	blk_close(blk);
	close(fd);
}

static void discarded_clusters_do_not_show_the_backing_file(void **state)
{
	uint8_t *content = xmalloc(1 << 20);
	int raw, fd = mem_overlay(1 << 20, CLUSTER, false, BLK_RAW, 1 << 20);
	struct blk *blk;

	(void)state;
	memset(content, 0xbb, 1 << 20);
	raw = mem_file(content, 1 << 20);
	blk = mem_open(fd, BLK_QCOW2, raw, BLK_RAW, BLK_DISCARD, &err);
	put(blk, 0, CLUSTER, 1);
	assert_int_equal(blk_discard(blk, 0, 2 * CLUSTER), 0);
	expect(blk, 0, 2 * CLUSTER, 0);
	expect(blk, 2 * CLUSTER, CLUSTER, 0xbb);
	assert_int_equal(blk_close(blk), 0);
	assert_int_equal(mem_corruptions(fd) + mem_leaks(fd), 0);
	free(content);
	close(raw);
	close(fd);
}

/* --- syncs
 * ------------------------------------------------------------------------------------------------------
 */

static unsigned syncs;

static int count_syncs(void *ctx, enum host_op op, int fd, uint64_t off, uint64_t len,
		       const struct iov_pos *data)
{
	(void)ctx;
	(void)fd;
	(void)off;
	(void)len;
	(void)data;
	syncs += op == HOST_SYNC;
	return 0;
}

static void a_flush_costs_what_it_must(void **state)
{
	static const struct host_watch watch = {.op = count_syncs};
	int fd = mem_qcow2(10 << 20, CLUSTER, false);
	struct blk *blk = mem_must_open(fd, 0);

	(void)state;
	host_set_watch(&watch);
	syncs = 0;
	put(blk, 0, 4 * K, 1);
	put(blk, 1 << 20, 4 * K, 1);
	assert_int_equal(syncs, 0);
	assert_int_equal(blk_flush(blk), 0);
	assert_int_equal(syncs, 2); /* what the links rely on, and the links */
	put(blk, 4 * K, 4 * K, 1);
	assert_int_equal(blk_flush(blk), 0);
	assert_int_equal(syncs, 3); /* in place */
	assert_int_equal(blk_flush(blk), 0);
	assert_int_equal(syncs, 4);
	host_set_watch(NULL);
	blk_close(blk);
	close(fd);
}

static void nothing_links_to_data_before_a_flush(void **state)
{
	int fd = mem_qcow2(10 << 20, CLUSTER, false);
	struct blk *blk = mem_must_open(fd, 0), *other;

	(void)state;
	put(blk, 0, 4 * K, 1);
	assert_int_equal(peek(fd, AT_L1), 0);
	assert_int_equal(mem_corruptions(fd), 0);
	assert_int_equal(blk_flush(blk), 0);
	assert_int_not_equal(peek(fd, AT_L1), 0);
	put(blk, 4 * CLUSTER, 4 * K, 2);
	/* As after kill -9: the copy has what was flushed, and is sound. */
	{
		size_t n;
		uint8_t *bytes = mem_bytes(fd, &n);
		int copy = mem_file(bytes, n);

		other = mem_must_open(copy, 0);
		expect(other, 0, 4 * K, 1);
		expect(other, 4 * CLUSTER, 4 * K, 0);
		assert_int_equal(blk_close(other), 0);
		assert_int_equal(mem_corruptions(copy), 0);
		free(bytes);
		close(copy);
	}
	blk_close(blk);
	close(fd);
}

/* --- hostile images -------------------------------------------------------------------------- */

/* An image with one cluster of data: its L2 table is at AT_FREE, the data behind it. */
static int one_cluster(bool extended)
{
	int fd = mem_qcow2(10 << 20, CLUSTER, extended);
	struct blk *blk = mem_must_open(fd, 0);

	put(blk, 0, CLUSTER, 7);
	assert_int_equal(blk_close(blk), 0);
	assert_int_equal(peek(fd, AT_L1), AT_FREE | UINT64_C(1) << 63);
	assert_int_equal(peek(fd, AT_FREE), (AT_FREE + CLUSTER) | UINT64_C(1) << 63);
	return fd;
}

static void lying_l2_entries_cost_eio(void **state)
{
	static const uint64_t copied = UINT64_C(1) << 63, packed = UINT64_C(1) << 62;
	static const struct {
		uint64_t desc, subs;
		bool extended;
	} lies[] = {
		{copied | (AT_FREE + CLUSTER + 512), 0, false},	   /* not aligned */
		{copied | UINT64_C(0x00ffffffffff0000), 0, false}, /* outside */
		{copied | (AT_FREE + CLUSTER) | 2, 0, false},	   /* reserved bits */
		{copied | (AT_FREE + CLUSTER) | UINT64_C(1) << 56, 0, false},
		{copied, 0, false},			     /* copied nothing */
		{copied | packed | CLUSTER, 0, false},	     /* compressed and copied */
		{packed, 0, false},			     /* compressed nowhere */
		{packed | (UINT64_C(1) << 50), 0, false},    /* compressed outside */
		{packed | AT_L1, 0, false},		     /* not deflate */
		{copied | (AT_FREE + CLUSTER) | 1, 1, true}, /* zero flag of the other kind */
		{copied | (AT_FREE + CLUSTER), UINT64_C(0x100000001), true}, /* data and zero */
		{0, 1, true},						     /* data nowhere */
	};
	char buf[512];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(lies); i++) {
		int fd = one_cluster(lies[i].extended);
		struct blk *blk;

		poke(fd, AT_FREE, lies[i].desc);
		if (lies[i].extended)
			poke(fd, AT_FREE + 8, lies[i].subs);
		blk = mem_must_open(fd, BLK_DISCARD);
		if (blk_read(blk, 0, buf, 512) != -EIO)
			fail_msg("lie %u was believed", i);
		assert_int_equal(blk_write(blk, 0, buf, 512), -EIO);
		/* The next cluster is unharmed. */
		expect(blk, CLUSTER, 512, 0);
		put(blk, CLUSTER, 512, 1);
		blk_close(blk);
		close(fd);
	}
}

/* A write that needs data which cannot be read fails, and leaves nothing behind. */
static void copies_that_fail_leak_nothing(void **state)
{
	int below = one_cluster(false),
	    fd = mem_overlay(10 << 20, CLUSTER, false, BLK_QCOW2, 10 << 20);
	struct blk *blk;
	char buf[512] = {1};

	(void)state;
	poke(below, AT_FREE, UINT64_C(1) << 62 | AT_L1); /* compressed, and not deflate */
	blk = mem_open(fd, BLK_QCOW2, below, BLK_QCOW2, 0, &err);
	assert_non_null(blk);
	assert_int_equal(blk_write(blk, 512, buf, 512), -EIO);
	assert_int_equal(blk_zero(blk, 512, 512, false), -EIO);
	put(blk, 0, CLUSTER, 3);
	assert_int_equal(blk_write(blk, 512, buf, 512), 0);
	expect(blk, 1024, 1024, 3);
	assert_int_equal(blk_close(blk), 0);
	assert_int_equal(mem_corruptions(fd) + mem_leaks(fd), 0);
	close(below);
	close(fd);
}

static void lying_tables_are_refused_for_writing(void **state)
{
	static const struct {
		uint64_t off, value;
		const char *says;
	} lies[] = {
		{AT_L1, AT_FREE + 512, "L1 entry 0"},
		{AT_L1, UINT64_C(1) << 57, "L1 entry 0"},
		{AT_L1, UINT64_C(1) << 40, "L1 entry 0"},
		{AT_L1, AT_L1, "overlaps"},
		{AT_L1, AT_REFBLOCK, "overlaps"},
		{AT_REFTABLE, AT_REFBLOCK + 8, "refcount table entry 0"},
		{AT_REFTABLE, AT_FREE, "overlaps"},
		{AT_REFTABLE + 8, AT_REFBLOCK, "overlaps"},
		{AT_REFTABLE + 8, UINT64_C(1) << 50, "refcount table entry 1"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(lies); i++) {
		int fd = one_cluster(false);
		struct err e = {0};

		poke(fd, lies[i].off, lies[i].value);
		assert_null(mem_open(fd, BLK_QCOW2, -1, BLK_RAW, 0, &e));
		assert_int_equal(e.kind, ERR_CORRUPT);
		if (!strstr(e.msg, lies[i].says))
			fail_msg("lie %u: %s", i, e.msg);
		close(fd);
	}
}

/* With clusters of 512 bytes a refcount block counts 128 KiB; the table is cluster 1, L1 cluster
 * 3. */
enum { SMALL = 512, SMALL_BLOCK_1 = SMALL + 8, SMALL_L1 = 3 * SMALL, SMALL_ENTRIES = 32 };

static void expect_uncounted(int fd)
{
	struct err e = {0};

	assert_null(mem_open(fd, BLK_QCOW2, -1, BLK_RAW, 0, &e));
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_non_null(strstr(e.msg, "no refcount block counts it"));
}

/* What is not counted would be taken for free. */
static void lost_refcount_blocks_forbid_to_write(void **state)
{
	int fd = mem_qcow2(1 << 20, SMALL, false);
	struct blk *blk = mem_must_open(fd, 0);
	uint64_t block_1, end;
	uint8_t l1[SMALL] = {0}, snapshot[SMALL] = {0}, header[12];
	size_t size;

	(void)state;
	put(blk, 0, 300 * K, 7);
	assert_int_equal(blk_close(blk), 0);
	block_1 = peek(fd, SMALL_BLOCK_1);
	assert_int_equal(block_1, 128 * K);
	poke(fd, SMALL_BLOCK_1, 0);
	expect_uncounted(fd);
	blk = mem_must_open(fd, BLK_RDONLY);
	expect(blk, 0, 300 * K, 7);
	blk_close(blk);

	/* Only a snapshot has it. */
	free(mem_bytes(fd, &size));
	end = align_up(size, SMALL);
	assert_int_equal(pread_all(fd, l1, 8 * SMALL_ENTRIES, SMALL_L1, NULL), 0);
	assert_int_equal(pwrite_all(fd, l1, SMALL, end), 0);
	put_be64(snapshot, end);
	put_be32(snapshot + 8, SMALL_ENTRIES);
	assert_int_equal(pwrite_all(fd, snapshot, SMALL, end + SMALL), 0);
	memset(l1, 0, SMALL);
	assert_int_equal(pwrite_all(fd, l1, SMALL, SMALL_L1), 0);
	blk_close(mem_must_open(fd, 0));
	put_be32(header, 1);
	put_be64(header + 4, end + SMALL);
	assert_int_equal(pwrite_all(fd, header, sizeof(header), 60), 0);
	expect_uncounted(fd);
	poke(fd, SMALL_BLOCK_1, block_1);
	blk_close(mem_must_open(fd, 0));
	close(fd);
}

/* A file that was padded has such parts, too. */
static void what_is_not_counted_may_be_free(void **state)
{
	int fd = mem_qcow2(1 << 20, SMALL, false);
	struct blk *blk;

	(void)state;
	assert_int_equal(pwrite_all(fd, "", 1, (2 << 20) - 1), 0);
	blk = mem_must_open(fd, 0);
	put(blk, 0, 1 << 20, 7);
	assert_int_equal(blk_close(blk), 0);
	assert_int_equal(mem_corruptions(fd), 0);
	blk = mem_must_open(fd, 0);
	expect(blk, 0, 1 << 20, 7);
	blk_close(blk);
	close(fd);
}

/* Refcounts that call metadata free, and entries that point guest data at it. */
static void metadata_is_never_overwritten(void **state)
{
	char buf[512] = {0};
	struct err e = {0};
	struct blk *blk;
	int fd;

	(void)state;
	fd = one_cluster(false);
	poke(fd, AT_REFBLOCK, 0); /* the first four clusters */
	blk = mem_must_open(fd, 0);
	assert_int_equal(blk_write(blk, CLUSTER, buf, 512), -EIO);
	expect(blk, 0, CLUSTER, 7);
	/* From then on nothing is written, and the next to open it is told. */
	assert_int_equal(blk_write(blk, 4 * CLUSTER, buf, 512), -EIO);
	assert_int_equal(blk_zero(blk, 4 * CLUSTER, 512, false), -EIO);
	assert_int_equal(blk_discard(blk, 4 * CLUSTER, CLUSTER), 0);
	blk_close(blk);
	assert_null(mem_open(fd, BLK_QCOW2, -1, BLK_RAW, 0, &e));
	assert_non_null(strstr(e.msg, "marked corrupt"));
	close(fd);

	fd = one_cluster(false);
	poke(fd, AT_FREE, AT_L1 | UINT64_C(1) << 63); /* the disk's first cluster is the L1 table */
	blk = mem_must_open(fd, 0);
	assert_int_equal(blk_write(blk, 0, buf, 512), -EIO);
	blk_close(blk);
	assert_int_not_equal(peek(fd, AT_L1), 0);
	close(fd);
}

static void refcounts_do_not_underflow(void **state)
{
	int fd = one_cluster(false);
	struct blk *blk;
	char buf[512] = {0};

	(void)state;
	/* The data cluster is counted as free; discarding it says so. */
	poke(fd, AT_REFBLOCK + 8, UINT64_C(0x0001000000000000));
	blk = mem_must_open(fd, BLK_DISCARD);
	assert_int_equal(blk_discard(blk, 0, CLUSTER), 0);
	assert_int_equal(blk_flush(blk), 0);
	assert_int_equal(blk_write(blk, 0, buf, 512), -EIO);
	blk_close(blk);
	close(fd);
}

static void autoclear_bits_are_cleared_by_writers(void **state)
{
	int fd = one_cluster(false);

	(void)state;
	poke(fd, 88, 0x8001);
	blk_close(mem_must_open(fd, BLK_RDONLY));
	assert_int_equal(peek(fd, 88), 0x8001);
	blk_close(mem_must_open(fd, 0));
	assert_int_equal(peek(fd, 88), 0);
	close(fd);
}

/* --- growing
 * ---------------------------------------------------------------------------------------------------------
 */

static void growing_keeps_the_data(void **state)
{
	static const uint64_t sizes[] = {3 << 20, 40 << 20, UINT64_C(3) << 30, UINT64_C(50) << 30};
	int fd = mem_qcow2(1 << 20, 512, false);
	struct blk *blk = mem_must_open(fd, 0);

	(void)state;
	put(blk, 0, 1 << 20, 9);
	blk_close(blk);
	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
		if (blk_grow(fd, BLK_QCOW2, sizes[i], 0, &err) < 0)
			fail_msg("%s", err.msg);
		blk = mem_must_open(fd, 0);
		assert_int_equal(blk_size(blk), sizes[i]);
		expect(blk, 0, 1 << 20, 9);
		expect(blk, 1 << 20, 1 << 20, 0);
		put(blk, sizes[i] - 512, 512, 1);
		assert_int_equal(blk_close(blk), 0);
		assert_int_equal(mem_corruptions(fd) + mem_leaks(fd), 0);
	}
	assert_int_equal(blk_grow(fd, BLK_QCOW2, 1 << 20, 0, &err), -1);
	assert_non_null(strstr(err.msg, "from 53687091200 to 1048576"));
	assert_int_equal(blk_grow(fd, BLK_QCOW2, UINT64_C(1) << 40, 0, &err), -1);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	assert_int_equal(blk_grow(fd, BLK_QCOW2, UINT64_MAX, 0, &err), -1);
	/* An image that is open is not grown. */
	blk = mem_must_open(fd, 0);
	assert_int_equal(blk_grow(mem_reopen(fd), BLK_QCOW2, UINT64_C(60) << 30, 0, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	blk_close(blk);
	close(fd);
}

static void growing_shows_nothing_from_below(void **state)
{
	int fd = mem_overlay(1 << 20, CLUSTER, false, BLK_RAW, 1 << 20);

	(void)state;
	assert_int_equal(blk_grow(fd, BLK_QCOW2, 3 << 20, 2 << 20, &err), -1);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "an overlay of 1048576 bytes"));
	assert_int_equal(blk_grow(fd, BLK_QCOW2, 3 << 20, 1 << 20, &err), 0);
	close(fd);
}

/* The size of a snapshot's disk is in its extra data, which version 2 has none of. */
static void old_snapshots_forbid_to_grow(void **state)
{
	static const uint8_t none[64];
	int fd = mem_qcow2(1 << 20, CLUSTER, false);
	uint8_t raw[12];

	(void)state;
	assert_int_equal(pwrite_all(fd, none, sizeof(none), AT_FREE), 0);
	put_be32(raw, 1);
	put_be64(raw + 4, AT_FREE);
	assert_int_equal(pwrite_all(fd, raw, sizeof(raw), 60), 0);
	if (blk_grow(fd, BLK_QCOW2, 2 << 20, 0, &err) < 0)
		fail_msg("version 3: %s", err.msg);
	put_be32(raw, 2);
	assert_int_equal(pwrite_all(fd, raw, 4, 4), 0);
	assert_int_equal(blk_grow(fd, BLK_QCOW2, 3 << 20, 0, &err), -1);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "snapshots"));
	blk_close(mem_must_open(fd, 0));
	close(fd);
}

static void creation_checks_what_it_is_asked(void **state)
{
	static const struct {
		struct blk_create how;
		const char *says;
	} bad[] = {
		{{.size = 1, .cluster_size = 1000}, "cluster size of 1000"},
		{{.size = 1, .cluster_size = 256}, "cluster size of 256"},
		{{.size = 1, .cluster_size = 4 << 20}, "cluster size of 4194304"},
		{{.size = 1, .cluster_size = 4096, .extended_l2 = true}, "from 16384"},
		{{.size = UINT64_C(1) << 62, .cluster_size = 65536}, "needs clusters larger"},
		{{.size = UINT64_MAX, .cluster_size = 65536}, "a disk of"},
		{{.size = 1, .backing_name = "b", .backing_size = 2}, "smaller than its backing"},
		{{.size = 1, .backing_name = "", .cluster_size = 65536}, "name of 0 bytes"},
	};
	char name[1100];
	int fd;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		fd = mem_file("", 0);
		assert_int_equal(qcow2_create(fd, &bad[i].how, &err), -1);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("%s", err.msg);
		close(fd);
	}
	memset(name, 'n', sizeof(name));
	name[1023] = 0;
	fd = mem_file("", 0);
	assert_int_equal(
		qcow2_create(fd, &(struct blk_create){.size = 512, .backing_name = name}, &err), 0);
	assert_int_equal(qcow2_create(fd, &(struct blk_create){.size = 512}, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT); /* not empty */
	close(fd);
	fd = mem_file("", 0);
	assert_int_equal(qcow2_create(fd,
				      &(struct blk_create){.size = 512,
							   .cluster_size = 512,
							   .backing_name = name},
				      &err),
			 -1);
	assert_non_null(strstr(err.msg, "does not fit"));
	close(fd);
	name[1023] = 'n';
	name[1024] = 0;
	fd = mem_file("", 0);
	assert_int_equal(
		qcow2_create(fd, &(struct blk_create){.size = 512, .backing_name = name}, &err),
		-1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_checked),
		cmocka_unit_test(writes_keep_what_surrounds_them),
		cmocka_unit_test(zeroing_the_end_spares_what_is_before),
		cmocka_unit_test(discards_give_space_back),
		cmocka_unit_test(discarded_clusters_do_not_show_the_backing_file),
		cmocka_unit_test(a_flush_costs_what_it_must),
		cmocka_unit_test(nothing_links_to_data_before_a_flush),
		cmocka_unit_test(lying_l2_entries_cost_eio),
		cmocka_unit_test(copies_that_fail_leak_nothing),
		cmocka_unit_test(lying_tables_are_refused_for_writing),
		cmocka_unit_test(lost_refcount_blocks_forbid_to_write),
		cmocka_unit_test(what_is_not_counted_may_be_free),
		cmocka_unit_test(metadata_is_never_overwritten),
		cmocka_unit_test(refcounts_do_not_underflow),
		cmocka_unit_test(autoclear_bits_are_cleared_by_writers),
		cmocka_unit_test(growing_keeps_the_data),
		cmocka_unit_test(growing_shows_nothing_from_below),
		cmocka_unit_test(old_snapshots_forbid_to_grow),
		cmocka_unit_test(creation_checks_what_it_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
