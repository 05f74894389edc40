// SPDX-License-Identifier: Apache-2.0
//
// Writes a raw disk of SIZE bytes with ledger sectors (tests/lib/disk/ledger.h) in random places
// and zeroes elsewhere: fill FILE SIZE SEED. What cut and kill begin with.
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/util.h"
#include "tests/lib/disk/ledger.h"
#include "tests/lib/disk/rng.h"

int main(int argc, char **argv)
{
	struct rng rng;
	uint64_t size;
	struct err err = {0};

	if (argc != 4 || parse_u64(argv[2], &size, &err) < 0 ||
	    parse_u64(argv[3], &rng.state, &err) < 0)
		return 2;

	int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	auto_free uint8_t *disk = xcalloc(size, 1);
	uint32_t id = 1 + (uint32_t)rng_below(&rng, 100);

	for (uint64_t at = 0; at < size;) {
		uint64_t n = min_u64(LEDGER_SECTOR * (1 + rng_below(&rng, 300)), size - at);
		bool data = rng_below(&rng, 2);

		for (uint64_t end = at + n; at + LEDGER_SECTOR <= end; at += LEDGER_SECTOR)
			if (data)
				ledger_make((uint32_t)(at / LEDGER_SECTOR), id, disk + at);
	}
	return fd < 0 || pwrite_all(fd, disk, size, 0) < 0;
}
