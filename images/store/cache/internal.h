/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the store share: the cache directory, its locks, and the blobs in it.
 */
#ifndef IMAGES_STORE_INTERNAL_H
#define IMAGES_STORE_INTERNAL_H

#include "images/store/cache/record.h"
#include "images/store/store.h"
#include "images/store/trust/hash.h"

struct store {
	char *dir;
};

/* --- locks (lock.c) --------------------------------------------------------------------------- */

/*
 * A key is a digest, or what a source without one is known by; CACHE/locks/<hash of it> is its
 * lock. LOCK_MAKE: to make, replace or remove what the key names; one holder. LOCK_USE: it must
 * stay; any number. Order: the source's key, then the digest's.
 */
enum lock_mode { LOCK_USE, LOCK_MAKE };

/* Returns the descriptor whose close releases it. Waits, says so, and listens for Ctrl-C. */
int cache_lock(const struct store *, const char *key, enum lock_mode, const struct store_progress *,
	       struct err *);
/* Does not wait: ERR_CONFLICT when somebody holds it. */
int cache_trylock(const struct store *, const char *key, enum lock_mode, struct err *);
/* The same for a lock by its name in CACHE/locks. */
int cache_trylock_name(const struct store *, const char *name, enum lock_mode, struct err *);
/*
 * From LOCK_MAKE to LOCK_USE. Nearly always nobody gets in between, but flock(2) does not promise
 * that: who goes on must be able to find that the blob is gone.
 */
void cache_lock_share(int lock);

/* --- files in tmp/ (lock.c) ------------------------------------------------------------------- */

/* CACHE/tmp/<hash of key><suffix>: used by who holds LOCK_MAKE on the key. The caller frees. */
char *cache_tmp(const struct store *, const char *key, const char *suffix);
/*
 * Removes what killed processes left there. Parts of downloads stay for another `part_age_s`
 * seconds after they were last written.
 */
void cache_sweep(const struct store *, int64_t part_age_s);

enum { PART_AGE_S = 14 * 24 * 3600 };

/* --- blobs (cache.c) -------------------------------------------------------------------------- */

/* blobs/<algo>/<hex><suffix>, or NULL when it is no digest. The caller frees. */
char *blob_path(const struct store *, const char *digest, const char *suffix);
/* There is such a blob, damaged or not. */
bool blob_there(const struct store *, const char *digest);
/*
 * Reads the record and, when the file is not the one that was last checked (or `always`), the file:
 * 1 good, 0 there is none or it was damaged (then it was put aside, and said so), -1. The caller
 * holds a lock of either mode on the digest.
 */
int blob_check(const struct store *, const char *digest, bool always, const struct store_progress *,
	       struct image_record *out, struct err *);
/* Takes LOCK_USE, checks, and marks it as used now: 1 with *out filled, lease and all; 0; -1. */
int blob_use(const struct store *, const char *digest, const struct store_progress *,
	     struct image_record *rec, struct image_have *out, struct err *);
/*
 * Makes the file `tmp` (of `key`, whose lock the caller holds) a blob: checks it as an image,
 * expands it if it is compressed, and renames it into place. rec has digest, trust and where it
 * came from; the rest is filled in. `as_came`: `tmp` is what the digest is of. A format that is
 * wanted (want->has_format) is taken instead of guessed.
 *
 * On success *hold is a LOCK_USE on the digest, so that nobody removes the blob before the caller
 * has got to it; -1 when the key is the digest, whose lock the caller holds anyway.
 */
int blob_commit(const struct store *, const char *key, const char *tmp, bool as_came,
		const struct image_want *, const struct store_progress *, struct image_record *rec,
		int *hold, struct err *);
/* The last step of that, for an image whose record is complete: syncs it and gives it its name. */
int blob_publish(const struct store *, const char *key, const char *tmp,
		 const struct store_progress *, struct image_record *rec, int *hold, struct err *);
/* Removes file, record and what was made of them; the caller holds LOCK_MAKE. */
int blob_remove(const struct store *, const char *digest, struct err *);

/* What a source without a digest was found to be. False: not known. */
bool index_lookup(const struct store *, const char *key, char digest[DIGEST_TEXT]);
int index_record(const struct store *, const char *key, const char *digest, struct err *);

/* The index's key for a name of the catalog; arch NULL: this host's. The caller frees. */
char *name_key(const char *name, const char *arch);

/* --- progress --------------------------------------------------------------------------------- */

static inline bool progress_interrupted(const struct store_progress *p)
{
	return p && p->interrupted && p->interrupted(p->ctx);
}

static inline void progress_bytes(const struct store_progress *p, uint64_t done, uint64_t total)
{
	if (p && p->bytes)
		p->bytes(p->ctx, done, total);
}

static inline void progress_stage(const struct store_progress *p, const char *what)
{
	if (p && p->stage)
		p->stage(p->ctx, what);
}

static inline void progress_note(const struct store_progress *p, const char *what)
{
	if (p && p->note)
		p->note(p->ctx, what);
}

#endif
