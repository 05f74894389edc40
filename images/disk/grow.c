/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing the disk that an image presents. A raw file gets longer. A qcow2 image gets a larger
 * number in its header and, when its L1 table cannot hold that much, a new L1 table first.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/mem.h"
#include "images/disk/qcow2.h"

static int fail(struct err *err, int r)
{
	errno = -r;
	return err_sys(err, ERR_HOST, "cannot grow the image");
}

/*
 * Puts the L1 table, with at least `entries` entries, elsewhere. The old one is given up when the
 * header no longer refers to it, which takes another commit.
 */
static int move_l1(struct qcow2 *q, uint64_t entries, uint64_t size)
{
	uint64_t old = q->h.l1_off >> q->cluster_bits;
	uint64_t old_n = align_up(q->h.l1_size * UINT64_C(8), q->cluster_size) >> q->cluster_bits;
	uint64_t n = align_up(entries * 8, q->cluster_size) >> q->cluster_bits;
	auto_free uint64_t *raw = calloc(n, q->cluster_size);
	uint8_t header[24]; /* size, crypt, l1_size, l1_off: adjacent, in one sector */
	struct cluster_run run;
	int r;

	if (!raw)
		return -ENOMEM;
	for (uint32_t i = 0; i < q->h.l1_size; i++)
		raw[i] = htobe64(q->l1[i]);
	r = qcow2_alloc_table(q, n, &run);
	if (r == 0)
		r = host_write(q->host, raw, n << q->cluster_bits, run.first << q->cluster_bits);
	if (r == 0)
		r = node_flush(q->node);
	if (r < 0)
		return r;
	put_be64(header, size);
	put_be32(header + 8, q->h.crypt);
	put_be32(header + 12, (uint32_t)entries);
	put_be64(header + 16, run.first << q->cluster_bits);
	r = host_write(q->host, header, sizeof(header), QCOW2_AT_SIZE);
	if (r < 0)
		return r;
	qcow2_unref(q, old, old_n);
	return node_flush(q->node);
}

static int grow_qcow2(struct node *node, uint64_t size, struct err *err)
{
	struct qcow2 *q = qcow2_of(node);
	uint64_t entries = qcow2_l1_needed(size, q->cluster_bits, q->h.extended_l2);
	uint8_t raw[8];
	int r;

	/* Their snapshots do not say how large the disk was: after this nobody would know. */
	if (q->h.version < 3 && q->h.snapshots)
		return err_set(err, ERR_UNSUPPORTED,
			       "growing a version 2 image that has snapshots is not supported "
			       "(`qemu-img amend -o compat=1.1` makes it version 3)");
	if (entries > QCOW2_MAX_L1_BYTES / 8)
		return err_set(err, ERR_UNSUPPORTED,
			       "a disk of %llu bytes needs clusters larger than %llu bytes",
			       (unsigned long long)size, (unsigned long long)q->cluster_size);
	put_be64(raw, size);
	r = entries > q->h.l1_size ? move_l1(q, entries, size)
				   : host_write(q->host, raw, sizeof(raw), QCOW2_AT_SIZE);
	return r < 0 ? fail(err, r) : 0;
}

static int grow_raw(struct node *node, uint64_t size, struct err *err)
{
	int r = host_resize(&node->host, size);

	return r < 0 ? fail(err, r) : 0;
}

static int open_and_grow(struct node *node, enum blk_format format, uint64_t size,
			 uint64_t backing_size, struct err *err)
{
	if (host_lock(&node->host, true, err) < 0)
		return -1;
	node->class = format == BLK_QCOW2 ? &qcow2_class : &raw_class;
	if ((format == BLK_QCOW2 ? qcow2_open_alone(node, err) : raw_class.open(node, false, err)) <
	    0)
		return -1;
	if (size < node->size)
		return err_set(err, ERR_UNSUPPORTED,
			       "shrinking a disk from %llu to %llu bytes is not supported",
			       (unsigned long long)node->size, (unsigned long long)size);
	if (size == node->size)
		return 0;
	if (node->size < backing_size)
		return err_set(err, ERR_UNSUPPORTED,
			       "an overlay of %llu bytes cannot grow: what its larger backing file "
			       "(%llu) holds there would appear (`qemu-img resize` writes zeroes)",
			       (unsigned long long)node->size, (unsigned long long)backing_size);
	return format == BLK_QCOW2 ? grow_qcow2(node, align_up(size, 512), err)
				   : grow_raw(node, size, err);
}

int blk_grow(int fd, enum blk_format format, uint64_t size, uint64_t backing_size, struct err *err)
{
	struct node *node;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), r;

	if (copy < 0)
		return err_sys(err, ERR_HOST, "cannot duplicate the descriptor");
	if (size > INT64_MAX - 512) {
		close(copy);
		return err_set(err, ERR_UNSUPPORTED, "a disk of %llu bytes",
			       (unsigned long long)size);
	}
	node = NEW(struct node);
	node->writable = true;
	r = host_open(&node->host, copy, err);
	if (r == 0) {
		r = open_and_grow(node, format, size, backing_size, err);
		host_unlock(&node->host);
	}
	node_close(node);
	return r;
}
