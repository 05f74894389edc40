/* SPDX-License-Identifier: Apache-2.0
 *
 * Decompression of one qcow2 cluster: deflate without a header, or zstd. A cluster inflates to
 * exactly one cluster, whatever its data would rather.
 */
#ifndef IMAGES_DISK_INFLATE_H
#define IMAGES_DISK_INFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "images/disk/qcow2_header.h"

/* What one thread needs to inflate; its memory is bounded by the largest cluster. */
struct inflater;

struct inflater *inflater_new(void);   /* NULL: no memory */
void inflater_free(struct inflater *); /* NULL is fine */
/* Room for n bytes of input, until the next call; NULL: no memory. */
uint8_t *inflater_input(struct inflater *, size_t n);
/* The first n bytes of the input make exactly out_len bytes. 0, -EIO, -ENOMEM. */
int inflater_run(struct inflater *, enum qcow2_compression, size_t n, uint8_t *out, size_t out_len);

#endif
