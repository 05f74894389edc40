/* SPDX-License-Identifier: Apache-2.0
 *
 * Guest memory with guards: see guarded.h.
 */
#include "tests/lib/vmm/guarded.h"

#include <sys/mman.h>

#include "base/mem.h"
#include "base/util.h"

#define GUARD 4096

struct gmem *guarded_gmem(uint64_t bytes)
{
	struct gmem *m = NEW(struct gmem);
	uint8_t *p = mmap(NULL, bytes + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + GUARD, bytes, PROT_READ | PROT_WRITE) < 0)
		abort();
	m->size = bytes;
	m->n = 1;
	m->regions[0] = (struct gmem_region){.gpa = 0, .size = bytes, .host = p + GUARD};
	return m;
}

void guarded_check(const struct gmem *m, const void *p, uint64_t n)
{
	uint64_t off = (uint64_t)((const uint8_t *)p - m->regions[0].host);

	if (!range_inside(off, n, m->size))
		abort();
}
