/* SPDX-License-Identifier: Apache-2.0
 *
 * The segments of an ELF image, wherever in a file it begins: what a PVH kernel and an unpacked
 * bzImage have in common.
 */
#ifndef VMM_BOOT_ELF_H
#define VMM_BOOT_ELF_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/mem/gmem.h"

enum { ELF_MAX_SEGMENTS = 64 };

struct elf_segment {
	uint32_t type;
	uint64_t off, file_size, mem_size, addr, align; /* off: in the ELF image; addr: physical */
};

struct elf_image {
	int fd;	     /* borrowed */
	uint64_t at; /* where in the file the image begins */
	uint64_t entry;
	uint64_t size; /* up to the end of its segments, headers and sections */
	struct elf_segment segments[ELF_MAX_SEGMENTS];
	unsigned n;
};

/* Reads the headers of an x86 image of either class. ERR_VM says what is wrong with it. */
int elf_read(int fd, uint64_t at, struct elf_image *, struct err *);

/* Puts a segment's bytes at `gpa`; memory beyond them is zero in a fresh machine. */
int elf_load_segment(const struct elf_image *, const struct elf_segment *, struct gmem *, gpa_t gpa,
		     struct err *);

#endif
