/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cache knows of an image: CACHE/blobs/<algo>/<hex>.json beside the file, and the head of
 * a bundle. docs/images.md describes the format.
 */
#ifndef IMAGES_STORE_RECORD_H
#define IMAGES_STORE_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "images/store/store.h"
#include "images/store/trust/hash.h"

struct image_record {
	char digest[DIGEST_TEXT];  /* of the file as it came: what was verified, and the blob's name
				    */
	char content[DIGEST_TEXT]; /* of the file as kept (content.h); "" in a record of version 1
				    */
	enum blk_format came;	   /* the format it had */
	enum blk_format format;	   /* and has as kept */
	uint64_t virtual_size, bytes; /* of the disk; of the file as it came, 0 unknown */
	enum trust trust;	      /* the best that was ever proven here */
	char signer[64 + 1];	      /* the key's full fingerprint, when trust is TRUST_SIGNED */
	char *source, *name,
		*user;	 /* URL or path; "debian:13" or NULL; default user or NULL. Owned */
	int64_t fetched; /* UNIX time */
	struct kept {
		uint64_t size, inode;
		int64_t mtime_ns;
	} kept; /* the file when its content was last checked; zeroes: never */
};

/*
 * Nothing in the text is trusted: forms, lengths and ranges are checked. ERR_CORRUPT says what is
 * wrong; *out is untouched then.
 */
int image_record_parse(const char *text, size_t n, struct image_record *out, struct err *);
/* As JSON; NULL when a name is not UTF-8. The caller frees. */
char *image_record_text(const struct image_record *, struct err *);

enum { IMAGE_RECORD_MAX = 64 << 10 };

int image_record_load(const char *path, struct image_record *out, struct err *);
int image_record_save(const char *path, const struct image_record *, struct err *);
void image_record_done(struct image_record *);

/* What stat says of the kept file, and whether that is what it said at the last check. */
struct kept kept_of(const struct stat *);
bool kept_same(const struct kept *, const struct stat *);

#endif
