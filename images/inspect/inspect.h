/* SPDX-License-Identifier: Apache-2.0
 *
 * What a disk image contains, read without mounting anything: partitions, file systems, os-release,
 * and the boot entry that its own boot loader configuration selects. All of it is untrusted input.
 */
#ifndef IMAGES_INSPECT_INSPECT_H
#define IMAGES_INSPECT_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "images/disk/block.h"

enum { INSPECT_MAX_PARTS = 128 };

struct inspect_part {
	unsigned number;    /* as the guest numbers it; 0: the whole disk */
	uint64_t off, size; /* bytes on the disk */
	char type[40]; /* GPT type GUID, or "0x83" for MBR; empty for a whole-disk file system */
	char type_name[24]; /* "esp", "xbootldr", "bios-boot", "linux", "root-x86-64", "lvm",
			       "swap", "" */
	char name[73];	    /* GPT name, UTF-8 */
	char partuuid[40];
	char fs[16]; /* "ext4", "ext3", "ext2", "xfs", "btrfs", "vfat", "iso9660", "swap", "lvm2",
			"" */
	char fs_label[64], fs_uuid[40];
	bool fs_dirty;	  /* the journal needs recovery */
	bool fs_replayed; /* and was applied in full while reading: the guest will see the same */
	char note[128];	  /* why it cannot be read, if so */
};

/* How the entry was found. */
enum boot_source { BOOT_NONE, BOOT_BLS, BOOT_GRUB, BOOT_EXTLINUX, BOOT_NEWEST };
const char *boot_source_name(enum boot_source);

enum { BOOT_MAX_INITRDS = 4 };

/* A piece of the disk; size 0: none. */
struct boot_env {
	uint64_t off;
	uint32_t size;
};

enum { BOOT_MAX_ENV = 64 * 1024 };

struct boot_entry {
	enum boot_source source;
	unsigned part;	  /* partition that holds kernel and initrd */
	char config[256]; /* path of the file that named it, on that partition */
	char title[256];
	char kernel[256]; /* paths on the partition */
	char initrd[BOOT_MAX_INITRDS][256];
	unsigned ninitrd;
	char cmdline[2048];   /* as written, without BOOT_IMAGE */
	struct boot_env used; /* the grubenv whose next_entry counts only once: see inspect_use */
};

/* Facts of a bzImage (Documentation/arch/x86/boot.rst) or an ELF vmlinux. */
struct kernel_facts {
	char kind[12];	   /* "bzImage", "vmlinux", "" */
	char version[128]; /* "6.1.0-37-cloud-amd64 (...) #1 SMP ..." */
	uint16_t protocol; /* 0x20f */
	bool entry64, relocatable, above4g, pvh;
	uint32_t cmdline_size, init_size, initrd_addr_max;
	uint64_t pref_address;
	char payload[8]; /* "gzip", "xz", "lz4", "zstd", ... of the compressed vmlinux, "" if
			    unknown */
};

struct os_release {
	char id[64], version_id[64], pretty_name[128], id_like[64];
};

struct inspect {
	struct blk_info image; /* filled by the caller that opened the file; not touched here */
	uint64_t disk_size;
	char table[8];	 /* "gpt", "mbr", "none" */
	bool gpt_backup; /* the primary header was bad: the backup was used */
	struct inspect_part part[INSPECT_MAX_PARTS];
	unsigned nparts;
	unsigned root_part; /* index into part[] of the file system with os-release; -1u: none */
	struct os_release os;
	struct boot_entry boot; /* boot.source == BOOT_NONE: none found, boot_note says why */
	char boot_note[512];	/* what was looked at and the next move */
	struct kernel_facts kernel;
	char *trail; /* owned: one line for each thing looked at, for `image inspect -v` */
};

/*
 * Looks at the whole disk. Returns an inspect also when no boot entry was found; NULL only when the
 * disk cannot be read at all. Release with inspect_free.
 *
 * This and inspect_extract read the image in a child process that can do nothing else, so that
 * bytes which break a reader of file systems cost an error (ERR_CORRUPT) and not the caller.
 */
struct inspect *inspect_disk(struct blk *, struct err *);
void inspect_free(struct inspect *);

/* The same as JSON text (one object), for -o json. The caller frees. */
char *inspect_json(const struct inspect *);

/*
 * Copies a file of a partition into `out_fd`, at most max_bytes. Fails with ERR_CORRUPT when the
 * file system is broken, ERR_NOT_FOUND when the file is not there.
 */
int inspect_extract(struct blk *, const struct inspect *, unsigned part_number, const char *path,
		    int out_fd, uint64_t max_bytes, struct err *);

/*
 * Clears next_entry in the environment block, as GRUB does when it takes the entry: otherwise
 * `grub-reboot` would decide about each start from then on. It writes over the block where it is,
 * as GRUB does, and nothing when there is no such block: the place is a finding, and untrusted.
 */
int inspect_use(struct blk *, const struct boot_env *, struct err *);

/*
 * Reads the facts of a kernel; the descriptor's offset is not used. ERR_UNSUPPORTED: not a
 * kernel.
 */
int kernel_facts_read(int fd, struct kernel_facts *, struct err *);

/*
 * The command line a guest gets: the entry's options without BOOT_IMAGE and crashkernel=, with
 * console=ttyS0,115200n8 last unless `append` sets a console, then `append`; what the entry has for
 * init, behind "--", stays at the end. At most n bytes; ERR_SPEC with the number when longer than
 * `limit` (the kernel's cmdline_size).
 */
int boot_cmdline(const struct boot_entry *, const char *append, uint32_t limit, char *out, size_t n,
		 struct err *);

#endif
