/* SPDX-License-Identifier: Apache-2.0
 *
 * What a kernel file says of itself: the setup header of an x86 bzImage
 * (linux/Documentation/arch/x86/ boot.rst) or the notes of an ELF vmlinux. Offsets in the file are
 * its author's and are checked.
 */
#include "images/inspect/kernel.h"

#include <elf.h>
#include <string.h>

#include "base/clean.h"
#include "base/file.h"
#include "base/mem.h"

enum {
	XLF_KERNEL_64 = 1 << 0,
	XLF_CAN_BE_LOADED_ABOVE_4G = 1 << 1,
	XEN_ELFNOTE_PHYS32_ENTRY = 18,
	MAX_PHDRS = 64,
	MAX_NOTES = 1 << 20,	    /* bytes of one note segment */
	MAX_BANNER_SCAN = 64 << 20, /* bytes of an ELF that are searched for "Linux version" */
};

/* Compressed forms of the vmlinux inside, by their first bytes: linux/lib/decompress.c */
static const struct {
	const char *name;
	size_t len;
	const char *magic;
} payloads[] = {
	{"gzip", 2, "\x1f\x8b"},
	{"gzip", 2, "\x1f\x9e"},
	{"bzip2", 2, "BZ"},
	{"lzma", 2, "\x5d\x00"},
	{"xz", 6,
	 "\xfd"
	 "7zXZ\0"},
	{"lzo", 4, "\x89LZO"},
	{"lz4", 4, "\x02\x21\x4c\x18"},
	{"zstd", 4, "\x28\xb5\x2f\xfd"},
	{"elf", 4,
	 "\x7f"
	 "ELF"},
};

struct source {
	kernel_read *read;
	void *ctx;
};

/* Reads at most n bytes; false when fewer than `least` are there. The rest is zero. */
static bool read_at(const struct source *s, uint64_t off, void *dst, size_t n, size_t least)
{
	size_t got = 0;

	memset(dst, 0, n);
	return s->read(s->ctx, off, dst, n, &got) == 0 && got >= least;
}

/* The kernel's own version text; it may be missing, and then it stays empty. */
static void read_version(const struct source *s, uint64_t setup_size, uint16_t pointer,
			 struct kernel_facts *k)
{
	uint64_t off = (uint64_t)pointer + 0x200;

	if (pointer && off < setup_size) {
		char text[sizeof(k->version)];

		if (read_at(s, off, text, sizeof(text) - 1, 1)) {
			text[sizeof(text) - 1] = 0;
			clean_copy(k->version, sizeof(k->version), text, sizeof(text));
		}
	}
}

static int read_bzimage(const struct source *s, const uint8_t *h, struct kernel_facts *k,
			struct err *err)
{
	uint64_t setup_size = ((uint64_t)(h[0x1F1] ? h[0x1F1] : 4) + 1) * 512;
	uint8_t magic[8];
	uint16_t xloadflags;

	k->protocol = get_le16(h + 0x206);
	if (k->protocol < 0x020C)
		return err_set(
			err, ERR_UNSUPPORTED,
			"a kernel of boot protocol %u.%02u: croft needs 2.12 or later (Linux 3.8)",
			k->protocol >> 8, k->protocol & 0xFF);
	snprintf(k->kind, sizeof(k->kind), "bzImage");
	xloadflags = get_le16(h + 0x236);
	k->entry64 = xloadflags & XLF_KERNEL_64;
	k->above4g = xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G;
	k->relocatable = h[0x234];
	k->initrd_addr_max = get_le32(h + 0x22C);
	k->cmdline_size = get_le32(h + 0x238);
	k->pref_address = get_le64(h + 0x258);
	k->init_size = get_le32(h + 0x260);
	read_version(s, setup_size, get_le16(h + 0x20E), k);

	if (read_at(s, setup_size + get_le32(h + 0x248), magic, sizeof(magic), 4))
		for (size_t i = 0; i < ARRAY_LEN(payloads) && !k->payload[0]; i++)
			if (!memcmp(magic, payloads[i].magic, payloads[i].len))
				snprintf(k->payload, sizeof(k->payload), "%s", payloads[i].name);
	return 0;
}

/* --- ELF --- */

