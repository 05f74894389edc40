/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel inside a bzImage, unpacked on the host: an ELF image, and behind it the relocations
 * that its decompressor would have applied (kernel: arch/x86/boot/compressed/misc.c). With them the
 * loader chooses where the kernel lies, in physical and in virtual memory, as its decompressor does
 * with CONFIG_RANDOMIZE_BASE: the guest gets its KASLR without the time to unpack itself.
 */
#ifndef VMM_BOOT_VMLINUX_H
#define VMM_BOOT_VMLINUX_H

#include <stdbool.h>

#include "vmm/boot/elf.h"

/* Lists of virtual addresses, cut to 32 bits, of what the slide is added to or taken from. */
struct relocations {
	uint32_t *words; /* owned */
	struct relocation_list {
		const uint32_t *at;
		size_t n;
	} add32, add64, subtract32;
};

struct vmlinux {
	struct elf_image elf;
	gpa_t link;	/* the physical address it is linked for */
	uint64_t need;	/* bytes of memory from its load address on */
	struct relocations relocs;
};

/* Where it goes: `load` is physical, `slide` is added to its virtual addresses; both 2 MiB aligned. */
struct vmlinux_place {
	gpa_t load;
	uint64_t slide;
};

/* Of the file's bytes [off, off + n). ERR_VM. Release with vmlinux_done. */
int vmlinux_read(int fd, uint64_t off, uint64_t n, gpa_t link, uint64_t need, struct vmlinux *,
		 struct err *);
void vmlinux_done(struct vmlinux *);

/* Can it lie elsewhere than it was linked for? */
bool vmlinux_can_move(const struct vmlinux *);

/* Anywhere in [lowest, top) and in the virtual addresses that a kernel has; false: no randomness. */
bool vmlinux_choose_place(const struct vmlinux *, gpa_t lowest, gpa_t top, uint64_t alignment,
			  struct vmlinux_place *);

/* *entry: its 64-bit entry, with paging on. */
int vmlinux_load(const struct vmlinux *, struct gmem *, const struct vmlinux_place *, gpa_t *entry,
		 struct err *);

#endif
