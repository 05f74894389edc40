/* SPDX-License-Identifier: Apache-2.0
 *
 * A file system made of a list of paths, and a set of volumes made of such: boot loader
 * configuration is tested and fuzzed without any disk image.
 */
#ifndef TESTS_LIB_INSPECT_MEMFS_H
#define TESTS_LIB_INSPECT_MEMFS_H

#include "images/inspect/volumes.h"

/* Directories exist because of the files in them. A content "-> x" makes a symbolic link to x. */
struct mem_file {
	const char *path;    /* "/boot/grub/grub.cfg" */
	const char *content; /* begins on the "disk" at MEM_FILE_BYTES times its number, from 1 */
	size_t size;	     /* 0: strlen(content) */
};

enum { MEM_FILE_BYTES = 4096 };

struct mem_disk {
	struct inspect in;
	struct volumes v;
};

void mem_disk_init(struct mem_disk *, const char *table);
void mem_disk_done(struct mem_disk *);

/* Adds a partition; the files are borrowed. Returns its index. */
int mem_disk_add(struct mem_disk *, unsigned number, const char *type_name, const char *label,
		 const char *uuid, const struct mem_file *files, size_t n);

/* Cuts an input at its NUL bytes into texts, each as long as it is; the caller frees them. */
void mem_split(const uint8_t *data, size_t n, char *text[], unsigned count);

#endif
