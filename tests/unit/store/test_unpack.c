/* SPDX-License-Identifier: Apache-2.0
 *
 * Archives as files of this host, through fetch_image and so through the confined child: which file
 * is the image, and what is refused. The archives are libarchive's own, or made by hand where it
 * would not make them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "images/store/fetch/fetch.h"
#include "images/store/fetch/unpack.h"

enum { DISK = 300000 };

static char *dir;
static char disk[DISK], noise[DISK];

/* --- making archives
 * ---------------------------------------------------------------------------------- */

struct member {
	const char *name;
	unsigned type; /* AE_IFREG when 0 */
	const char *link;
	bool hard;
	const void *data; /* NULL: the disk */
	size_t size;	  /* 0: all of the disk */
};

static la_ssize_t to_buf(struct archive *a, void *ctx, const void *data, size_t n)
{
	(void)a;
	buf_put(ctx, data, n);
	return (la_ssize_t)n;
}

static void put_member(struct archive *a, const struct member *m)
{
	struct archive_entry *e = archive_entry_new();
	size_t size = m->data || m->size ? m->size : DISK;

	archive_entry_set_pathname(e, m->name);
	archive_entry_set_filetype(e, m->type ? m->type : AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, m->type || m->hard ? 0 : (la_int64_t)size);
	if (m->link && m->hard)
		archive_entry_set_hardlink(e, m->link);
	else if (m->link)
		archive_entry_set_symlink(e, m->link);
	assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
	if (!m->type && !m->hard && size)
		assert_int_equal(archive_write_data(a, m->data ? m->data : disk, size), size);
	archive_entry_free(e);
}

/* Members up to one without a name. */
static struct buf make(int (*format)(struct archive *), int (*filter)(struct archive *),
		       const struct member *members)
{
	struct buf out = BUF_INIT(64 * MIB);
	struct archive *a = archive_write_new();

	assert_int_equal(format(a), ARCHIVE_OK);
	if (filter)
		assert_int_equal(filter(a), ARCHIVE_OK);
	archive_write_set_bytes_in_last_block(a, 1);
	assert_int_equal(archive_write_open2(a, &out, NULL, to_buf, NULL, NULL), ARCHIVE_OK);
	for (; members->name; members++)
		put_member(a, members);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	return out;
}

/* --- fetching them
 * ------------------------------------------------------------------------------------ */

struct outcome {
	int rc;
	bool packed;
	struct err err;
	struct buf image;
};

static void outcome_done(struct outcome *o)
{
	buf_done(&o->image);
}

static struct outcome fetch(const char *name, const void *data, size_t n, uint64_t max_bytes)
{
	auto_free char *path = path_join(dir, name), *part = xasprintf("%s.part", path);
	auto_free char *image = xasprintf("%s.image", path);
	auto_close int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct fetch_request r = {.urls = NULL,
				  .src_fd = fd,
				  .part = part,
				  .image = image,
				  .max_bytes = max_bytes ? max_bytes : 64 * GIB};
	struct outcome o = {.image = BUF_INIT(8 * MIB)};
	struct fetched got = {.url = NULL};

	assert_int_equal(write_all(fd, data, n), 0);
	o.rc = fetch_image(&r, NULL, &got, &o.err);
	o.packed = got.packed;
	if (o.rc == 0)
		assert_int_equal(file_read(got.packed ? image : part, &o.image, NULL), 0);
	/* Never more than what was promised. */
	assert_int_equal(access(image, F_OK), o.rc == 0 && got.packed ? 0 : -1);
	assert_int_equal(access(part, F_OK), o.rc == 0 && !got.packed ? 0 : -1);
	unlink(image);
	unlink(part);
	fetched_done(&got);
	return o;
}

static void is_disk(struct outcome o)
{
	if (o.rc < 0)
		fail_msg("%s", o.err.msg);
	assert_int_equal(o.image.len, DISK);
	assert_memory_equal(o.image.data, disk, DISK);
	outcome_done(&o);
}

static void is_refused(struct outcome o, enum err_kind kind, const char *says)
{
	if (o.rc == 0)
		fail_msg("not refused: %zu bytes, expected '%s'", o.image.len, says);
	if (o.err.kind != kind || !strstr(o.err.msg, says))
		fail_msg("%s: '%s', expected '%s'", err_kind_name(o.err.kind), o.err.msg, says);
	outcome_done(&o);
}

