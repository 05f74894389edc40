/* SPDX-License-Identifier: Apache-2.0
 *
 * The host file below an image: the only place of this layer that makes system calls on it.
 * Transfers are whole or fail; a failed sync stays failed, because the kernel forgets which pages
 * it lost (fsync(2), NOTES), and an answer of "durable" after that would be a lie.
 *
 * For sandboxes: once open, an image needs preadv, pwritev, fdatasync, fstat, fallocate and
 * ftruncate (with SIGXFSZ ignored where file sizes are limited), and what ring.h says of io_uring.
 *
 * Everything returns 0 or -errno.
 */
#ifndef IMAGES_DISK_HOST_H
#define IMAGES_DISK_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "images/disk/iov.h"

struct host {
	int fd;		 /* owned */
	bool sparse_end; /* what lies past the end reads as zeroes (otherwise -EIO) */
	bool is_blockdev;
	int sync_failed; /* -errno of the first sync that failed, or 0 */
};

/* Takes the descriptor over, also when it fails. Regular files and block devices only. */
int host_open(struct host *, int fd, struct err *);
void host_close(struct host *);
int host_size(const struct host *, uint64_t *size);

/*
 * Keeps others from writing to the file, or from using it while we write (`writable`), through the
 * open-file-description locks that QEMU's tools take too, so that `qemu-img` and a running VM see
 * each other. ERR_CONFLICT when somebody holds it. Released with the last copy of the descriptor.
 * File systems without locks are used without.
 */
int host_lock(const struct host *, bool writable, struct err *);
void host_unlock(const struct host *);

int host_read(const struct host *, void *dst, size_t n, uint64_t off);
int host_write(const struct host *, const void *src, size_t n, uint64_t off);
int host_readv(const struct host *, struct iov_pos *, size_t n, uint64_t off);
int host_writev(const struct host *, struct iov_pos *, size_t n, uint64_t off);
int host_sync(struct host *);
/* Takes the result of a sync that was made elsewhere (io_uring); returns as host_sync does. */
int host_synced(struct host *, int result);

/* Makes a range read as zeroes without growing the file. `punch`: its space should be freed. */
int host_zero(const struct host *, uint64_t off, uint64_t len, bool punch);
/* Frees the space of a range whose content no longer matters. Best effort. */
void host_discard(const struct host *, uint64_t off, uint64_t len);
int host_resize(const struct host *, uint64_t size);
/* Makes a file that ends earlier end there. */
int host_reach(const struct host *, uint64_t size);

/*
 * For tests: sees every operation that changes the file before it is made, and lets it fail.
 * Returns 0 or the -errno that the operation shall return instead of being made.
 */
enum host_op { HOST_WRITE, HOST_SYNC, HOST_ZERO, HOST_DISCARD, HOST_RESIZE };
struct host_watch {
	int (*op)(void *ctx, enum host_op op, int fd, uint64_t off, uint64_t len,
		  const struct iov_pos *data);
	void *ctx;
};
void host_set_watch(const struct host_watch *); /* borrowed; NULL: none */
/* What it says of an operation that is made elsewhere: 0, or -errno instead of making it. */
int host_will(const struct host *, enum host_op, uint64_t off, uint64_t len,
	      const struct iov_pos *);

#endif
