// SPDX-License-Identifier: Apache-2.0
//
// Headers that say one wrong thing: each is refused with its reason, when the image is opened, and
// probing tells what it can.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/file.h"
#include "tests/lib/disk/image.h"

struct lie {
	const char *what;
	uint64_t off;
	unsigned bytes;
	uint64_t value;
	const char *says;   /* of opening for writing */
	bool readable;	    /* opening read-only works */
	bool undescribable; /* probing fails too */
};

static const struct lie lies[] = {
	{"magic", 0, 4, 0x514649fa, "no magic", false, false},
	{"version 1", 4, 4, 1, "version 1", false, true},
	{"version 4", 4, 4, 4, "version 4", false, true},
	{"cluster_bits 8", 20, 4, 8, "cluster_bits is 8", false, true},
	{"cluster_bits 22", 20, 4, 22, "cluster_bits is 22", false, true},
	{"cluster_bits huge", 20, 4, 0xffffffff, "cluster_bits", false, true},
	{"size larger than L1", 24, 8, UINT64_C(1) << 40, "L1 table has", false, false},
	{"size negative", 24, 8, UINT64_MAX, "virtual size", false, false},
	{"AES", 32, 4, 1, "encrypted (AES)", false, false},
	{"LUKS", 32, 4, 2, "encrypted (LUKS)", false, false},
	{"L1 too large", 36, 4, 0x00400001, "L1 table has 33554440 bytes", false, false},
	{"L1 outside", 36, 4, 0x10000, "leaves the file", false, false},
	{"L1 unaligned", 40, 8, 0x30200, "not a cluster's offset", false, false},
	{"L1 far away", 40, 8, UINT64_C(1) << 56, "not a cluster's offset", false, false},
	{"L1 past the end", 40, 8, UINT64_C(1) << 40, "leaves the file", false, false},
	{"L1 on the header", 40, 8, 0, "not a cluster's offset", false, false},
	{"refcount table unaligned", 48, 8, 0x10008, "refcount table is at", true, false},
	{"refcount table on the L1 table", 48, 8, 0x30000, "overlaps", true, false},
	{"refcount table too large", 56, 4, 129, "8454144 bytes", true, false},
	{"no refcount table", 56, 4, 0, "no refcount table", true, false},
	{"too many snapshots", 60, 4, 65537, "65537 snapshots", false, false},
	{"snapshot table on the header", 60, 4, 1, "snapshot table is at 0", false, false},
	{"dirty", 79, 1, 1, "refcounts are stale", true, false},
	{"corrupt", 79, 1, 2, "marked corrupt", true, false},
	{"external data file", 79, 1, 4, "external data file", false, false},
	{"bit 9", 72, 8, 1 << 9, "incompatible feature bit 9", false, false},
	{"bit 63", 72, 8, UINT64_C(1) << 63, "incompatible feature bit 63", false, false},
	{"compression bit, type 0", 79, 1, 8, "contradicts the feature bit", false, true},
	{"compression type, no bit", 104, 1, 1, "contradicts the feature bit", false, true},
	{"refcount_order 7", 96, 4, 7, "refcount_order is 7", false, true},
	{"header_length 96", 100, 4, 96, "header_length is 96", false, true},
	{"header_length odd", 100, 4, 105, "header_length is 105", false, true},
	{"header_length huge", 100, 4, 0x20000, "header_length", false, true},
	{"backing name outside", 8, 8, 0x10000, "backing file name", false, true},
	{"backing name empty", 8, 8, 200, "backing file name of 0 bytes", false, true},
	{"backing name with controls", 8, 12, UINT64_C(200) << 32 | 5, "control character", false,
	 true},
	{"extension leaves the cluster", 112, 8, UINT64_C(0x12345678fffffff0), "leaves the first",
	 false, true},
};

static void lie(int fd, const struct lie *l)
{
	uint8_t raw[16] = {0};

	for (unsigned i = 0; i < l->bytes; i++)
		raw[i] = (uint8_t)(i + 8 < l->bytes ? 0 : l->value >> 8 * (l->bytes - 1 - i));
	assert_int_equal(pwrite_all(fd, raw, l->bytes, l->off), 0);
}

