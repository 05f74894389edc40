/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzing a file system by damaging a good one: the input says which bytes of an image, among those
 * that are not zero, get which value, so that each change lies in metadata or data and not in the
 * empty rest.
 */
#ifndef TESTS_LIB_INSPECT_MUTANT_H
#define TESTS_LIB_INSPECT_MUTANT_H

#include "tests/lib/inspect/fixture.h"
#include "tests/lib/inspect/ramdisk.h"

struct mutant {
	struct ramdisk ram;
	uint64_t size;
	uint8_t *original;
	uint32_t *chunk; /* offsets of the pieces that hold anything */
	uint32_t nchunks;
};

/* The files every image gets: names, links, a file of several blocks. In the tree "t". */
void mutant_tree(struct fixture *);
/* Loads dir/NAME and removes it. */
void mutant_load(struct mutant *, struct fixture *, const char *name);
/* Applies an input of 5-byte records (place, value), reads everything there is, and puts it
 * back. */
void mutant_try(struct mutant *, const uint8_t *data, size_t n);

#endif
