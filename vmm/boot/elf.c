/* SPDX-License-Identifier: Apache-2.0
 *
 * ELF headers and segments: see elf.h. Both classes come in one shape: a 64-bit vmlinux, and 32-bit
 * firmware.
 */
#include "vmm/boot/elf.h"

#include <elf.h>
#include <inttypes.h>

#include "base/file.h"
#include "base/util.h"
#include "vmm/boot/boot.h"
#include "vmm/mem/layout.h"

static int bad(struct err *err, const char *why)
{
	return err_set(err, ERR_VM, "kernel: ELF image: %s", why);
}

static struct elf_segment segment64(const uint8_t *ph)
{
	return (struct elf_segment){.type = get_le32(ph),
				    .off = get_le64(ph + 8),
				    .addr = get_le64(ph + 24),
				    .file_size = get_le64(ph + 32),
				    .mem_size = get_le64(ph + 40),
				    .align = get_le64(ph + 48)};
}

static struct elf_segment segment32(const uint8_t *ph)
{
	return (struct elf_segment){.type = get_le32(ph),
				    .off = get_le32(ph + 4),
				    .addr = get_le32(ph + 12),
				    .file_size = get_le32(ph + 16),
				    .mem_size = get_le32(ph + 20),
				    .align = get_le32(ph + 28)};
}

int elf_read(int fd, uint64_t at, struct elf_image *out, struct err *err)
{
	uint8_t e[sizeof(Elf64_Ehdr)], ph[sizeof(Elf64_Phdr)];
	uint64_t phoff, shoff, shsize;
	size_t phsize;
	bool wide;

	*out = (struct elf_image){.fd = fd, .at = at};
	if (pread_all(fd, e, sizeof(e), at, NULL) < 0)
		return bad(err, "the file ends inside its header");
	wide = e[EI_CLASS] == ELFCLASS64;
	if (memcmp(e, ELFMAG, SELFMAG) || (!wide && e[EI_CLASS] != ELFCLASS32) ||
	    e[EI_DATA] != ELFDATA2LSB)
		return bad(err, "not for a PC (class or byte order)");
	if (get_le16(e + 18) != (wide ? EM_X86_64 : EM_386))
		return bad(err, "not for x86");
	out->entry = wide ? get_le64(e + 24) : get_le32(e + 24);
	phoff = wide ? get_le64(e + 32) : get_le32(e + 28);
	phsize = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	out->n = get_le16(e + (wide ? 56 : 44));
	if (get_le16(e + (wide ? 54 : 42)) != phsize)
		return bad(err, "program headers of an unknown size");
	if (!out->n || out->n > ELF_MAX_SEGMENTS || phoff > UINT32_MAX)
		return bad(err, "no program headers, or too many");

	shoff = wide ? get_le64(e + 40) : get_le32(e + 32);
	shsize = (uint64_t)get_le16(e + (wide ? 58 : 46)) * get_le16(e + (wide ? 60 : 48));
	if (shoff > UINT32_MAX)
		return bad(err, "section headers beyond 4 GiB");
	out->size = max_u64(phoff + out->n * phsize, shoff + shsize);
	for (unsigned i = 0; i < out->n; i++) {
		struct elf_segment *s = &out->segments[i];

		if (pread_all(fd, ph, phsize, at + phoff + i * phsize, NULL) < 0)
			return bad(err, "the file ends inside its program headers");
		*s = wide ? segment64(ph) : segment32(ph);
		if (s->type == PT_LOAD && s->file_size > s->mem_size)
			return bad(err, "a segment is larger in the file than in memory");
		if (s->off > UINT32_MAX || s->file_size > UINT32_MAX)
			return bad(err, "a segment beyond 4 GiB");
		out->size = max_u64(out->size, s->off + s->file_size);
	}
	return 0;
}

int elf_load_segment(const struct elf_image *im, const struct elf_segment *s, struct gmem *mem,
		     gpa_t gpa, struct err *err)
{
	if (gpa < LAYOUT_HIGH_RAM)
		return bad(err, "a segment lies below 1 MiB, where the boot parameters are");
	if (!gmem_ptr(mem, gpa, s->mem_size))
		return err_set(err, ERR_VM,
			       "kernel: ELF image: %" PRIu64 " KiB at 0x%" PRIx64
			       " are outside guest memory: give the VM more memory",
			       s->mem_size / KIB, gpa);
	if (!s->file_size)
		return 0;
	return boot_read_file(mem, im->fd, "kernel: ELF image", im->at + s->off, s->file_size, gpa,
			      err);
}
