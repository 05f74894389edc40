/* SPDX-License-Identifier: Apache-2.0
 *
 * Refcounts ("Host cluster management"): reading and writing entries of every width, finding free
 * clusters, and making room for more refcounts. What is allocated here is counted in memory only;
 * the commit writes it before anything refers to it. New refcount blocks and tables are the
 * exception: they are rare (one block counts 2 GiB at the usual sizes) and made durable on the
 * spot.
 */
#include <errno.h>

#include "base/mem.h"
#include "images/disk/qcow2.h"

uint64_t qcow2_refcounts_in(const struct qcow2 *q, uint64_t bytes)
{
	return bytes * 8 >> q->h.refcount_order;
}

/* --- entries --------------------------------------------------------------------------------- */

static uint64_t entry_get(const uint8_t *p, uint64_t index, unsigned order)
{
	unsigned bits = 1u << order;

	switch (order) {
	case 3:
		return p[index];
	case 4:
		return get_be16(p + 2 * index);
	case 5:
		return get_be32(p + 4 * index);
	case 6:
		return get_be64(p + 8 * index);
	}
	return p[index * bits / 8] >> (index * bits % 8) & ((1u << bits) - 1);
}

static void entry_put(uint8_t *p, uint64_t index, unsigned order, uint64_t value)
{
	unsigned bits = 1u << order, shift;
	uint8_t mask;

	switch (order) {
	case 3:
		p[index] = (uint8_t)value;
		return;
	case 4:
		put_be16(p + 2 * index, (uint16_t)value);
		return;
	case 5:
		put_be32(p + 4 * index, (uint32_t)value);
		return;
	case 6:
		put_be64(p + 8 * index, value);
		return;
	}
	shift = (unsigned)(index * bits % 8);
	mask = (uint8_t)(((1u << bits) - 1) << shift);
	p += index * bits / 8;
	*p = (uint8_t)((*p & ~mask) | (value << shift & mask));
}

/* The slice with a cluster's refcount, and the index there; *out is NULL without a block. */
static int find_entry(struct qcow2 *q, uint64_t cluster, struct slice **out, uint64_t *index)
{
	uint64_t per_block = qcow2_refcounts_in(q, q->cluster_size);
	uint64_t per_slice = qcow2_refcounts_in(q, q->refblocks.slice_size);
	uint64_t block = cluster / per_block, at = cluster % per_block, off;
	int r;

	*out = NULL;
	*index = at % per_slice;
	if (block >= q->reftable_size || !q->reftable[block])
		return 0;
	off = q->reftable[block] + at / per_slice * q->refblocks.slice_size;
	r = cache_get(&q->refblocks, q->host, off, out);
	if (r != -EBUSY)
		return r;
	/* Counts may reach the disk at any time, so a cache full of changes is simply written. */
	r = cache_write(&q->refblocks, q->host);
	return r < 0 ? r : cache_get(&q->refblocks, q->host, off, out);
}

/* A cluster's refcount; *counted is false where there is no block for it yet. */
static int refcount_get(struct qcow2 *q, uint64_t cluster, uint64_t *value, bool *counted)
{
	struct slice *s;
	uint64_t index;
	int r = find_entry(q, cluster, &s, &index);

	if (r < 0)
		return r;
	*counted = s;
	*value = s ? entry_get(s->data, index, q->h.refcount_order) : 0;
	return 0;
}

static int refcount_put(struct qcow2 *q, uint64_t cluster, uint64_t value)
{
	struct slice *s;
	uint64_t index;
	int r = find_entry(q, cluster, &s, &index);

	if (r == 0 && !s)
		return -EIO;
	if (r == 0)
		r = cache_touch(&q->refblocks, s);
	if (r == 0)
		entry_put(s->data, index, q->h.refcount_order, value);
	return r;
}

/* --- making room for refcounts --------------------------------------------------------------- */

/* Cluster numbers below this have offsets that tables can hold. */
static uint64_t clusters_max(const struct qcow2 *q)
{
	return QCOW2_MAX_OFFSET >> q->cluster_bits;
}

static bool is_fresh(const struct qcow2 *q, uint64_t cluster)
{
	return cluster << q->cluster_bits >= q->file_end;
}

static void grown_to(struct qcow2 *q, uint64_t cluster)
{
	q->file_end = max_u64(q->file_end, cluster << q->cluster_bits);
}

