/* SPDX-License-Identifier: Apache-2.0
 *
 * New, empty qcow2 version 3 images: the header, a refcount table, a refcount block and an L1 table
 * of zeroes, in a handful of system calls and without a sync. A new image holds nothing that a
 * crash could take; the first flush after it was opened makes it durable with its content.
 */
#include <errno.h>

#include "base/buf.h"
#include "base/mem.h"
#include "images/disk/block.h"
#include "images/disk/host.h"
#include "images/disk/qcow2_header.h"

enum {
	CLUSTER_BITS = 16,
	OVERLAY_CLUSTER_BITS = 17,
	REFCOUNT_ORDER = 4,
	HEADER_BYTES = 112, /* with compression_type and its padding */
};

/* Clusters, in the order in which they lie in the file. */
struct layout {
	unsigned bits;
	uint64_t size;
	uint64_t l1_size; /* entries */
	uint64_t reftable, refblocks, l1;
};

static uint64_t clusters(const struct layout *l, uint64_t bytes)
{
	return (bytes + (UINT64_C(1) << l->bits) - 1) >> l->bits;
}

static uint64_t total(const struct layout *l)
{
	return 1 + l->reftable + l->refblocks + l->l1;
}

static int plan(const struct blk_create *c, struct layout *l, struct err *err)
{
	uint32_t cluster = c->cluster_size;
	uint64_t per_block, blocks;
	uint64_t size = c->size || !c->backing_name ? c->size : c->backing_size;

	if (!is_pow2(cluster) || cluster < 1u << QCOW2_MIN_CLUSTER_BITS ||
	    cluster > 1u << QCOW2_MAX_CLUSTER_BITS ||
	    (c->extended_l2 && cluster < 1u << QCOW2_MIN_EXTENDED_BITS))
		return err_set(
			err, ERR_UNSUPPORTED,
			"a cluster size of %u bytes (a power of two from %u to %u)", cluster,
			1u << (c->extended_l2 ? QCOW2_MIN_EXTENDED_BITS : QCOW2_MIN_CLUSTER_BITS),
			1u << QCOW2_MAX_CLUSTER_BITS);
	if (c->backing_name && size < c->backing_size)
		return err_set(err, ERR_UNSUPPORTED,
			       "an overlay of %llu bytes is smaller than its backing file (%llu)",
			       (unsigned long long)size, (unsigned long long)c->backing_size);
	*l = (struct layout){.bits = (unsigned)__builtin_ctz(cluster)};
	if (size > INT64_MAX - 512)
		return err_set(err, ERR_UNSUPPORTED, "a disk of %llu bytes",
			       (unsigned long long)size);
	l->size = align_up(size, 512);
	l->l1_size = max_u64(qcow2_l1_needed(l->size, l->bits, c->extended_l2), 1);
	if (l->l1_size > QCOW2_MAX_L1_BYTES / 8)
		return err_set(err, ERR_UNSUPPORTED,
			       "a disk of %llu bytes needs clusters larger than %u bytes",
			       (unsigned long long)l->size, cluster);
	l->l1 = clusters(l, l->l1_size * 8);
	per_block = (UINT64_C(8) << l->bits) >> REFCOUNT_ORDER;
	/* Blocks count themselves and the table that lists them: a few rounds settle it. */
	do {
		blocks = l->refblocks;
		l->refblocks = (total(l) + per_block - 1) / per_block;
		l->reftable = clusters(l, l->refblocks * 8);
	} while (blocks != l->refblocks);
	return 0;
}

static void put_extension(struct buf *out, uint32_t type, const char *text)
{
	static const char padding[8];
	uint8_t head[8];
	size_t n = strlen(text);

	put_be32(head, type);
	put_be32(head + 4, (uint32_t)n);
	buf_put(out, head, sizeof(head));
	buf_put(out, text, n);
	buf_put(out, padding, align_up(n, 8) - n);
}

