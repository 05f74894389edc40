/* SPDX-License-Identifier: Apache-2.0
 *
 * A bzImage at its 64-bit entry (Documentation/arch/x86/boot.rst; the zero page: zero-page.rst). The
 * kernel decompresses itself, unless the host unpacked it (images/inspect/unpack.h): then its setup
 * header is followed by the ELF image. Real-mode entry, kernels older than boot protocol 2.12
 * (Linux 3.8) and 32-bit kernels are refused by name.
 */
#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/util.h"
#include "vmm/boot/boot.h"
#include "vmm/boot/vmlinux.h"
#include "vmm/mem/layout.h"

enum {
	SECTOR = 512,
	HEADER = 0x1f1,	     /* where the setup header begins, in the file and in the zero page */
	HEADER_END_MAX = 0x290, /* where the zero page has other things */
	ENTRY_64 = 0x200,    /* from the start of the protected-mode code */
	MIN_VERSION = 0x020c,

	/* Offsets in the setup header, counted from the file's start. */
	SETUP_SECTS = 0x1f1,
	BOOT_FLAG = 0x1fe,
	JUMP_LENGTH = 0x201,
	MAGIC = 0x202,
	VERSION = 0x206,
	TYPE_OF_LOADER = 0x210,
	LOADFLAGS = 0x211,
	CODE32_START = 0x214,
	RAMDISK_IMAGE = 0x218,
	RAMDISK_SIZE = 0x21c,
	HEAP_END_PTR = 0x224,
	CMD_LINE_PTR = 0x228,
	INITRD_ADDR_MAX = 0x22c,
	KERNEL_ALIGNMENT = 0x230,
	RELOCATABLE = 0x234,
	XLOADFLAGS = 0x236,
	CMDLINE_SIZE = 0x238,
	PAYLOAD_OFFSET = 0x248,
	PAYLOAD_LENGTH = 0x24c,
	PREF_ADDRESS = 0x258,
	INIT_SIZE = 0x260,
	HEADER_NEEDED = 0x264, /* fields up to here exist in every version we take */

	/* In the zero page only. */
	ACPI_RSDP_ADDR = 0x070,
	E820_ENTRIES = 0x1e8,
	E820_TABLE = 0x2d0,

	LOADED_HIGH = 1 << 0,
	KASLR_FLAG = 1 << 1,
	CAN_USE_HEAP = 1 << 7,
	XLF_KERNEL_64 = 1 << 0,
	LOADER_UNREGISTERED = 0xff,
	ZERO_PAGE = 4096,
};

struct image {
	uint8_t header[1024]; /* the file's first bytes */
	uint64_t setup_bytes; /* boot sector and real-mode code, which we skip */
	uint64_t code_bytes;
	uint64_t init_size;   /* memory the kernel needs from its load address on */
	gpa_t load, entry;
	bool unpacked, randomized;
};

static int bad(struct err *err, const char *why)
{
	return err_set(err, ERR_VM, "kernel: %s", why);
}

static bool is_unpacked(int fd, const struct image *im)
{
	char magic[SELFMAG];

	return pread_all(fd, magic, sizeof(magic),
			 im->setup_bytes + get_le32(im->header + PAYLOAD_OFFSET), NULL) == 0 &&
	       !memcmp(magic, ELFMAG, SELFMAG);
}

