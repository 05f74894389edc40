/* SPDX-License-Identifier: Apache-2.0
 *
 * Slices of metadata tables in memory. A slice is found by its offset in the file; when the cache
 * is full, the clock hand takes one that is clean and was not looked up lately. Slices that wait
 * for a commit stay: the callers commit before most of a cache is busy, so the hand always finds
 * one.
 */
#include <errno.h>

#include "base/mem.h"
#include "images/disk/qcow2.h"

void cache_init(struct slice_cache *c, size_t slice_size, unsigned limit)
{
	*c = (struct slice_cache){.slice_size = slice_size, .limit = limit, .nbuckets = 16};
	while (c->nbuckets < limit)
		c->nbuckets *= 2;
	c->slices = xcalloc(limit, sizeof(*c->slices));
	c->buckets = xcalloc(c->nbuckets, sizeof(struct slice *));
}

void cache_done(struct slice_cache *c)
{
	for (unsigned i = 0; i < c->used; i++) {
		free(c->slices[i].data);
		free(c->slices[i].frozen);
	}
	free(c->slices);
	free(c->buckets);
	*c = (struct slice_cache){0};
}

static struct slice **bucket(struct slice_cache *c, uint64_t off)
{
	uint64_t key = off / c->slice_size;

	return &c->buckets[(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (c->nbuckets - 1)];
}

static struct slice *find(struct slice_cache *c, uint64_t off)
{
	struct slice *s = *bucket(c, off);

	while (s && s->off != off)
		s = s->next;
	return s;
}

static void unhash(struct slice_cache *c, struct slice *s)
{
	struct slice **at = bucket(c, s->off);

	while (*at && *at != s)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
	if (c->last == s)
		c->last = NULL;
}

static bool busy(const struct slice *s)
{
	return s->dirty || s->linking;
}

/* A slice that holds nothing anybody needs, out of the hash; NULL when all are busy. */
static struct slice *victim(struct slice_cache *c)
{
	if (c->used < c->limit)
		return &c->slices[c->used++];
	for (unsigned looks = 0; looks < 2 * c->limit; looks++) {
		struct slice *s = &c->slices[c->hand];

		c->hand = (c->hand + 1) % c->limit;
		if (busy(s))
			continue;
		if (!s->recent) {
			unhash(c, s);
			return s;
		}
		s->recent = false;
	}
	return NULL;
}

int cache_get(struct slice_cache *c, const struct host *host, uint64_t off, struct slice **out)
{
	struct slice *s = c->last && c->last->off == off ? c->last : find(c, off);
	int r;

	if (s)
		goto found;
	s = victim(c);
	if (!s)
		return -EBUSY;
	/* From here until it is read, the slice answers to no lookup. */
	s->off = UINT64_MAX;
	if (!s->data)
		s->data = malloc(c->slice_size);
	if (!s->data)
		return -ENOMEM;
	r = host_read(host, s->data, c->slice_size, off);
	if (r < 0)
		return r;
	s->off = off;
	s->next = *bucket(c, off);
	*bucket(c, off) = s;
found:
	s->recent = true;
	c->last = s;
	*out = s;
	return 0;
}

int cache_touch(struct slice_cache *c, struct slice *s)
{
	if (s->linking && !s->frozen) {
		s->frozen = malloc(c->slice_size);
		if (!s->frozen)
			return -ENOMEM;
		memcpy(s->frozen, s->data, c->slice_size);
	}
	if (!busy(s))
		c->busy++;
	s->dirty = true;
	return 0;
}

void cache_forget(struct slice_cache *c, uint64_t off, uint64_t len)
{
	for (uint64_t at = off; at < off + len; at += c->slice_size) {
		struct slice *s = find(c, at);

		if (!s)
			continue;
		unhash(c, s);
		if (busy(s))
			c->busy--;
		free(s->frozen);
		s->frozen = NULL;
		s->dirty = s->linking = s->recent = false;
		s->off = UINT64_MAX;
	}
}

int cache_write(struct slice_cache *c, const struct host *host)
{
	for (unsigned i = 0; c->busy && i < c->used; i++) {
		struct slice *s = &c->slices[i];
		int r;

		if (!s->dirty)
			continue;
		r = host_write(host, s->data, c->slice_size, s->off);
		if (r < 0)
			return r;
		s->dirty = false;
		if (!busy(s))
			c->busy--;
	}
	return 0;
}

void cache_freeze(struct slice_cache *c)
{
	for (unsigned i = 0; c->busy && i < c->used; i++) {
		struct slice *s = &c->slices[i];

		if (s->dirty) {
			s->linking = true;
			s->dirty = false;
		}
	}
}

int cache_thaw(struct slice_cache *c, const struct host *host)
{
	int wrote = 0;

	for (unsigned i = 0; c->busy && i < c->used; i++) {
		struct slice *s = &c->slices[i];

		if (!s->linking)
			continue;
		if (host && wrote >= 0) {
			int r = host_write(host, s->frozen ? s->frozen : s->data, c->slice_size,
					   s->off);

			wrote = r < 0 ? r : 1;
		}
		/* What was not written is as dirty as before the freeze. */
		if (!host || wrote < 0)
			s->dirty = true;
		s->linking = false;
		free(s->frozen);
		s->frozen = NULL;
		if (!busy(s))
			c->busy--;
	}
	return wrote;
}
