/* SPDX-License-Identifier: Apache-2.0
 *
 * io_uring as the asynchronous engine needs it: transfers and syncs of whole files, one completion
 * function each. Nothing here knows images. ring_open uses io_uring_setup, io_uring_register and
 * mmap, the rest io_uring_enter.
 */
#ifndef IMAGES_DISK_RING_H
#define IMAGES_DISK_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

enum { RING_SEGMENTS = 1024 }; /* IOV_MAX: iovecs of one transfer */

/* Owned by whoever starts it, until done. */
struct ring_op {
	void (*done)(struct ring_op *, int result); /* bytes or 0; -errno */
};

struct ring {
	struct io_uring uring;
	bool open;
	unsigned queued, flying; /* not yet handed to the kernel; not yet reaped, the queued too */
	struct iovec *segments;	 /* [RING_SEGMENTS], of what is queued */
	unsigned nsegments;
};

/*
 * At most `entries` operations fly at a time (the caller counts). Completions make `efd` readable.
 * Returns 0 or -errno; a kernel or a sandbox that has no io_uring for us says -ENOSYS or -EPERM.
 */
int ring_open(struct ring *, unsigned entries, int efd);
void ring_close(struct ring *);

/* Queue. What the iovecs point to stays until done; the array need not outlive the call. */
void ring_transfer(struct ring *, struct ring_op *, bool write, int fd, const struct iovec *, int n,
		   uint64_t off);
void ring_datasync(struct ring *, struct ring_op *, int fd);

/* Hands what is queued to the kernel. */
void ring_kick(struct ring *);
/* Calls done for what has completed; `wait`: for at least one (something must be flying). */
void ring_reap(struct ring *, bool wait);

#endif
