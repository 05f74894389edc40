/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening and closing qcow2 images, and the class table of the format.
 */
#include <errno.h>

#include "base/mem.h"
#include "images/disk/qcow2.h"

enum {
	SLICE_BYTES = 4096,
	/* L2 slices: 4 MiB of them map 32 GiB of guest disk at 64 KiB clusters. */
	MAX_L2_SLICES = 1024,
	MIN_L2_SLICES = 32, /* one write changes a handful (qcow2_begin_change) */
	REFBLOCK_SLICES = 64,
};

static void set_geometry(struct qcow2 *q)
{
	q->cluster_bits = q->h.cluster_bits;
	q->cluster_size = UINT64_C(1) << q->cluster_bits;
	q->entry_size = q->h.extended_l2 ? 16 : 8;
	q->l2_bits = q->cluster_bits - (q->h.extended_l2 ? 4 : 3);
	q->subs = q->h.extended_l2 ? 32 : 1;
	q->sub_bits = q->cluster_bits - (q->h.extended_l2 ? 5 : 0);
}

static void init_l2_cache(struct qcow2 *q)
{
	size_t slice = min_u64(SLICE_BYTES, q->cluster_size);
	uint64_t covers = (slice / q->entry_size) << q->cluster_bits;
	uint64_t whole = q->h.size / covers + 1;

	cache_init(&q->l2, slice, (unsigned)max_u64(min_u64(whole, MAX_L2_SLICES), MIN_L2_SLICES));
}

int qcow2_load_table(const struct qcow2 *q, uint64_t off, uint64_t n, uint64_t **out,
		     struct err *err)
{
	uint64_t *table = malloc(max_u64(n, 1) * sizeof(*table));
	int r;

	if (!table)
		return err_set(err, ERR_HOST, "out of memory");
	r = host_read(q->host, table, n * sizeof(*table), off);
	if (r < 0) {
		free(table);
		errno = -r;
		return err_sys(err, ERR_HOST, "cannot read the table at %#llx",
			       (unsigned long long)off);
	}
	for (uint64_t i = 0; i < n; i++)
		table[i] = be64toh(table[i]);
	*out = table;
	return 0;
}

/* --- opening for writing --------------------------------------------------------------------- */

/*
 * What we do not keep up to date may not claim to be ("autoclear_features"): dirty bitmaps would
 * miss our writes. Durable before the first of them.
 */
static int clear_autoclear(struct qcow2 *q, struct err *err)
{
	static const uint8_t none[8];
	int r;

	if (!q->h.autoclear)
		return 0;
	r = host_write(q->host, none, sizeof(none), QCOW2_AT_AUTOCLEAR);
	if (r == 0)
		r = host_sync(q->host);
	if (r == 0)
		return 0;
	errno = -r;
	return err_sys(err, ERR_HOST, "cannot write the header");
}

static int prepare_writing(struct qcow2 *q, struct err *err)
{
	q->reftable_size = q->h.reftable_clusters * q->cluster_size / 8;
	cache_init(&q->refblocks, min_u64(SLICE_BYTES, q->cluster_size), REFBLOCK_SLICES);
	if (qcow2_load_table(q, q->h.reftable_off, q->reftable_size, &q->reftable, err) < 0)
		return -1;
	if (qcow2_load_metadata_set(q, err) < 0)
		return -1;
	return clear_autoclear(q, err);
}

/* --- the class ------------------------------------------------------------------------------- */

int qcow2_open_alone(struct node *node, struct err *err)
{
	struct qcow2 *q = NEW(struct qcow2);
	uint64_t size = 0;
	int r;

	node->format = q;
	q->node = node;
	q->host = &node->host;
	node->host.sparse_end = true;
	r = host_size(q->host, &size);
	if (r < 0) {
		errno = -r;
		return err_sys(err, ERR_HOST, "cannot tell the size");
	}
	if (qcow2_header_read(q->host, &q->h, err) < 0)
		return -1;
	if (qcow2_header_check(&q->h, size, node->writable, err) < 0)
		return -1;

	set_geometry(q);
	q->file_end = align_up(size, q->cluster_size);
	node->size = q->h.size;
	node->cluster_size = (uint32_t)q->cluster_size;
	init_l2_cache(q);
	if (qcow2_load_table(q, q->h.l1_off, q->h.l1_size, &q->l1, err) < 0)
		return -1;
	return node->writable ? prepare_writing(q, err) : 0;
}

static int qcow2_open(struct node *node, bool has_backing, struct err *err)
{
	struct qcow2 *q;

	if (qcow2_open_alone(node, err) < 0)
		return -1;
	q = qcow2_of(node);
	if (q->h.backing[0] && !has_backing)
		return err_set(err, ERR_CONFLICT,
			       "needs its backing file '%s', which was not given", q->h.backing);
	if (!q->h.backing[0] && has_backing)
		return err_set(err, ERR_CONFLICT, "has no backing file, but one was given");
	return 0;
}

static void qcow2_close(struct node *node)
{
	struct qcow2 *q = node->format;

	if (!q)
		return;
	/* Counts that were lowered by the last commit; without them they would be leaks. */
	if (node->writable && !q->corrupt && !node->host.sync_failed && q->refblocks.slices)
		(void)cache_write(&q->refblocks, q->host);
	cache_done(&q->l2);
	cache_done(&q->refblocks);
	cluster_set_done(&q->metadata);
	packed_free(q->packed);
	free(q->unrefs.runs);
	free(q->linking_unrefs.runs);
	free(q->l1_changes);
	free(q->bounce);
	free(q->reftable);
	free(q->l1);
	free(q);
}

const struct node_class qcow2_class = {
	.id = BLK_QCOW2,
	.open = qcow2_open,
	.close = qcow2_close,
	.map = qcow2_map,
	.map_write = qcow2_map_write,
	.read_packed = qcow2_read_packed,
	.packed_bytes = qcow2_packed_bytes,
	.unpack = qcow2_unpack,
	.write = qcow2_write,
	.zero = qcow2_zero,
	.discard = qcow2_discard,
	.stage = qcow2_stage,
	.link = qcow2_link,
	.release = qcow2_release,
};
