/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole tree as text, one line a node with kind, size and checksum, from a file system inside an
 * image and from a directory of the host: equal texts are equal trees.
 */
#ifndef TESTS_LIB_INSPECT_TREE_H
#define TESTS_LIB_INSPECT_TREE_H

#include "base/buf.h"
#include "images/inspect/fsys.h"

/* Nodes that cannot be read are left out; returns how many. "lost+found" is left out by both. */
unsigned tree_of_fsys(struct fsys *, struct buf *out);
void tree_of_host(const char *dir, struct buf *out);

/* The first line in which two trees differ, as "'here' and 'there'"; NULL when they are the
 * same. */
const char *tree_difference(const char *here, const char *there);

#endif
