/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes. Where a cluster is the image's own and holds data already, bytes are replaced in place.
 * Anything else is new space: clusters are allocated, what the write does not cover of them (or of
 * their first and last subcluster) is copied from where it was, and only then L2 entries change.
 */
#include <errno.h>

#include "base/mem.h"
#include "images/disk/qcow2.h"

enum {
	RUN_CLUSTERS = 1024, /* allocated at once */
	SEGMENTS = 64,	     /* iovecs of one system call */
};

void qcow2_unref_entry(struct qcow2 *q, const struct l2_entry *e)
{
	uint64_t first = l2_host(e) >> q->cluster_bits, n = 1;

	if (l2_is_packed(e))
		packed_clusters(q, e->desc, &first, &n);
	if (l2_is_packed(e) || l2_host(e))
		qcow2_unref(q, first, n);
}

bool qcow2_reads_zero(struct qcow2 *q, uint64_t off, uint64_t len)
{
	while (len) {
		struct extent e;

		if (node_resolve(q->node, off, len, &e) < 0 || e.kind != EXT_ZERO)
			return false;
		off += e.len;
		len -= e.len;
	}
	return true;
}

/* --- one write into new space ---------------------------------------------------------------- */

/*
 * The write covers [from, to) of the guest. [begin, end) is what becomes readable: the same,
 * widened to whole subclusters, or whole clusters where old data has to move along.
 */
struct fill {
	uint64_t begin, from, to, end; /* guest offsets, in this order */
	uint64_t host;		       /* of `begin` */
	bool fresh;		       /* the space reads as zeroes now */
};

static int make_bounce(struct qcow2 *q)
{
	if (!q->bounce)
		q->bounce = malloc(2 * q->cluster_size);
	return q->bounce ? 0 : -ENOMEM;
}

/* Reads what lies around the write; a side that is zero already needs nothing and becomes empty. */
static int read_side(struct qcow2 *q, const struct fill *f, uint64_t off, uint64_t len,
		     struct iovec *side)
{
	if (!len || (f->fresh && qcow2_reads_zero(q, off, len))) {
		side->iov_len = 0;
		return 0;
	}
	side->iov_len = len;
	return node_read(q->node, off, side->iov_base, len);
}

/* Writes head, data and tail, which are adjacent, with as few system calls as there can be. */
static int write_fill(struct qcow2 *q, const struct fill *f, struct iov_pos *pos)
{
	uint64_t len = f->to - f->from;
	struct iovec iov[SEGMENTS], head, tail;
	struct iov_pos peek = *pos;
	int n = SEGMENTS - 2, r = make_bounce(q);

	if (r < 0)
		return r;
	head.iov_base = q->bounce;
	tail.iov_base = q->bounce + q->cluster_size;
	r = read_side(q, f, f->begin, f->from - f->begin, &head);
	if (r == 0)
		r = read_side(q, f, f->to, f->end - f->to, &tail);
	if (r < 0)
		return r;
	if (iov_take(&peek, len, iov + 1, &n) == len) {
		iov[0] = head;
		iov[n + 1] = tail;
		*pos = peek;
		return host_writev(q->host, &IOV_POS(iov, n + 2), head.iov_len + len + tail.iov_len,
				   f->host + (f->from - f->begin) - head.iov_len);
	}
	if (head.iov_len)
		r = host_write(q->host, head.iov_base, head.iov_len, f->host);
	if (r == 0)
		r = host_writev(q->host, pos, len, f->host + (f->from - f->begin));
	if (r == 0 && tail.iov_len)
		r = host_write(q->host, tail.iov_base, tail.iov_len, f->host + (f->to - f->begin));
	return r;
}

/* Bits of the subclusters that [from, to) touches; both lie in one cluster, `to` may be its end. */
static uint64_t sub_mask(const struct qcow2 *q, uint64_t from, uint64_t to)
{
	unsigned first = (unsigned)(in_cluster(q, from) >> q->sub_bits);
	unsigned last = (unsigned)(in_cluster(q, to - 1) >> q->sub_bits);

	return (UINT64_C(2) << last) - (UINT64_C(1) << first);
}

/* The entry for data at `host` in [from, to) of the cluster, with the rest of `old` kept. */
static struct l2_entry entry_with(const struct qcow2 *q, const struct l2_entry *old, uint64_t host,
				  uint64_t from, uint64_t to)
{
	struct l2_entry e = {.desc = host | L2_COPIED};

	if (q->subs > 1) {
		uint64_t mask = sub_mask(q, from, to);

		e.subs = ((l2_is_packed(old) ? 0 : old->subs) | mask) & ~(mask << 32);
	}
	return e;
}

static uint64_t cluster_end(const struct qcow2 *q, uint64_t off)
{
	return align_down(off, q->cluster_size) + q->cluster_size;
}

/* --- clusters of our own --------------------------------------------------------------------- */

/* The write meets subclusters without data in an own cluster (or an own cluster kept as zero). */
static int write_into(struct qcow2 *q, const struct l2_entry *old, uint64_t off, uint64_t *len,
		      struct iov_pos *pos)
{
	const uint64_t sub = UINT64_C(1) << q->sub_bits;
	struct fill f = {.from = off, .to = min_u64(off + *len, cluster_end(q, off))};
	struct l2_entry new = entry_with(q, old, l2_host(old), f.from, f.to);
	int r;

