/* SPDX-License-Identifier: Apache-2.0
 *
 * Compressed images, expanded once so that no guest read ever waits for an inflater: every core
 * inflates, what is zero stays a hole, and the tree digest (content.h) comes out of the same pass.
 */
#ifndef IMAGES_STORE_EXPAND_H
#define IMAGES_STORE_EXPAND_H

#include "images/disk/block.h"
#include "images/store/store.h"
#include "images/store/trust/hash.h"

/* What expanding an image would meet. */
struct survey {
	uint64_t packed; /* bytes of the file that are compressed clusters; 0: nothing to expand */
	uint64_t stored; /* bytes of the file that hold data, compressed or not */
	uint64_t expanded; /* bytes of the disk that they become, at most */
};

/*
 * Walks the image's tables. ERR_VERIFY when clusters are referred to more often than a file can be
 * (a bomb: a small file whose tables make terabytes of it).
 */
int image_survey(struct blk *, uint64_t file_size, const struct store_progress *, struct survey *,
		 struct err *);

/*
 * Writes the disk that `src` presents as a raw image into the empty file `out` (`name`: for
 * messages), and its tree digest into `content`. The file is not synced; on failure the caller
 * removes it. ERR_CORRUPT names where the image is damaged, ERR_HOST a disk that is full.
 */
int image_expand(struct blk *src, int out, const char *name, const struct store_progress *,
		 char content[DIGEST_TEXT], struct err *);

#endif
