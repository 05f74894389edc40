/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a file that another still writes, as tail -f does. The writer says how far it has come
 * and the reader follows at its own pace, through the page cache: nothing is queued in memory, a
 * reader that is slow holds nobody up, and bytes that were there before (of a download that goes
 * on, of a local file) are read in the same way. The reader may be a thread, or a child in guard.h.
 */
#ifndef IMAGES_STORE_TAIL_H
#define IMAGES_STORE_TAIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tail {
	int fd;			/* the file; borrowed, read by pread */
	int bell;		/* an eventfd: the sum of what was added, and the flags of tail.c */
	_Atomic uint64_t *read; /* how far the reader is, in memory that a child shares */
	uint64_t off, have;	/* the reader's: next byte, bytes there are */
	bool ended;
};

/* 0, or -1 with errno set. tail_close when the reader is gone. */
int tail_open(struct tail *, int fd);
void tail_close(struct tail *); /* harmless when it was not opened (zeroed) */

/* The writer's side; none of these waits. */
void tail_add(struct tail *, uint64_t bytes); /* so many more bytes are in the file */
void tail_end(struct tail *);		      /* no more will come */
void tail_stop(struct tail *);		      /* the reader's next read fails with ECANCELED */
/* Bytes that were read, as the reader says: for showing only. */
uint64_t tail_done(const struct tail *);

/* The reader's side: waits for bytes. The count, 0 at the end, -1 with errno set. */
ssize_t tail_read(struct tail *, void *dst, size_t n);
/* From the beginning again. */
void tail_rewind(struct tail *);

#endif
