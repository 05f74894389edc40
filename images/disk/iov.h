/* SPDX-License-Identifier: Apache-2.0
 *
 * A position in a scatter list that is consumed front to back: a request meets one extent of an
 * image after the other and hands each its share of the caller's memory, without copying.
 */
#ifndef IMAGES_DISK_IOV_H
#define IMAGES_DISK_IOV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct iov_pos {
	const struct iovec *iov; /* borrowed; the segment that is consumed next */
	int n;			 /* segments left, with this one */
	size_t skip;		 /* bytes of it that are gone */
};

#define IOV_POS(iov_, n_) ((struct iov_pos){.iov = (iov_), .n = (n_)})

/* Sums the lengths; false when the sum does not fit, or a count is negative. */
_Bool iov_total(const struct iovec *, int n, uint64_t *total);

/*
 * Takes up to `len` bytes: writes at most *nout segments to `out`, sets *nout to how many, and
 * returns how many bytes they hold, which is less than `len` when the segments did not suffice.
 */
size_t iov_take(struct iov_pos *, size_t len, struct iovec *out, int *nout);

/* Passes over `len` bytes; the list holds them. */
void iov_skip(struct iov_pos *, size_t len);

/* Fills, or copies between the list and a flat buffer; the list holds at least `len` bytes more. */
void iov_put_zeroes(struct iov_pos *, size_t len);
void iov_put(struct iov_pos *, const void *src, size_t len);
void iov_get(struct iov_pos *, void *dst, size_t len);

#endif
