/* SPDX-License-Identifier: Apache-2.0
 *
 * A driver's half of a split ring, on plain guest memory, as honest or as hostile as a test likes.
 */
#ifndef TESTS_LIB_VMM_GRING_H
#define TESTS_LIB_VMM_GRING_H

#include <linux/virtio_ring.h>
#include <stdbool.h>

#include "vmm/mem/gmem.h"

struct gring {
	struct gmem *mem;
	uint16_t size;
	gpa_t desc, avail, used;
	uint16_t next_desc, avail_idx, seen_used;
};

/* Puts the three parts at `at`, zeroed; returns the first address behind them. */
gpa_t gring_place(struct gring *, struct gmem *, uint16_t size, gpa_t at);

void gring_desc_at(struct gmem *, gpa_t table, unsigned i, uint64_t addr, uint32_t len,
		   uint16_t flags, uint16_t next);
void gring_put_desc(struct gring *, unsigned i, uint64_t addr, uint32_t len, uint16_t flags,
		    uint16_t next);
/* Makes a head available: entry and index. */
void gring_offer(struct gring *, uint16_t head);
void gring_set_avail_idx(struct gring *, uint16_t idx);
void gring_set_avail_flags(struct gring *, uint16_t flags);
void gring_set_used_event(struct gring *, uint16_t idx);
uint16_t gring_avail_event(const struct gring *);
uint16_t gring_used_flags(const struct gring *);
uint16_t gring_used_idx(const struct gring *);
/* The next used entry that was not taken yet. */
bool gring_take_used(struct gring *, uint32_t *head, uint32_t *len);

#endif
