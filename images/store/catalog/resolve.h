/* SPDX-License-Identifier: Apache-2.0
 *
 * What a publisher's index says of the newest image: Debian's manifests, Ubuntu's simplestreams,
 * directory listings and checksum files. Each reads a text that somebody else wrote, and may be
 * asked by anyone; nothing is fetched here.
 */
#ifndef IMAGES_STORE_RESOLVE_H
#define IMAGES_STORE_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "images/store/trust/hash.h"

enum {
	INDEX_MAX_BYTES = 32 << 20,
	SERIAL_TEXT = 64 + 1,
	NAME_TEXT = 255 + 1,
	INDEX_PATH_TEXT = 512 + 1,
};

/* "" and 0 where the index does not say. */
struct found {
	char serial[SERIAL_TEXT];   /* "20260712-2537": letters, digits, '.', '-', '_' */
	char name[NAME_TEXT];	    /* of the file, without directories */
	char path[INDEX_PATH_TEXT]; /* where it is, by the index's own rules */
	char digest[DIGEST_TEXT];
	uint64_t size;
};

/*
 * `from` is the index's URL, for messages. ERR_VERIFY: it is not what it should be; ERR_NOT_FOUND:
 * it is, and does not have what was asked for.
 */
/* The upload of a build in this format: serial, name, digest. */
int manifest_find(const char *text, size_t n, const char *from, const char *format, struct found *,
		  struct err *);
/* The newest version of a product that has the item: serial, name, path, digest, size. */
int streams_find(const char *text, size_t n, const char *from, const char *product,
		 const char *item, struct found *, struct err *);
/*
 * The newest of the names in the text that fit `match`, in which each '*' stands for a number of
 * parts ("9.6-20250531.0"). The serial is what the stars stand for, joined by '-'.
 */
int listing_find(const char *text, size_t n, const char *from, const char *match, struct found *,
		 struct err *);

/* Runs of digits compare as numbers: "20260712-9" is before "20260712-10". As strcmp. */
int serial_compare(const char *a, const char *b);
/* Both copy what may stand in a URL's path and nothing else; false when the text is no such
 * thing. */
bool serial_copy(const char *text, char out[SERIAL_TEXT]);
bool path_copy(const char *text, char out[INDEX_PATH_TEXT]);

#endif
