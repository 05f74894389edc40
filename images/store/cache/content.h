/* SPDX-License-Identifier: Apache-2.0
 *
 * What a kept file must hash to. A file kept as it came has the digest that it came with. One that
 * was made here (unpacked, expanded) has a tree digest, which all cores compute together and which
 * passes over holes:
 *
 *     tree:<hex>  SHA-256 of the file's size (8 bytes, big-endian) and of the SHA-256 of each MiB
 *                 of it in order, the last of which may be shorter
 */
#ifndef IMAGES_STORE_CONTENT_H
#define IMAGES_STORE_CONTENT_H

#include <stdint.h>

#include "base/err.h"
#include "images/store/store.h"
#include "images/store/trust/hash.h"

enum { LEAF_BYTES = 1 << 20 };

struct tree;
struct tree *tree_new(uint64_t size, struct err *); /* of a file of this size, all zeroes */
/* Leaf number `index`: LEAF_BYTES, or what is left. Any thread, each leaf at most once. */
void tree_leaf(struct tree *, uint64_t index, const void *data);
void tree_final(const struct tree *, char out[DIGEST_TEXT]);
void tree_free(struct tree *);

/* The form: "tree:<hex>", or a digest as hash.h has them. */
bool content_valid(const char *text);
/* The tree digest of a file. */
int content_tree(int fd, const struct store_progress *, char out[DIGEST_TEXT], struct err *);
/* The digest of its bytes one after the other. */
int content_digest(int fd, enum hash_kind, const struct store_progress *, char out[DIGEST_TEXT],
		   struct err *);
/* Reads the file: 1 it is what `content` says, 0 it is not, -1 it could not be read. */
int content_check(int fd, const char *content, const struct store_progress *, struct err *);

#endif
