/* SPDX-License-Identifier: Apache-2.0
 *
 * Zeroing and discarding. A cluster, or a subcluster, that the format can mark as zero costs an L2
 * entry; the rest is written. Discarding is zeroing of whole clusters that gives their space back,
 * and of which only as much happens as can be said in L2 entries.
 */
#include <errno.h>

#include "base/util.h"
#include "images/disk/qcow2.h"

enum { ZERO_CHUNK = 65536 };

/* Subclusters [first, end) of the cluster at `off`. */
struct zone {
	uint64_t off;
	unsigned first, end;
};

static uint64_t zone_mask(const struct zone *z)
{
	return (UINT64_C(1) << z->end) - (UINT64_C(1) << z->first);
}

/* What is not allocated reads as zeroes here: nothing lies below. */
static bool bare(const struct qcow2 *q, uint64_t off)
{
	return !q->node->backing || off >= q->node->backing->size;
}

/* The entry with the whole cluster zero. -ENOTSUP: the format has no words for it. */
static int zero_whole(const struct qcow2 *q, const struct l2_entry *old, uint64_t off, bool unmap,
		      struct l2_entry *new)
{
	bool keep = !unmap && l2_is_own(old);

	*new = (struct l2_entry){.desc = keep ? l2_host(old) | L2_COPIED : 0};
	if (!keep && bare(q, off))
		return 0;
	if (q->h.version < 3)
		return -ENOTSUP;
	if (q->subs > 1)
		new->subs = UINT64_C(0xffffffff) << 32;
	else
		new->desc |= L2_ZERO;
	return 0;
}

/* The entry with some subclusters zero. */
static int zero_some(const struct l2_entry *old, const struct zone *z, struct l2_entry *new)
{
	uint64_t mask = zone_mask(z);

	if (l2_is_packed(old) || (l2_host(old) && !l2_is_own(old)))
		return -ENOTSUP;
	*new = (struct l2_entry){.desc = old->desc, .subs = (old->subs & ~mask) | mask << 32};
	return 0;
}

static bool zone_is_zero(const struct qcow2 *q, const struct l2_entry *e, const struct zone *z)
{
	for (unsigned sub = z->first; sub < z->end; sub++) {
		enum sub_state state = l2_sub_state(q, e, sub);

		if (state != SUB_ZERO && !(state == SUB_UNALLOCATED && bare(q, z->off)))
			return false;
	}
	return true;
}

/* Marks a zone as zero by its L2 entry; -ENOTSUP when that cannot be. */
static int zero_zone(struct qcow2 *q, const struct zone *z, bool unmap)
{
	struct l2_entry old, new;
	bool whole = z->end - z->first == q->subs, gives_up;
	int r = l2_get(q, z->off, &old);

	if (r < 0)
		return r;
	if (zone_is_zero(q, &old, z) && !(unmap && whole && l2_host(&old)))
		return 0;
	r = whole ? zero_whole(q, &old, z->off, unmap, &new) : zero_some(&old, z, &new);
	if (r == 0)
		r = qcow2_begin_change(q);
	if (r == 0)
		r = l2_make_table(q, z->off);
	if (r < 0)
		return r;
	gives_up = (l2_is_packed(&old) || l2_host(&old)) && !l2_host(&new);
	if (gives_up && q->node->quiesce)
		q->node->quiesce(q->node->quiesce_ctx);
	r = l2_set(q, z->off, &new);
	if (r == 0 && gives_up)
		qcow2_unref_entry(q, &old);
	return r;
}

static int write_zeroes(struct qcow2 *q, uint64_t off, uint64_t len)
{
	static const char zeroes[ZERO_CHUNK];

	if (qcow2_reads_zero(q, off, len))
		return 0;
	while (len) {
		struct iovec iov = {.iov_base = (void *)zeroes,
				    .iov_len = min_u64(len, ZERO_CHUNK)};
		int r = qcow2_write(q->node, off, iov.iov_len, &IOV_POS(&iov, 1));

		if (r < 0)
			return r;
		off += iov.iov_len;
		len -= iov.iov_len;
	}
	return 0;
}

/* Where the whole units of a range end: the disk's end stands for that of its last unit. */
static uint64_t whole_end(const struct qcow2 *q, uint64_t end, uint64_t unit)
{
	return end == q->node->size ? align_up(end, unit) : align_down(end, unit);
}

/* How much from `off` on has no L2 table and reads as zeroes: nothing is to be changed there. */
static uint64_t skip_bare(const struct qcow2 *q, uint64_t off, uint64_t end)
{
	uint64_t span = UINT64_C(1) << (q->cluster_bits + q->l2_bits);

	if (q->l1[off / span] || !bare(q, off))
		return 0;
	return min_u64(end, align_down(off, span) + span) - off;
}

/* The zones of [off, end), whole subclusters; `fallback` takes what cannot be marked. */
static int zero_zones(struct qcow2 *q, uint64_t off, uint64_t end, bool unmap,
		      int (*fallback)(struct qcow2 *, uint64_t off, uint64_t len))
{
	while (off < end) {
		uint64_t skip = skip_bare(q, off, end);
		uint64_t base = align_down(off, q->cluster_size);
		uint64_t to = min_u64(end, base + q->cluster_size);
		struct zone z = {.off = base,
				 .first = (unsigned)((off - base) >> q->sub_bits),
				 .end = (unsigned)((to - base) >> q->sub_bits)};
		int r;

		if (skip) {
			off += skip;
			continue;
		}
		r = zero_zone(q, &z, unmap);
		if (r == -ENOTSUP)
			r = fallback ? fallback(q, off, min_u64(to, q->node->size) - off) : 0;
		if (r < 0)
			return r;
		off = to;
	}
	return 0;
}

int qcow2_zero(struct node *node, uint64_t off, uint64_t len, bool may_unmap)
{
	struct qcow2 *q = qcow2_of(node);
	const uint64_t sub = UINT64_C(1) << q->sub_bits;
	uint64_t first = align_up(off, sub), end = whole_end(q, off + len, sub);
	int r;

	if (q->corrupt)
		return -EIO;
	/* Not one whole subcluster is inside. */
	if (first >= end)
		return write_zeroes(q, off, len);
	r = write_zeroes(q, off, first - off);
	if (r == 0)
		r = zero_zones(q, first, end, may_unmap, write_zeroes);
	if (r == 0 && end < off + len)
		r = write_zeroes(q, end, off + len - end);
	return r;
}

int qcow2_discard(struct node *node, uint64_t off, uint64_t len)
{
	struct qcow2 *q = qcow2_of(node);
	uint64_t first = align_up(off, q->cluster_size);
	uint64_t end = whole_end(q, off + len, q->cluster_size);

	if (q->corrupt)
		return -EIO;
	return zero_zones(q, first, end, true, NULL);
}
