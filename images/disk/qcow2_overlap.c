/* SPDX-License-Identifier: Apache-2.0
 *
 * Which host clusters hold metadata: a set of cluster numbers, filled when an image is opened for
 * writing. Nothing is allocated, and no guest data is written, where it says metadata is; an image
 * whose tables disagree about that never gets worse through us. It grows with the tables of the
 * image (each bounded by qcow2_header_check), not with what the image claims to present. L2 tables
 * that only snapshots have are not in it: their refcounts protect them.
 */
#include <errno.h>

#include "base/util.h"
#include "images/disk/qcow2.h"

void cluster_set_done(struct cluster_set *set)
{
	free(set->slots);
	*set = (struct cluster_set){0};
}

static size_t home(const struct cluster_set *set, uint64_t key)
{
	return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (set->nslots - 1);
}

/* The slot of the cluster, or the empty one where it belongs. */
static size_t slot_of(const struct cluster_set *set, uint64_t key)
{
	size_t at = home(set, key);

	while (set->slots[at] && set->slots[at] != key)
		at = (at + 1) & (set->nslots - 1);
	return at;
}

bool cluster_set_has(const struct cluster_set *set, uint64_t cluster)
{
	return set->nslots && set->slots[slot_of(set, cluster + 1)];
}

bool cluster_set_reserve(struct cluster_set *set, size_t n)
{
	struct cluster_set bigger = {.nslots = set->nslots ? set->nslots : 64, .used = set->used};

	while (bigger.nslots / 2 < set->used + n)
		bigger.nslots *= 2;
	if (bigger.nslots == set->nslots)
		return true;
	bigger.slots = calloc(bigger.nslots, sizeof(*bigger.slots));
	if (!bigger.slots)
		return false;
	for (size_t i = 0; i < set->nslots; i++)
		if (set->slots[i])
			bigger.slots[slot_of(&bigger, set->slots[i])] = set->slots[i];
	free(set->slots);
	*set = bigger;
	return true;
}

bool cluster_set_add(struct cluster_set *set, uint64_t cluster)
{
	size_t at = slot_of(set, cluster + 1);

	if (set->slots[at])
		return false;
	assert(set->used < set->nslots / 2);
	set->slots[at] = cluster + 1;
	set->used++;
	return true;
}

void cluster_set_remove(struct cluster_set *set, uint64_t cluster)
{
	size_t at, mask = set->nslots - 1;

	if (!cluster_set_has(set, cluster))
		return;
	at = slot_of(set, cluster + 1);
	set->slots[at] = 0;
	set->used--;
	/* Those that had to step over the removed one move up, or they would not be found again. */
	for (size_t next = (at + 1) & mask; set->slots[next]; next = (next + 1) & mask) {
		uint64_t key = set->slots[next];

		set->slots[next] = 0;
		set->slots[slot_of(set, key)] = key;
	}
}

/* --- what an image holds --------------------------------------------------------------------- */

/* The clusters of a table; fails when one of them is taken. */
static int add_area(struct qcow2 *q, const char *what, uint64_t off, uint64_t bytes,
		    struct err *err)
{
	if (!cluster_set_reserve(&q->metadata, (bytes >> q->cluster_bits) + 1))
		return err_set(err, ERR_HOST, "out of memory");
	for (uint64_t at = off; at < off + bytes; at += q->cluster_size)
		if (!cluster_set_add(&q->metadata, at >> q->cluster_bits))
			return err_set(err, ERR_CORRUPT,
				       "the %s at %#llx overlaps another table (repair it with "
				       "`qemu-img check -r all`)",
				       what, (unsigned long long)at);
	return 0;
}

static int add_tables(struct qcow2 *q, const char *what, const uint64_t *table, uint64_t n,
		      uint64_t flags, struct err *err)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t off = table[i] & ~flags;

		if (!off)
			continue;
		if (!qcow2_valid_cluster(q, off))
			return err_set(
				err, ERR_CORRUPT,
				"%s %llu: %#llx is no cluster inside the file (repair it with "
				"`qemu-img check -r all`)",
				what, (unsigned long long)i, (unsigned long long)table[i]);
		if (add_area(q, what, off, 1, err) < 0)
			return -1;
	}
	return 0;
}

static int check_snapshot(struct qcow2 *q, uint64_t l1_off, uint64_t n, struct cluster_set *seen,
			  struct err *err)
{
	auto_free uint64_t *l1 = NULL;

	if (qcow2_load_table(q, l1_off, n, &l1, err) < 0)
		return -1;
	return qcow2_check_counted(q, l1, n, seen, err);
}

/*
 * "Snapshot table entry": 40 bytes, then extra data, id and name, padded to 8. `seen`, unless NULL,
 * is for qcow2_check_counted.
 */
static int add_snapshots(struct qcow2 *q, struct cluster_set *seen, struct err *err)
{
	uint64_t at = q->h.snapshots_off, file_size = q->file_end;

	for (uint32_t i = 0; i < q->h.snapshots; i++) {
		uint8_t raw[40];
		uint64_t l1_off, l1_bytes;

		if (!range_inside(at, sizeof(raw), file_size) ||
		    host_read(q->host, raw, sizeof(raw), at) < 0)
			return err_set(err, ERR_CORRUPT, "snapshot %u at %#llx is outside the file",
				       i, (unsigned long long)at);
		l1_off = get_be64(raw);
		l1_bytes = UINT64_C(8) * get_be32(raw + 8);
		if (l1_bytes > QCOW2_MAX_L1_BYTES ||
		    (l1_bytes && (!qcow2_valid_cluster(q, l1_off) ||
				  !range_inside(l1_off, l1_bytes, file_size))))
			return err_set(err, ERR_CORRUPT,
				       "snapshot %u has its L1 table at %#llx, %llu bytes", i,
				       (unsigned long long)l1_off, (unsigned long long)l1_bytes);
		if (add_area(q, "snapshot's L1 table", l1_off, l1_bytes, err) < 0)
			return -1;
		if (seen && check_snapshot(q, l1_off, l1_bytes / 8, seen, err) < 0)
			return -1;
		at += align_up(UINT64_C(40) + get_be32(raw + 36) + get_be16(raw + 12) +
				       get_be16(raw + 14),
			       8);
		if (at - q->h.snapshots_off > QCOW2_MAX_SNAPSHOT_BYTES)
			return err_set(err, ERR_UNSUPPORTED,
				       "the snapshot table is larger than %d bytes",
				       QCOW2_MAX_SNAPSHOT_BYTES);
	}
	return add_area(q, "snapshot table", q->h.snapshots_off, at - q->h.snapshots_off, err);
}

int qcow2_load_metadata_set(struct qcow2 *q, struct err *err)
{
	struct cluster_set seen = {0};
	bool counted = qcow2_all_counted(q);
	int r;

	if (add_area(q, "header", 0, 1, err) < 0 ||
	    add_area(q, "L1 table", q->h.l1_off, UINT64_C(8) * q->h.l1_size, err) < 0 ||
	    add_area(q, "refcount table", q->h.reftable_off,
		     q->h.reftable_clusters * q->cluster_size, err) < 0 ||
	    add_tables(q, "L1 entry", q->l1, q->h.l1_size, L1_COPIED, err) < 0 ||
	    add_tables(q, "refcount table entry", q->reftable, q->reftable_size, 0, err) < 0)
		return -1;
	r = counted ? 0 : qcow2_check_counted(q, q->l1, q->h.l1_size, &seen, err);
	if (r == 0)
		r = add_snapshots(q, counted ? NULL : &seen, err);
	cluster_set_done(&seen);
	return r;
}
