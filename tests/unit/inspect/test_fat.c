/* SPDX-License-Identifier: Apache-2.0
 *
 * FAT12, FAT16 and FAT32: whole trees against what mtools put there, names long and short, chains
 * that are broken, and boot sectors that lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "images/inspect/fsys.h"
#include "images/inspect/probe.h"
#include "tests/lib/inspect/fixture.h"
#include "tests/lib/inspect/tree.h"

struct mounted {
	struct blk *blk;
	struct inspect_part part;
	struct fsys *fs;
};

static struct mounted attach(const struct fixture *f, struct err *err)
{
	struct mounted m = {.blk = fixture_open(f, "fs")};

	m.part.size = blk_size(m.blk);
	probe_part(m.blk, &m.part);
	m.fs = fsys_open(m.blk, &m.part, err);
	return m;
}

static struct mounted attach_good(const struct fixture *f)
{
	struct err err = {0};
	struct mounted m = attach(f, &err);

	if (!m.fs)
		fail_msg("%s", err.msg);
	assert_string_equal(m.part.fs, "vfat");
	return m;
}

static void detach(struct mounted *m)
{
	fsys_close(m->fs);
	blk_close(m->blk);
}

static void make_tree(struct fixture *f)
{
	auto_free char *big = xmalloc(MIB);
	char name[260];

	for (size_t i = 0; i < MIB; i++)
		big[i] = (char)(i * 2654435761u >> 11);
	fixture_file(f, "tree", "big.bin", big, MIB - 17);
	fixture_text(f, "tree", "EFI/BOOT/BOOTX64.EFI", "MZ");
	fixture_text(f, "tree", "EFI/debian/grub.cfg", "search");
	fixture_text(f, "tree", "loader/entries/0123456789abcdef-6.8.5-301.fc40.x86_64.conf",
		     "title x");
	fixture_text(f, "tree", "readme.txt", "lower");
	fixture_text(f, "tree", "Mixed Case.Txt", "mixed");
	fixture_text(f, "tree", "no-extension", "");
	fixture_text(f, "tree", "exactly-13-ch", "thirteen");
	memset(name, 'n', 200);
	name[200] = 0;
	fixture_text(f, "tree", name, "long");
	for (int i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "many/a long name that takes entries %d", i);
		fixture_text(f, "tree", name, name);
	}
}

/* Formats dir/fs and copies the tree, after files that were removed again: what comes is
 * fragmented. */
static void make_fat(struct fixture *f, uint64_t bytes, const char *options)
{
	auto_free char *command = NULL;

	file_remove(fixture_path(f, "fs"), NULL);
	fixture_truncate(f, "fs", bytes);
	command = xasprintf(
		"cd %s && PATH=$PATH:/sbin:/usr/sbin && export MTOOLS_SKIP_CHECK=1\n"
		"mkfs.vfat %s fs >/dev/null\n"
		"head -c 40000 /dev/zero >z\n"
		"for i in 1 2 3 4 5 6; do mcopy -i fs z ::gap$i; mcopy -i fs z ::z$i; done\n"
		"for i in 1 2 3 4 5 6; do mdel -i fs ::gap$i; done\n"
		"mcopy -s -i fs tree/* ::\n"
		"for i in 1 2 3 4 5 6; do mdel -i fs ::z$i; done",
		f->dir, options);
	fixture_shell(command);
}

static void poke(const struct fixture *f, uint64_t off, uint32_t value, unsigned bytes)
{
	auto_close int fd = open(fixture_path(f, "fs"), O_WRONLY | O_CLOEXEC);
	uint8_t le[4];

	put_le32(le, value);
	assert_int_equal(pwrite_all(fd, le, bytes, off), 0);
}

static void test_trees(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *options;
		uint32_t sectors; /* fewer than it was made with */
	} cases[] = {
		{4 * MIB, "-F 12", 0},
		{4 * MIB, "-F 12 -s 8", 0},
		{32 * MIB, "-F 16", 0},
		{32 * MIB, "-F 16 -s 1", 0},
		{40 * MIB, "-F 32 -s 1", 0},
		/* As small as mkfs.vfat makes it; mtools take such a one for FAT16. */
		{40 * MIB, "-F 32 -s 1", 60000},
		{300 * MIB, "-F 32", 0},
		{64 * MIB, "-F 16 -S 4096 -s 1", 0},
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	make_tree(&f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_buf struct buf here = BUF_INIT(MIB), there = BUF_INIT(MIB);
		const char *difference;
		struct mounted m;

		make_fat(&f, cases[i].bytes, cases[i].options);
		if (cases[i].sectors)
			poke(&f, 32, cases[i].sectors, 4);
		m = attach_good(&f);
		assert_int_equal(tree_of_fsys(m.fs, &here), 0);
		tree_of_host(fixture_path(&f, "tree"), &there);
		difference = tree_difference(buf_str(&here), buf_str(&there));
		if (difference)
			fail_msg("%s: %s", cases[i].options, difference);
		detach(&m);
	}
	fixture_done(&f);
}

