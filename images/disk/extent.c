/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an image has its bytes, and reading them from several threads: see block.h. For turning
 * whole images into others; guests are served by blk_readv and aio.c.
 */
#include <errno.h>

#include "base/util.h"
#include "images/disk/inflate.h"
#include "images/disk/node.h"

struct blk_reader {
	struct inflater *inflater;
	uint8_t *cluster; /* for an extent that is only part of one */
};

int blk_map(struct blk *blk, uint64_t off, uint64_t len, struct blk_extent *out)
{
	struct extent e;
	int r = node_check(blk->top, off, len, false);

	if (r == 0 && !len)
		r = -EINVAL;
	if (r == 0)
		r = node_resolve(blk->top, off, len, &e);
	if (r < 0)
		return r;
	*out = (struct blk_extent){.off = off, .len = e.len, .at = e.host, .node = e.node};
	switch (e.kind) {
	case EXT_DATA:
		out->kind = BLK_EXT_DATA;
		out->stored = e.len;
		break;
	case EXT_PACKED:
		out->kind = BLK_EXT_PACKED;
		out->stored = e.node->class->packed_bytes(e.node, &e);
		break;
	case EXT_ZERO:
	case EXT_BACKING:
		out->kind = BLK_EXT_ZERO;
		break;
	}
	return 0;
}

struct blk_reader *blk_reader_new(void)
{
	struct blk_reader *r = calloc(1, sizeof(*r));

	if (r)
		r->inflater = inflater_new();
	if (r && r->inflater)
		return r;
	free(r);
	return NULL;
}

void blk_reader_free(struct blk_reader *r)
{
	if (!r)
		return;
	inflater_free(r->inflater);
	free(r->cluster);
	free(r);
}

static int read_packed(struct blk_reader *r, const struct blk_extent *x, uint8_t *dst)
{
	const struct node *node = x->node;
	const struct extent e = {.kind = EXT_PACKED, .len = x->len, .host = x->at, .node = x->node};
	uint64_t inside = x->off & (node->cluster_size - 1);
	int rc;

	if (x->len == node->cluster_size)
		return node->class->unpack(node, &e, r->inflater, dst);
	/* The largest there is, so that one buffer serves every layer of a chain. */
	if (!r->cluster)
		r->cluster = malloc(1u << QCOW2_MAX_CLUSTER_BITS);
	if (!r->cluster)
		return -ENOMEM;
	rc = node->class->unpack(node, &e, r->inflater, r->cluster);
	if (rc == 0)
		memcpy(dst, r->cluster + inside, x->len);
	return rc;
}

int blk_read_extent(struct blk_reader *r, const struct blk_extent *x, void *dst)
{
	switch (x->kind) {
	case BLK_EXT_DATA:
		return host_read(&x->node->host, dst, x->len, x->at);
	case BLK_EXT_PACKED:
		return read_packed(r, x, dst);
	case BLK_EXT_ZERO:
		break;
	}
	memset(dst, 0, x->len);
	return 0;
}