static int read_header(int fd, struct image *im, struct err *err)
{
	const uint8_t *h = im->header;
	unsigned sectors;
	struct stat st;

	if (fstat(fd, &st) < 0 || pread_all(fd, im->header, sizeof(im->header), 0, NULL) < 0)
		return bad(err, "neither an ELF image nor a bzImage: the file is too short");
	if (get_le16(h + BOOT_FLAG) != 0xaa55 || memcmp(h + MAGIC, "HdrS", 4))
		return bad(err, "neither an ELF image nor a bzImage (no HdrS at 0x202)");
	if (get_le16(h + VERSION) < MIN_VERSION)
		return err_set(err, ERR_VM, "kernel: boot protocol %d.%02d, need 2.12 (Linux 3.8) or newer",
			       h[VERSION + 1], h[VERSION]);
	if (!(get_le16(h + XLOADFLAGS) & XLF_KERNEL_64) || !(h[LOADFLAGS] & LOADED_HIGH))
		return bad(err, "not a 64-bit kernel (XLF_KERNEL_64 is not set)");
	if (MAGIC + h[JUMP_LENGTH] < HEADER_NEEDED)
		return bad(err, "its setup header is too short for its version");

	sectors = h[SETUP_SECTS] ? h[SETUP_SECTS] : 4; /* 0 means 4, for historical reasons */
	im->setup_bytes = (sectors + 1) * SECTOR;
	if (st.st_size < 0 || (uint64_t)st.st_size <= im->setup_bytes + ENTRY_64)
		return bad(err, "the file ends inside its setup code");
	im->code_bytes = (uint64_t)st.st_size - im->setup_bytes;
	im->init_size = get_le32(h + INIT_SIZE);
	im->unpacked = is_unpacked(fd, im);
	if (!im->unpacked)
		im->init_size = max_u64(im->init_size, im->code_bytes);
	return 0;
}

/* At its preferred address, or as low as a relocatable kernel lets us when that is beyond memory. */
static int choose_load(struct gmem *mem, struct image *im, struct err *err)
{
	uint64_t alignment = get_le32(im->header + KERNEL_ALIGNMENT);

	im->load = get_le64(im->header + PREF_ADDRESS);
	if (im->load >= LAYOUT_HIGH_RAM && gmem_ptr(mem, im->load, im->init_size))
		return 0;
	if (im->header[RELOCATABLE] && is_pow2(alignment)) {
		im->load = align_up(LAYOUT_HIGH_RAM, alignment);
		if (gmem_ptr(mem, im->load, im->init_size))
			return 0;
	}
	return err_set(err, ERR_VM,
		       "kernel: it needs %" PRIu64 " MiB from 0x%" PRIx64
		       " on, the VM has %" PRIu64 " MiB: give it more memory",
		       im->init_size / MIB + 1, im->load, mem->size / MIB);
}

/* Has the command line this word, or one that begins with it when it ends with '='? */
static bool has_option(const char *cmdline, const char *word)
{
	const size_t n = strlen(word);

	for (const char *p = cmdline; (p = strstr(p, word)); p += n)
		if ((p == cmdline || isspace((unsigned char)p[-1])) &&
		    (word[n - 1] == '=' || !p[n] || isspace((unsigned char)p[n])))
			return true;
	return false;
}

/*
 * Where it prefers to be, or anywhere below `top`, by the kernel's own switches
 * (kernel-parameters.txt): nokaslr, and those that take memory away, for which its decompressor
 * would look. Then only its virtual place is chosen.
 */
static void choose_place(const struct vmlinux *v, const char *cmdline, struct image *im, gpa_t top,
			 struct vmlinux_place *place)
{
	uint64_t alignment = max_u64(get_le32(im->header + KERNEL_ALIGNMENT), 2 * MIB);

	if (!vmlinux_can_move(v) || !is_pow2(alignment) || im->load % alignment ||
	    has_option(cmdline, "nokaslr"))
		return;
	if (has_option(cmdline, "mem=") || has_option(cmdline, "memmap="))
		top = im->load + im->init_size;
	im->randomized = vmlinux_choose_place(v, im->load, top, alignment, place);
}

static int load_unpacked(struct gmem *mem, const struct boot_config *c, struct image *im, gpa_t top,
			 struct err *err)
{
	uint64_t off = get_le32(im->header + PAYLOAD_OFFSET);
	uint64_t n = get_le32(im->header + PAYLOAD_LENGTH);
	struct vmlinux_place place = {.load = im->load};
	struct vmlinux v;
	int rc;

