/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers of a chain: reading through them, and running commits. See node.h.
 */
#include "images/disk/node.h"

#include <errno.h>

#include "base/mem.h"

static const struct node_class *const classes[] = {
	[BLK_RAW] = &raw_class,
	[BLK_QCOW2] = &qcow2_class,
};
static_assert(ARRAY_LEN(classes) == BLK_FORMATS, "every format has a class");

struct node *node_open(int fd, enum blk_format format, struct node *backing, unsigned flags,
		       bool writable, struct err *err)
{
	struct node *node = NEW(struct node);

	node->writable = writable;
	node->discard = flags & BLK_DISCARD;
	if (host_open(&node->host, fd, err) < 0)
		goto fail;
	if (host_lock(&node->host, writable, err) < 0)
		goto fail;
	node->class = classes[format];
	if (node->class->open(node, backing != NULL, err) < 0)
		goto fail;
	node->backing = backing;
	return node;
fail:
	node_close(node);
	return NULL;
}

void node_close(struct node *node)
{
	while (node) {
		struct node *backing = node->backing;

		if (node->class)
			node->class->close(node);
		host_close(&node->host);
		free(node);
		node = backing;
	}
}

/* --- reading --------------------------------------------------------------------------------- */

int node_resolve(struct node *node, uint64_t off, uint64_t len, struct extent *e)
{
	for (; node && off < node->size; node = node->backing) {
		int r = node->class->map(node, off, min_u64(len, node->size - off), e);

		e->node = node;
		if (r < 0 || e->kind != EXT_BACKING)
			return r;
		len = e->len;
	}
	*e = (struct extent){.kind = EXT_ZERO, .len = len};
	return 0;
}

int node_read_extent(const struct extent *e, uint64_t off, struct iov_pos *pos)
{
	switch (e->kind) {
	case EXT_DATA:
		return host_readv(&e->node->host, pos, e->len, e->host);
	case EXT_PACKED:
		return e->node->class->read_packed(e->node, e, off, pos);
	case EXT_ZERO:
	case EXT_BACKING:
		break;
	}
	iov_put_zeroes(pos, e->len);
	return 0;
}

int node_readv(struct node *node, uint64_t off, uint64_t len, struct iov_pos *pos)
{
	while (len) {
		struct extent e;
		int r = node_resolve(node, off, len, &e);

		if (r == 0)
			r = node_read_extent(&e, off, pos);
		if (r < 0)
			return r;
		off += e.len;
		len -= e.len;
	}
	return 0;
}

int node_read(struct node *node, uint64_t off, void *dst, size_t n)
{
	struct iovec iov = {.iov_base = dst, .iov_len = n};

	return node_readv(node, off, n, &IOV_POS(&iov, 1));
}

/* --- changing -------------------------------------------------------------------------------- */

int node_check(const struct node *node, uint64_t off, uint64_t len, bool change)
{
	if (change && !node->writable)
		return -EROFS;
	if (!range_inside(off, len, node->size))
		return -EINVAL;
	/* After a sync that failed nobody knows what is on disk: more would widen the damage. */
	return change ? node->host.sync_failed : 0;
}

int node_discard(struct node *node, uint64_t off, uint64_t len)
{
	return node->discard ? node->class->discard(node, off, len) : 0;
}

int node_zero(struct node *node, uint64_t off, uint64_t len, bool may_unmap)
{
	return node->class->zero(node, off, len, may_unmap && node->discard);
}

/* --- commits --------------------------------------------------------------------------------- */

int node_commit_start(struct node *node)
{
	int r = 0;

	assert(node->commit == COMMIT_IDLE);
	if (node->host.sync_failed)
		return node->host.sync_failed;
	if (node->class->stage)
		r = node->class->stage(node);
	if (r < 0)
		return r;
	node->commit = COMMIT_STAGED;
	node->commit_id++;
	return 0;
}

int node_commit_advance(struct node *node, int sync_result)
{
	enum commit_state was = node->commit;
	int wrote = 0;

	assert(was != COMMIT_IDLE);
	node->commit = COMMIT_IDLE;
	if (sync_result < 0)
		return sync_result;
	if (was == COMMIT_STAGED && node->class->link)
		wrote = node->class->link(node);
	if (wrote < 0)
		return wrote;
	if (wrote) {
		node->commit = COMMIT_LINKED;
		return 1;
	}
	if (node->class->release)
		node->class->release(node);
	return 0;
}

int node_flush(struct node *node)
{
	int r = 0;

	/* One that waits for an asynchronous sync is finished here; its owner finds it overtaken. */
	while (node->commit != COMMIT_IDLE && r >= 0)
		r = node_commit_advance(node, host_sync(&node->host));
	if (r >= 0)
		r = node_commit_start(node);
	while (node->commit != COMMIT_IDLE && r >= 0)
		r = node_commit_advance(node, host_sync(&node->host));
	return r;
}
