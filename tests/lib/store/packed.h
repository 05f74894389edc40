/* SPDX-License-Identifier: Apache-2.0
 *
 * A small compressed qcow2, made by hand: for tests of what qemu-img would not write.
 */
#ifndef TESTS_LIB_STORE_PACKED_H
#define TESTS_LIB_STORE_PACKED_H

#include <stdbool.h>
#include <stdint.h>

struct packed_image {
	uint64_t clusters;  /* of 64 KiB: the disk, at most 8192 */
	uint64_t used;	    /* how many of the first hold data */
	bool shared;	    /* all of them refer to the first one's bytes */
	unsigned char flip; /* other data */
	bool cut;	    /* the last one's stream is damaged */
	bool plain;	    /* the data clusters are not compressed */
};

/* What cluster number i holds: noise that compresses. out[65536] */
void packed_content(const struct packed_image *, uint64_t i, unsigned char *out);
/* Writes it to a new file. Returns the file's size. */
uint64_t packed_write(const char *path, const struct packed_image *);

#endif
