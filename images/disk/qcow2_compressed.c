/* SPDX-License-Identifier: Apache-2.0
 *
 * Compressed clusters ("Compressed Clusters Descriptor"): where their bytes are, and reading them.
 * The last few stay inflated in memory, because guests read a cluster in pieces.
 */
#include <errno.h>

#include "base/mem.h"
#include "base/util.h"
#include "images/disk/qcow2.h"

enum {
	KEEP_BYTES = 1 << 20, /* memory for inflated clusters of an image, at least one cluster */
	KEEP_MAX = 16,	      /* clusters */
};

struct packed {
	struct inflater *inflater;
	unsigned n, next;
	struct {
		uint64_t desc;
		uint8_t *data;
		bool valid;
	} kept[KEEP_MAX];
};

void packed_free(struct packed *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < KEEP_MAX; i++)
		free(p->kept[i].data);
	inflater_free(p->inflater);
	free(p);
}

/* Bits below this one are the offset, those from it to 61 count sectors beyond the first. */
static unsigned offset_bits(const struct qcow2 *q)
{
	return 62 - (q->cluster_bits - 8);
}

static void locate(const struct qcow2 *q, uint64_t desc, uint64_t *off, uint64_t *len)
{
	unsigned x = offset_bits(q);
	uint64_t sectors = (desc & (L2_COMPRESSED - 1)) >> x;

	*off = desc & ((UINT64_C(1) << x) - 1);
	*len = (sectors + 1) * 512 - (*off & 511);
}

void packed_clusters(const struct qcow2 *q, uint64_t desc, uint64_t *first, uint64_t *n)
{
	uint64_t off, len;

	locate(q, desc, &off, &len);
	*first = off >> q->cluster_bits;
	*n = ((off + len - 1) >> q->cluster_bits) - *first + 1;
}

uint64_t qcow2_packed_bytes(const struct node *node, const struct extent *e)
{
	uint64_t off, len;

	locate(qcow2_of(node), e->host, &off, &len);
	return len;
}

int qcow2_unpack(const struct node *node, const struct extent *e, struct inflater *f, uint8_t *out)
{
	const struct qcow2 *q = qcow2_of(node);
	uint64_t off, len;
	uint8_t *input;
	int r;

	/* At most 2 clusters, the most that a descriptor can say. */
	locate(q, e->host, &off, &len);
	if (!off || off >= q->file_end || off >= QCOW2_MAX_OFFSET)
		return -EIO;
	input = inflater_input(f, len);
	if (!input)
		return -ENOMEM;
	r = host_read(q->host, input, len, off);
	return r < 0 ? r : inflater_run(f, q->h.compression, len, out, q->cluster_size);
}

/* --- with the last few kept ------------------------------------------------------------------ */

static struct packed *packed_new(const struct qcow2 *q)
{
	struct packed *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->n = (unsigned)min_u64(max_u64(KEEP_BYTES >> q->cluster_bits, 1), KEEP_MAX);
	p->inflater = inflater_new();
	if (p->inflater)
		return p;
	free(p);
	return NULL;
}

/* The inflated cluster of an extent, owned by the cache. */
static int inflated(struct qcow2 *q, const struct extent *e, const uint8_t **out)
{
	struct packed *p = q->packed;
	uint8_t *data;
	unsigned slot;
	int r;

	if (!p)
		p = q->packed = packed_new(q);
	if (!p)
		return -ENOMEM;
	for (unsigned i = 0; i < p->n; i++) {
		if (p->kept[i].valid && p->kept[i].desc == e->host) {
			*out = p->kept[i].data;
			return 0;
		}
	}
	slot = p->next;
	p->kept[slot].valid = false;
	data = p->kept[slot].data;
	if (!data)
		data = p->kept[slot].data = malloc(q->cluster_size);
	if (!data)
		return -ENOMEM;
	r = qcow2_unpack(q->node, e, p->inflater, data);
	if (r < 0)
		return r;
	p->kept[slot].valid = true;
	p->kept[slot].desc = e->host;
	p->next = (slot + 1) % p->n;
	*out = data;
	return 0;
}

int qcow2_read_packed(struct node *node, const struct extent *e, uint64_t off, struct iov_pos *pos)
{
	struct qcow2 *q = qcow2_of(node);
	const uint8_t *data;
	int r = inflated(q, e, &data);

	if (r < 0)
		return r;
	iov_put(pos, data + in_cluster(q, off), e->len);
	return 0;
}
