/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts a kernel into guest memory and says how its first CPU starts. Two protocols: a bzImage at its
 * 64-bit entry (Documentation/arch/x86/boot.rst, 64-bit boot protocol), and an ELF image at its PVH
 * entry (Xen's docs/misc/pvh.pandoc). The kernel and the initrd are read from descriptors at their
 * start each time, so a reset loads them anew.
 */
#ifndef VMM_BOOT_BOOT_H
#define VMM_BOOT_BOOT_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/mem/gmem.h"

struct boot_config {
	int kernel;
	const char *kernel_path; /* for messages; NULL: it came as a descriptor */
	int initrd; /* -1: none */
	const char *cmdline;
	gpa_t rsdp; /* where the ACPI tables begin */
};

enum boot_mode {
	BOOT_LONG, /* 64-bit, paging on, RSI = param */
	BOOT_PVH,  /* 32-bit protected, paging off, EBX = param */
};

struct boot_entry {
	enum boot_mode mode;
	gpa_t ip;    /* first instruction */
	gpa_t param; /* zero page, or hvm_start_info */
	gpa_t gdt;   /* BOOT_GDT_ENTRIES descriptors */
	gpa_t cr3;   /* BOOT_LONG: page tables that map the low 4 GiB one to one */
};

/* Segment selectors of the GDT (boot.rst: __BOOT_CS 0x10, __BOOT_DS 0x18). */
enum { BOOT_CS = 0x10, BOOT_DS = 0x18, BOOT_TSS = 0x20, BOOT_GDT_ENTRIES = 5 };

/* Chooses by the file's magic. Errors name what in the file is wrong; ERR_VM. */
int boot_load(struct gmem *, const struct boot_config *, struct boot_entry *, struct err *);

/* --- what the protocols share (params.c) ------------------------------------------------------------ */

/* Where things lie below the EBDA. */
#define BOOT_GDT	 UINT64_C(0x00000500)
#define BOOT_PARAM	 UINT64_C(0x00007000) /* zero page, or hvm_start_info and what it points to */
#define BOOT_PAGE_TABLES UINT64_C(0x00009000) /* PML4, PDPT, four PDs: six pages */
#define BOOT_CMDLINE	 UINT64_C(0x00020000)

/* The kernel's view of memory: e820 types, which hvm_start_info uses as well. */
enum { E820_RAM = 1, E820_RESERVED = 2 };
struct e820_entry {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed));
enum { E820_MAX = 8 };
unsigned boot_memory_map(const struct gmem *, struct e820_entry out[E820_MAX]);

/* Places the command line; `limit` is the longest the kernel takes (without the NUL). */
int boot_put_cmdline(struct gmem *, const char *cmdline, uint64_t limit, struct err *);

/* Reads the initrd as high as possible below `limit` and above `floor`; *size 0 when there is none. */
int boot_put_initrd(struct gmem *, int fd, gpa_t floor, gpa_t limit, gpa_t *gpa, uint64_t *size,
		    struct err *);

/*
 * Reads a file's range into guest memory that is still zero, so holes are not read: a short file, or a
 * place that is not RAM, is an error.
 */
int boot_read_file(struct gmem *, int fd, const char *what, uint64_t off, uint64_t n, gpa_t,
		   struct err *);

/* Descriptors, and for BOOT_LONG the page tables. */
void boot_put_gdt(struct gmem *, enum boot_mode);
void boot_put_page_tables(struct gmem *);

int bzimage_load(struct gmem *, const struct boot_config *, struct boot_entry *, struct err *);
int pvh_load(struct gmem *, const struct boot_config *, struct boot_entry *, struct err *);

#endif
