/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of superblocks: where the magic is, what it is, and a function that takes the label and
 * the UUID from around it. The first row that matches wins, so containers come before what they may
 * contain, and vfat, whose magic is a mere hint, comes last.
 */
#include "images/inspect/probe.h"

#include <ctype.h>
#include <string.h>

#include "base/clean.h"
#include "images/inspect/parts.h"

/*
 * Everything that is looked at lies in the first 68 KiB; a shorter partition reads as zeros
 * behind.
 */
enum { HEAD_SIZE = 68 * 1024 };

struct fs_probe {
	const char *name;
	unsigned magic_off, magic_len;
	const char *magic;
	/* False: it is something else after all. May be NULL. */
	bool (*fill)(const uint8_t *head, struct inspect_part *);
};

#define LABEL(p, head, off, len)                                                                   \
	clean_copy((p)->fs_label, sizeof((p)->fs_label), (head) + (off), (len))

/* linux/Documentation/filesystems/ext4: superblock at 1024 */
static bool fill_ext(const uint8_t *head, struct inspect_part *p)
{
	const uint8_t *sb = head + 1024;
	uint32_t compat = get_le32(sb + 0x5C), incompat = get_le32(sb + 0x60);
	uint32_t ro_compat = get_le32(sb + 0x64);
	enum { HAS_JOURNAL = 4, RECOVER = 4, JOURNAL_DEV = 8 };
	/* filetype, recover, journal_dev, meta_bg; sparse_super, large_file, btree_dir */
	const uint32_t ext3_incompat = 0x1E, ext3_ro_compat = 0x7;
	const char *name = "ext2";

	if (incompat & JOURNAL_DEV)
		return false;
	if ((incompat & ~ext3_incompat) || (ro_compat & ~ext3_ro_compat))
		name = "ext4";
	else if (compat & HAS_JOURNAL)
		name = "ext3";
	snprintf(p->fs, sizeof(p->fs), "%s", name);
	LABEL(p, sb, 0x78, 16);
	uuid_format(sb + 0x68, p->fs_uuid);
	p->fs_dirty = incompat & RECOVER;
	return true;
}

static bool fill_xfs(const uint8_t *head, struct inspect_part *p)
{
	LABEL(p, head, 108, 12);
	uuid_format(head + 32, p->fs_uuid);
	return true;
}

static bool fill_btrfs(const uint8_t *head, struct inspect_part *p)
{
	const uint8_t *sb = head + 0x10000;

	LABEL(p, sb, 0x12B, 256);
	uuid_format(sb + 0x20, p->fs_uuid);
	return true;
}

/* ECMA-119 8.4: the primary volume descriptor in sector 16; its creation time serves as UUID. */
static bool fill_iso9660(const uint8_t *head, struct inspect_part *p)
{
	const uint8_t *pvd = head + 16 * 2048;
	char date[17];
	size_t n;

	if (pvd[0] != 1)
		return false;
	n = LABEL(p, pvd, 40, 32);
	while (n && p->fs_label[n - 1] == ' ')
		p->fs_label[--n] = 0;
	clean_copy(date, sizeof(date), pvd + 813, 16);
	if (strspn(date, "0123456789") == 16)
		snprintf(p->fs_uuid, sizeof(p->fs_uuid), "%.4s-%.2s-%.2s-%.2s-%.2s-%.2s-%.2s", date,
			 date + 4, date + 6, date + 8, date + 10, date + 12, date + 14);
	return true;
}

static bool fill_swap(const uint8_t *head, struct inspect_part *p)
{
	uuid_format(head + 1024 + 12, p->fs_uuid);
	LABEL(p, head, 1024 + 28, 16);
	return true;
}

static void note_lvm(struct inspect_part *p)
{
	snprintf(p->note, sizeof(p->note), "an LVM physical volume: croft does not look inside");
}

/*
 * The physical volume header follows the label: 32 characters of id, shown in LVM's
 * 6-4-4-4-4-4-6.
 */