	/* None of it holds data, or it would have been replaced in place up to there. */
	f.begin = align_down(f.from, sub);
	f.end = align_up(f.to, sub);
	f.host = l2_host(old) + in_cluster(q, f.begin);
	if (cluster_set_has(&q->metadata, f.host >> q->cluster_bits))
		return qcow2_mark_corrupt(q);
	r = write_fill(q, &f, pos);
	if (r < 0)
		return r;
	*len = f.to - f.from;
	return l2_set(q, off, &new);
}

/* --- new clusters ---------------------------------------------------------------------------- */

/* Whether a cluster holds something that must move along as a whole. */
static bool carries_data(const struct l2_entry *e, unsigned subs)
{
	if (l2_is_packed(e))
		return true;
	return l2_host(e) && (subs > 1 ? e->subs & UINT32_MAX : !(e->desc & L2_ZERO));
}

/* What of the cluster that `off` is in becomes readable by a write that begins (ends) at `off`. */
static uint64_t widen_begin(const struct qcow2 *q, const struct l2_entry *old, uint64_t off)
{
	return align_down(off, carries_data(old, q->subs) ? q->cluster_size
							  : UINT64_C(1) << q->sub_bits);
}

static uint64_t widen_end(const struct qcow2 *q, const struct l2_entry *old, uint64_t off)
{
	return align_up(off,
			carries_data(old, q->subs) ? q->cluster_size : UINT64_C(1) << q->sub_bits);
}

/* How many clusters from the one of `off` on need a new place, up to the end of their L2 table. */
static int count_homeless(struct qcow2 *q, uint64_t off, uint64_t end, uint64_t *n, bool *gives_up)
{
	uint64_t table_end = align_down(off, UINT64_C(1) << (q->cluster_bits + q->l2_bits)) +
			     (UINT64_C(1) << (q->cluster_bits + q->l2_bits));
	uint64_t at = align_down(off, q->cluster_size);

	*gives_up = false;
	end = min_u64(end, table_end);
	for (*n = 0; *n < RUN_CLUSTERS && at < end; ++*n, at += q->cluster_size) {
		struct l2_entry e;
		int r = l2_get(q, at, &e);

		if (r < 0)
			return r;
		if (l2_is_own(&e))
			break;
		*gives_up |= l2_is_packed(&e) || l2_host(&e);
	}
	return 0;
}

/* Points the clusters of a written range to their new places. */
static int relink(struct qcow2 *q, const struct fill *f, uint64_t first_cluster)
{
	uint64_t host = first_cluster << q->cluster_bits;

	for (uint64_t at = f->begin; at < f->end;
	     at = cluster_end(q, at), host += q->cluster_size) {
		uint64_t to = min_u64(f->end, cluster_end(q, at));
		struct l2_entry old, new;
		int r = l2_get(q, at, &old);

		if (r == 0) {
			new = entry_with(q, &old, host, at, to);
			r = l2_set(q, at, &new);
		}
		if (r < 0) {
			qcow2_give_back(q, host >> q->cluster_bits,
					((f->end - 1) >> q->cluster_bits) -
						(at >> q->cluster_bits) + 1);
			return r;
		}
		qcow2_unref_entry(q, &old);
	}
	return 0;
}

static int write_new(struct qcow2 *q, const struct l2_entry *old, uint64_t off, uint64_t *len,
		     struct iov_pos *pos)
{
	struct fill f = {.from = off, .to = off + *len};
	struct cluster_run run;
	struct l2_entry last;
	bool gives_up;
	uint64_t n;
	int r = count_homeless(q, off, f.to, &n, &gives_up);

	if (r == 0 && gives_up && q->node->quiesce)
		q->node->quiesce(q->node->quiesce_ctx);
	if (r == 0)
		r = qcow2_alloc(q, n, &run);
	if (r < 0)
		return r;
	f.to = min_u64(f.to, align_down(off, q->cluster_size) + (run.n << q->cluster_bits));
	r = l2_get(q, f.to - 1, &last);
	if (r == 0) {
		f.begin = widen_begin(q, old, f.from);
		f.end = widen_end(q, &last, f.to);
		f.host = (run.first << q->cluster_bits) + in_cluster(q, f.begin);
		f.fresh = run.fresh;
		r = write_fill(q, &f, pos);
	}
	if (r < 0) {
		qcow2_give_back(q, run.first, run.n);
		return r;
	}
	*len = f.to - f.from;
	return relink(q, &f, run.first);
}

/* Writes the beginning of a range that cannot be replaced in place; *len becomes how much. */
static int write_first(struct qcow2 *q, uint64_t off, uint64_t *len, struct iov_pos *pos)
{
	struct l2_entry old;
	int r = qcow2_begin_change(q);

	if (r == 0)
		r = l2_make_table(q, off);
	if (r == 0)
		r = l2_get(q, off, &old);
	if (r < 0)
		return r;
	return l2_is_own(&old) ? write_into(q, &old, off, len, pos)
			       : write_new(q, &old, off, len, pos);
}

int qcow2_write(struct node *node, uint64_t off, uint64_t len, struct iov_pos *pos)
{
	struct qcow2 *q = qcow2_of(node);

	while (len) {
		struct extent e;
		int r = q->corrupt ? -EIO : qcow2_map_write(node, off, len, &e);

		if (r == 0)
			r = e.kind == EXT_DATA ? host_writev(q->host, pos, e.len, e.host)
					       : write_first(q, off, &e.len, pos);
		if (r < 0)
			return r;
		off += e.len;
		len -= e.len;
	}
	return 0;
}
