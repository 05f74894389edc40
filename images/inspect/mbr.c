/* SPDX-License-Identifier: Apache-2.0
 *
 * The PC's master boot record and its chain of extended boot records. The signature alone proves
 * nothing (boot sectors of FAT and of syslinux carry it too): the four entries must make sense.
 */
#include <string.h>

#include "images/inspect/parts.h"

enum { MBR_TABLE = 446, MBR_ENTRY = 16, MBR_SECTOR = 512, MBR_MAX_LOGICAL = 100 };

struct mbr_entry {
	uint8_t active, type;
	uint32_t start, sectors;
};

static struct mbr_entry entry_at(const uint8_t *sector, int i)
{
	const uint8_t *e = sector + MBR_TABLE + MBR_ENTRY * i;

	return (struct mbr_entry){e[0], e[4], get_le32(e + 8), get_le32(e + 12)};
}

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0F || type == 0x85;
}

static const char *type_name(uint8_t type)
{
	switch (type) {
	case 0x82:
		return "swap";
	case 0x83:
		return "linux";
	case 0x8E:
		return "lvm";
	case 0xEA:
		return "xbootldr"; /* UAPI Boot Loader Specification */
	case 0xEF:
		return "esp";
	case 0xFD:
		return "raid";
	default:
		return "";
	}
}

/* Every used entry starts behind the table, ends on the disk, and its flag is 0 or 0x80. */
static bool plausible(const uint8_t *sector, uint64_t disk)
{
	unsigned used = 0;

	if (get_le16(sector + 510) != 0xAA55)
		return false;
	for (int i = 0; i < 4; i++) {
		struct mbr_entry e = entry_at(sector, i);

		if (e.active & 0x7F)
			return false;
		if (!e.type && !e.sectors)
			continue;
		if (!e.start || !e.sectors || (uint64_t)e.start * MBR_SECTOR >= disk)
			return false;
		used++;
	}
	return used > 0;
}

static void add(struct inspect *in, unsigned number, uint8_t type, uint64_t start, uint64_t sectors,
		uint32_t disk_id, struct buf *trail)
{
	struct inspect_part *p =
		parts_add(in, number, start * MBR_SECTOR, sectors * MBR_SECTOR, trail);

	if (!p)
		return;
	snprintf(p->type, sizeof(p->type), "0x%02x", type);
	snprintf(p->type_name, sizeof(p->type_name), "%s", type_name(type));
	snprintf(p->partuuid, sizeof(p->partuuid), "%08x-%02x", disk_id, number);
}

/*
 * Logical partitions, numbered from 5. Each record holds one partition, relative to itself, and the
 * next record, relative to the extended partition. A chain that runs in a circle ends at the limit.
 */
static void read_extended(struct blk *blk, struct inspect *in, const struct mbr_entry *ext,
			  uint32_t disk_id, struct buf *trail)
{
	uint64_t at = ext->start;
	unsigned number = 5;

	for (int links = 0; links < MBR_MAX_LOGICAL; links++) {
		uint8_t sector[MBR_SECTOR];
		struct mbr_entry part, next;

		if (!range_inside(at * MBR_SECTOR, MBR_SECTOR, in->disk_size) ||
		    blk_read(blk, at * MBR_SECTOR, sector, MBR_SECTOR) < 0 ||
		    get_le16(sector + 510) != 0xAA55) {
			buf_printf(trail,
				   "mbr: the extended partition's chain breaks at sector %llu\n",
				   (unsigned long long)at);
			return;
		}
		part = entry_at(sector, 0);
		next = entry_at(sector, 1);
		if (part.type && part.sectors && !is_extended(part.type))
			add(in, number++, part.type, at + part.start, part.sectors, disk_id, trail);
		if (!is_extended(next.type) || !next.sectors)
			return;
		at = (uint64_t)ext->start + next.start;
	}
	buf_printf(trail,
		   "mbr: the extended partition's chain is longer than %d: the rest is ignored\n",
		   MBR_MAX_LOGICAL);
}

bool mbr_read(struct blk *blk, const uint8_t sector0[512], struct inspect *in, struct buf *trail)
{
	uint32_t disk_id = get_le32(sector0 + 440);

	if (!plausible(sector0, in->disk_size))
		return false;
	snprintf(in->table, sizeof(in->table), "mbr");
	for (int i = 0; i < 4; i++) {
		struct mbr_entry e = entry_at(sector0, i);

		if (!e.type || !e.sectors)
			continue;
		if (is_extended(e.type))
			read_extended(blk, in, &e, disk_id, trail);
		else
			add(in, (unsigned)i + 1, e.type, e.start, e.sectors, disk_id, trail);
	}
	buf_printf(trail, "mbr: %u partitions\n", in->nparts);
	return true;
}
