/* SPDX-License-Identifier: Apache-2.0
 *
 * Signatures by keys that are pinned. A key is pinned by its full fingerprint (the catalog's, or
 * that of the file the spec names); it is fetched once and kept in CACHE/keys/<fingerprint>.gpg,
 * alone, after its fingerprint was computed. gpgv checks signatures against these files and nothing
 * else; what it says in its status lines decides.
 */
#ifndef IMAGES_STORE_SIGNATURE_H
#define IMAGES_STORE_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "images/store/catalog/catalog.h"
#include "images/store/fetch/fetch.h"
#include "images/store/trust/openpgp.h"

enum { SIGNATURE_MAX_BYTES = 64 << 10, SIGNED_TEXT_MAX = 1 << 20 };

struct keyring {
	char fingerprints[CATALOG_MAX_KEYS][FINGERPRINT_TEXT];
	size_t n;
	char *dir; /* CACHE/keys, owned */
};

/* The catalog's keys: from CACHE/keys, else fetched. With `again`, fetched although they are
 * there. */
int keyring_fetch(const struct catalog_key *, size_t n, const char *cache_dir,
		  const struct fetcher *, bool again, struct keyring *out, struct err *);
/* The keys in a file of the user's, who pins them by naming it. */
int keyring_file(const char *path, const char *cache_dir, struct keyring *out, struct err *);
void keyring_done(struct keyring *);

/* Is gpgv there? ERR_HOST says how to get it. */
int signature_possible(struct err *);

/*
 * Checks a detached signature, armoured or not, over the text or (path not NULL) over a file.
 * `what` is what is signed, for messages. 0: good, by a pinned key whose fingerprint is in signer.
 * ERR_VERIFY says what it is instead; *stale (may be NULL) tells that newer copies of the keys
 * might help.
 */
int signature_detached(const struct keyring *, const char *what, const void *sig, size_t nsig,
		       const void *text, size_t n, const char *path, char signer[FINGERPRINT_TEXT],
		       bool *stale, struct err *);
/* The same for a clearsigned text: what was signed, as gpgv read it, is appended to `out`. */
int signature_clear(const struct keyring *, const char *what, const void *text, size_t n,
		    struct buf *out, char signer[FINGERPRINT_TEXT], bool *stale, struct err *);

/* --- for the tests ---------------------------------------------------------------------------- */

/* What gpgv's status lines amount to. */
int signature_judge(const struct keyring *, const char *what, const char *status, bool clear,
		    char signer[FINGERPRINT_TEXT], bool *stale, struct err *);

#endif