/* As a tar and as a zip. */
static void refused_in_both(const struct member *members, const char *says)
{
	struct buf tar = make(archive_write_set_format_pax_restricted, NULL, members);
	struct buf txz =
		make(archive_write_set_format_gnutar, archive_write_add_filter_xz, members);

	is_refused(fetch("a.tar", tar.data, tar.len, 0), ERR_VERIFY, says);
	is_refused(fetch("a.tar.xz", txz.data, txz.len, 0), ERR_VERIFY, says);
	buf_done(&tar);
	buf_done(&txz);
}

/* --- tests
 * --------------------------------------------------------------------------------------------- */

static void test_detect(void **state)
{
	char tar[512] = "";

	(void)state;
	memcpy(tar + 257, "ustar", 5);
	assert_int_equal(packing_detect("\xfd"
					"7zXZ\0",
					6),
			 PACK_XZ);
	assert_int_equal(packing_detect("\xfd"
					"7zXZ",
					5),
			 PACK_NONE);
	assert_int_equal(packing_detect("\x1f\x8b\x08", 3), PACK_GZIP);
	assert_int_equal(packing_detect("BZh91AY&SY", 10), PACK_BZIP2);
	assert_int_equal(packing_detect("\x28\xb5\x2f\xfd", 4), PACK_ZSTD);
	assert_int_equal(packing_detect("PK\3\4", 4), PACK_ZIP);
	assert_int_equal(packing_detect(tar, 512), PACK_TAR);
	assert_int_equal(packing_detect(tar, 261), PACK_NONE);
	assert_int_equal(packing_detect("QFI\xfb", 4), PACK_NONE);
	assert_int_equal(packing_detect("", 0), PACK_NONE);
}

static void test_which_file(void **state)
{
	static const struct member alone[] = {{.name = "whatever"}, {.name = NULL}};
	static const struct member by_name[] = {{.name = "d", .type = AE_IFDIR},
						{.name = "d/README", .data = noise, .size = DISK},
						{.name = "d/x.QCOW2"},
						{.name = "d/z.vmdk", .data = noise, .size = 5000},
						{.name = NULL}};
	static const struct member two[] = {{.name = "a.raw"}, {.name = "b.img"}, {.name = NULL}};
	static const struct member none[] = {{.name = "a.vmdk"}, {.name = "b.ovf"}, {.name = NULL}};
	static const struct member empty[] = {{.name = "a.raw", .data = "", .size = 0},
					      {.name = NULL}};
	static const struct member nothing[] = {{.name = "d", .type = AE_IFDIR}, {.name = NULL}};
	struct buf b;

	(void)state;
	for (int k = 0; k < 3; k++) {
		static int (*const formats[])(struct archive *) = {archive_write_set_format_ustar,
								   archive_write_set_format_pax,
								   archive_write_set_format_zip};

		b = make(formats[k], NULL, alone);
		is_disk(fetch("alone", b.data, b.len, 0));
		buf_done(&b);
		/* The first file is longer than the image's first hole, and not zero. */
		b = make(formats[k], NULL, by_name);
		is_disk(fetch("by-name", b.data, b.len, 0));
		buf_done(&b);
	}
	refused_in_both(two, "more than one disk image (a.raw, b.img)");
	refused_in_both(none, "no disk image by its name (a.vmdk, b.ovf)");
	refused_in_both(empty, "an empty file");
	refused_in_both(nothing, "no file");
}

