/* SPDX-License-Identifier: Apache-2.0
 *
 * Guest memory, and the one door to it. A range is given out whole, inside one region, or not at all;
 * nobody else computes a host address. What a guest wrote is read once into a local (gmem_read), then
 * checked, then used: the guest may change it at any moment.
 */
#ifndef VMM_MEM_GMEM_H
#define VMM_MEM_GMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef uint64_t gpa_t; /* guest physical address */

enum { GMEM_MAX_REGIONS = 4 };

struct gmem_region {
	gpa_t gpa;
	uint64_t size; /* bytes, page-aligned */
	uint8_t *host; /* aligned to 2 MiB in step with gpa, so that huge pages map */
};

struct gmem {
	struct gmem_region regions[GMEM_MAX_REGIONS]; /* ascending */
	unsigned n;
	uint64_t size; /* of all regions: what the guest was promised */
};

/* RAM below and above the PCI hole (layout.h); anonymous, reserved lazily, MADV_HUGEPAGE. */
struct gmem *gmem_new(uint64_t bytes, struct err *);
void gmem_free(struct gmem *);

/* The whole of [gpa, gpa + len) in one region, or NULL. len 0 is NULL. Any thread. */
void *gmem_ptr(const struct gmem *, gpa_t gpa, uint64_t len);

/* Copies; -1 when the range is not all RAM (it may cross regions only by failing). */
int gmem_read(const struct gmem *, gpa_t gpa, void *dst, size_t n);
int gmem_write(struct gmem *, gpa_t gpa, const void *src, size_t n);

/* Zeroes all of it by giving the pages back: for a reset. */
void gmem_clear(struct gmem *);

#endif
