/* SPDX-License-Identifier: Apache-2.0
 *
 * Images in memory, for tests: memfds that look like files to images/disk.
 */
#ifndef TESTS_LIB_DISK_IMAGE_H
#define TESTS_LIB_DISK_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "images/disk/block.h"

/* All of these end the program when they fail: they are the ground that a test stands on. */
int mem_file(const void *bytes, size_t n); /* a descriptor; n bytes of it */
/* A new description of the same file: as another process would have it. */
int mem_reopen(int fd);
uint8_t *mem_bytes(int fd, size_t *n); /* the content; the caller frees */

/* A new qcow2 image. */
int mem_qcow2(uint64_t size, uint32_t cluster, bool extended);
int mem_overlay(uint64_t size, uint32_t cluster, bool extended, enum blk_format, uint64_t backing);

/* Opens images, which stay the caller's: top, and what lies below or -1. NULL when refused. */
struct blk *mem_open(int top, enum blk_format, int below, enum blk_format, unsigned flags,
		     struct err *);
/* A qcow2 image without anything below; must work. */
struct blk *mem_must_open(int fd, unsigned flags);

/* Corruptions that qcheck finds, told on stderr. */
unsigned mem_corruptions(int fd);
unsigned mem_leaks(int fd);

#endif