static void test_hostile_entries(void **state)
{
	static const struct member bad[][3] = {
		{{.name = "disk.raw", .type = AE_IFLNK, .link = "/etc/passwd"}},
		{{.name = "disk.raw"}, {.name = "again", .link = "disk.raw", .hard = true}},
		{{.name = "../disk.raw"}},
		{{.name = "a/../../disk.raw"}},
		{{.name = "a/.."}},
		{{.name = "/disk.raw"}},
		{{.name = "disk.raw", .type = AE_IFIFO}},
		{{.name = "disk.raw", .type = AE_IFCHR}},
	};
	static struct member many[70];
	char names[70][8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused_in_both(bad[i], i < 2 || i > 5 ? "a link or special file"
						       : "a path that leads out of it");
	for (size_t i = 0; i < ARRAY_LEN(many) - 1; i++) {
		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		many[i] = (struct member){.name = names[i], .data = "x", .size = 1};
	}
	refused_in_both(many, "more than 64 files");
	refused_in_both((struct member[]){{.name = "a\x1b[1m\nb/../../x"}, {.name = NULL}},
			"a?[1m?b");
}

static void test_encrypted(void **state)
{
	struct buf out = BUF_INIT(8 * MIB);
	struct archive *a = archive_write_new();

	(void)state;
	assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
	if (archive_write_set_options(a, "zip:encryption=zipcrypt") != ARCHIVE_OK) {
		archive_write_free(a);
		skip();
	}
	archive_write_set_passphrase(a, "secret");
	archive_write_open2(a, &out, NULL, to_buf, NULL, NULL);
	put_member(a, &(struct member){.name = "disk.raw"});
	archive_write_close(a);
	archive_write_free(a);
	is_refused(fetch("e.zip", out.data, out.len, 0), ERR_VERIFY, "'disk.raw' is encrypted");
	buf_done(&out);
}

/* A tar whose file has holes, also at its end: as disks in clouds are packed. */
static void test_sparse_tar(void **state)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	struct buf out = BUF_INIT(8 * MIB);
	auto_free char *whole = xzalloc(DISK);
	struct outcome o;

	(void)state;
	memcpy(whole + 100000, noise, 4096);
	archive_write_set_format_pax(a);
	archive_write_open2(a, &out, NULL, to_buf, NULL, NULL);
	archive_entry_set_pathname(e, "disk.raw");
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_size(e, DISK);
	archive_entry_sparse_add_entry(e, 100000, 4096);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, whole, DISK), DISK);
	archive_entry_free(e);
	archive_write_close(a);
	archive_write_free(a);
	assert_true(out.len < 20000);
	o = fetch("sparse.tar", out.data, out.len, 0);
	if (o.rc < 0)
		fail_msg("%s", o.err.msg);
	assert_int_equal(o.image.len, DISK);
	assert_memory_equal(o.image.data, whole, DISK);
	outcome_done(&o);
	buf_done(&out);
}

/* zstd (RFC 8878, 3.1.1) of 128 KiB runs: four bytes each. */
static struct buf bomb(uint64_t bytes)
{
	struct buf b = BUF_INIT(8 * MIB);

	buf_put(&b, "\x28\xb5\x2f\xfd\x00\x58", 6); /* magic, no flags, a window of 2 MiB */
	for (uint64_t left = bytes; left; left -= 128 * KIB) {
		uint32_t head = (left == 128 * KIB) | 1 << 1 | (128 << 10) << 3;
		unsigned char block[4] = {(unsigned char)head, (unsigned char)(head >> 8),
					  (unsigned char)(head >> 16), 0};

		buf_put(&b, block, sizeof(block));
	}
	return b;
}

static void test_bombs(void **state)
{
	struct buf large = bomb(2 * GIB), small = bomb(MIB);
	struct outcome o;

	(void)state;
	is_refused(fetch("large.zst", large.data, large.len, 0), ERR_VERIFY, "it is a bomb");
	is_refused(fetch("large.zst", large.data, large.len, 10 * MIB), ERR_VERIFY,
		   "the limit of 10485760 bytes");
	/* What is small may be anything. */
	o = fetch("small.zst", small.data, small.len, MIB);
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.image.len, MIB);
	outcome_done(&o);
	is_refused(fetch("small.zst", small.data, small.len, MIB - 1), ERR_VERIFY, "the limit of");
	buf_done(&large);
	buf_done(&small);
}

static void test_damaged(void **state)
{
	static const struct member one[] = {{.name = "disk.raw"}, {.name = NULL}};
	static int (*const filters[])(struct archive *) = {
		archive_write_add_filter_xz, archive_write_add_filter_gzip,
		archive_write_add_filter_bzip2, archive_write_add_filter_zstd};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		struct buf b = make(archive_write_set_format_raw, filters[i], one);

		is_disk(fetch("whole", b.data, b.len, 0));
		for (size_t cut = 12; cut < b.len; cut += b.len / 7)
			is_refused(fetch("cut", b.data, cut, 0), ERR_CORRUPT, "damaged");
		/* A checksum that does not fit; zstd has one only if asked. */
		if (filters[i] != archive_write_add_filter_zstd) {
			b.data[b.len - 6] ^= 1;
			is_refused(fetch("bad", b.data, b.len, 0), ERR_CORRUPT, "damaged");
		}
		buf_done(&b);
	}
}

