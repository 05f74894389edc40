/* SPDX-License-Identifier: Apache-2.0
 *
 * FAT12, FAT16 and FAT32 with damaged bytes. The first byte of the input picks one, the rest is
 * what mutant_try makes of it.
 */
#include "tests/lib/inspect/mutant.h"

enum { IMAGES = 3 };

static struct mutant images[IMAGES];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	/* FAT32 begins at 65,525 clusters. */
	static const struct {
		const char *options;
		uint64_t size;
	} kinds[IMAGES] = {{"-F 12", 1 << 20}, {"-F 16 -s 1", 5 << 20}, {"-F 32 -s 1", 36 << 20}};
	struct fixture f;
	char command[400];

	(void)argc, (void)argv;
	fixture_init(&f);
	mutant_tree(&f);
	for (int i = 0; i < IMAGES; i++) {
		fixture_truncate(&f, "fs", kinds[i].size);
		snprintf(command, sizeof(command),
			 "cd %s && PATH=$PATH:/sbin:/usr/sbin && export MTOOLS_SKIP_CHECK=1 && "
			 "mkfs.vfat %s fs >/dev/null 2>&1 && mcopy -s -i fs t/* ::",
			 f.dir, kinds[i].options);
		fixture_shell(command);
		mutant_load(&images[i], &f, "fs");
	}
	fixture_done(&f);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n)
		mutant_try(&images[data[0] % IMAGES], data + 1, n - 1);
	return 0;
}