static void each_lie_is_told(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(lies); i++) {
		const struct lie *l = &lies[i];
		int fd = mem_qcow2(10 << 20, 65536, false);
		struct err err = {0}, ro = {0}, probe = {0};
		struct blk_info info;
		struct blk *blk;

		lie(fd, l);
		blk = mem_open(fd, BLK_QCOW2, -1, BLK_RAW, 0, &err);
		if (blk || !strstr(err.msg, l->says))
			fail_msg("%s: \"%s\"", l->what, blk ? "opened" : err.msg);
		blk = mem_open(fd, BLK_QCOW2, -1, BLK_RAW, BLK_RDONLY, &ro);
		if (!!blk != l->readable)
			fail_msg("%s, read-only: \"%s\"", l->what, ro.msg);
		blk_close(blk);
		if ((blk_probe(fd, &info, &probe) < 0) != l->undescribable)
			fail_msg("%s, probed: \"%s\"", l->what, probe.msg);
		close(fd);
	}
}

static void short_files_are_no_images(void **state)
{
	int whole = mem_qcow2(1 << 20, 4096, false);
	size_t n;
	uint8_t *bytes = mem_bytes(whole, &n);

	(void)state;
	for (size_t cut = 0; cut < 160; cut++) {
		int fd = mem_file(bytes, cut);
		struct err err = {0};
		struct blk_info info;

		assert_null(mem_open(fd, BLK_QCOW2, -1, BLK_RAW, BLK_RDONLY, &err));
		assert_true(err.msg[0]);
		err = (struct err){0};
		if (blk_probe(fd, &info, &err) == 0)
			assert_true(info.format == BLK_RAW || cut >= 112);
		close(fd);
	}
	free(bytes);
	close(whole);
}

static void features_are_named_by_the_image(void **state)
{
	int fd = mem_qcow2(1 << 20, 65536, false);
	uint8_t table[8 + 48 + 8] = {0};
	uint8_t bits[8];
	struct err err = {0};
	struct blk_info info;

	(void)state;
	put_be32(table, 0x6803f857);
	put_be32(table + 4, 48);
	table[9] = 40;
	memcpy(table + 10, "time \033travel", 12);
	put_be64(bits, UINT64_C(1) << 40);
	assert_int_equal(pwrite_all(fd, table, sizeof(table), 112), 0);
	assert_int_equal(pwrite_all(fd, bits, 8, 72), 0);
	assert_null(mem_open(fd, BLK_QCOW2, -1, BLK_RAW, BLK_RDONLY, &err));
	assert_non_null(strstr(err.msg, "time ?travel"));
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	assert_int_equal(blk_probe(fd, &info, &err), 0);
	assert_string_equal(info.unknown_features, "time ?travel");
	close(fd);
}