	if (!range_inside(off, n, im->code_bytes))
		return bad(err, "the file ends inside its payload");
	rc = vmlinux_read(c->kernel, im->setup_bytes + off, n,
			  get_le64(im->header + PREF_ADDRESS), im->init_size, &v, err);
	if (rc == 0 && im->load % (2 * MIB))
		rc = bad(err, "it prefers an address that is no multiple of 2 MiB");
	if (rc == 0) {
		choose_place(&v, c->cmdline, im, top, &place);
		rc = vmlinux_load(&v, mem, &place, &im->entry, err);
	}
	im->load = place.load;
	vmlinux_done(&v);
	return rc;
}

static int load_packed(struct gmem *mem, const struct boot_config *c, struct image *im,
		       struct err *err)
{
	im->entry = im->load + ENTRY_64;
	return boot_read_file(mem, c->kernel, "kernel", im->setup_bytes, im->code_bytes, im->load,
			      err);
}

static void fill_zero_page(struct gmem *mem, uint8_t *zp, const struct image *im,
			   const struct boot_config *c, gpa_t initrd, uint64_t initrd_size)
{
	size_t end = min_u64(MAGIC + im->header[JUMP_LENGTH], HEADER_END_MAX);
	struct e820_entry map[E820_MAX];
	unsigned n = boot_memory_map(mem, map);

	memset(zp, 0, ZERO_PAGE);
	memcpy(zp + HEADER, im->header + HEADER, end - HEADER);
	zp[TYPE_OF_LOADER] = LOADER_UNREGISTERED;
	zp[LOADFLAGS] |= CAN_USE_HEAP | (im->randomized ? KASLR_FLAG : 0);
	put_le16(zp + HEAP_END_PTR, 0xfe00);
	put_le32(zp + CODE32_START, (uint32_t)im->load);
	put_le32(zp + CMD_LINE_PTR, BOOT_CMDLINE);
	put_le32(zp + RAMDISK_IMAGE, (uint32_t)initrd);
	put_le32(zp + RAMDISK_SIZE, (uint32_t)initrd_size);
	put_le64(zp + ACPI_RSDP_ADDR, c->rsdp);
	zp[E820_ENTRIES] = (uint8_t)n;
	memcpy(zp + E820_TABLE, map, n * sizeof(map[0]));
}

int bzimage_load(struct gmem *mem, const struct boot_config *c, struct boot_entry *entry,
		 struct err *err)
{
	uint8_t *zero_page = gmem_ptr(mem, BOOT_PARAM, ZERO_PAGE);
	uint64_t initrd_size;
	struct image im = {.randomized = false};
	gpa_t initrd, limit, top;

	if (!zero_page)
		return bad(err, "the VM has no memory to boot in");
	if (read_header(c->kernel, &im, err) < 0 || choose_load(mem, &im, err) < 0)
		return -1;
	if (boot_put_cmdline(mem, c->cmdline, get_le32(im.header + CMDLINE_SIZE), err) < 0)
		return -1;
	limit = (gpa_t)get_le32(im.header + INITRD_ADDR_MAX) + 1;
	if (boot_put_initrd(mem, c->initrd, im.load + im.init_size, limit, &initrd, &initrd_size,
			    err) < 0)
		return -1;
	top = initrd_size ? initrd : min_u64(limit, mem->regions[0].size);
	if ((im.unpacked ? load_unpacked(mem, c, &im, top, err) : load_packed(mem, c, &im, err)) < 0)
		return -1;
	fill_zero_page(mem, zero_page, &im, c, initrd, initrd_size);
	boot_put_gdt(mem, BOOT_LONG);
	boot_put_page_tables(mem);
	*entry = (struct boot_entry){
		.mode = BOOT_LONG,
		.ip = im.entry,
		.param = BOOT_PARAM,
		.gdt = BOOT_GDT,
		.cr3 = BOOT_PAGE_TABLES,
	};
	return 0;
}