int qcow2_zero_clusters(struct qcow2 *q, uint64_t cluster, uint64_t n, bool fresh)
{
	uint64_t off = cluster << q->cluster_bits, len = n << q->cluster_bits;
	int r;

	/* Past the end of the file there is nothing but zeroes: only make it part of the file. */
	if (fresh)
		return host_resize(q->host, off + len);
	r = host_zero(q->host, off, len, false);
	/* It may lie there, too, and not be fresh: when the first write to it failed. */
	return r < 0 ? r : host_reach(q->host, off + len);
}

/*
 * Writes `nblocks` refcount blocks to the beginning of what they count: the clusters of block
 * number `block` and on, of which the first `used` are counted as used once. Refers to them
 * nowhere; there is room in the metadata set for all of them.
 */
static int write_blocks(struct qcow2 *q, uint64_t block, uint64_t nblocks, uint64_t used)
{
	uint64_t first = block * qcow2_refcounts_in(q, q->cluster_size);
	uint64_t off = first << q->cluster_bits;
	uint64_t bytes = ((used << q->h.refcount_order) + 7) / 8;
	uint8_t *raw;
	int r;

	if (first + used > clusters_max(q))
		return -ENOSPC;
	if (!cluster_set_reserve(&q->metadata, used))
		return -ENOMEM;
	for (uint64_t c = first; c < first + used; c++)
		if (cluster_set_has(&q->metadata, c))
			return qcow2_mark_corrupt(q);
	r = qcow2_zero_clusters(q, first, used, is_fresh(q, first));
	if (r < 0)
		return r;
	grown_to(q, first + used);
	raw = calloc(1, bytes);
	if (!raw)
		return -ENOMEM;
	for (uint64_t i = 0; i < used; i++)
		entry_put(raw, i, q->h.refcount_order, 1);
	r = host_write(q->host, raw, bytes, off);
	free(raw);
	cache_forget(&q->refblocks, off, nblocks << q->cluster_bits);
	return r;
}

/* Blocks needed in front of n clusters so that they count themselves and the n. */
static uint64_t blocks_for(const struct qcow2 *q, uint64_t n)
{
	uint64_t per_block = qcow2_refcounts_in(q, q->cluster_size);

	return n / (per_block - 1) + 1;
}

/* The table's entries for them. */
static void put_entries(const struct qcow2 *q, uint64_t *out, uint64_t block, uint64_t nblocks)
{
	uint64_t first = block * qcow2_refcounts_in(q, q->cluster_size);

	for (uint64_t i = 0; i < nblocks; i++)
		out[i] = (first + i) << q->cluster_bits;
}

/* They are in the table, on disk and in memory. */
static void blocks_are_metadata(struct qcow2 *q, uint64_t block, uint64_t nblocks)
{
	for (uint64_t i = 0; i < nblocks; i++)
		cluster_set_add(&q->metadata, q->reftable[block + i] >> q->cluster_bits);
}

static int write_table(struct qcow2 *q, const uint64_t *table, uint64_t n, uint64_t off)
{
	uint64_t *raw = malloc(n * sizeof(*raw));
	int r;

	if (!raw)
		return -ENOMEM;
	for (uint64_t i = 0; i < n; i++)
		raw[i] = htobe64(table[i]);
	r = host_write(q->host, raw, n * sizeof(*raw), off);
	free(raw);
	return r;
}

/* Points the header to the table: both fields lie in one sector, so it is the old or the new. */
static int switch_reftable(struct qcow2 *q, uint64_t off, uint32_t clusters)
{
	uint8_t raw[12];
	int r;

	put_be64(raw, off);
	put_be32(raw + 8, clusters);
	r = host_sync(q->host);
	if (r == 0)
		r = host_write(q->host, raw, sizeof(raw), QCOW2_AT_REFTABLE_OFF);
	if (r == 0)
		r = host_sync(q->host);
	return r;
}

/*
 * Moves the refcount table to a larger place, with at least `need` entries: right behind all that
 * the old one could count, together with the blocks that count the place itself.
 */