/* As QEMU wrote version 2 before there were extensions: nothing says that there are none. */
static void old_images_have_the_name_behind_the_header(void **state)
{
	static const char name[] = "/images/b\xc3\xa4se.raw";
	int fd = mem_qcow2(1 << 20, 65536, false);
	uint8_t raw[16] = {0};
	struct blk_info info;
	struct err err = {0};

	(void)state;
	put_be32(raw + 4, 2);
	assert_int_equal(pwrite_all(fd, raw + 4, 4, 4), 0);
	put_be64(raw, 72);
	put_be32(raw + 8, sizeof(name) - 1);
	assert_int_equal(pwrite_all(fd, raw, 12, 8), 0);
	assert_int_equal(pwrite_all(fd, name, sizeof(name) - 1, 72), 0);
	if (blk_probe(fd, &info, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(info.backing, name);
	assert_int_equal(info.qcow2_version, 2);
	close(fd);
}

/* Nothing is opened by it, but it is shown. */
static void backing_names_are_clean(void **state)
{
	int fd = mem_overlay(1 << 20, 65536, false, BLK_RAW, 1 << 20);
	struct blk_info info;
	struct err err = {0};
	uint8_t at[8];

	(void)state;
	assert_int_equal(pread_all(fd, at, sizeof(at), 8, NULL), 0);
	assert_int_equal(pwrite_all(fd,
				    "\xc2\x9b"
				    "m\xff"
				    "w",
				    5, get_be64(at)),
			 0);
	assert_int_equal(blk_probe(fd, &info, &err), 0);
	assert_string_equal(info.backing, "?m?w");
	close(fd);
}

static void chains_must_be_exact(void **state)
{
	int base = mem_qcow2(1 << 20, 65536, false), raw = mem_file("x", 1);
	int over = mem_overlay(2 << 20, 65536, false, BLK_QCOW2, 1 << 20);
	struct err err = {0};
	struct blk *blk;

	(void)state;
	assert_null(mem_open(over, BLK_QCOW2, -1, BLK_RAW, 0, &err));
	assert_non_null(strstr(err.msg, "'top': needs its backing file 'below'"));
	assert_null(mem_open(base, BLK_QCOW2, raw, BLK_RAW, 0, &err));
	assert_non_null(strstr(err.msg, "'top': has no backing file"));
	assert_null(mem_open(raw, BLK_RAW, base, BLK_QCOW2, 0, &err));
	assert_non_null(strstr(err.msg, "a raw image cannot have"));
	assert_null(mem_open(over, BLK_QCOW2, raw, BLK_QCOW2, 0, &err));
	assert_non_null(strstr(err.msg, "'below': not a qcow2 image"));
	blk = mem_open(over, BLK_QCOW2, base, BLK_QCOW2, 0, &err);
	assert_non_null(blk);
	assert_int_equal(blk_size(blk), 2 << 20);
	blk_close(blk);
	assert_null(blk_open(NULL, 0, 0, &err));
	close(base);
	close(raw);
	close(over);
}

static void images_from_outside_are_only_disks(void **state)
{
	int over = mem_overlay(1 << 20, 65536, false, BLK_RAW, 1 << 20);
	int good = mem_qcow2(1 << 20, 65536, true), raw = mem_file("plain", 5),
	    none = mem_file("", 0);
	int dirty = mem_qcow2(1 << 20, 65536, false), data = mem_qcow2(1 << 20, 65536, false);
	struct blk_info info;
	struct err err = {0};

	(void)state;
	assert_int_equal(blk_check_foreign(good, 1 << 20, &info, &err), 0);
	assert_true(info.extended_l2);
	assert_int_equal(info.qcow2_version, 3);
	assert_int_equal(info.virtual_size, 1 << 20);
	assert_int_equal(blk_check_foreign(raw, 1 << 20, &info, &err), 0);
	assert_int_equal(info.format, BLK_RAW);
	assert_int_equal(info.virtual_size, 5);
	assert_int_equal(blk_check_foreign(good, (1 << 20) - 1, &info, &err), -1);
	assert_non_null(strstr(err.msg, "more than the 1048575 allowed"));
	assert_int_equal(blk_check_foreign(none, 1 << 20, &info, &err), -1);
	assert_int_equal(blk_check_foreign(over, 1 << 20, &info, &err), -1);
	assert_int_equal(err.kind, ERR_VERIFY);
	assert_non_null(strstr(err.msg, "backing file ('below')"));
	assert_int_equal(pwrite_all(dirty, "\2", 1, 79), 0);
	assert_int_equal(blk_check_foreign(dirty, 1 << 20, &info, &err), -1);
	assert_non_null(strstr(err.msg, "marked corrupt"));
	assert_true(info.corrupt);
	assert_int_equal(pwrite_all(data, "\4", 1, 79), 0);
	assert_int_equal(blk_check_foreign(data, 1 << 20, &info, &err), -1);
	assert_non_null(strstr(err.msg, "external data file"));
	assert_int_equal(err.kind, ERR_VERIFY);
	close(over);
	close(good);
	close(raw);
	close(none);
	close(dirty);
	close(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_lie_is_told),
		cmocka_unit_test(short_files_are_no_images),
		cmocka_unit_test(features_are_named_by_the_image),
		cmocka_unit_test(old_images_have_the_name_behind_the_header),
		cmocka_unit_test(backing_names_are_clean),
		cmocka_unit_test(chains_must_be_exact),
		cmocka_unit_test(images_from_outside_are_only_disks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
