/* SPDX-License-Identifier: Apache-2.0
 *
 * croft.lock, beside the spec: which bytes each image is that the specs of the directory name, and
 * who vouched for them when that was looked up. With it, everybody who has the file gets the same
 * bytes, and nothing has to be looked up again. It is made to be committed: sorted, the same bytes
 * for the same contents, one line a fact.
 *
 *     version: 1
 *     images:
 *       debian:13:
 *         x86_64:
 *           urls: [...]         mirrors of the exact file, in order
 *           digest: sha512:...
 *           size: 1234          bytes; left out when nobody says
 *           trust: checksum     what was proven then
 *           signer: ABCD...     the key, when trust is signed
 *           user: debian        the image's default user
 *           floating: true      other bytes may come to be at these addresses
 *           date: 2026-11-23T04:10:00Z
 */
#ifndef PROVISION_LOCK_H
#define PROVISION_LOCK_H

#include "base/err.h"
#include "images/store/catalog/source.h"

enum { LOCK_DATE = 20 + 1, LOCK_MAX_IMAGES = 1000 };

struct lock_item {
	char *key, *arch;	    /* "debian:13" or a URL, as the spec has it; "x86_64" */
	struct image_source source; /* name NULL for a URL */
	char date[LOCK_DATE];	    /* UTC, RFC 3339 */
};

struct lockfile {
	char *path;
	struct lock_item *items; /* sorted by key and architecture */
	size_t n, cap;
};

/* Reads the lock of a spec; one that is not there is empty. ERR_SPEC names line and column. */
int lock_load(const char *spec_path, struct lockfile *, struct err *);
void lock_done(struct lockfile *);
const struct lock_item *lock_find(const struct lockfile *, const char *key, const char *arch);

/*
 * Sets one entry and leaves the others, also those that somebody else is writing at this moment;
 * writes nothing when nothing changed but the date.
 */
int lock_put(const char *spec_path, const char *key, const char *arch, const struct image_source *,
	     struct err *);

enum lock_change {
	LOCK_SAME,
	LOCK_CHANGED,
	LOCK_ALARM, /* other bytes at an address that names one build */
};
enum lock_change lock_compare(const struct image_source *before, const struct image_source *now);

/* For the tests: the file's text. */
void lock_write(const struct lockfile *, struct buf *out);
int lock_read(const char *name, const char *text, size_t n, struct lockfile *, struct err *);

#endif
