/* SPDX-License-Identifier: Apache-2.0
 *
 * GUID partition table, UEFI 2.10 section 5.3, for 512- and 4096-byte sectors. Both checksums are
 * verified; when the primary header is bad the backup is taken from the end of the disk, or from
 * where the primary says it is (an image that was grown keeps its backup in the middle).
 */
#include <string.h>
#include <zlib.h>

#include "base/clean.h"
#include "base/mem.h"
#include "images/inspect/parts.h"

enum {
	GPT_HEADER_MIN = 92,
	GPT_ENTRY_MIN = 128,
	GPT_ENTRY_MAX = 4096,
	GPT_TABLE_MAX = 1 << 20, /* bytes; 128 entries of 128 bytes are 16 KiB */
	MBR_TYPE_PROTECTIVE = 0xEE,
};

struct gpt_header {
	uint64_t lba, other_lba, first_usable, last_usable, table_lba;
	uint32_t entries, entry_size, table_crc;
};

/* UAPI group, Discoverable Partitions Specification, and UEFI table 5.7. */
static const struct {
	const char *guid, *name;
} type_names[] = {
	{"c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "esp"},
	{"bc13c2ff-59e6-4262-a352-b275fd6f7172", "xbootldr"},
	{"21686148-6449-6e6f-744e-656564454649", "bios-boot"},
	{"0fc63daf-8483-4772-8e79-3d69d8477de4", "linux"},
	{"4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "root-x86-64"},
	{"b921b045-1df0-41c3-af44-4c6f280d3fae", "root-arm64"},
	{"8484680c-9521-48c6-9c11-b0720656f69e", "usr-x86-64"},
	{"933ac7e1-2eb4-4f13-b844-0e14e2aef915", "home"},
	{"4d21b016-b534-45c2-a9fb-5c16e091fd2d", "var"},
	{"e6d6d379-f507-44c2-a23c-238f2a3df928", "lvm"},
	{"0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "swap"},
	{"a19d880f-05fc-4d3b-a006-743f0f84911e", "raid"},
	{"ca7d7ccb-63ed-4c53-861c-1742536059cc", "luks"},
	{"9e1a2d38-c612-4316-aa26-8b49521e5a8b", "prep"},
	{"ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "basic-data"},
};

static const char *type_name(const char *guid)
{
	for (size_t i = 0; i < ARRAY_LEN(type_names); i++)
		if (!strcmp(type_names[i].guid, guid))
			return type_names[i].name;
	return "";
}

/* Linux believes a GPT only behind a protective (or hybrid) MBR: block/partitions/efi.c. */
static bool has_protective_mbr(const uint8_t sector0[512])
{
	if (get_le16(sector0 + 510) != 0xAA55)
		return false;
	for (int i = 0; i < 4; i++)
		if (sector0[446 + 16 * i + 4] == MBR_TYPE_PROTECTIVE)
			return true;
	return false;
}

/*
 * Reads and checks the header at `lba`. Fills *h as far as it got; NULL when good, else the
 * reason.
 */
static const char *read_header(struct blk *blk, uint64_t disk, uint32_t ssz, uint64_t lba,
			       struct gpt_header *h)
{
	uint8_t sector[4096];
	uint64_t off;
	uint32_t size, crc;

	*h = (struct gpt_header){0};
	if (!checked_mul(lba, ssz, &off) || !range_inside(off, ssz, disk))
		return "it lies outside the disk";
	if (blk_read(blk, off, sector, ssz) < 0)
		return "it cannot be read";
	if (memcmp(sector, "EFI PART", 8))
		return "it has no signature";

	h->lba = get_le64(sector + 24);
	h->other_lba = get_le64(sector + 32);
	h->first_usable = get_le64(sector + 40);
	h->last_usable = get_le64(sector + 48);
	h->table_lba = get_le64(sector + 72);
	h->entries = get_le32(sector + 80);
	h->entry_size = get_le32(sector + 84);
	h->table_crc = get_le32(sector + 88);

	size = get_le32(sector + 12);
	if (size < GPT_HEADER_MIN || size > ssz)
		return "its size is wrong";
	crc = get_le32(sector + 16);
	memset(sector + 16, 0, 4);
	if (crc32(0, sector, size) != crc)
		return "its checksum is wrong";
	if (h->lba != lba)
		return "it was written for another place";
	if (h->entry_size < GPT_ENTRY_MIN || h->entry_size > GPT_ENTRY_MAX ||
	    !is_pow2(h->entry_size))
		return "its entry size is wrong";
	return NULL;
}

/* The entries, checked; *table is the caller's to free. NULL when good, else the reason. */
static const char *read_table(struct blk *blk, uint64_t disk, uint32_t ssz,
			      const struct gpt_header *h, uint8_t **table)
{
	uint64_t off, size;

	if (!checked_mul(h->table_lba, ssz, &off) ||
	    !checked_mul(h->entries, h->entry_size, &size) || !range_inside(off, size, disk))
		return "its table lies outside the disk";
	if (!size || size > GPT_TABLE_MAX)
		return "its table has an impossible size";
	*table = xmalloc(size);
	if (blk_read(blk, off, *table, size) < 0)
		return "its table cannot be read";
	if (crc32(0, *table, (uInt)size) != h->table_crc)
		return "its table's checksum is wrong";
	return NULL;
}

static const char *load(struct blk *blk, uint64_t disk, uint32_t ssz, uint64_t lba,
			struct gpt_header *h, uint8_t **table)
{
	auto_free uint8_t *t = NULL;
	const char *why = read_header(blk, disk, ssz, lba, h);

	if (!why)
		why = read_table(blk, disk, ssz, h, &t);
	if (!why)
		*table = take_ptr(t);
	return why;
}

/* UEFI 2.10, table 5.6 */
static void add_entries(struct inspect *in, const struct gpt_header *h, uint32_t ssz,
			const uint8_t *table, struct buf *trail)
{
	static const uint8_t unused[16];

	for (uint32_t i = 0; i < h->entries; i++) {
		const uint8_t *e = table + (size_t)i * h->entry_size;
		uint64_t first = get_le64(e + 32), last = get_le64(e + 40), off, size;
		struct inspect_part *p;

		if (!memcmp(e, unused, 16))
			continue;
		if (last < first || last == UINT64_MAX || !checked_mul(first, ssz, &off) ||
		    !checked_mul(last - first + 1, ssz, &size)) {
			buf_printf(trail, "partition %u: not looked at, its bounds are wrong\n",
				   i + 1);
			continue;
		}
		p = parts_add(in, i + 1, off, size, trail);
		if (!p)
			continue;
		guid_format(e, p->type);
		snprintf(p->type_name, sizeof(p->type_name), "%s", type_name(p->type));
		guid_format(e + 16, p->partuuid);
		clean_utf16(p->name, sizeof(p->name), e + 56, 36);
	}
}

/* The GPT of a disk with this sector size, if it has one. */
static bool read_with_sector(struct blk *blk, uint32_t ssz, struct inspect *in, struct buf *trail)
{
	auto_free uint8_t *table = NULL;
	uint64_t disk = in->disk_size, end = disk / ssz;
	struct gpt_header h, primary;
	const char *why, *why_backup;

	if (end < 3)
		return false;
	why = load(blk, disk, ssz, 1, &h, &table);
	if (why) {
		primary = h;
		why_backup = load(blk, disk, ssz, end - 1, &h, &table);
		if (why_backup && primary.other_lba && primary.other_lba < end - 1)
			why_backup = load(blk, disk, ssz, primary.other_lba, &h, &table);
		/* Neither signature: it is not a GPT of this sector size at all. */
		if (why_backup && !primary.table_lba && !h.table_lba)
			return false;
		if (why_backup) {
			buf_printf(trail, "gpt: primary header: %s; backup header: %s\n", why,
				   why_backup);
			return false;
		}
		in->gpt_backup = true;
		buf_printf(trail, "gpt: primary header: %s; the backup was used\n", why);
	}
	snprintf(in->table, sizeof(in->table), "gpt");
	add_entries(in, &h, ssz, table, trail);
	buf_printf(trail, "gpt: %u partitions, sectors of %u bytes\n", in->nparts, ssz);
	return true;
}

bool gpt_read(struct blk *blk, const uint8_t sector0[512], struct inspect *in, struct buf *trail)
{
	return has_protective_mbr(sector0) &&
	       (read_with_sector(blk, 512, in, trail) || read_with_sector(blk, 4096, in, trail));
}
