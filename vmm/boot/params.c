/* SPDX-License-Identifier: Apache-2.0
 *
 * What both boot protocols need: the memory map, the command line, the initrd, descriptor and page
 * tables, and reading files straight into guest memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/util.h"
#include "vmm/boot/boot.h"
#include "vmm/mem/layout.h"

unsigned boot_memory_map(const struct gmem *mem, struct e820_entry out[E820_MAX])
{
	unsigned n = 0;

	out[n++] = (struct e820_entry){0, LAYOUT_EBDA, E820_RAM};
	out[n++] = (struct e820_entry){LAYOUT_EBDA, LAYOUT_ROM_AREA - LAYOUT_EBDA, E820_RESERVED};
	/* ACPI tables and SMBIOS. */
	out[n++] = (struct e820_entry){LAYOUT_BIOS, LAYOUT_HIGH_RAM - LAYOUT_BIOS, E820_RESERVED};
	out[n++] = (struct e820_entry){LAYOUT_HIGH_RAM, mem->regions[0].size - LAYOUT_HIGH_RAM, E820_RAM};
	out[n++] = (struct e820_entry){LAYOUT_ECAM, LAYOUT_ECAM_SIZE, E820_RESERVED};
	out[n++] = (struct e820_entry){LAYOUT_KVM_IDENTITY_MAP, 4 * 4096, E820_RESERVED};
	if (mem->n > 1)
		out[n++] = (struct e820_entry){mem->regions[1].gpa, mem->regions[1].size, E820_RAM};
	return n;
}

int boot_put_cmdline(struct gmem *mem, const char *cmdline, uint64_t limit, struct err *err)
{
	size_t n = strlen(cmdline);

	if (n > limit)
		return err_set(err, ERR_VM,
			       "kernel command line: %zu characters, this kernel takes %" PRIu64, n,
			       limit);
	if (gmem_write(mem, BOOT_CMDLINE, cmdline, n + 1) < 0)
		return err_set(err, ERR_VM, "kernel command line: no memory for %zu characters", n);
	return 0;
}

/*
 * The next bytes of [*off, *off + *n) that are no hole; false when only a hole is left. A file that
 * ends in the range is for the reader to find out, and so is one that knows no holes.
 */
static bool next_data(int fd, uint64_t *off, uint64_t *n)
{
	uint64_t end = *off + *n;
	off_t data = lseek(fd, (off_t)*off, SEEK_DATA), hole;
	struct stat st;

	if (data < 0 && errno == ENXIO && fstat(fd, &st) == 0 && (uint64_t)st.st_size >= end)
		return false;
	if (data < 0)
		return true;
	if ((uint64_t)data >= end)
		return false;
	hole = lseek(fd, data, SEEK_HOLE);
	*off = (uint64_t)data;
	*n = (hole > data ? min_u64(end, (uint64_t)hole) : end) - *off;
	return true;
}

int boot_read_file(struct gmem *mem, int fd, const char *what, uint64_t off, uint64_t n,
		   gpa_t gpa, struct err *err)
{
	uint8_t *host = gmem_ptr(mem, gpa, n);

	if (!host)
		return err_set(err, ERR_VM,
			       "%s: %" PRIu64 " KiB do not fit into guest memory at 0x%" PRIx64
			       ": give the VM more memory",
			       what, n / KIB, gpa);
	while (n) {
		uint64_t from = off, len = n;

		if (!next_data(fd, &from, &len))
			return 0;
		host += from - off;
		if (pread_all(fd, host, len, from, NULL) < 0)
			return errno == EIO
				       ? err_set(err, ERR_VM, "%s: the file is shorter than it says",
						 what)
				       : err_sys(err, ERR_VM, "%s: cannot read", what);
		n -= from - off + len;
		off = from + len;
		host += len;
	}
	return 0;
}

int boot_put_initrd(struct gmem *mem, int fd, gpa_t floor, gpa_t limit, gpa_t *gpa,
		    uint64_t *size, struct err *err)
{
	uint64_t top = min_u64(limit, mem->regions[0].size);
	struct stat st;

	*gpa = *size = 0;
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return err_sys(err, ERR_VM, "initrd");
	if (st.st_size <= 0)
		return err_set(err, ERR_VM, "initrd: the file is empty");
	*size = (uint64_t)st.st_size;
	if (floor >= top || *size > top - floor || align_down(top - *size, 4096) < floor)
		return err_set(err, ERR_VM,
			       "initrd: %" PRIu64 " MiB do not fit between the kernel and 0x%" PRIx64
			       ": give the VM more memory",
			       *size / MIB, top);
	*gpa = align_down(top - *size, 4096);
	return boot_read_file(mem, fd, "initrd", 0, *size, *gpa, err);
}

/* Flat segments of 4 GiB, present, accessed (SDM volume 3, 3.4.5). */
#define GDT_CODE32 UINT64_C(0x00cf9b000000ffff)
#define GDT_CODE64 UINT64_C(0x00af9b000000ffff)
#define GDT_DATA   UINT64_C(0x00cf93000000ffff)
#define GDT_TSS	   UINT64_C(0x00008b0000000067)

void boot_put_gdt(struct gmem *mem, enum boot_mode mode)
{
	uint64_t gdt[BOOT_GDT_ENTRIES] = {
		[BOOT_CS / 8] = mode == BOOT_LONG ? GDT_CODE64 : GDT_CODE32,
		[BOOT_DS / 8] = GDT_DATA,
		[BOOT_TSS / 8] = GDT_TSS,
	};

	gmem_write(mem, BOOT_GDT, gdt, sizeof(gdt));
}

void boot_put_page_tables(struct gmem *mem)
{
	enum { PAGE = 4096, PRESENT_WRITABLE = 3, LARGE = 1 << 7, ENTRIES = 512, PDS = 4 };
	const gpa_t pml4 = BOOT_PAGE_TABLES, pdpt = pml4 + PAGE, pd = pdpt + PAGE;
	uint64_t *tables = gmem_ptr(mem, pml4, (2 + PDS) * PAGE);

	if (!tables)
		return; /* machine memory is at least 2 MiB */
	tables[0] = pdpt | PRESENT_WRITABLE;
	for (unsigned i = 0; i < PDS; i++)
		tables[ENTRIES + i] = (pd + i * PAGE) | PRESENT_WRITABLE;
	for (uint64_t i = 0; i < PDS * ENTRIES; i++)
		tables[2 * ENTRIES + i] = i * (2 * MIB) | LARGE | PRESENT_WRITABLE;
}

int boot_load(struct gmem *mem, const struct boot_config *c, struct boot_entry *entry, struct err *err)
{
	char magic[4], name[256];
	size_t n;

	if (c->kernel_path)
		snprintf(name, sizeof(name), "'%s'", c->kernel_path);
	else
		snprintf(name, sizeof(name), "descriptor %d", c->kernel);
	if (pread_all(c->kernel, magic, sizeof(magic), 0, &n) < 0)
		return err_sys(err, ERR_VM, "kernel: cannot read %s", name);
	if (n < sizeof(magic))
		return err_set(err, ERR_VM, "kernel: %s has %zu bytes: that is no kernel", name, n);
	if (!memcmp(magic, "\177ELF", 4))
		return pvh_load(mem, c, entry, err);
	return bzimage_load(mem, c, entry, err);
}
