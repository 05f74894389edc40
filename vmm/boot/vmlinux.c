/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads an unpacked kernel where chance puts it: see vmlinux.h.
 */
#include "vmm/boot/vmlinux.h"

#include <elf.h>
#include <inttypes.h>
#include <sys/random.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"

#define START_KERNEL_MAP  UINT32_C(0x80000000) /* __START_KERNEL_map, cut to 32 bits */
#define KERNEL_IMAGE_SIZE GIB		       /* what the kernel maps there */
enum { MAX_RELOCATIONS = 4 << 20 };

static int bad(struct err *err, const char *why)
{
	return err_set(err, ERR_VM, "kernel: unpacked image: %s", why);
}

/*
 * In the file: 0, 64-bit ones, 0, those to subtract from, 0, 32-bit ones. Since Linux 6.15 nothing is
 * subtracted from, and that list is not there (arch/x86/tools/relocs.c, emit_relocs).
 */
static int split(struct relocations *r, size_t n, struct err *err)
{
	struct relocation_list lists[3];
	unsigned nlists = 0;

	if (r->words[0])
		return bad(err, "its relocations do not begin with a stop");
	for (size_t i = 0; i < n; i++) {
		if (r->words[i] == 0) {
			if (nlists == ARRAY_LEN(lists))
				return bad(err, "it has too many lists of relocations");
			lists[nlists++] = (struct relocation_list){.at = r->words + i + 1};
		} else {
			lists[nlists - 1].n++;
		}
	}
	if (nlists < 2)
		return bad(err, "it has one list of relocations");
	r->add64 = lists[0];
	r->add32 = lists[nlists - 1];
	if (nlists == 3)
		r->subtract32 = lists[1];
	return 0;
}

static int read_relocations(struct vmlinux *v, uint64_t off, uint64_t bytes, struct err *err)
{
	size_t n = bytes / 4;

	if (!n)
		return 0; /* a kernel without CONFIG_RANDOMIZE_BASE */
	if (bytes % 4 || n > MAX_RELOCATIONS)
		return bad(err, "what follows the ELF image is no list of relocations");
	v->relocs.words = xmalloc(bytes);
	if (pread_all(v->elf.fd, v->relocs.words, bytes, off, NULL) < 0)
		return bad(err, "the file ends inside its relocations");
	for (size_t i = 0; i < n; i++)
		v->relocs.words[i] = get_le32(&v->relocs.words[i]);
	return split(&v->relocs, n, err);
}

int vmlinux_read(int fd, uint64_t off, uint64_t n, gpa_t link, uint64_t need, struct vmlinux *v,
		 struct err *err)
{
	*v = (struct vmlinux){.link = link, .need = need};
	if (elf_read(fd, off, &v->elf, err) < 0)
		return -1;
	if (v->elf.size > n)
		return bad(err, "its ELF image is longer than its header says");
	if (!range_inside(v->elf.entry - link, 1, need))
		return bad(err, "its entry is outside of it");
	for (unsigned i = 0; i < v->elf.n; i++) {
		const struct elf_segment *s = &v->elf.segments[i];

		if (s->type == PT_LOAD &&
		    (s->addr < link || !range_inside(s->addr - link, s->mem_size, need)))
			return bad(err, "a segment is outside the memory that its header asks for");
	}
	return read_relocations(v, off + v->elf.size, n - v->elf.size, err);
}

void vmlinux_done(struct vmlinux *v)
{
	free(v->relocs.words);
	v->relocs = (struct relocations){0};
}

bool vmlinux_can_move(const struct vmlinux *v)
{
	return v->relocs.words;
}

/* One of the aligned places in [from, to - need]; `from` is aligned. */
static bool choose_slot(uint64_t from, uint64_t to, uint64_t need, uint64_t alignment, uint64_t *out)
{
	uint64_t random, slots;

	if (to < from || to - from < need)
		return false;
	slots = 1 + (to - from - need) / alignment;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return false;
	*out = from + random % slots * alignment;
	return true;
}

bool vmlinux_choose_place(const struct vmlinux *v, gpa_t lowest, gpa_t top, uint64_t alignment,
			  struct vmlinux_place *place)
{
	uint64_t virtual, load;

	if (!choose_slot(lowest, top, v->need, alignment, &load) ||
	    !choose_slot(v->link, KERNEL_IMAGE_SIZE, v->need, alignment, &virtual))
		return false;
	*place = (struct vmlinux_place){.load = load, .slide = virtual - v->link};
	return true;
}

/* Adds `by` to the values at these addresses of the kernel at `host`. */
static int relocate(const struct vmlinux *v, uint8_t *host, const struct relocation_list *l,
		    unsigned width, uint64_t by, struct err *err)
{
	for (size_t i = 0; i < l->n; i++) {
		uint64_t off = (uint64_t)l->at[i] - START_KERNEL_MAP - v->link;

		if (!range_inside(off, width, v->need))
			return err_set(err, ERR_VM,
				       "kernel: unpacked image: a relocation at 0x%" PRIx32
				       " is outside of it",
				       l->at[i]);
		if (width == 8)
			put_le64(host + off, get_le64(host + off) + by);
		else
			put_le32(host + off, get_le32(host + off) + (uint32_t)by);
	}
	return 0;
}

int vmlinux_load(const struct vmlinux *v, struct gmem *mem, const struct vmlinux_place *place,
		 gpa_t *entry, struct err *err)
{
	uint8_t *host = gmem_ptr(mem, place->load, v->need);

	if (!host)
		return bad(err, "the VM has too little memory for it");
	for (unsigned i = 0; i < v->elf.n; i++) {
		const struct elf_segment *s = &v->elf.segments[i];

		if (s->type == PT_LOAD && s->mem_size &&
		    elf_load_segment(&v->elf, s, mem, place->load + (s->addr - v->link), err) < 0)
			return -1;
	}
	if (place->slide &&
	    (relocate(v, host, &v->relocs.add32, 4, place->slide, err) < 0 ||
	     relocate(v, host, &v->relocs.subtract32, 4, -place->slide, err) < 0 ||
	     relocate(v, host, &v->relocs.add64, 8, place->slide, err) < 0))
		return -1;
	*entry = place->load + (v->elf.entry - v->link);
	return 0;
}
