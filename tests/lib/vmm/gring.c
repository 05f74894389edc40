/* SPDX-License-Identifier: Apache-2.0
 *
 * A driver's half of a split ring: see gring.h.
 */
#include "tests/lib/vmm/gring.h"

#include "base/util.h"

static uint8_t *at(const struct gmem *m, gpa_t gpa, uint64_t n)
{
	uint8_t *p = gmem_ptr(m, gpa, n);

	assert(p);
	return p;
}

/* Indices and flags are how the two sides meet: what was written before is seen with them. */
static void put16(struct gmem *m, gpa_t gpa, uint16_t v)
{
	__atomic_store_n((uint16_t *)at(m, gpa, 2), htole16(v), __ATOMIC_RELEASE);
}

static uint16_t get16(const struct gmem *m, gpa_t gpa)
{
	return le16toh(__atomic_load_n((const uint16_t *)at(m, gpa, 2), __ATOMIC_ACQUIRE));
}

gpa_t gring_place(struct gring *r, struct gmem *m, uint16_t size, gpa_t where)
{
	*r = (struct gring){.mem = m, .size = size};
	r->desc = align_up(where, 16);
	r->avail = r->desc + 16 * (uint64_t)size;
	r->used = align_up(r->avail + 6 + 2 * (uint64_t)size, 4);
	where = r->used + 6 + 8 * (uint64_t)size;
	memset(at(m, r->desc, where - r->desc), 0, where - r->desc);
	return where;
}

void gring_desc_at(struct gmem *m, gpa_t table, unsigned i, uint64_t addr, uint32_t len,
		   uint16_t flags, uint16_t next)
{
	uint8_t *d = at(m, table + 16 * (uint64_t)i, 16);

	put_le64(d, addr);
	put_le32(d + 8, len);
	put_le16(d + 12, flags);
	put_le16(d + 14, next);
}

void gring_put_desc(struct gring *r, unsigned i, uint64_t addr, uint32_t len, uint16_t flags,
		    uint16_t next)
{
	gring_desc_at(r->mem, r->desc, i, addr, len, flags, next);
}

void gring_offer(struct gring *r, uint16_t head)
{
	put16(r->mem, r->avail + 4 + 2 * (uint64_t)(r->avail_idx & (r->size - 1)), head);
	gring_set_avail_idx(r, r->avail_idx + 1);
}

void gring_set_avail_idx(struct gring *r, uint16_t idx)
{
	r->avail_idx = idx;
	put16(r->mem, r->avail + 2, idx);
}

void gring_set_avail_flags(struct gring *r, uint16_t flags)
{
	put16(r->mem, r->avail, flags);
}

void gring_set_used_event(struct gring *r, uint16_t idx)
{
	put16(r->mem, r->avail + 4 + 2 * (uint64_t)r->size, idx);
}

uint16_t gring_avail_event(const struct gring *r)
{
	return get16(r->mem, r->used + 4 + 8 * (uint64_t)r->size);
}

uint16_t gring_used_flags(const struct gring *r)
{
	return get16(r->mem, r->used);
}

uint16_t gring_used_idx(const struct gring *r)
{
	return get16(r->mem, r->used + 2);
}

bool gring_take_used(struct gring *r, uint32_t *head, uint32_t *len)
{
	const uint8_t *e;

	if (r->seen_used == gring_used_idx(r))
		return false;
	e = at(r->mem, r->used + 4 + 8 * (uint64_t)(r->seen_used & (r->size - 1)), 8);
	*head = get_le32(e);
	*len = get_le32(e + 4);
	r->seen_used++;
	return true;
}
