/* SPDX-License-Identifier: Apache-2.0
 *
 * A large file, cut into chunks that all cores work on. The caller's thread waits, tells the
 * progress and listens for Ctrl-C.
 */
#ifndef IMAGES_STORE_CHUNKS_H
#define IMAGES_STORE_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "images/store/store.h"

struct chunks {
	uint64_t total, size; /* bytes, and bytes of a chunk: the last may be shorter */
	size_t memory;	      /* bytes that a thread needs: bounds how many there are */
	/* What one thread owns; NULL: no memory. Both may be NULL. */
	void *(*begin)(void *ctx);
	void (*end)(void *own);
	/* Called on any thread, once for each chunk, nearly in order. */
	int (*one)(void *ctx, void *own, uint64_t off, size_t len, struct err *);
	void *ctx;
};

/*
 * Returns when every chunk is done, or the first failure after all threads have stopped.
 * ERR_INTERRUPTED when progress says so.
 */
int chunks_run(const struct chunks *, const struct store_progress *progress, struct err *);

#endif
