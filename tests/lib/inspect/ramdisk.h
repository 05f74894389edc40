/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk in memory, for inputs that are made up as the test runs.
 */
#ifndef TESTS_LIB_INSPECT_RAMDISK_H
#define TESTS_LIB_INSPECT_RAMDISK_H

#include "images/disk/block.h"

struct ramdisk {
	int fd; /* a memfd: pwrite changes the disk */
	struct blk *blk;
};

struct ramdisk ramdisk_new(uint64_t size);
void ramdisk_put(struct ramdisk *, uint64_t off, const void *data, size_t n);
void ramdisk_free(struct ramdisk *);

#endif
