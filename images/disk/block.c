/* SPDX-License-Identifier: Apache-2.0
 *
 * The public face of the layer: opens chains and checks every request once, so that formats see
 * only ranges that exist. See block.h.
 */
#include "images/disk/block.h"

#include <errno.h>

#include "base/mem.h"
#include "images/disk/node.h"

enum { MAX_LAYERS = 64 };

static const char *const format_names[] = {
	[BLK_RAW] = "raw",
	[BLK_QCOW2] = "qcow2",
};
static_assert(ARRAY_LEN(format_names) == BLK_FORMATS, "every format has a name");

const char *blk_format_name(enum blk_format f)
{
	return format_names[f];
}

int blk_format_parse(const char *name, enum blk_format *out, struct err *err)
{
	for (unsigned i = 0; i < BLK_FORMATS; i++) {
		if (!strcmp(name, format_names[i])) {
			*out = (enum blk_format)i;
			return 0;
		}
	}
	return err_set(err, ERR_UNSUPPORTED, "unknown image format '%s' (raw and qcow2 are known)",
		       name);
}

/* --- opening --------------------------------------------------------------------------------- */

struct blk *blk_open(const struct blk_layer layers[], unsigned n, unsigned flags, struct err *err)
{
	struct node *node = NULL;
	struct blk *blk;
	unsigned left = n; /* descriptors that are still the caller's gift to us */

	if (!n || n > MAX_LAYERS) {
		err_set(err, ERR_UNSUPPORTED, "a chain of %u images (1 to %d are possible)", n,
			MAX_LAYERS);
		goto fail;
	}
	while (left) {
		const struct blk_layer *l = &layers[--left];
		bool writable = left == 0 && !(flags & BLK_RDONLY);
		struct node *above = node_open(l->fd, l->format, node, flags, writable, err);

		if (!above) {
			err_wrap(err, "'%s'", l->name);
			goto fail;
		}
		node = above;
	}
	blk = NEW(struct blk);
	blk->top = node;
	return blk;
fail:
	while (left)
		close(layers[--left].fd);
	node_close(node);
	return NULL;
}

int blk_close(struct blk *blk)
{
	int r;

	if (!blk)
		return 0;
	r = blk->top->writable ? node_flush(blk->top) : 0;
	node_close(blk->top);
	free(blk);
	return r;
}

uint64_t blk_size(const struct blk *blk)
{
	return blk->top->size;
}

uint32_t blk_cluster_size(const struct blk *blk)
{
	return blk->top->cluster_size;
}

bool blk_rdonly(const struct blk *blk)
{
	return !blk->top->writable;
}

/* --- requests -------------------------------------------------------------------------------- */

int blk_readv(struct blk *blk, uint64_t off, const struct iovec *iov, int n)
{
	uint64_t len;
	int r = iov_total(iov, n, &len) ? node_check(blk->top, off, len, false) : -EINVAL;

	return r < 0 || !len ? r : node_readv(blk->top, off, len, &IOV_POS(iov, n));
}

int blk_writev(struct blk *blk, uint64_t off, const struct iovec *iov, int n)
{
	uint64_t len;
	int r = iov_total(iov, n, &len) ? node_check(blk->top, off, len, true) : -EINVAL;

	return r < 0 || !len ? r : blk->top->class->write(blk->top, off, len, &IOV_POS(iov, n));
}

int blk_read(struct blk *blk, uint64_t off, void *dst, size_t n)
{
	struct iovec iov = {.iov_base = dst, .iov_len = n};

	return blk_readv(blk, off, &iov, 1);
}

int blk_write(struct blk *blk, uint64_t off, const void *src, size_t n)
{
	struct iovec iov = {.iov_base = (void *)src, .iov_len = n};

	return blk_writev(blk, off, &iov, 1);
}

int blk_flush(struct blk *blk)
{
	return blk->top->writable ? node_flush(blk->top) : 0;
}

int blk_discard(struct blk *blk, uint64_t off, uint64_t len)
{
	int r = node_check(blk->top, off, len, true);

	return r < 0 || !len ? r : node_discard(blk->top, off, len);
}

int blk_zero(struct blk *blk, uint64_t off, uint64_t len, bool may_unmap)
{
	int r = node_check(blk->top, off, len, true);

	return r < 0 || !len ? r : node_zero(blk->top, off, len, may_unmap);
}
