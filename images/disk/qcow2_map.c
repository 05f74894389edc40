/* SPDX-License-Identifier: Apache-2.0
 *
 * From guest offsets to host offsets: the L1 table (in memory), L2 tables (cached in slices), and
 * with extended L2 entries the state of each subcluster. What a table says is checked where it is
 * used: a hostile image costs -EIO for the requests that meet the lie, and nothing else.
 */
#include <errno.h>

#include "base/mem.h"
#include "images/disk/qcow2.h"

bool qcow2_valid_cluster(const struct qcow2 *q, uint64_t off)
{
	return off && !in_cluster(q, off) && off < QCOW2_MAX_OFFSET && off < q->file_end;
}

/* --- L2 entries ------------------------------------------------------------------------------ */

/* "L2 table entry", "Extended L2 Entries": what an entry may not say. */
static bool entry_is_sane(const struct qcow2 *q, const struct l2_entry *e)
{
	uint64_t allocated = e->subs & UINT32_MAX, zero = e->subs >> 32;
	uint64_t host = e->desc & QCOW2_OFFSET_MASK;

	if (l2_is_packed(e))
		return !(e->desc & L2_COPIED);
	if (e->desc & L2_RESERVED)
		return false;
	if (e->desc & L2_ZERO && (q->subs > 1 || q->h.version < 3))
		return false;
	if (!host)
		return !(e->desc & L2_COPIED) && !allocated;
	return qcow2_valid_cluster(q, host) && !(allocated & zero);
}

enum sub_state l2_sub_state(const struct qcow2 *q, const struct l2_entry *e, unsigned sub)
{
	if (l2_is_packed(e))
		return SUB_PACKED;
	if (q->subs > 1)
		return e->subs >> sub & 1	   ? SUB_DATA
		       : e->subs >> (32 + sub) & 1 ? SUB_ZERO
						   : SUB_UNALLOCATED;
	return e->desc & L2_ZERO ? SUB_ZERO : l2_host(e) ? SUB_DATA : SUB_UNALLOCATED;
}

static uint64_t l1_index(const struct qcow2 *q, uint64_t off)
{
	return off >> (q->cluster_bits + q->l2_bits);
}

/* The slice with the entry for `off`, and where in it; *out is NULL where there is no table. */
static int l2_slice(struct qcow2 *q, uint64_t off, struct slice **out, size_t *at)
{
	uint64_t l1 = q->l1[l1_index(q, off)];
	uint64_t table = l1 & QCOW2_OFFSET_MASK;
	uint64_t index = (off >> q->cluster_bits) & ((UINT64_C(1) << q->l2_bits) - 1);
	uint64_t byte = index * q->entry_size;

	*out = NULL;
	*at = byte & (q->l2.slice_size - 1);
	if (!l1)
		return 0;
	if (l1 & ~(QCOW2_OFFSET_MASK | L1_COPIED) || !qcow2_valid_cluster(q, table))
		return -EIO;
	return cache_get(&q->l2, q->host, table + byte - *at, out);
}

static struct l2_entry decode(const struct qcow2 *q, const uint8_t *p)
{
	return (struct l2_entry){.desc = get_be64(p), .subs = q->subs > 1 ? get_be64(p + 8) : 0};
}

int l2_get(struct qcow2 *q, uint64_t off, struct l2_entry *e)
{
	struct slice *s;
	size_t at;
	int r = l2_slice(q, off, &s, &at);

	*e = (struct l2_entry){0};
	if (r < 0 || !s)
		return r;
	*e = decode(q, s->data + at);
	return entry_is_sane(q, e) ? 0 : -EIO;
}

int l2_set(struct qcow2 *q, uint64_t off, const struct l2_entry *e)
{
	struct slice *s;
	size_t at;
	int r = l2_slice(q, off, &s, &at);

	assert(r < 0 || s);
	if (r == 0)
		r = cache_touch(&q->l2, s);
	if (r < 0)
		return r;
	put_be64(s->data + at, e->desc);
	if (q->subs > 1)
		put_be64(s->data + at + 8, e->subs);
	return 0;
}

/* --- making tables --------------------------------------------------------------------------- */

static int copy_cluster(struct qcow2 *q, uint64_t from, uint64_t to)
{
	uint8_t *raw = malloc(q->cluster_size);
	int r = raw ? host_read(q->host, raw, q->cluster_size, from) : -ENOMEM;

	if (r == 0)
		r = host_write(q->host, raw, q->cluster_size, to);
	free(raw);
	return r;
}