static void test_packed_twice(void **state)
{
	static const struct member one[] = {{.name = "disk.raw"}, {.name = NULL}};
	struct buf inner = make(archive_write_set_format_raw, archive_write_add_filter_xz, one);
	struct member again[] = {{.name = "x", .data = inner.data, .size = inner.len},
				 {.name = NULL}};
	struct buf outer = make(archive_write_set_format_raw, archive_write_add_filter_xz, again);

	(void)state;
	is_refused(fetch("twice.xz", outer.data, outer.len, 0), ERR_VERIFY,
		   "packed more than once");
	buf_done(&inner);
	buf_done(&outer);
}

/* gzip allows members in a row, and gzip(1) ignores what follows them. */
static void test_gzip_members(void **state)
{
	static const struct member first[] = {{.name = "x", .data = disk, .size = 1000},
					      {.name = NULL}};
	static const struct member second[] = {
		{.name = "x", .data = disk + 1000, .size = DISK - 1000}, {.name = NULL}};
	struct buf a = make(archive_write_set_format_raw, archive_write_add_filter_gzip, first);
	struct buf b = make(archive_write_set_format_raw, archive_write_add_filter_gzip, second);

	(void)state;
	buf_put(&a, b.data, b.len);
	is_disk(fetch("two.gz", a.data, a.len, 0));
	buf_put(&a, "\0\0\0trailing", 11);
	is_disk(fetch("trailing.gz", a.data, a.len, 0));
	buf_done(&a);
	buf_done(&b);
}

static void test_not_packed(void **state)
{
	struct outcome o;

	(void)state;
	o = fetch("plain", disk, DISK, 0);
	assert_false(o.packed);
	is_disk(o);
	o = fetch("tiny", "x", 1, 0);
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.image.len, 1);
	outcome_done(&o);
	is_refused(fetch("plain", disk, DISK, DISK - 1), ERR_VERIFY, "the limit is");
}

static void *fetch_often(void *arg)
{
	const struct buf *b = arg;
	char name[32];

	snprintf(name, sizeof(name), "thread-%p", arg);
	for (int i = 0; i < 10; i++)
		is_disk(fetch(name, b->data, b->len, 0));
	return NULL;
}

#ifdef __SANITIZE_ADDRESS__
/* Its allocator cannot be forked while another thread is in it, as glibc's can: one at a time. */
enum { AT_ONCE = 1 };
#else
enum { AT_ONCE = 4 };
#endif

static void test_threads(void **state)
{
	static const struct member one[] = {{.name = "disk.raw"}, {.name = NULL}};
	struct buf b[4] = {make(archive_write_set_format_raw, archive_write_add_filter_xz, one),
			   make(archive_write_set_format_zip, NULL, one),
			   make(archive_write_set_format_pax, archive_write_add_filter_gzip, one),
			   BUF_INIT(DISK)};
	pthread_t thread[ARRAY_LEN(b)];

	(void)state;
	buf_put(&b[3], disk, DISK);
	for (size_t i = 0; i < ARRAY_LEN(b); i++) {
		if (i >= AT_ONCE)
			pthread_join(thread[i - AT_ONCE], NULL);
		assert_int_equal(pthread_create(&thread[i], NULL, fetch_often, &b[i]), 0);
	}
	for (size_t i = ARRAY_LEN(b) - AT_ONCE; i < ARRAY_LEN(b); i++)
		pthread_join(thread[i], NULL);
	for (size_t i = 0; i < ARRAY_LEN(b); i++)
		buf_done(&b[i]);
}

static int setup(void **state)
{
	char template[] = "/tmp/croft-unpack-XXXXXX";
	uint32_t r = 1;

	(void)state;
	dir = xstrdup(mkdtemp(template));
	for (size_t i = 0; i < DISK; i++) {
		r = r * 1664525 + 1013904223;
		noise[i] = (char)(r >> 24 | 1);
		disk[i] =
			(i / 50000) % 2 ? noise[i] : 0; /* holes at the beginning and in between */
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dir_remove(dir, NULL);
	free(dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detect),		cmocka_unit_test(test_which_file),
		cmocka_unit_test(test_hostile_entries), cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_sparse_tar),	cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_damaged),		cmocka_unit_test(test_packed_twice),
		cmocka_unit_test(test_gzip_members),	cmocka_unit_test(test_not_packed),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
