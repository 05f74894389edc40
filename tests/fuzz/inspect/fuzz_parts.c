/* SPDX-License-Identifier: Apache-2.0
 *
 * Partition tables and superblocks. The input is the first half of a disk's beginning and the last
 * half of its end; unless its first byte says otherwise, the checksums of both GPT headers are made
 * right, so that what they cover is reached.
 */
#include <string.h>
#include <zlib.h>

#include "images/inspect/parts.h"
#include "images/inspect/probe.h"
#include "tests/lib/inspect/ramdisk.h"

enum { DISK = 256 * 1024, SECTOR = 512 };

static void fix_header(uint8_t *disk, uint64_t lba)
{
	uint8_t *h = disk + lba * SECTOR;
	uint64_t table = get_le64(h + 72);
	uint64_t size = (uint64_t)get_le32(h + 80) * get_le32(h + 84);
	uint32_t header = get_le32(h + 12);

	if (memcmp(h, "EFI PART", 8) || header > SECTOR || header < 92)
		return;
	if (table < DISK / SECTOR && size <= DISK - table * SECTOR)
		put_le32(h + 88, (uint32_t)crc32(0, disk + table * SECTOR, (uInt)size));
	put_le32(h + 16, 0);
	put_le32(h + 16, (uint32_t)crc32(0, h, header));
}

static void check_text(const char *s, size_t n)
{
	if (!memchr(s, 0, n))
		abort();
}

static void check_part(const struct inspect_part *p, uint64_t disk)
{
	if (!p->size || !range_inside(p->off, p->size, disk))
		abort();
	check_text(p->type, sizeof(p->type));
	check_text(p->name, sizeof(p->name));
	check_text(p->partuuid, sizeof(p->partuuid));
	check_text(p->fs, sizeof(p->fs));
	check_text(p->fs_label, sizeof(p->fs_label));
	check_text(p->fs_uuid, sizeof(p->fs_uuid));
	check_text(p->note, sizeof(p->note));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t disk[DISK];
	static struct inspect in;
	auto_buf struct buf trail = BUF_INIT(64 * KIB);
	struct ramdisk ram;
	struct err err = {0};
	size_t size, head;
	uint8_t flags;

	if (n < 2)
		return 0;
	flags = data[0];
	/* Sizes that are no whole sectors, too. */
	size = (flags & 2) ? DISK - data[1] : DISK;
	data += 2;
	n -= 2;
	head = n / 2;
	if (head > DISK / 2)
		head = DISK / 2;
	memset(disk, 0, sizeof(disk));
	memcpy(disk, data, head);
	memcpy(disk + DISK - head, data + head, head);
	if (!(flags & 1)) {
		fix_header(disk, 1);
		fix_header(disk, DISK / SECTOR - 1);
	}

	ram = ramdisk_new(size);
	ramdisk_put(&ram, 0, disk, size);
	memset(&in, 0, sizeof(in));
	in.disk_size = size;
	if (parts_read(ram.blk, &in, &trail, &err) < 0 || in.nparts > INSPECT_MAX_PARTS)
		abort();
	for (unsigned i = 0; i < in.nparts; i++) {
		probe_part(ram.blk, &in.part[i]);
		check_part(&in.part[i], size);
	}
	ramdisk_free(&ram);
	return 0;
}
