/* SPDX-License-Identifier: Apache-2.0
 *
 * Guest memory between two pages that nobody may touch: one byte outside it is a crash, which no
 * sanitizer would notice of plain mappings.
 */
#ifndef TESTS_LIB_VMM_GUARDED_H
#define TESTS_LIB_VMM_GUARDED_H

#include "vmm/mem/gmem.h"

/* One region from address 0; gmem_free frees it. */
struct gmem *guarded_gmem(uint64_t bytes);
/* Aborts unless [p, p + n) lies inside. */
void guarded_check(const struct gmem *, const void *p, uint64_t n);

#endif
