/* SPDX-License-Identifier: Apache-2.0
 *
 * How bytes get here. An image is fetched into a .part file that survives cuts, Ctrl-C and kill -9,
 * hashed and unpacked in the same pass; texts (checksum files, manifests, keys) come whole into
 * memory. TLS is always checked, and a redirect never leads from https to http.
 *
 * Nothing of this knows the cache: the caller locks, names the files, checks what came as an image
 * and renames it into place.
 */
#ifndef IMAGES_STORE_FETCH_H
#define IMAGES_STORE_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "images/store/store.h"
#include "images/store/trust/hash.h"

/*
 * Small texts: whole into memory. A vtable, so that tests put a directory tree in the place of the
 * network. `urls` are mirrors in order, NULL-terminated; *final_url (may be NULL) is the address
 * after redirects and is owned by the caller. On failure *final_url is untouched.
 */
struct fetcher {
	/* Appends to `out`. Longer than max_bytes is ERR_VERIFY; ERR_DOWNLOAD: not to be had. */
	int (*text)(void *ctx, const char *const *urls, uint64_t max_bytes, struct buf *out,
		    char **final_url, struct err *);
	/* Where a URL leads, nothing downloaded (HEAD). */
	int (*locate)(void *ctx, const char *const *urls, char **final_url, struct err *);
	void *ctx; /* borrowed */
};

/* The network, and file://. `progress` (borrowed, may be NULL) hears of pauses; Ctrl-C ends it. */
void http_fetcher(struct fetcher *, const struct store_progress *progress);

struct fetch_request {
	const char *const *urls; /* mirrors in order, NULL-terminated; http, https or file:// */
	int src_fd;		 /* a local file instead of urls, or -1; borrowed, read by pread */
	/*
	 * CACHE/tmp/<key>.part: bytes as they came; its sidecar is <part>.json. They stay when the
	 * download was cut and the next call goes on from them. The caller locks the key.
	 */
	const char *part;
	const char *image; /* the image, if what came was packed; created here, absent otherwise */
	enum hash_kind hash;
	const char *digest;  /* expected "algo:hex" of the bytes as they came, or NULL */
	uint64_t size;	     /* expected bytes, 0 unknown */
	uint64_t max_bytes;  /* of the download, and of the unpacked image */
	unsigned stall_s;    /* seconds of (nearly) nothing that end a try; 0: 60 */
	unsigned backoff_ms; /* the first pause between tries, which doubles; 0: a second */
};

struct fetched {
	char digest[DIGEST_TEXT]; /* of the bytes as they came */
	uint64_t bytes;		  /* how many came */
	bool packed;		  /* the image is in `image`; otherwise it is `part` itself */
	char *url;		  /* the mirror that gave it; NULL for src_fd */
};

/*
 * Runs on the caller's thread, where `progress` (may be NULL) is called too; several threads may
 * fetch at once, each into files of its own.
 *
 * ERR_DOWNLOAD names URL, offset, reason and next move; the part stays. A digest or a length that
 * is not the expected one is ERR_VERIFY with both values: final, the part is removed and no mirror
 * tried. An archive that is hostile or holds no image: ERR_VERIFY or ERR_CORRUPT, part removed.
 * A full disk is ERR_HOST, ERR_INTERRUPTED is Ctrl-C: the part stays. `image` never stays on
 * failure.
 */
int fetch_image(const struct fetch_request *, const struct store_progress *progress,
		struct fetched *, struct err *);
void fetched_done(struct fetched *);

#endif
