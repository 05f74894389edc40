/* SPDX-License-Identifier: Apache-2.0
 *
 * What a disk may hold after a crash. Every sector that is written carries its number and the
 * number of the write, so that a sector read back says which write it is from. The ledger knows for
 * each sector what the last acknowledged flush made durable, and every write since: after a crash a
 * sector must be one of these, and nothing else.
 *
 * It may live in shared memory, where it survives the process that writes: each change leaves it
 * valid.
 */
#ifndef TESTS_LIB_DISK_LEDGER_H
#define TESTS_LIB_DISK_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "images/disk/block.h"

enum { LEDGER_SECTOR = 512, LEDGER_ZERO = 0, LEDGER_ALIEN = UINT32_MAX };

struct ledger_write {
	uint32_t sector, id;
};

struct ledger {
	uint32_t sectors, capacity;
	uint32_t next_id;
	uint32_t first, end,
		mark;	   /* of the log: [first, end); the flush under way covers [first, mark) */
	uint32_t *durable; /* [sectors]: ids */
	struct ledger_write *log; /* [capacity] */
};

/* `shared`: in memory that children and parents share. Exits when there is none. */
struct ledger *ledger_new(uint32_t sectors, uint32_t capacity, bool shared);
bool ledger_full(const struct ledger *, uint32_t sectors);

/* Content of sector `sector` as written by write `id`, and back: the id, or LEDGER_ALIEN. */
void ledger_make(uint32_t sector, uint32_t id, uint8_t out[LEDGER_SECTOR]);
uint32_t ledger_identify(uint32_t sector, const uint8_t data[LEDGER_SECTOR]);

/* Before a write: n sectors will get `id` (LEDGER_ZERO: zeroes). */
void ledger_log(struct ledger *, uint32_t sector, uint32_t n, uint32_t id);
/* A flush begins; it was acknowledged. */
void ledger_flush_begins(struct ledger *);
void ledger_flushed(struct ledger *);

/* Reads the disk and compares: false, and a line on stderr, when a sector holds what it may not. */
bool ledger_verify(const struct ledger *, struct blk *);
/* Takes what the disk holds now as durable, and forgets the log. */
void ledger_adopt(struct ledger *, struct blk *);

#endif
