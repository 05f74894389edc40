// SPDX-License-Identifier: Apache-2.0
//
// Writes what a chain of images presents to standard output: imgcat FORMAT:FILE [FORMAT:FILE]...,
// top layer first. For comparing with what qemu-img convert says.
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "images/disk/block.h"
#include "tests/lib/disk/chain.h"

enum { CHUNK = 1 << 20 };

int main(int argc, char **argv)
{
	static char buf[CHUNK];
	struct err err = {0};
	struct blk *blk = chain_open(argv + 1, (unsigned)(argc - 1), BLK_RDONLY, &err);

	if (!blk) {
		fprintf(stderr, "imgcat: %s\n", err.msg);
		return 1;
	}
	for (uint64_t off = 0; off < blk_size(blk); off += CHUNK) {
		size_t n = min_u64(CHUNK, blk_size(blk) - off);
		int r = blk_read(blk, off, buf, n);

		if (r < 0) {
			fprintf(stderr, "imgcat: offset %llu: %s\n", (unsigned long long)off,
				strerror(-r));
			return 1;
		}
		if (write_all(STDOUT_FILENO, buf, n) < 0)
			return 1;
	}
	return blk_close(blk) < 0;
}
