// SPDX-License-Identifier: Apache-2.0
//
// Keeps a chain open for writing: hold FORMAT:FILE... prints a line when it has it, and lets go when
// its standard input ends.
#include <stdio.h>

#include "tests/lib/disk/chain.h"

int main(int argc, char **argv)
{
	struct err err = {0};
	struct blk *blk = chain_open(argv + 1, (unsigned)(argc - 1), 0, &err);

	if (!blk) {
		fprintf(stderr, "hold: %s\n", err.msg);
		return 1;
	}
	puts("held");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return blk_close(blk) < 0;
}
