/* SPDX-License-Identifier: Apache-2.0
 *
 * An ELF image at its PVH entry (Xen's docs/misc/pvh.pandoc, and include/public/arch-x86/hvm/
 * start_info.h): program headers are loaded where they say, and the XEN_ELFNOTE_PHYS32_ENTRY note
 * names the 32-bit entry. Serves vmlinux and any PVH firmware.
 */
#include <elf.h>
#include <inttypes.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "vmm/boot/boot.h"
#include "vmm/boot/elf.h"
#include "vmm/mem/layout.h"

enum {
	NOTE_PHYS32_ENTRY = 18,
	MAX_NOTES = 64 * 1024, /* bytes of a note segment that we look at */
	CMDLINE_LIMIT = 4095,
};

#define START_MAGIC 0x336ec578u

struct hvm_start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp;
	uint64_t memmap; /* from version 1 on */
	uint32_t memmap_entries, reserved;
};
static_assert(sizeof(struct hvm_start_info) == 56, "start_info.h");

struct hvm_module {
	uint64_t addr, size, cmdline, reserved;
};
static_assert(sizeof(struct hvm_module) == 32, "start_info.h");

struct hvm_memmap {
	uint64_t addr, size;
	uint32_t type, reserved;
};
static_assert(sizeof(struct hvm_memmap) == 24, "start_info.h");

/* What BOOT_PARAM holds. */
struct start {
	struct hvm_start_info info;
	struct hvm_module module;
	struct hvm_memmap memmap[E820_MAX];
};

static int bad(struct err *err, const char *why)
{
	return err_set(err, ERR_VM, "kernel: ELF image: %s", why);
}

/* Walks a note segment: name size, description size, type, then both, each padded. */
static bool find_entry(const uint8_t *p, uint64_t n, uint64_t align, uint64_t *entry)
{
	uint64_t off = 0;

	while (range_inside(off, 12, n)) {
		uint64_t name_size = get_le32(p + off), desc_size = get_le32(p + off + 4);
		uint32_t type = get_le32(p + off + 8);
		uint64_t name = off + 12, desc = name + align_up(name_size, align);

		if (!range_inside(name, name_size, n) || !range_inside(desc, desc_size, n))
			return false;
		if (type == NOTE_PHYS32_ENTRY && name_size == 4 && !memcmp(p + name, "Xen", 4) &&
		    desc_size >= 4) {
			*entry = desc_size >= 8 ? get_le64(p + desc) : get_le32(p + desc);
			return true;
		}
		off = desc + align_up(desc_size, align);
	}
	return false;
}

static int entry_of(const struct elf_image *im, uint64_t *entry, struct err *err)
{
	for (unsigned i = 0; i < im->n; i++) {
		const struct elf_segment *s = &im->segments[i];
		auto_free uint8_t *notes = NULL;

		if (s->type != PT_NOTE || !s->file_size || s->file_size > MAX_NOTES)
			continue;
		notes = xmalloc(s->file_size);
		if (pread_all(im->fd, notes, s->file_size, im->at + s->off, NULL) < 0)
			return bad(err, "the file ends inside its notes");
		if (find_entry(notes, s->file_size, s->align == 8 ? 8 : 4, entry))
			return 0;
	}
	return bad(err, "no PVH entry note (a kernel wants CONFIG_PVH)");
}

static void fill_start(struct gmem *mem, struct start *st, const struct boot_config *c,
		       gpa_t initrd, uint64_t initrd_size)
{
	struct e820_entry map[E820_MAX];
	unsigned n = boot_memory_map(mem, map);

	memset(st, 0, sizeof(*st));
	st->info = (struct hvm_start_info){
		.magic = START_MAGIC,
		.version = 1,
		.nr_modules = initrd_size != 0,
		.modlist = initrd_size ? BOOT_PARAM + offsetof(struct start, module) : 0,
		.cmdline = BOOT_CMDLINE,
		.rsdp = c->rsdp,
		.memmap = BOOT_PARAM + offsetof(struct start, memmap),
		.memmap_entries = n,
	};
	st->module = (struct hvm_module){.addr = initrd, .size = initrd_size};
	for (unsigned i = 0; i < n; i++)
		st->memmap[i] = (struct hvm_memmap){map[i].addr, map[i].size, map[i].type, 0};
}

int pvh_load(struct gmem *mem, const struct boot_config *c, struct boot_entry *entry,
	     struct err *err)
{
	struct start *start = gmem_ptr(mem, BOOT_PARAM, sizeof(*start));
	uint64_t ip = 0, initrd_size;
	gpa_t initrd, end = LAYOUT_HIGH_RAM;
	struct elf_image im;

	if (!start)
		return bad(err, "the VM has no memory to boot in");
	if (elf_read(c->kernel, 0, &im, err) < 0 || entry_of(&im, &ip, err) < 0)
		return -1;
	for (unsigned i = 0; i < im.n; i++) {
		const struct elf_segment *s = &im.segments[i];

		if (s->type != PT_LOAD || !s->mem_size)
			continue;
		if (elf_load_segment(&im, s, mem, s->addr, err) < 0)
			return -1;
		end = max_u64(end, s->addr + s->mem_size);
	}
	if (ip > UINT32_MAX || !gmem_ptr(mem, ip, 1))
		return bad(err, "its entry is outside the memory below 4 GiB");
	if (boot_put_cmdline(mem, c->cmdline, CMDLINE_LIMIT, err) < 0 ||
	    boot_put_initrd(mem, c->initrd, align_up(end, 4096), LAYOUT_4GIB, &initrd, &initrd_size,
			    err) < 0)
		return -1;
	fill_start(mem, start, c, initrd, initrd_size);
	boot_put_gdt(mem, BOOT_PVH);
	*entry = (struct boot_entry){
		.mode = BOOT_PVH,
		.ip = ip,
		.param = BOOT_PARAM,
		.gdt = BOOT_GDT,
	};
	return 0;
}
