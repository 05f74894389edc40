/* SPDX-License-Identifier: Apache-2.0
 *
 * Partition tables as sgdisk and sfdisk write them, then damaged; superblocks as the mkfs programs
 * write them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "images/inspect/parts.h"
#include "images/inspect/probe.h"
#include "tests/lib/inspect/fixture.h"

#define SBIN "PATH=$PATH:/sbin:/usr/sbin "

struct table {
	struct fixture f;
	struct inspect in;
	struct buf trail;
};

static void setup(struct table *t, uint64_t size, const char *command)
{
	auto_free char *whole = NULL;

	memset(t, 0, sizeof(*t));
	t->trail = BUF_INIT(64 * KIB);
	fixture_init(&t->f);
	fixture_truncate(&t->f, "disk", size);
	whole = xasprintf("cd %s && " SBIN "&& %s", t->f.dir, command);
	fixture_shell(whole);
}

static void read_table(struct table *t)
{
	struct blk *blk = fixture_open(&t->f, "disk");
	struct err err = {0};

	memset(&t->in, 0, sizeof(t->in));
	buf_reset(&t->trail);
	t->in.disk_size = blk_size(blk);
	if (parts_read(blk, &t->in, &t->trail, &err) < 0)
		fail_msg("%s", err.msg);
	blk_close(blk);
}

static void teardown(struct table *t)
{
	buf_done(&t->trail);
	fixture_done(&t->f);
}

static void poke(struct table *t, uint64_t off, const void *data, size_t n)
{
	auto_close int fd = open(fixture_path(&t->f, "disk"), O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite_all(fd, data, n, off), 0);
}

#define GPT_DISK                                                                                   \
	"sgdisk -n1:2048:4095 -t1:8300 -c1:'root \xc3\xa4\xe2\x82\xac' "                           \
	"-u1:01234567-89AB-CDEF-0123-456789ABCDEF -n14:4096:6143 -t14:ef02 -n16:6144:0 -t16:ea00 " \
	"disk >/dev/null"

static void assert_gpt_disk(const struct inspect *in)
{
	assert_string_equal(in->table, "gpt");
	assert_int_equal(in->nparts, 3);
	assert_int_equal(in->part[0].number, 1);
	assert_int_equal(in->part[0].off, 2048 * 512);
	assert_int_equal(in->part[0].size, 2048 * 512);
	assert_string_equal(in->part[0].type, "0fc63daf-8483-4772-8e79-3d69d8477de4");
	assert_string_equal(in->part[0].type_name, "linux");
	assert_string_equal(in->part[0].name, "root \xc3\xa4\xe2\x82\xac");
	assert_string_equal(in->part[0].partuuid, "01234567-89ab-cdef-0123-456789abcdef");
	assert_int_equal(in->part[1].number, 14);
	assert_string_equal(in->part[1].type_name, "bios-boot");
	assert_int_equal(in->part[2].number, 16);
	assert_string_equal(in->part[2].type_name, "xbootldr");
}

static void test_gpt(void **state)
{
	struct table t;

	(void)state;
	setup(&t, 8 * MIB, GPT_DISK);
	read_table(&t);
	assert_gpt_disk(&t.in);
	assert_false(t.in.gpt_backup);
	teardown(&t);
}

/* Each way to break the primary header leaves the backup; breaking both leaves nothing. */
static void test_gpt_backup(void **state)
{
	static const struct {
		uint64_t off;
		const char *reason;
	} breaks[] = {
		{512, "signature"},
		{512 + 13, "size"},
		{512 + 16, "checksum"},
		{512 + 24, "checksum"},
		{512 + 40, "checksum"},
		{512 + 88, "checksum"},
		{1024 + 56, "table's checksum"},
		{1024 + 16000, "table's checksum"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(breaks); i++) {
		struct table t;

		setup(&t, 8 * MIB, GPT_DISK);
		poke(&t, breaks[i].off, "\xff", 1);
		read_table(&t);
		assert_gpt_disk(&t.in);
		assert_true(t.in.gpt_backup);
		assert_non_null(strstr(buf_str(&t.trail), breaks[i].reason));

		poke(&t, 8 * MIB - 512 + 16, "\xff\xff\xff\xff", 4);
		read_table(&t);
		assert_int_not_equal(strcmp(t.in.table, "gpt"), 0);
		teardown(&t);
	}
}

/* A grown image: the backup is where it was, and the primary still says where. */
static void test_gpt_grown(void **state)
{
	struct table t;

	(void)state;
	setup(&t, 8 * MIB, GPT_DISK);
	fixture_truncate(&t.f, "disk", 16 * MIB);
	read_table(&t);
	assert_gpt_disk(&t.in);
	assert_false(t.in.gpt_backup);
	poke(&t, 512 + 16, "\xff\xff\xff\xff", 4);
	read_table(&t);
	assert_gpt_disk(&t.in);
	assert_true(t.in.gpt_backup);
	teardown(&t);
}

/* Partitions behind the end of a cut-off disk are left out and named. */
static void test_gpt_cut(void **state)
{
	struct table t;

	(void)state;
	setup(&t, 8 * MIB, GPT_DISK);
	fixture_truncate(&t.f, "disk", 3 * MIB);
	read_table(&t);
	assert_string_equal(t.in.table, "gpt");
	assert_int_equal(t.in.nparts, 2);
	assert_non_null(strstr(buf_str(&t.trail), "partition 16: not looked at"));
	teardown(&t);
}

/* Linux does not believe a GPT without its protective MBR; neither do we. */
static void test_gpt_without_mbr(void **state)
{
	struct table t;

	(void)state;
	setup(&t, 8 * MIB, GPT_DISK);
	poke(&t, 446, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	read_table(&t);
	assert_string_equal(t.in.table, "none");
	teardown(&t);
}

static void test_mbr(void **state)
{
	struct table t;

	(void)state;
	setup(&t, 16 * MIB,
	      "printf 'label: dos\nlabel-id: 0x1234abcd\n1: start=2048, size=2048, type=83, "
	      "bootable\n"
	      "2: start=4096, size=2048, type=82\n3: start=6144, size=20000, type=f\n"
	      "5: start=8192, size=2048, type=83\n6: start=12288, size=2048, type=8e\n"
	      "7: start=16384, size=2048, type=ef\n' | sfdisk -q disk");
	read_table(&t);
	assert_string_equal(t.in.table, "mbr");
	assert_int_equal(t.in.nparts, 5);
	assert_int_equal(t.in.part[0].number, 1);
	assert_string_equal(t.in.part[0].type, "0x83");
	assert_string_equal(t.in.part[0].partuuid, "1234abcd-01");
	assert_string_equal(t.in.part[1].type_name, "swap");
	assert_int_equal(t.in.part[2].number, 5);
	assert_int_equal(t.in.part[2].off, 8192 * 512);
	assert_int_equal(t.in.part[2].size, 2048 * 512);
	assert_int_equal(t.in.part[3].number, 6);
	assert_int_equal(t.in.part[3].off, 12288 * 512);
	assert_int_equal(t.in.part[4].number, 7);
	assert_string_equal(t.in.part[4].type_name, "esp");
	assert_string_equal(t.in.part[4].partuuid, "1234abcd-07");
	teardown(&t);
}

/* A chain of extended records that refers to itself ends. */
static void test_mbr_loop(void **state)
{
	static const uint8_t extended[16] = {0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 200, 0, 0, 0};
	static const uint8_t part[16] = {0, 0, 0, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
	static const uint8_t self[16] = {0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0};
	struct table t;

	(void)state;
	setup(&t, MIB, "true");
	poke(&t, 446, extended, 16);
	poke(&t, 510, "\x55\xaa", 2);
	poke(&t, 512 + 446, part, 16);
	poke(&t, 512 + 462, self, 16);
	poke(&t, 512 + 510, "\x55\xaa", 2);
	read_table(&t);
	assert_string_equal(t.in.table, "mbr");
	assert_int_equal(t.in.nparts, 100);
	assert_non_null(strstr(buf_str(&t.trail), "longer than 100"));
	teardown(&t);
}

/* A boot sector is no partition table because it ends with 55 AA. */
static void test_whole_disk(void **state)
{
	struct table t;

	(void)state;
	setup(&t, 4 * MIB, "mke2fs -q -F -t ext4 -L / disk");
	poke(&t, 510, "\x55\xaa", 2);
	poke(&t, 0, "\xeb\x58\x90SYSLINUX", 11);
	read_table(&t);
	assert_string_equal(t.in.table, "none");
	assert_int_equal(t.in.nparts, 1);
	assert_int_equal(t.in.part[0].number, 0);
	assert_int_equal(t.in.part[0].size, 4 * MIB);
	teardown(&t);
}

static void test_tiny_disks(void **state)
{
	static const uint64_t sizes[] = {1, 511, 512, 1024, 1536, 2048};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct table t;

		setup(&t, sizes[i], "true");
		read_table(&t);
		assert_string_equal(t.in.table, "none");
		teardown(&t);
	}
}

/* --- superblocks --- */

static void test_probes(void **state)
{
	static const struct {
		const char *command, *fs, *label, *uuid;
	} cases[] = {
		{"mke2fs -q -F -t ext2 -L two -U 01234567-89ab-cdef-0123-456789abcdef disk", "ext2",
		 "two", "01234567-89ab-cdef-0123-456789abcdef"},
		{"mke2fs -q -F -t ext3 -L three -U 01234567-89ab-cdef-0123-456789abcdef disk",
		 "ext3", "three", "01234567-89ab-cdef-0123-456789abcdef"},
		{"mke2fs -q -F -t ext4 -L sixteen_letters_ -U 01234567-89ab-cdef-0123-456789abcdef "
		 "disk",
		 "ext4", "sixteen_letters_", "01234567-89ab-cdef-0123-456789abcdef"},
		{"mkfs.vfat -F 16 -n CIDATA -i 1234abcd disk >/dev/null", "vfat", "CIDATA",
		 "1234-ABCD"},
		{"mkfs.vfat -F 12 -i 1234abcd disk >/dev/null", "vfat", "", "1234-ABCD"},
		{"mkfs.vfat -F 32 -n 'UEFI' -i 0001000a disk >/dev/null 2>&1", "vfat", "UEFI",
		 "0001-000A"},
		{"mkswap -q -L sw -U 01234567-89ab-cdef-0123-456789abcdef disk", "swap", "sw",
		 "01234567-89ab-cdef-0123-456789abcdef"},
		{"printf XFSB | dd of=disk conv=notrunc status=none && printf label | dd of=disk "
		 "bs=1 seek=108 "
		 "conv=notrunc status=none",
		 "xfs", "label", "00000000-0000-0000-0000-000000000000"},
		{"printf _BHRfS_M | dd of=disk bs=1 seek=65600 conv=notrunc status=none", "btrfs",
		 "", "00000000-0000-0000-0000-000000000000"},
		{"printf LABELONE | dd of=disk bs=1 seek=512 conv=notrunc status=none && printf "
		 "'LVM2 "
		 "001abcdefghijklmnopqrstuvwxyz012345' | dd of=disk bs=1 seek=536 conv=notrunc "
		 "status=none",
		 "lvm2", "", "abcdef-ghij-klmn-opqr-stuv-wxyz-012345"},
		{"printf 'LUKS\\272\\276' | dd of=disk conv=notrunc status=none", "luks", "", ""},
		{"head -c 4000000 /dev/zero | tr '\\0' x >disk", "", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct inspect_part p = {.size = 0};
		struct blk *blk;
		struct table t;

		setup(&t, 40 * MIB, cases[i].command);
		blk = fixture_open(&t.f, "disk");
		p.size = blk_size(blk);
		probe_part(blk, &p);
		assert_string_equal(p.fs, cases[i].fs);
		assert_string_equal(p.fs_label, cases[i].label);
		assert_string_equal(p.fs_uuid, cases[i].uuid);
		if (!strcmp(p.fs, "lvm2") || !strcmp(p.fs, "luks"))
			assert_non_null(strstr(p.note, "does not look inside"));
		blk_close(blk);
		teardown(&t);
	}
}

static void test_probe_iso(void **state)
{
	struct inspect_part p = {.size = 0};
	struct blk *blk;
	struct table t;

	(void)state;
	setup(&t, 0,
	      "mkdir iso && echo x >iso/meta-data && "
	      "{ genisoimage -quiet -V cidata -J -r -o disk iso 2>/dev/null || "
	      "  xorriso -as mkisofs -quiet -V cidata -J -r -o disk iso 2>/dev/null; }");
	blk = fixture_open(&t.f, "disk");
	p.size = blk_size(blk);
	probe_part(blk, &p);
	assert_string_equal(p.fs, "iso9660");
	assert_string_equal(p.fs_label, "cidata");
	assert_int_equal(strlen(p.fs_uuid), strlen("2026-01-01-00-00-00-00"));
	blk_close(blk);
	teardown(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gpt),
		cmocka_unit_test(test_gpt_backup),
		cmocka_unit_test(test_gpt_grown),
		cmocka_unit_test(test_gpt_cut),
		cmocka_unit_test(test_gpt_without_mbr),
		cmocka_unit_test(test_mbr),
		cmocka_unit_test(test_mbr_loop),
		cmocka_unit_test(test_whole_disk),
		cmocka_unit_test(test_tiny_disks),
		cmocka_unit_test(test_probes),
		cmocka_unit_test(test_probe_iso),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
