/* SPDX-License-Identifier: Apache-2.0
 *
 * ext2, ext3 and ext4 with damaged bytes, through our reader and libext2fs: with inline data, with
 * indirect blocks, with a journal to be replayed, with 64-bit block numbers. The first byte of the
 * input picks one, the rest is what mutant_try makes of it.
 */
#include "tests/lib/inspect/mutant.h"

enum { IMAGES = 4, SIZE = 4 << 20 };

static struct mutant images[IMAGES];

/* A transaction with the first 60 blocks (superblock, inodes, directories) and one that revokes
 * two. */
static void make_journal(struct fixture *f)
{
	char command[600];

	snprintf(command, sizeof(command),
		 "cd %s && PATH=$PATH:/sbin:/usr/sbin && dd if=fs bs=1024 skip=1 count=60 of=data "
		 "status=none && printf 'jo\\njw -b %%s data\\njw -r 30,31\\njc\\n' $(seq -s, 1 "
		 "60) >s && "
		 "debugfs -w -f s fs >/dev/null 2>&1",
		 f->dir);
	fixture_shell(command);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const options[IMAGES] = {
		"-t ext4 -b 1024 -O ^metadata_csum,^has_journal,inline_data -I 256",
		"-t ext2 -b 1024",
		"-t ext4 -b 1024 -J size=1 -O ^metadata_csum,^64bit",
		"-t ext4 -b 2048 -O ^has_journal,^metadata_csum,64bit,^flex_bg",
	};
	struct fixture f;

	(void)argc, (void)argv;
	fixture_init(&f);
	mutant_tree(&f);
	fixture_link(&f, "t", "link", "etc/os-release");
	fixture_link(&f, "t", "long",
		     "etc/../etc/../etc/../etc/../etc/../etc/../etc/../etc/../etc/os-release");
	for (int i = 0; i < IMAGES; i++) {
		fixture_mke2fs(&f, "t", "fs", SIZE, options[i]);
		if (i == 2)
			make_journal(&f);
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
