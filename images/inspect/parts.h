/* SPDX-License-Identifier: Apache-2.0
 *
 * Partition tables. Each reader fills part[] of an inspect with what lies inside the disk; offsets
 * and sizes that come out of here have been checked against the disk's size.
 */
#ifndef IMAGES_INSPECT_PARTS_H
#define IMAGES_INSPECT_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "images/inspect/inspect.h"

/*
 * Fills table, gpt_backup, part[] and nparts; lines about what was found go to `trail`. A disk
 * without a partition table gets one part with number 0 that covers it all. -1 only when sector 0
 * cannot be read.
 */
int parts_read(struct blk *, struct inspect *, struct buf *trail, struct err *);

/* One reader each: whether the disk has such a table. */
bool gpt_read(struct blk *, const uint8_t sector0[512], struct inspect *, struct buf *trail);
bool mbr_read(struct blk *, const uint8_t sector0[512], struct inspect *, struct buf *trail);

/* The next free part, with number, offset and size; NULL (and a line in the trail) when it may not
 * be. */
struct inspect_part *parts_add(struct inspect *, unsigned number, uint64_t off, uint64_t size,
			       struct buf *trail);

/* "c12a7328-f81f-..." of the 16 bytes, in the mixed byte order of GPT. */
void guid_format(const uint8_t guid[16], char out[40]);
/* As RFC 4122 has it, for the UUIDs inside file systems. */
void uuid_format(const uint8_t uuid[16], char out[40]);

#endif
