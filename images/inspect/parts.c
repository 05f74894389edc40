/* SPDX-License-Identifier: Apache-2.0
 *
 * Which partition table a disk has: GPT when the kernel would take it for one, else MBR, else none,
 * and then the whole disk may be a file system (Alpine's BIOS images).
 */
#include "images/inspect/parts.h"

#include <string.h>

#include "base/num.h"

void uuid_format(const uint8_t u[16], char out[40])
{
	snprintf(out, 40, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		 u[13], u[14], u[15]);
}

/* UEFI 2.10, appendix A: the first three fields are little-endian. */
void guid_format(const uint8_t g[16], char out[40])
{
	const uint8_t u[16] = {g[3], g[2], g[1],  g[0],	 g[5],	g[4],  g[7],  g[6],
			       g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]};

	uuid_format(u, out);
}

struct inspect_part *parts_add(struct inspect *in, unsigned number, uint64_t off, uint64_t size,
			       struct buf *trail)
{
	struct inspect_part *p;

	if (in->nparts == INSPECT_MAX_PARTS) {
		buf_printf(trail, "partition %u: not looked at, there are more than %d\n", number,
			   INSPECT_MAX_PARTS);
		return NULL;
	}
	if (!size || !range_inside(off, size, in->disk_size)) {
		buf_printf(trail,
			   "partition %u: not looked at, it spans %llu+%llu and the disk has %llu "
			   "bytes\n",
			   number, (unsigned long long)off, (unsigned long long)size,
			   (unsigned long long)in->disk_size);
		return NULL;
	}
	p = &in->part[in->nparts++];
	*p = (struct inspect_part){.number = number, .off = off, .size = size};
	return p;
}

int parts_read(struct blk *blk, struct inspect *in, struct buf *trail, struct err *err)
{
	uint8_t sector0[512] = {0};
	int rc;

	if (in->disk_size < sizeof(sector0)) {
		snprintf(in->table, sizeof(in->table), "none");
		buf_printf(trail, "disk: smaller than a sector\n");
		return 0;
	}
	rc = blk_read(blk, 0, sector0, sizeof(sector0));
	if (rc < 0)
		return err_set(err, ERR_CORRUPT, "cannot read the first sector: %s", strerror(-rc));

	if (!gpt_read(blk, sector0, in, trail) && !mbr_read(blk, sector0, in, trail)) {
		snprintf(in->table, sizeof(in->table), "none");
		buf_printf(trail, "disk: no partition table\n");
		parts_add(in, 0, 0, in->disk_size, trail);
	}
	return 0;
}
