/* SPDX-License-Identifier: Apache-2.0
 *
 * From what the spec asks for ("debian:13", a URL) to exactly which bytes, and who says so: the
 * catalog's rules find the exact file behind a floating name, the publisher's checksum file gives
 * its digest, and a signature by a pinned key makes that digest the publisher's word.
 */
#ifndef IMAGES_STORE_SOURCE_H
#define IMAGES_STORE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "images/store/fetch/fetch.h"
#include "images/store/store.h"
#include "images/store/trust/hash.h"
#include "images/store/trust/signature.h"

enum { SOURCE_MAX_URLS = CATALOG_MAX_MIRRORS };

/* All pointers are owned: image_source_done. */
struct image_source {
	char *name;			 /* "debian:13" as asked for, or NULL for a bare url */
	char *urls[SOURCE_MAX_URLS + 1]; /* NULL-terminated mirrors of the exact file */
	char digest[DIGEST_TEXT];	 /* "" when nobody says */
	uint64_t size;			 /* 0 unknown */
	enum trust trust;
	char signer[FINGERPRINT_TEXT]; /* full fingerprint, "" if none */
	char *user;		       /* the image's default user, or NULL */
	bool dated; /* the URL pins its content: another digest there is an alarm */
	bool has_format;
	enum blk_format format;

	/* A signature over the image itself can only be checked once that is here:
	 * source_check_image. */
	struct buf signature; /* empty: there is none to check */
	struct keyring keys;
};

/*
 * Answers for want->name and want->url; for want->path there is nothing to look up (no urls, the
 * digest as given). With want->resolved or want->pinned it is a copy of that, and no request is
 * made.
 *
 * What is less than want->verify, or unverified without want->insecure, is ERR_VERIFY, which says
 * what to do. ERR_NOT_FOUND: no such image (with the nearest name). ERR_DOWNLOAD: as the fetcher
 * says, or a request is needed and want->offline forbids it.
 */
int source_resolve(const struct image_want *, const char *cache_dir, const struct fetcher *,
		   const struct store_progress *, struct image_source *out, struct err *);

/*
 * The best that can be proven of a want, as far as that is known without a request. ERR_VERIFY when
 * source_resolve would find it too little, ERR_NOT_FOUND when no catalog has the name.
 */
int source_ahead(const struct image_want *, enum trust *out, struct err *);

/*
 * Checks the signature over the image, when that is what the publisher signs: `path` holds the
 * bytes as they came. To be called before they become a blob; sets source->signer. Returns 0 at
 * once when there is none. ERR_VERIFY otherwise when it is not good.
 */
int source_check_image(struct image_source *, const char *path, struct err *);

void image_source_done(struct image_source *);

#endif
