/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel facts from anything that can be read at an offset: a descriptor, or a file inside an
 * image, of which only a few sectors are needed.
 */
#ifndef IMAGES_INSPECT_KERNEL_H
#define IMAGES_INSPECT_KERNEL_H

#include "images/inspect/inspect.h"

/* Reads up to n bytes at off; *got is how many there were. -1 on an I/O error. */
typedef int kernel_read(void *ctx, uint64_t off, void *dst, size_t n, size_t *got);

int kernel_facts_from(kernel_read *, void *ctx, struct kernel_facts *, struct err *);

#endif
