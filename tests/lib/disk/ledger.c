// SPDX-License-Identifier: Apache-2.0
//
// What a disk may hold after a crash: see ledger.h.
#include "tests/lib/disk/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/lib/disk/rng.h"

enum { CHUNK = 1 << 18 };

struct ledger *ledger_new(uint32_t sectors, uint32_t capacity, bool shared)
{
	size_t head = 4096, ids = sectors * sizeof(uint32_t);
	size_t n = head + ids + capacity * sizeof(struct ledger_write);
	char *mem = mmap(NULL, n, PROT_READ | PROT_WRITE,
			 MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE), -1, 0);
	struct ledger *l = (struct ledger *)mem;

	if (mem == MAP_FAILED) {
		perror("ledger");
		exit(1);
	}
	l->sectors = sectors;
	l->capacity = capacity;
	l->next_id = 1;
	l->durable = (uint32_t *)(mem + head);
	l->log = (struct ledger_write *)(mem + head + ids);
	return l;
}

bool ledger_full(const struct ledger *l, uint32_t sectors)
{
	return l->capacity - l->end < sectors;
}

void ledger_make(uint32_t sector, uint32_t id, uint8_t out[LEDGER_SECTOR])
{
	struct rng rng = {.state = (uint64_t)id << 32 | sector};

	memset(out, 0, LEDGER_SECTOR);
	if (id == LEDGER_ZERO)
		return;
	rng_fill(&rng, out, LEDGER_SECTOR);
	memcpy(out, &sector, 4);
	memcpy(out + 4, &id, 4);
}

uint32_t ledger_identify(uint32_t sector, const uint8_t data[LEDGER_SECTOR])
{
	uint8_t should[LEDGER_SECTOR];
	uint32_t id;

	memcpy(&id, data + 4, 4);
	ledger_make(sector, id, should);
	return memcmp(data, should, LEDGER_SECTOR) ? LEDGER_ALIEN : id;
}

void ledger_log(struct ledger *l, uint32_t sector, uint32_t n, uint32_t id)
{
	for (uint32_t i = 0; i < n; i++)
		l->log[l->end + i] = (struct ledger_write){.sector = sector + i, .id = id};
	__atomic_store_n(&l->end, l->end + n, __ATOMIC_RELEASE);
}

void ledger_flush_begins(struct ledger *l)
{
	l->mark = l->end;
}

void ledger_flushed(struct ledger *l)
{
	/* Killed in here, the log still has what `durable` has not yet. */
	for (uint32_t i = l->first; i < l->mark; i++)
		l->durable[l->log[i].sector] = l->log[i].id;
	__atomic_store_n(&l->first, l->mark, __ATOMIC_RELEASE);
}

static bool allowed(const struct ledger *l, uint32_t sector, uint32_t id)
{
	if (l->durable[sector] == id)
		return true;
	for (uint32_t i = l->first; i < l->end; i++)
		if (l->log[i].sector == sector && l->log[i].id == id)
			return true;
	return false;
}

static uint8_t *read_chunk(struct blk *blk, uint64_t off, size_t *n)
{
	static uint8_t buf[CHUNK];
	int r;

	*n = min_u64(CHUNK, blk_size(blk) - off);
	r = blk_read(blk, off, buf, *n);
	if (r == 0)
		return buf;
	fprintf(stderr, "reading at %#llx: %s\n", (unsigned long long)off, strerror(-r));
	return NULL;
}

bool ledger_verify(const struct ledger *l, struct blk *blk)
{
	size_t n;

	for (uint64_t off = 0; off < blk_size(blk); off += n) {
		const uint8_t *buf = read_chunk(blk, off, &n);

		if (!buf)
			return false;
		for (size_t at = 0; at < n; at += LEDGER_SECTOR) {
			uint32_t sector = (uint32_t)((off + at) / LEDGER_SECTOR);
			uint32_t id = ledger_identify(sector, buf + at);

			if (allowed(l, sector, id))
				continue;
			fprintf(stderr, "sector %u holds write %d, durable is %u\n", sector,
				(int)id, l->durable[sector]);
			return false;
		}
	}
	return true;
}

void ledger_adopt(struct ledger *l, struct blk *blk)
{
	size_t n;

	for (uint64_t off = 0; off < blk_size(blk); off += n) {
		const uint8_t *buf = read_chunk(blk, off, &n);

		if (!buf)
			exit(1);
		for (size_t at = 0; at < n; at += LEDGER_SECTOR) {
			uint32_t sector = (uint32_t)((off + at) / LEDGER_SECTOR);

			l->durable[sector] = ledger_identify(sector, buf + at);
		}
	}
	l->first = l->mark = l->end = 0;
}