static void test_places(void **state)
{
	static const char *const options[] = {"-F 16 -s 1", "-F 32 -s 1"};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	make_tree(&f);
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		make_fat(&f, (i ? 40 : 32) * MIB, options[i]);
		assert_true(fixture_locate(&f, "fs", "/EFI/debian/grub.cfg", "search"));
		assert_false(fixture_locate(&f, "fs", "/big.bin", NULL));
		assert_false(fixture_locate(&f, "fs", "/no-extension", NULL));
		assert_false(fixture_locate(&f, "fs", "/EFI", NULL));
	}
	fixture_done(&f);
}

static void test_names(void **state)
{
	struct fixture f;
	struct mounted m;

	(void)state;
	fixture_init(&f);
	fixture_text(&f, "tree", "EFI/BOOT/grub.cfg", "x");
	fixture_text(&f, "tree", "A Long Name.conf", "x");
	make_fat(&f, 4 * MIB, "-F 12 -n LABEL");
	m = attach_good(&f);
	assert_true(fsys_is_file(m.fs, "/EFI/BOOT/grub.cfg"));
	assert_true(fsys_is_file(m.fs, "/efi/boot/GRUB.CFG"));
	assert_true(fsys_is_file(m.fs, "/a long name.CONF"));
	assert_true(fsys_is_dir(m.fs, "/EFI/BOOT/.."));
	assert_true(fsys_is_dir(m.fs, "/"));
	assert_false(fsys_is_file(m.fs, "/LABEL"));
	assert_false(fsys_is_file(m.fs, "/gap1")); /* removed */
	assert_false(fsys_is_file(m.fs, "/EFI"));
	detach(&m);
	fixture_done(&f);
}

/* FAT16 with clusters of 2048 bytes: the FAT begins behind the reserved sectors. */
static void test_broken_chains(void **state)
{
	static const uint16_t values[] = {0, 1, 2, 3, 0xFFF0, 0xFFF7, 0xFFFF};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		auto_buf struct buf got = BUF_INIT(MIB);
		struct fixture f;
		struct mounted m;
		struct fnode node;
		struct err err = {0};
		char command[300];
		uint8_t reserved[2];

		fixture_init(&f);
		fixture_truncate(&f, "fs", 32 * MIB);
		snprintf(command, sizeof(command),
			 "cd %s && PATH=$PATH:/sbin:/usr/sbin && mkfs.vfat -F 16 fs >/dev/null && "
			 "head -c 20000 /dev/urandom >big && MTOOLS_SKIP_CHECK=1 mcopy -i fs big "
			 "::big",
			 f.dir);
		fixture_shell(command);
		m = attach_good(&f);
		assert_int_equal(fsys_find(m.fs, "/big", &node, &err), 0);
		assert_int_equal(fsys_read_file(m.fs, "/big", &got, &err), 0);
		detach(&m);

		auto_close int fd = open(fixture_path(&f, "fs"), O_RDONLY | O_CLOEXEC);
		assert_int_equal(pread_all(fd, reserved, 2, 14, NULL), 0);
		poke(&f, get_le16(reserved) * 512 + (node.id[0] + 1) * 2, values[i], 2);
		m = attach_good(&f);
		buf_reset(&got);
		/* 2 and 3 lead back into the file's own chain. */
		if (fsys_read_file(m.fs, "/big", &got, &err) == 0)
			assert_true(values[i] == 2 || values[i] == 3);
		else
			assert_int_equal(err.kind, ERR_CORRUPT);
		detach(&m);
		fixture_done(&f);
	}
}

static void test_bad_boot_sectors(void **state)
{
	static const struct {
		uint32_t off, value;
		unsigned bytes;
		bool opens; /* odd, and inside the partition */
	} cases[] = {
		{14, 0xFFFF, 2, true},	    /* reserved sectors */
		{17, 0xFFFF, 2, true},	    /* entries of the root */
		{22, 0xFFFF, 2, false},	    /* sectors of a FAT */
		{32, 0xFFFFFFFF, 4, false}, /* sectors of it all */
		{32, 1, 4, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_buf struct buf tree = BUF_INIT(MIB);
		auto_free char *command = NULL;
		struct fixture f;
		struct mounted m;
		struct err err = {0};

		fixture_init(&f);
		fixture_truncate(&f, "fs", 40 * MIB);
		command = xasprintf("PATH=$PATH:/sbin:/usr/sbin mkfs.vfat -F 16 %s >/dev/null",
				    fixture_path(&f, "fs"));
		fixture_shell(command);
		poke(&f, 19, 0, 2);
		poke(&f, cases[i].off, cases[i].value, cases[i].bytes);
		m = attach(&f, &err);
		assert_int_equal(m.fs != NULL, cases[i].opens);
		if (m.fs)
			assert_int_equal(tree_of_fsys(m.fs, &tree), 0);
		else
			assert_int_equal(err.kind, ERR_CORRUPT);
		detach(&m);
		fixture_done(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_broken_chains),
		cmocka_unit_test(test_bad_boot_sectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