static bool fill_lvm(const uint8_t *head, struct inspect_part *p)
{
	const uint8_t *label = head;
	char id[33];

	for (int i = 0; i < 4 && memcmp(label, "LABELONE", 8); i++)
		label += 512;
	if (memcmp(label, "LABELONE", 8) || memcmp(label + 24, "LVM2 001", 8))
		return false;
	note_lvm(p);
	clean_copy(id, sizeof(id), label + 32, 32);
	if (strlen(id) == 32)
		snprintf(p->fs_uuid, sizeof(p->fs_uuid), "%.6s-%.4s-%.4s-%.4s-%.4s-%.4s-%.6s", id,
			 id + 6, id + 10, id + 14, id + 18, id + 22, id + 26);
	return true;
}

static bool fill_luks(const uint8_t *head, struct inspect_part *p)
{
	clean_copy(p->fs_uuid, sizeof(p->fs_uuid), head + 168, sizeof(p->fs_uuid) - 1);
	snprintf(p->note, sizeof(p->note), "encrypted (LUKS): croft does not look inside");
	return true;
}

static bool valid_fat_sector(const uint8_t *b)
{
	uint16_t bytes_per_sector = get_le16(b + 11);
	uint8_t sectors_per_cluster = b[13];

	return get_le16(b + 510) == 0xAA55 && (b[0] == 0xEB || b[0] == 0xE9) &&
	       bytes_per_sector >= 512 && bytes_per_sector <= 4096 && is_pow2(bytes_per_sector) &&
	       is_pow2(sectors_per_cluster) && get_le16(b + 14) && b[16] && b[16] <= 4 &&
	       (b[21] == 0xF0 || b[21] >= 0xF8);
}

/*
 * Microsoft FAT specification 1.03, section 3: FAT32 has no 16-bit FAT size, and its own
 * BPB tail.
 */
static bool fill_vfat(const uint8_t *b, struct inspect_part *p)
{
	unsigned tail = get_le16(b + 22) ? 36 : 64;
	uint32_t id;
	size_t n;

	if (!valid_fat_sector(b))
		return false;
	if (b[tail + 2] != 0x29) /* no extended boot signature: neither id nor label */
		return true;
	id = get_le32(b + tail + 3);
	snprintf(p->fs_uuid, sizeof(p->fs_uuid), "%04X-%04X", id >> 16, id & 0xFFFF);
	n = LABEL(p, b, tail + 7, 11);
	while (n && p->fs_label[n - 1] == ' ')
		p->fs_label[--n] = 0;
	if (!strcmp(p->fs_label, "NO NAME"))
		p->fs_label[0] = 0;
	return true;
}

static const struct fs_probe probes[] = {
	{"luks", 0, 6, "LUKS\xba\xbe", fill_luks},     /* LUKS1 and LUKS2 on-disk formats */
	{"lvm2", 512 + 24, 8, "LVM2 001", fill_lvm},   /* lvm2: lib/format_text/layout.h */
	{"lvm2", 24, 8, "LVM2 001", fill_lvm},	       /* its label may be in any of four sectors */
	{"xfs", 0, 4, "XFSB", fill_xfs},	       /* XFS Algorithms & Data Structures, 13.1 */
	{"btrfs", 0x10040, 8, "_BHRfS_M", fill_btrfs}, /* Btrfs on-disk format */
	{"ext4", 0x438, 2, "\x53\xef", fill_ext},      /* also ext2 and ext3 */
	{"swap", 4086, 10, "SWAPSPACE2", fill_swap},   /* at the end of the first page */
	{"iso9660", 32769, 5, "CD001", fill_iso9660},  /* ECMA-119, 8.1 */
	{"vfat", 510, 2, "\x55\xaa", fill_vfat},
};

void probe_part(struct blk *blk, struct inspect_part *p)
{
	static const uint8_t nothing[HEAD_SIZE];
	uint8_t head[HEAD_SIZE];
	size_t n = min_u64(HEAD_SIZE, p->size);

	memset(head + n, 0, sizeof(head) - n);
	if (blk_read(blk, p->off, head, n) < 0) {
		snprintf(p->note, sizeof(p->note), "the first %zu bytes cannot be read", n);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		const struct fs_probe *f = &probes[i];

		if (memcmp(head + f->magic_off, f->magic, f->magic_len))
			continue;
		snprintf(p->fs, sizeof(p->fs), "%s", f->name);
		if (f->fill(head, p))
			return;
		p->fs[0] = 0;
	}
	if (!memcmp(head, nothing, sizeof(head)))
		snprintf(p->note, sizeof(p->note), "empty: the first %zu bytes are zero", n);
}