static void put_header(struct buf *out, const struct blk_create *c, const struct layout *l)
{
	static const uint8_t end[8];
	uint8_t raw[HEADER_BYTES] = {0};

	put_be32(raw, QCOW2_MAGIC);
	put_be32(raw + 4, 3);
	put_be32(raw + 20, l->bits);
	put_be64(raw + QCOW2_AT_SIZE, l->size);
	put_be32(raw + QCOW2_AT_L1_SIZE, (uint32_t)l->l1_size);
	put_be64(raw + QCOW2_AT_L1_OFF, (total(l) - l->l1) << l->bits);
	put_be64(raw + QCOW2_AT_REFTABLE_OFF, UINT64_C(1) << l->bits);
	put_be32(raw + QCOW2_AT_REFTABLE_CLUSTERS, (uint32_t)l->reftable);
	put_be64(raw + QCOW2_AT_INCOMPATIBLE, c->extended_l2 ? QCOW2_INCOMPAT_EXTENDED_L2 : 0);
	put_be32(raw + 96, REFCOUNT_ORDER);
	put_be32(raw + 100, HEADER_BYTES);
	buf_put(out, raw, sizeof(raw));
	if (c->backing_name)
		put_extension(out, QCOW2_EXT_BACKING_FORMAT, blk_format_name(c->backing_format));
	buf_put(out, end, sizeof(end));
	if (c->backing_name && !out->overflow) {
		put_be64((uint8_t *)out->data + 8, out->len);
		put_be32((uint8_t *)out->data + 16, (uint32_t)strlen(c->backing_name));
		buf_puts(out, c->backing_name);
	}
}

static int write_tables(const struct host *host, const struct layout *l)
{
	uint64_t used = total(l), first = 1 + l->reftable;
	auto_free uint8_t *counts = xcalloc(used, 2);
	auto_free uint8_t *table = xcalloc(l->refblocks, 8);
	int r;

	for (uint64_t i = 0; i < used; i++)
		put_be16(counts + 2 * i, 1);
	for (uint64_t i = 0; i < l->refblocks; i++)
		put_be64(table + 8 * i, (first + i) << l->bits);
	r = host_write(host, table, l->refblocks * 8, UINT64_C(1) << l->bits);
	if (r == 0)
		r = host_write(host, counts, used * 2, first << l->bits);
	return r;
}

int qcow2_create(int fd, const struct blk_create *how, struct err *err)
{
	struct host host = {.fd = fd};
	struct blk_create c = *how;
	struct layout l = {0};
	auto_buf struct buf header = BUF_INIT(0);
	uint64_t size;
	int r;

	if (!c.cluster_size) {
		/* An overlay pays for first writes; subclusters make that 4 KiB (tests/bench). */
		c.extended_l2 = c.extended_l2 || c.backing_name;
		c.cluster_size = 1u << (c.extended_l2 ? OVERLAY_CLUSTER_BITS : CLUSTER_BITS);
	}
	if (plan(&c, &l, err) < 0)
		return -1;
	header.ceiling = UINT64_C(1) << l.bits;
	if (c.backing_name && (!c.backing_name[0] || strlen(c.backing_name) > QCOW2_MAX_NAME))
		return err_set(err, ERR_UNSUPPORTED, "a backing file name of %zu bytes (1 to %d)",
			       strlen(c.backing_name), QCOW2_MAX_NAME);
	put_header(&header, &c, &l);
	if (header.overflow)
		return err_set(err, ERR_UNSUPPORTED,
			       "the backing file name does not fit the first cluster");

	r = host_size(&host, &size);
	if (r == 0 && size)
		return err_set(err, ERR_CONFLICT, "the file for the new image is not empty");
	/* The header last: a file that was cut short is no image. */
	if (r == 0)
		r = host_resize(&host, total(&l) << l.bits);
	if (r == 0)
		r = write_tables(&host, &l);
	if (r == 0)
		r = host_write(&host, header.data, header.len, 0);
	if (r == 0)
		return 0;
	errno = -r;
	return err_sys(err, ERR_HOST, "cannot write the image");
}
