// SPDX-License-Identifier: Apache-2.0
//
// A second opinion on qcow2 images: see qcheck.h.
#include "tests/lib/disk/qcheck.h"

#include <endian.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walk {
	const uint8_t *image;
	size_t n;
	uint64_t cluster, clusters;
	unsigned cluster_bits, order;
	bool extended;
	uint64_t reftable, reftable_entries;
	uint32_t *refs; /* counted by us */
	struct qcheck out;
};

static void bad(struct walk *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!w->out.corruptions++)
		vsnprintf(w->out.first, sizeof(w->out.first), fmt, ap);
	va_end(ap);
}

static uint64_t be(const struct walk *w, uint64_t off, unsigned bytes)
{
	uint64_t v = 0;

	if (off + 8 <= w->n && bytes == 8) {
		memcpy(&v, w->image + off, 8);
		return be64toh(v);
	}
	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | (off + i < w->n ? w->image[off + i] : 0);
	return v;
}

static void use(struct walk *w, const char *what, uint64_t off, uint64_t len)
{
	for (uint64_t c = off / w->cluster; len && c <= (off + len - 1) / w->cluster; c++) {
		if (c >= w->clusters) {
			bad(w, "%s at %#llx is outside the file", what, (unsigned long long)off);
			return;
		}
		w->refs[c]++;
	}
}

static uint64_t refcount(const struct walk *w, uint64_t c)
{
	uint64_t bits = UINT64_C(1) << w->order, per = w->cluster * 8 / bits;
	uint64_t block = c / per < w->reftable_entries ? be(w, w->reftable + c / per * 8, 8) : 0;
	uint64_t at = c % per * bits;

	if (!block)
		return 0;
	if (bits >= 8)
		return be(w, block + at / 8, (unsigned)(bits / 8));
	return be(w, block + at / 8, 1) >> (at % 8) & ((1u << bits) - 1);
}

static void walk_l2(struct walk *w, uint64_t table, bool active)
{
	unsigned size = w->extended ? 16 : 8;

	for (uint64_t i = 0; i < w->cluster / size; i++) {
		uint64_t e = be(w, table + i * size, 8);
		uint64_t subs = w->extended ? be(w, table + i * size + 8, 8) : 0;
		uint64_t host = e & UINT64_C(0x00fffffffffffe00);

		if (e >> 62 & 1) {
			unsigned x = 62 - (w->cluster_bits - 8);
			uint64_t off = e & ((UINT64_C(1) << x) - 1);
			uint64_t sectors = (e & ((UINT64_C(1) << 62) - 1)) >> x;

			use(w, "compressed data", off, (sectors + 1) * 512 - (off & 511));
			continue;
		}
		if ((uint32_t)subs & (uint32_t)(subs >> 32))
			bad(w, "a subcluster of %#llx is data and zero", (unsigned long long)host);
		if (!host) {
			if ((uint32_t)subs || e >> 63)
				bad(w, "an entry without a cluster claims data");
			continue;
		}
		if (host % w->cluster)
			bad(w, "data at %#llx is not aligned", (unsigned long long)host);
		use(w, "data", host, w->cluster);
		if (active && (e >> 63) != (refcount(w, host / w->cluster) == 1))
			bad(w, "the copied flag of data at %#llx is wrong",
			    (unsigned long long)host);
	}
}

static void walk_l1(struct walk *w, uint64_t table, uint64_t entries, bool active)
{
	use(w, "L1 table", table, entries * 8);
	for (uint64_t i = 0; i < entries; i++) {
		uint64_t e = be(w, table + i * 8, 8), l2 = e & UINT64_C(0x00fffffffffffe00);

		if (!l2)
			continue;
		if (l2 % w->cluster)
			bad(w, "L2 table at %#llx is not aligned", (unsigned long long)l2);
		use(w, "L2 table", l2, w->cluster);
		if (active && (e >> 63) != (refcount(w, l2 / w->cluster) == 1))
			bad(w, "the copied flag of table %#llx is wrong", (unsigned long long)l2);
		walk_l2(w, l2, active);
	}
}

static void walk_snapshots(struct walk *w, uint64_t table, unsigned n)
{
	uint64_t at = table;

	for (unsigned i = 0; i < n; i++) {
		walk_l1(w, be(w, at, 8), be(w, at + 8, 4), false);
		at += (40 + be(w, at + 36, 4) + be(w, at + 12, 2) + be(w, at + 14, 2) + 7) & ~7u;
	}
	use(w, "snapshot table", table, at - table);
}

static void compare(struct walk *w)
{
	for (uint64_t c = 0; c < w->clusters; c++) {
		uint64_t have = refcount(w, c);

		if (have < w->refs[c])
			bad(w, "cluster %llu: %u references, refcount %llu", (unsigned long long)c,
			    w->refs[c], (unsigned long long)have);
		else if (have > w->refs[c])
			w->out.leaks++;
	}
}

struct qcheck qcheck_image(const uint8_t *image, size_t n)
{
	struct walk w = {.image = image, .n = n};

	if (be(&w, 0, 4) != 0x514649fb) {
		bad(&w, "no header");
		return w.out;
	}
	w.cluster_bits = (unsigned)be(&w, 20, 4);
	w.cluster = UINT64_C(1) << w.cluster_bits;
	w.clusters = (n + w.cluster - 1) / w.cluster;
	w.order = 4;
	if (be(&w, 4, 4) >= 3) {
		w.order = (unsigned)be(&w, 96, 4);
		w.extended = be(&w, 72, 8) >> 4 & 1;
		if (be(&w, 72, 8) & 3)
			bad(&w, "marked dirty or corrupt");
	}
	w.reftable = be(&w, 48, 8);
	w.reftable_entries = be(&w, 56, 4) * w.cluster / 8;
	w.refs = calloc(w.clusters + 1, sizeof(*w.refs));
	use(&w, "header", 0, 1);
	use(&w, "refcount table", w.reftable, w.reftable_entries * 8);
	for (uint64_t i = 0; i < w.reftable_entries; i++)
		if (be(&w, w.reftable + i * 8, 8))
			use(&w, "refcount block", be(&w, w.reftable + i * 8, 8), w.cluster);
	walk_l1(&w, be(&w, 40, 8), be(&w, 36, 4), true);
	walk_snapshots(&w, be(&w, 64, 8), (unsigned)be(&w, 60, 4));
	compare(&w);
	free(w.refs);
	return w.out;
}
