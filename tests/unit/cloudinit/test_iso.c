/* SPDX-License-Identifier: Apache-2.0
 *
 * The seed disk, read back by an independent reader (libarchive) through both of its views, and
 * that its bytes depend on the documents alone. tests/golden/run lets isoinfo and blkid judge it as
 * well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <time.h>

#include "base/util.h"
#include "cloudinit/seed.h"

enum { SECTOR = 2048 };

static void fill(struct seed *seed, const char *user, const char *meta, const char *network,
		 const char *vendor)
{
	const char *texts[SEED_FILES] = {user, meta, network, vendor};

	for (unsigned f = 0; f < SEED_FILES; f++) {
		seed->files[f] = BUF_INIT(SEED_MAX_FILE + 1);
		buf_puts(&seed->files[f], texts[f]);
	}
}

static struct buf build(const struct seed *seed)
{
	struct buf iso = BUF_INIT(SEED_MAX_ISO);
	struct err err = {0};

	if (seed_iso(seed, &iso, &err) < 0)
		fail_msg("%s", err.msg);
	return iso;
}

/* Compares what a reader sees with the seed; returns how many files there were. */
static int compare(const struct buf *iso, const char *options, const struct seed *seed)
{
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	int files = 0;

	assert_int_equal(archive_read_support_format_iso9660(a), ARCHIVE_OK);
	assert_int_equal(archive_read_set_options(a, options), ARCHIVE_OK);
	assert_int_equal(archive_read_open_memory(a, iso->data, iso->len), ARCHIVE_OK);
	while (archive_read_next_header(a, &entry) == ARCHIVE_OK) {
		const struct buf *want = NULL;
		size_t size = (size_t)archive_entry_size(entry);
		char *data;

		if (archive_entry_filetype(entry) == AE_IFDIR)
			continue;
		for (unsigned f = 0; f < SEED_FILES; f++)
			if (!strcmp(archive_entry_pathname(entry), seed_file_name(f)))
				want = &seed->files[f];
		assert_non_null(want);
		assert_int_equal(size, want->len);
		data = malloc(size + 1);
		assert_int_equal(archive_read_data(a, data, size), size);
		assert_memory_equal(data, buf_str(want), size);
		free(data);
		files++;
	}
	assert_int_equal(archive_read_free(a), ARCHIVE_OK);
	return files;
}

static void both_views(const struct seed *seed, int files)
{
	struct buf iso = build(seed);

	assert_int_equal(iso.len % SECTOR, 0);
	assert_int_equal(compare(&iso, "iso9660:!joliet", seed), files);
	assert_int_equal(compare(&iso, "iso9660:!rockridge", seed), files);
	/* 8.4.8: the descriptor knows the size of the volume */
	assert_int_equal(get_le32(iso.data + 16 * SECTOR + 80), iso.len / SECTOR);
	assert_int_equal(get_be32(iso.data + 17 * SECTOR + 84), iso.len / SECTOR);
	buf_done(&iso);
}

static void test_reads_back(void **state)
{
	struct seed seed;

	(void)state;
	fill(&seed, "#cloud-config\n{}\n", "instance-id: a\n", "version: 2\n", "#!/bin/sh\n");
	both_views(&seed, 4);
	seed_done(&seed);
}

/* user-data and meta-data are there even when empty: cloud-init rejects a seed without them. */
static void test_empty_documents(void **state)
{
	struct seed seed;

	(void)state;
	fill(&seed, "", "", "", "");
	both_views(&seed, 2);
	seed_done(&seed);
}

static void test_sizes_around_a_sector(void **state)
{
	(void)state;
	for (size_t n = SECTOR - 1; n <= SECTOR + 1; n++) {
		struct seed seed;

		fill(&seed, "", "m", "", "");
		for (size_t i = 0; i < n; i++)
			buf_putc(&seed.files[SEED_USER_DATA], (char)('a' + i % 26));
		buf_puts(&seed.files[SEED_VENDOR_DATA], "after it");
		both_views(&seed, 3);
		seed_done(&seed);
	}
}

