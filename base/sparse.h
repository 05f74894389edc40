/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a file whose runs of zeroes become holes.
 */
#ifndef BASE_SPARSE_H
#define BASE_SPARSE_H

#include <stddef.h>
#include <stdint.h>

struct sparse {
	int fd;		  /* borrowed; empty at first */
	uint32_t granule; /* holes are looked for in aligned pieces of so many bytes; 0: 16 KiB */
	uint64_t dirty;	  /* bytes below were written and may be other than zero */
};

/*
 * Puts data at `off`; what was put there before is overwritten. Only pwrite is used, so the file
 * may end before its last hole: the caller sets its length (ftruncate). 0, or -1 with errno set.
 */
int sparse_put(struct sparse *, uint64_t off, const void *data, size_t n);

#endif
