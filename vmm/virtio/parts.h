/* SPDX-License-Identifier: Apache-2.0
 *
 * A row of parts of guest memory as a run of bytes: copying from a byte offset, and cutting a piece
 * out as a row of its own. Offsets beyond the end are fine: there is nothing there.
 */
#ifndef VMM_VIRTIO_PARTS_H
#define VMM_VIRTIO_PARTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* What was just copied out of guest memory stays what it was: the compiler may not look again. */
static inline void read_once(void)
{
	__asm__ volatile("" ::: "memory");
}

/* The bytes that were copied: fewer than `len` when the parts end. */
size_t parts_read(const struct iovec *, unsigned n, uint64_t off, void *dst, size_t len);
size_t parts_write(const struct iovec *, unsigned n, uint64_t off, const void *src, size_t len);
/* Bytes [off, off + len): the count of parts in out, or -1 (they end before, or max is less). */
int parts_slice(const struct iovec *, unsigned n, uint64_t off, uint64_t len, struct iovec *out,
		int max);

#endif
