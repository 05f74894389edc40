/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalog: which images there are, where their publishers keep them, and whose signature is
 * good for them. It is data (templates/catalog.yaml, croft-catalog(5)): no distribution has code of
 * its own, only rules by name. Files are merged by the names of distributions; the first that has
 * one wins, and the catalog that croft was built with comes last.
 */
#ifndef IMAGES_STORE_CATALOG_H
#define IMAGES_STORE_CATALOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/yaml/diag.h"
#include "images/store/store.h"

struct catalog;

enum { CATALOG_MAX_MIRRORS = 8, CATALOG_MAX_KEYS = 4 };

/* How the exact file behind a name is found. */
enum catalog_rule {
	RULE_EXACT,    /* the path says it */
	RULE_MANIFEST, /* the JSON manifest of Debian's builds: {serial} and a digest */
	RULE_STREAMS,  /* simplestreams: {serial}, a digest and a size */
	RULE_LISTING,  /* the newest name in a directory or checksum file: {name} and {serial} */
	RULE_REDIRECT, /* where a floating URL leads */
	CATALOG_RULES
};

struct catalog_key {
	const char *url, *fingerprint; /* https; of the primary key, upper case, without blanks */
};

/*
 * One image on one architecture. Paths are relative to each mirror, or URLs of their own. What is
 * in braces is left for the rule to fill in: {serial}, {name}, and then {file}, the path of the
 * image, and {dir}, what is before its last slash. Strings live as long as the catalog.
 */
struct catalog_image {
	const char *name; /* "ubuntu:24.04/minimal": aliases and defaults written out */
	const char *user; /* or NULL */
	const char *mirrors[CATALOG_MAX_MIRRORS + 1];
	enum catalog_rule rule;
	const char *index;   /* what the rule reads, or whose redirect it follows */
	const char *product; /* RULE_STREAMS */
	const char
		*item; /* RULE_STREAMS: the item of a version; RULE_MANIFEST: the image's format */
	const char *match; /* RULE_LISTING: the name; a '*' is a number such as 9.6-20250531.0 */
	const char *path;  /* of the image; NULL for RULE_REDIRECT, and when the stream gives it */
	const char *checksums;	     /* a checksum file that names it, or NULL */
	const char *signature;	     /* detached, of the checksum file, or NULL */
	const char *image_signature; /* detached, of the image, or NULL */
	bool clearsigned;	     /* the checksum file holds its signature */
	struct catalog_key keys[CATALOG_MAX_KEYS];
	size_t nkeys;
	enum trust trust; /* the best that its publisher offers */
};

/*
 * Reads the files (those that are missing are left out; NULL: none) and the built-in catalog.
 * ERR_SPEC names file, line, column and the first complaint, and how many more there are.
 */
struct catalog *catalog_open(const char *const *files, struct err *);
/* As catalog_open, but never NULL, with all complaints, and with what is left when they are
 * heeded. */
struct catalog *catalog_check(const char *const *files);
const struct diags *catalog_diags(const struct catalog *);
void catalog_close(struct catalog *);

/* "name[:version][/variant]" on an architecture. ERR_NOT_FOUND says what is near. */
int catalog_find(struct catalog *, const char *name, const char *arch, struct catalog_image *out,
		 struct err *);

/* What `croft image search` lists: a version of a distribution. */
struct catalog_version {
	const char *distro, *title, *version, *user, *from;	      /* the file it is from */
	const char *const *aliases, *const *variants, *const *arches; /* NULL-terminated */
	bool is_default; /* what the distribution's name alone means */
	enum trust trust;
};
/* The versions in the catalog's order: true while there is one. *at is 0 for the first. */
bool catalog_next(const struct catalog *, size_t *at, struct catalog_version *out);

/* The architecture of this host, as the catalog calls it. */
const char *catalog_host_arch(void);

#endif