static void test_attributes(void **state)
{
	struct seed seed;
	struct buf iso;
	struct archive *a = archive_read_new();
	struct archive_entry *entry;

	(void)state;
	fill(&seed, "u", "m", "n", "v");
	iso = build(&seed);
	assert_int_equal(archive_read_support_format_iso9660(a), ARCHIVE_OK);
	assert_int_equal(archive_read_open_memory(a, iso.data, iso.len), ARCHIVE_OK);
	while (archive_read_next_header(a, &entry) == ARCHIVE_OK) {
		bool dir = archive_entry_filetype(entry) == AE_IFDIR;

		assert_int_equal(archive_entry_perm(entry), dir ? 0500 : 0400);
		assert_int_equal(archive_entry_uid(entry), 0);
		assert_int_equal(archive_entry_gid(entry), 0);
		assert_int_equal(archive_entry_mtime(entry), 0);
	}
	archive_read_free(a);
	buf_done(&iso);
	seed_done(&seed);
}

/* The clock, the time zone and the locale have no part in it. */
static void test_same_bytes(void **state)
{
	struct timespec a_second = {.tv_sec = 1, .tv_nsec = 100 * 1000 * 1000};
	struct seed seed;
	struct buf one, two;

	(void)state;
	fill(&seed, "u", "m", "n", "v");
	one = build(&seed);
	setenv("TZ", "Pacific/Kiritimati", 1);
	tzset();
	nanosleep(&a_second, NULL);
	two = build(&seed);
	assert_int_equal(one.len, two.len);
	assert_memory_equal(one.data, two.data, one.len);
	unsetenv("TZ");
	tzset();
	buf_done(&one);
	buf_done(&two);
	seed_done(&seed);
}

static void test_source_date_epoch(void **state)
{
	static const char *const wrong[] = {"yesterday", "-1", "99999999999999999999",
					    "17179869185", "5869583999999"};
	struct seed seed;
	struct buf iso;

	(void)state;
	fill(&seed, "u", "m", "n", "v");
	setenv("SOURCE_DATE_EPOCH", "1700000000", 1); /* 2023-11-14 22:13:20 UTC */
	iso = build(&seed);
	assert_memory_equal(iso.data + 16 * SECTOR + 813, "2023111422132000\0", 17);
	assert_memory_equal(iso.data + 16 * SECTOR + 156 + 18, "\x7b\x0b\x0e\x16\x0d\x14\0", 7);
	buf_done(&iso);

	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		struct err err = {0};

		setenv("SOURCE_DATE_EPOCH", wrong[i], 1);
		iso = BUF_INIT(SEED_MAX_ISO);
		assert_int_equal(seed_iso(&seed, &iso, &err), -1);
		assert_non_null(strstr(err.msg, "SOURCE_DATE_EPOCH"));
		assert_int_equal(err.kind, ERR_USAGE);
		assert_int_equal(iso.len, 0);
		buf_done(&iso);
	}
	setenv("SOURCE_DATE_EPOCH", "5869583999", 1); /* the last second of 2155 */
	iso = build(&seed);
	buf_done(&iso);
	unsetenv("SOURCE_DATE_EPOCH");
	seed_done(&seed);
}

static void test_too_large(void **state)
{
	struct buf small = BUF_INIT(20 * SECTOR), iso = BUF_INIT(SEED_MAX_ISO);
	struct seed seed;
	struct err err = {0};

	(void)state;
	fill(&seed, "u", "m", "n", "v");
	assert_int_equal(seed_iso(&seed, &small, &err), -1);
	buf_done(&small);

	for (size_t i = 0; i <= SEED_MAX_FILE / 4096; i++)
		buf_put(&seed.files[SEED_USER_DATA], (char[4096]){0}, 4096);
	assert_int_equal(seed_iso(&seed, &iso, &err), -1);
	assert_non_null(strstr(err.msg, "user-data"));
	assert_int_equal(err.kind, ERR_SPEC);
	buf_done(&iso);
	seed_done(&seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_back),
		cmocka_unit_test(test_empty_documents),
		cmocka_unit_test(test_sizes_around_a_sector),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_source_date_epoch),
		cmocka_unit_test(test_too_large),
	};

	unsetenv("SOURCE_DATE_EPOCH");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