static int grow_reftable(struct qcow2 *q, uint64_t need)
{
	const uint64_t max = QCOW2_MAX_REFTABLE_BYTES / 8, per_cluster = q->cluster_size / 8;
	uint64_t block = q->reftable_size, clusters, nblocks, entries, at, *table;
	uint64_t old_first = q->h.reftable_off >> q->cluster_bits, old_n = q->h.reftable_clusters;
	int r;

	entries = min_u64(max_u64(q->reftable_size * 3 / 2, need), max);
	do {
		clusters = (entries + per_cluster - 1) / per_cluster;
		nblocks = blocks_for(q, clusters);
		entries = max_u64(clusters * per_cluster, block + nblocks);
	} while (entries > clusters * per_cluster);
	if (entries > max || need > entries)
		return -ENOSPC;

	r = write_blocks(q, block, nblocks, nblocks + clusters);
	if (r < 0)
		return r;
	table = calloc(entries, sizeof(*table));
	if (!table)
		return -ENOMEM;
	memcpy(table, q->reftable, q->reftable_size * sizeof(*table));
	at = block * qcow2_refcounts_in(q, q->cluster_size) + nblocks;
	put_entries(q, table + block, block, nblocks);
	r = write_table(q, table, entries, at << q->cluster_bits);
	if (r == 0)
		r = switch_reftable(q, at << q->cluster_bits, (uint32_t)clusters);
	if (r < 0) {
		free(table);
		return r;
	}
	free(q->reftable);
	q->reftable = table;
	q->reftable_size = entries;
	blocks_are_metadata(q, block, nblocks);
	for (uint64_t i = 0; i < clusters; i++)
		cluster_set_add(&q->metadata, at + i);
	for (uint64_t i = 0; i < old_n; i++)
		cluster_set_remove(&q->metadata, old_first + i);
	q->h.reftable_off = at << q->cluster_bits;
	q->h.reftable_clusters = (uint32_t)clusters;
	qcow2_unref(q, old_first, old_n);
	return 0;
}

/*
 * Makes refcount blocks for `block` and on, at the beginning of what they count, and behind them n
 * clusters that are in use; *first is the first of these. A block is durable before the table
 * refers to it; the entry itself is written, and durable with the next sync, which every reference
 * to what the block counts waits for anyway. Only an entry that was written is used: nobody would
 * write it later.
 */
static int add_blocks(struct qcow2 *q, uint64_t block, uint64_t n, uint64_t *first)
{
	uint64_t nblocks = blocks_for(q, n);
	auto_free uint64_t *entries = calloc(nblocks, sizeof(*entries));
	int r = entries ? write_blocks(q, block, nblocks, nblocks + n) : -ENOMEM;

	if (r == 0)
		r = host_sync(q->host);
	if (r < 0)
		return r;
	put_entries(q, entries, block, nblocks);
	r = write_table(q, entries, nblocks, q->h.reftable_off + block * sizeof(*entries));
	if (r < 0)
		return r;
	memcpy(q->reftable + block, entries, nblocks * sizeof(*entries));
	blocks_are_metadata(q, block, nblocks);
	*first = block * qcow2_refcounts_in(q, q->cluster_size) + nblocks;
	return 0;
}

/* Makes refcounts for a cluster that has none. */
static int make_counted(struct qcow2 *q, uint64_t cluster)
{
	uint64_t block = cluster / qcow2_refcounts_in(q, q->cluster_size), first;

	if (block >= q->reftable_size) {
		int r = grow_reftable(q, block + 1);

		/* Growing makes blocks just behind the old table's reach, perhaps this one. */
		if (r < 0 || q->reftable[block])
			return r;
	}
	return add_blocks(q, block, 0, &first);
}

/* --- allocating ------------------------------------------------------------------------------ */

/* Counts free clusters from `first`, at most `want`. Not counted yet is not free. */
static int count_free(struct qcow2 *q, uint64_t first, uint64_t want, uint64_t *n)
{
	for (*n = 0; *n < want; ++*n) {
		uint64_t refs;
		bool counted;
		int r = refcount_get(q, first + *n, &refs, &counted);

		if (r < 0)
			return r;
		if (refs || !counted)
			break;
	}
	return 0;
}

/* Counts n free clusters as used. */
static int claim(struct qcow2 *q, uint64_t first, uint64_t n)
{
	if (first + n > clusters_max(q))
		return -ENOSPC;
	for (uint64_t i = 0; i < n; i++) {
		int r = cluster_set_has(&q->metadata, first + i) ? qcow2_mark_corrupt(q)
								 : refcount_put(q, first + i, 1);

		if (r < 0) {
			qcow2_give_back(q, first, i);
			return r;
		}
	}
	return 0;
}