int l2_make_table(struct qcow2 *q, uint64_t off)
{
	uint32_t index = (uint32_t)l1_index(q, off);
	uint64_t old = q->l1[index] & QCOW2_OFFSET_MASK, new;
	struct cluster_run run;
	int r;

	if (q->l1[index] & L1_COPIED)
		return 0;
	r = cluster_set_reserve(&q->metadata, 1) ? qcow2_alloc(q, 1, &run) : -ENOMEM;
	if (r < 0)
		return r;
	new = run.first << q->cluster_bits;
	/* A table that a snapshot shares is copied; it was never changed, so the disk has it. */
	r = old ? copy_cluster(q, old, new) : qcow2_zero_clusters(q, run.first, 1, run.fresh);
	if (r < 0) {
		qcow2_give_back(q, run.first, 1);
		return r;
	}
	cache_forget(&q->l2, new, q->cluster_size);
	cluster_set_add(&q->metadata, run.first);
	q->l1[index] = new | L1_COPIED;
	q->l1_changes = xgrow(q->l1_changes, &q->l1_changes_cap, q->nl1_changes + 1,
			      sizeof(*q->l1_changes));
	q->l1_changes[q->nl1_changes++] = (struct l1_change){.index = index, .entry = q->l1[index]};
	if (old) {
		cluster_set_remove(&q->metadata, old >> q->cluster_bits);
		qcow2_unref(q, old >> q->cluster_bits, 1);
	}
	return 0;
}

/* --- extents --------------------------------------------------------------------------------- */

/* Part of an extent that lies in one subcluster (or in one cluster, where all of it is alike). */
struct piece {
	enum extent_kind kind;
	uint64_t host, len;
};

/* A writer only wants to know whether the bytes may be replaced where they are. */
static enum extent_kind kind_at(const struct qcow2 *q, const struct l2_entry *e, unsigned sub,
				bool for_write)
{
	static const enum extent_kind kinds[] = {
		[SUB_UNALLOCATED] = EXT_BACKING,
		[SUB_ZERO] = EXT_ZERO,
		[SUB_DATA] = EXT_DATA,
		[SUB_PACKED] = EXT_PACKED,
	};
	enum sub_state state = l2_sub_state(q, e, sub);

	if (for_write)
		return state == SUB_DATA && l2_is_own(e) ? EXT_DATA : EXT_BACKING;
	return kinds[state];
}

static struct piece piece_at(const struct qcow2 *q, const struct l2_entry *e, uint64_t off,
			     bool for_write)
{
	uint64_t inside = in_cluster(q, off);
	unsigned sub = (unsigned)(inside >> q->sub_bits), last = sub;
	struct piece p = {.kind = kind_at(q, e, sub, for_write)};

	while (last + 1 < q->subs && kind_at(q, e, last + 1, for_write) == p.kind)
		last++;
	p.len = ((uint64_t)(last + 1) << q->sub_bits) - inside;
	if (p.kind == EXT_DATA)
		p.host = l2_host(e) + inside;
	if (p.kind == EXT_PACKED)
		p.host = e->desc & (L2_COMPRESSED - 1);
	return p;
}

/* Whether `p`, which begins where the extent ends, says the same about its bytes. */
static bool continues(const struct extent *e, const struct piece *p)
{
	return e->kind == p->kind && e->kind != EXT_PACKED &&
	       (e->kind != EXT_DATA || e->host + e->len == p->host);
}

static int map(struct node *node, uint64_t off, uint64_t len, struct extent *e, bool for_write)
{
	struct qcow2 *q = qcow2_of(node);
	struct slice *s;
	size_t at;
	int r = l2_slice(q, off, &s, &at);

	*e = (struct extent){.kind = EXT_BACKING, .node = node};
	if (r < 0)
		return r;
	if (!s) {
		/* No table: nothing is here, up to the end of what it would cover. */
		uint64_t span = UINT64_C(1) << (q->cluster_bits + q->l2_bits);

		e->len = min_u64(len, span - (off & (span - 1)));
		return 0;
	}
	while (e->len < len && at < q->l2.slice_size) {
		struct l2_entry entry = decode(q, s->data + at);
		struct piece p;

		if (!entry_is_sane(q, &entry)) {
			if (!e->len)
				return -EIO;
			break;
		}
		p = piece_at(q, &entry, off + e->len, for_write);
		if (for_write && p.kind == EXT_DATA &&
		    cluster_set_has(&q->metadata, p.host >> q->cluster_bits))
			return qcow2_mark_corrupt(q);
		if (!e->len) {
			e->kind = p.kind;
			e->host = p.host;
		} else if (!continues(e, &p)) {
			break;
		}
		e->len += p.len;
		if (!in_cluster(q, off + e->len))
			at += q->entry_size;
	}
	e->len = min_u64(e->len, len);
	return 0;
}

int qcow2_map(struct node *node, uint64_t off, uint64_t len, struct extent *e)
{
	return map(node, off, len, e, false);
}

int qcow2_map_write(struct node *node, uint64_t off, uint64_t len, struct extent *e)
{
	return map(node, off, len, e, true);
}
