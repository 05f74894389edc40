/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests as the spec writes them ("sha256:<hex>", "sha512:<hex>"), and hashing of a stream.
 */
#ifndef IMAGES_STORE_HASH_H
#define IMAGES_STORE_HASH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { DIGEST_TEXT = 8 + 128 + 1 };

enum hash_kind { HASH_SHA256, HASH_SHA512, HASH_KINDS };

/* Checks the form; *kind and *hex (pointing into text) tell its parts. ERR_USAGE. */
int digest_parse(const char *text, enum hash_kind *kind, const char **hex, struct err *);
const char *hash_name(enum hash_kind); /* "sha256" */

struct hash;
struct hash *hash_new(enum hash_kind, struct err *);
void hash_update(struct hash *, const void *data, size_t n);
/* "sha256:<hex>", lower case, into out[DIGEST_TEXT]; the hash is spent. */
void hash_final(struct hash *, char *out);
void hash_free(struct hash *); /* NULL is fine */

/* Of what is in memory whole. */
enum { HASH_SHA256_BYTES = 32 };
void hash_sha256(const void *data, size_t n, unsigned char out[HASH_SHA256_BYTES]);

/* Of a whole file, as hash_final. ERR_FAILED when it cannot be read. */
int hash_file(enum hash_kind, int fd, char *out, struct err *);

/* Of a short text, as hex alone: for file names. out[65]. */
void hash_text(const char *text, char *out);

#endif