int qcow2_alloc(struct qcow2 *q, uint64_t want, struct cluster_run *out)
{
	uint64_t c = q->next_free, n = 0;
	int r = 0;

	while (r == 0 && n == 0) {
		uint64_t refs;
		bool counted;

		r = refcount_get(q, c, &refs, &counted);
		if (r == 0 && !counted)
			r = make_counted(q, c);
		else if (r == 0 && refs)
			c++;
		else if (r == 0)
			r = count_free(q, c, want, &n);
	}
	if (r == 0)
		r = claim(q, c, n);
	if (r < 0)
		return r;
	*out = (struct cluster_run){.first = c, .n = n, .fresh = is_fresh(q, c)};
	q->next_free = c + n;
	grown_to(q, c + n);
	return 0;
}

/* Blocks up to the last one that is there. */
static uint64_t counted_blocks(const struct qcow2 *q)
{
	uint64_t n = q->reftable_size;

	while (n && !q->reftable[n - 1])
		n--;
	return n;
}

int qcow2_alloc_table(struct qcow2 *q, uint64_t n, struct cluster_run *out)
{
	const uint64_t per_block = qcow2_refcounts_in(q, q->cluster_size);
	uint64_t end = counted_blocks(q) * per_block, run;
	int r = 0;

	for (uint64_t c = q->next_free; c < end; c += run + 1) {
		if (!q->reftable[c / per_block]) {
			run = per_block - c % per_block - 1;
			continue;
		}
		r = count_free(q, c, n, &run);
		if (r < 0)
			return r;
		if (run < n)
			continue;
		r = claim(q, c, n);
		if (r < 0)
			return r;
		*out = (struct cluster_run){.first = c, .n = n, .fresh = is_fresh(q, c)};
		grown_to(q, c + n);
		return 0;
	}
	/* Nowhere among what is counted: behind it, where a growing table makes blocks, too. */
	while (counted_blocks(q) + blocks_for(q, n) > q->reftable_size) {
		r = grow_reftable(q, counted_blocks(q) + blocks_for(q, n));
		if (r < 0)
			return r;
	}
	*out = (struct cluster_run){.n = n};
	return add_blocks(q, counted_blocks(q), n, &out->first);
}

/* --- letting go ------------------------------------------------------------------------------ */

void qcow2_give_back(struct qcow2 *q, uint64_t first, uint64_t n)
{
	for (uint64_t c = first; c < first + n; c++)
		if (refcount_put(q, c, 0) < 0)
			return; /* leaked; the next `qemu-img check` finds it */
	q->next_free = min_u64(q->next_free, first);
}

void qcow2_unref(struct qcow2 *q, uint64_t first, uint64_t n)
{
	struct unref_list *list = &q->unrefs;
	struct unref *last = list->n ? &list->runs[list->n - 1] : NULL;

	if (last && last->cluster + last->n == first) {
		last->n += n;
		return;
	}
	list->runs = xgrow(list->runs, &list->cap, list->n + 1, sizeof(*list->runs));
	list->runs[list->n++] = (struct unref){.cluster = first, .n = n};
}

/* Lowers one count; *freed tells whether it was the last. */
static int lower(struct qcow2 *q, uint64_t cluster, bool *freed)
{
	uint64_t refs;
	bool counted;
	int r = refcount_get(q, cluster, &refs, &counted);

	*freed = false;
	if (r < 0)
		return r;
	if (!refs)
		return qcow2_mark_corrupt(q);
	r = refcount_put(q, cluster, refs - 1);
	*freed = r == 0 && refs == 1;
	return r;
}

void qcow2_release_run(struct qcow2 *q, const struct unref *run)
{
	uint64_t start = run->cluster, end = run->cluster + run->n;

	/* A count that cannot be lowered is a leak, never a danger. */
	for (uint64_t c = start; c <= end; c++) {
		bool freed = false;

		if (c < end && lower(q, c, &freed) < 0)
			freed = false;
		if (freed) {
			q->next_free = min_u64(q->next_free, c);
			continue;
		}
		if (q->node->discard && c > start)
			host_discard(q->host, start << q->cluster_bits,
				     (c - start) << q->cluster_bits);
		start = c + 1;
	}
}
