/* SPDX-License-Identifier: Apache-2.0
 *
 * Raw images: a byte of the guest is the byte of the file or block device. The size is the one the
 * file had when it was opened.
 */
#include <errno.h>
#include <string.h>

#include "images/disk/node.h"

static int raw_open(struct node *node, bool has_backing, struct err *err)
{
	int r = host_size(&node->host, &node->size);

	if (r < 0) {
		errno = -r;
		return err_sys(err, ERR_HOST, "cannot tell the size");
	}
	if (has_backing)
		return err_set(err, ERR_UNSUPPORTED, "a raw image cannot have a backing file");
	node->cluster_size = 1;
	return 0;
}

static void raw_close(struct node *node)
{
	(void)node;
}

static int raw_map(struct node *node, uint64_t off, uint64_t len, struct extent *e)
{
	*e = (struct extent){.kind = EXT_DATA, .len = len, .host = off, .node = node};
	return 0;
}

static int raw_write(struct node *node, uint64_t off, uint64_t len, struct iov_pos *pos)
{
	return host_writev(&node->host, pos, len, off);
}

static int raw_zero(struct node *node, uint64_t off, uint64_t len, bool may_unmap)
{
	return host_zero(&node->host, off, len, may_unmap);
}

static int raw_discard(struct node *node, uint64_t off, uint64_t len)
{
	host_discard(&node->host, off, len);
	return 0;
}

const struct node_class raw_class = {
	.id = BLK_RAW,
	.open = raw_open,
	.close = raw_close,
	.map = raw_map,
	.map_write = raw_map,
	.write = raw_write,
	.zero = raw_zero,
	.discard = raw_discard,
};
