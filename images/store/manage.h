/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking after the cache: what is in it, is it still good, and away with what nobody needs. What
 * is in use is never removed: the caller's guard knows the VMs, the leases of store_get know
 * commands at work, and open files are seen by their locks.
 */
#ifndef IMAGES_STORE_MANAGE_H
#define IMAGES_STORE_MANAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "images/store/cache/record.h"
#include "images/store/store.h"

struct image_entry {
	struct image_record record; /* of a damaged one only the digest */
	char *path;
	uint64_t on_disk; /* bytes that it takes there */
	int64_t used;	  /* UNIX time of the last use */
	char *problem;	  /* why it cannot be used, or NULL */
};

struct image_list {
	struct image_entry *entries;
	size_t n, cap;
};

/* Everything in the cache, the most recently used first. */
int image_list_load(struct store *, struct image_list *, struct err *);
void image_list_done(struct image_list *);
/* What people call it: its name or its source. */
const char *image_entry_title(const struct image_entry *);
/*
 * The one that is meant by a name, a source, a digest or the beginning of one. ERR_NOT_FOUND;
 * ERR_USAGE when several are, with their digests.
 */
const struct image_entry *image_list_find(const struct image_list *, const char *text,
					  struct err *);

/* Reads the whole file: 1 good, 0 damaged (and put aside), -1. */
int store_verify(struct store *, const char *digest, const struct store_progress *, struct err *);

/* Asked while nobody can begin to use the image: 0 it is not used, or -1 with ERR_CONFLICT. */
struct image_guard {
	int (*unused)(void *ctx, const struct image_entry *, struct err *);
	void *ctx;
};

int store_remove(struct store *, const struct image_entry *, const struct image_guard *,
		 struct err *);

struct image_prune {
	bool unused;	    /* remove what no VM uses ... */
	uint64_t older_s;   /* ... and what was last used longer ago than this; 0: any */
	bool has_max;	    /* then the least recently used, until no more than ... */
	uint64_t max_bytes; /* ... is left, or all of it is used */
	bool dry_run;	    /* tell, and remove nothing */
	/* Each image that is removed, or would be. */
	void (*removed)(void *ctx, const struct image_entry *);
	void *ctx;
};

/*
 * Also clears away what interrupted commands left: damaged files that were put aside and that no VM
 * needs any more, parts of downloads that nobody went on with for a day, half-written files, and
 * locks, names and kernels of what is gone. *freed: bytes.
 */
int store_prune(struct store *, const struct image_prune *, const struct image_guard *,
		uint64_t *freed, struct err *);

/* --- bundles ---------------------------------------------------------------------------------- */

/*
 * Checks the image and writes it with its record to `path` (outfile.h). `digest` gets
 * "bundle:<hex>", of the record, which has everything else in it: who knows it can trust the
 * bundle.
 */
int store_export(struct store *, const struct image_entry *, const char *path,
		 const struct store_progress *, char digest[DIGEST_TEXT], struct err *);

struct image_import {
	const char *digest; /* what it must be: of the file, or "bundle:<hex>"; or NULL */
	const char *name;   /* to find it by, offline; or NULL */
};

/*
 * A bundle, or any local file that store_get takes. What a bundle says is believed when how->digest
 * is the bundle's; otherwise its image is a local file like others. *out as store_get's.
 */
int store_import(struct store *, const char *path, const struct image_import *how,
		 const struct store_progress *, struct image_have *out, struct err *);

#endif