/* Whether a note segment holds Xen's PHYS32_ENTRY, which makes the kernel start through PVH. */
static bool has_pvh_note(const struct source *s, const Elf64_Phdr *ph)
{
	auto_free uint8_t *notes = NULL;
	size_t n = ph->p_filesz, at = 0;

	if (ph->p_filesz > MAX_NOTES)
		return false;
	notes = xmalloc(n + 1);
	if (!read_at(s, ph->p_offset, notes, n, n))
		return false;
	while (n - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		uint64_t name, desc;

		memcpy(&note, notes + at, sizeof(note));
		at += sizeof(note);
		name = align_up(note.n_namesz, 4);
		desc = align_up(note.n_descsz, 4);
		if (name > n - at || desc > n - at - name)
			return false;
		if (note.n_type == XEN_ELFNOTE_PHYS32_ENTRY && note.n_namesz == 4 &&
		    !memcmp(notes + at, "Xen", 4))
			return true;
		at += name + desc;
	}
	return false;
}

enum { BANNER_WINDOW = 1 << 16, BANNER_MAX = 256 };

/*
 * The version text behind "Linux version ", if it begins in this window but for its last BANNER_MAX
 * bytes: what begins there is whole in the next window.
 */
static bool banner_in(const char *w, struct kernel_facts *k)
{
	static const char banner[] = "Linux version ";
	const size_t len = sizeof(banner) - 1;
	const char *end = w + BANNER_WINDOW - BANNER_MAX + len, *p = w;

	while ((p = memmem(p, (size_t)(end - p), banner, len))) {
		const char *eol;

		p += len;
		/* The kernel also holds the format string "Linux version %s". */
		if (*p < '0' || *p > '9')
			continue;
		eol = memchr(p, '\n', sizeof(k->version) - 1);
		clean_copy(k->version, sizeof(k->version), p,
			   eol ? (size_t)(eol - p) : sizeof(k->version) - 1);
		return true;
	}
	return false;
}

static void find_banner(const struct source *s, struct kernel_facts *k)
{
	auto_free char *w = xmalloc(BANNER_WINDOW);

	for (uint64_t off = 0; off < MAX_BANNER_SCAN; off += BANNER_WINDOW - BANNER_MAX)
		if (!read_at(s, off, w, BANNER_WINDOW, 1) || banner_in(w, k))
			return;
}

static int read_elf(const struct source *s, const uint8_t *head, struct kernel_facts *k,
		    struct err *err)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph[MAX_PHDRS];
	size_t n;

	memcpy(&eh, head, sizeof(eh));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_ident[EI_DATA] != ELFDATA2LSB ||
	    le16toh(eh.e_machine) != EM_X86_64 || le16toh(eh.e_phentsize) != sizeof(*ph))
		return err_set(err, ERR_UNSUPPORTED, "an ELF file, but not an x86-64 kernel");
	n = le16toh(eh.e_phnum);
	if (!n || n > MAX_PHDRS ||
	    !read_at(s, le64toh(eh.e_phoff), ph, n * sizeof(*ph), n * sizeof(*ph)))
		return err_set(err, ERR_UNSUPPORTED, "an ELF file without usable program headers");
	snprintf(k->kind, sizeof(k->kind), "vmlinux");
	for (size_t i = 0; i < n && !k->pvh; i++)
		if (ph[i].p_type == PT_NOTE)
			k->pvh = has_pvh_note(s, &ph[i]);
	find_banner(s, k);
	return 0;
}

int kernel_facts_from(kernel_read *read, void *ctx, struct kernel_facts *out, struct err *err)
{
	const struct source src = {read, ctx}, *s = &src;
	struct kernel_facts k = {0};
	uint8_t head[0x268];
	int rc;

	if (!read_at(s, 0, head, sizeof(head), 64))
		return err_set(err, ERR_UNSUPPORTED, "not a kernel: shorter than any kernel is");
	if (get_le16(head + 0x1FE) == 0xAA55 && !memcmp(head + 0x202, "HdrS", 4))
		rc = read_bzimage(s, head, &k, err);
	else if (!memcmp(head, ELFMAG, SELFMAG))
		rc = read_elf(s, head, &k, err);
	else
		rc = err_set(
			err, ERR_UNSUPPORTED,
			"not a kernel: neither a bzImage (no \"HdrS\" at 0x202) nor an ELF file");
	if (rc == 0)
		*out = k;
	return rc;
}

static int read_fd(void *ctx, uint64_t off, void *dst, size_t n, size_t *got)
{
	return pread_all(*(int *)ctx, dst, n, off, got);
}

int kernel_facts_read(int fd, struct kernel_facts *out, struct err *err)
{
	return kernel_facts_from(read_fd, &fd, out, err);
}
