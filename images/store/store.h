/* SPDX-License-Identifier: Apache-2.0
 *
 * Where images come from: a path, file://, http:// or https://, and the content-addressed cache they
 * are kept in. Bytes are hashed while they stream and enter the cache by rename, under the name of
 * what they hash to, after they were checked as an image; nothing half-made is ever seen there.
 *
 *     CACHE/blobs/<algo>/<hex>        the image, read-only
 *     CACHE/blobs/<algo>/<hex>.json   where it came from, what was verified, when
 *     CACHE/boot/<algo>-<hex>/        what others made from it to boot it; removed with it
 *     CACHE/tmp/                      what is being written; swept when nobody holds its lock
 *
 * docs/images.md has the rest.
 */
#ifndef IMAGES_STORE_STORE_H
#define IMAGES_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "images/disk/block.h"

struct store;

/* How far an image may be trusted, least first. */
enum trust {
	TRUST_UNVERIFIED, /* nothing to compare with: needs --insecure */
	TRUST_LOCAL,	  /* the user's own file */
	TRUST_CHECKSUM,	  /* matched the publisher's checksum file, which came over TLS */
	TRUST_DIGEST,	  /* matched the digest that the spec or the lock file names */
	TRUST_SIGNED,	  /* checksum file or image signed by a key pinned in the catalog or the spec */
	TRUST_LEVELS
};
const char *trust_name(enum trust);
bool trust_parse(const char *name, enum trust *out); /* false: no such level */

/* What is being waited for; all callbacks may be NULL. Called on the caller's thread. */
struct store_progress {
	void (*stage)(void *ctx, const char *what);	/* "downloading https://...", "checking" */
	void (*bytes)(void *ctx, uint64_t done, uint64_t total); /* total 0: unknown */
	void (*note)(void *ctx, const char *text);	/* what the user should know, and will stay true */
	bool (*interrupted)(void *ctx);			/* true: stop with ERR_INTERRUPTED */
	void *ctx;
};

struct image_source;

struct image_want {
	const char *path;   /* absolute, or */
	const char *url;    /* file://, http://, https://, or */
	const char *name;   /* in the catalogs: "debian:13", "ubuntu:24.04/minimal" */
	const char *arch;   /* "x86_64", "aarch64"; NULL: this host's */
	const char *digest; /* "sha256:<hex>" or "sha512:<hex>", or NULL */
	bool remembered;    /* the digest is what the VM was made from: it must be that, and proves nothing */
	bool has_format;
	enum blk_format format;
	enum trust verify;  /* the least that is accepted */
	struct {
		const char *url, *key; /* the spec's image.signature: where it is, and the key's file */
	} signature;
	const char *const *catalogs; /* files, NULL-terminated; the first that has a name wins */
	const struct image_source *pinned; /* from croft.lock: no request is made to resolve; or NULL */
	const struct image_source *resolved; /* what source_resolve said of this want just now; or NULL */
	bool insecure;	    /* nothing to compare with is allowed */
	bool offline;	    /* no request is made: cached, or ERR_DOWNLOAD */
	uint64_t max_bytes; /* of the file and of its virtual size; 0: 1 TiB */
};

/* What max_bytes says, or its default. */
static inline uint64_t store_max_bytes(const struct image_want *want)
{
	return want->max_bytes ? want->max_bytes : UINT64_C(1) << 40;
}

struct image_lease;

struct image_have {
	char *path;	       /* in the cache; owned */
	enum blk_format format;
	uint64_t virtual_size; /* bytes */
	enum trust trust;      /* the best that was proven of this digest */
	char signer[64 + 1];   /* the key's full fingerprint, or "" */
	char digest[8 + 128 + 1];  /* "sha256:<hex>" of the file as it came */
	char content[8 + 128 + 1]; /* what the file at `path` hashes to (content.h) */
	char *source, *user;   /* URL or path; the image's default user or NULL. Owned */
	uint64_t bytes;	       /* as they came; 0 unknown */
	bool was_cached;
	struct image_lease *lease; /* as long as it is held, nobody removes the image */
};

/* Opens (and makes) the cache. */
struct store *store_open(const char *dir, struct err *);
void store_close(struct store *);

/* The directory for what is made from an image to boot it, there or not; the caller frees. */
char *image_boot_dir(const char *cache, const char *digest);

/*
 * Makes the image available. Several processes may ask for the same one at once: one fetches, the
 * others wait. ERR_DOWNLOAD names URL, offset, reason and next move; ERR_VERIFY is final.
 */
int store_get(struct store *, const struct image_want *, const struct store_progress *,
	      struct image_have *out, struct err *);
void image_have_done(struct image_have *);
/* For who takes have->lease out: it is to be held until something else says that the image is used. */
void image_lease_free(struct image_lease *); /* NULL is fine */

/*
 * Finds what store_get would return without a request: 1 cached, 0 not, -1 error. For `plan` and
 * no-op checks.
 */
int store_find(struct store *, const struct image_want *, const struct store_progress *,
	       struct image_have *out, struct err *);

#endif
