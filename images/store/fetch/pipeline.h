/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens to an image while it comes: a thread hashes it and, when it is packed, a guarded
 * child unpacks it. Both follow the file behind whoever fills it (tail.h).
 */
#ifndef IMAGES_STORE_PIPELINE_H
#define IMAGES_STORE_PIPELINE_H

#include <pthread.h>

#include "images/store/fetch/unpack.h"
#include "images/store/store.h"
#include "images/store/trust/hash.h"

struct pipeline {
	int fd;		   /* the bytes as they come; borrowed */
	const char *image; /* where to unpack to; borrowed */
	enum hash_kind kind;
	uint64_t max_bytes;

	uint64_t have; /* bytes in fd */
	bool known;    /* what it is: `packing` is decided, and the child runs if it must */
	enum packing packing;

	struct tail hash_tail;
	struct hash *hash;
	pthread_t hasher;
	bool hashing;
	int hash_done;	/* an eventfd */
	int hash_errno; /* what the thread met, after hash_done */

	struct tail unpack_tail;
	struct guard guard;
	struct err unpack_err; /* what it said, once it ended (guard.pid is 0 again) */
	uint64_t unpacked;     /* bytes of the image; 0: failed, or not yet */
	struct unpack unpack;
	int image_fd;
};

/* Ready for bytes of fd. On failure, and after pipeline_stop, nothing is held. */
int pipeline_start(struct pipeline *, int fd, const char *image, enum hash_kind, uint64_t max_bytes,
		   struct err *);
/* So many more bytes are in the file. Fails when the child cannot be started. */
int pipeline_add(struct pipeline *, uint64_t bytes, struct err *);
/* True when the unpacker failed already; why is in unpack_err. */
bool pipeline_failed(struct pipeline *);
/* No more will come. Waits for the hash: "sha256:<hex>", and for what the file is. */
int pipeline_digest(struct pipeline *, const struct store_progress *, char out[DIGEST_TEXT],
		    struct err *);
/* Then: waits for the image, if it was packed. */
int pipeline_image(struct pipeline *, const struct store_progress *, struct err *);
/* Ends what runs and removes the image unless pipeline_image made it; harmless when repeated. */
void pipeline_stop(struct pipeline *);

#endif
