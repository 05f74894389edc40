/* SPDX-License-Identifier: Apache-2.0
 *
 * ext2, ext3 and ext4: whole trees against what mke2fs put there, links, a journal that has to be
 * replayed against what e2fsck makes of it, and superblocks that lie.
 *
 * With E2FSPROGS_TESTS naming the tests/ directory of e2fsprogs' source, its broken file systems
 * are read as well, and those with a journal are compared with e2fsck.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <glob.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "images/inspect/fsys.h"
#include "images/inspect/probe.h"
#include "tests/lib/inspect/fixture.h"
#include "tests/lib/inspect/tree.h"

/* A file system in a file of its own. */
struct mounted {
	struct blk *blk;
	struct inspect_part part;
	struct fsys *fs;
};

static struct mounted attach(const struct fixture *f, const char *name, struct err *err)
{
	struct mounted m = {.blk = fixture_open(f, name)};

	m.part.size = blk_size(m.blk);
	probe_part(m.blk, &m.part);
	m.fs = fsys_open(m.blk, &m.part, err);
	return m;
}

static void detach(struct mounted *m)
{
	fsys_close(m->fs);
	blk_close(m->blk);
}

static struct mounted attach_good(const struct fixture *f, const char *name)
{
	struct err err = {0};
	struct mounted m = attach(f, name, &err);

	if (!m.fs)
		fail_msg("%s: %s", name, err.msg);
	return m;
}

static void assert_same_text(const char *what, const struct buf *here, const struct buf *there)
{
	const char *difference = tree_difference(buf_str(here), buf_str(there));

	if (difference)
		fail_msg("%s: %s", what, difference);
}

static void assert_same_tree(const struct fixture *f, const char *image, const char *tree)
{
	auto_buf struct buf here = BUF_INIT(16 * MIB), there = BUF_INIT(16 * MIB);
	struct mounted m = attach_good(f, image);

	assert_int_equal(tree_of_fsys(m.fs, &here), 0);
	tree_of_host(fixture_path(f, tree), &there);
	assert_true(there.len > 0);
	assert_same_text(image, &here, &there);
	detach(&m);
}

/* Small and large files, holes, links short and long, names up to 255, a directory of many
 * blocks. */
static void make_tree(struct fixture *f)
{
	auto_free char *big = xmalloc(3 * MIB);
	char name[300], target[200];

	for (size_t i = 0; i < 3 * MIB; i++)
		big[i] = (char)(i * 2654435761u >> 13);
	fixture_text(f, "tree", "small", "hello");
	fixture_text(f, "tree", "empty", "");
	fixture_file(f, "tree", "big", big, 3 * MIB);
	fixture_file(f, "tree", "odd/size", big, 12345);
	fixture_text(f, "tree", "a/b/c/d/e/deep", "deep");
	fixture_link(f, "tree", "short", "a/b");
	memset(target, 't', sizeof(target) - 1);
	target[sizeof(target) - 1] = 0;
	fixture_link(f, "tree", "long", target);
	memset(name, 'n', 255);
	name[255] = 0;
	fixture_text(f, "tree", name, "long name");
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "many/entry-with-a-rather-long-name-%d", i);
		fixture_text(f, "tree", name, name);
	}
	/* A file with holes; none at the end, which mke2fs -d forgets with inline_data. */
	fixture_file(f, "tree", "sparse", "start", 5);
	auto_close int fd = open(fixture_path(f, "tree/sparse"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite_all(fd, "middle", 6, 700000), 0);
	assert_int_equal(pwrite_all(fd, "end", 3, 2000000), 0);
}

static void test_trees(void **state)
{
	static const char *const options[] = {
		"-t ext4",
		"-t ext4 -b 1024",
		"-t ext4 -b 2048 -O ^64bit,^metadata_csum",
		"-t ext4 -b 4096 -I 256 -O inline_data",
		"-t ext4 -O bigalloc -C 16384",
		"-t ext4 -O ^has_journal,^resize_inode,meta_bg",
		"-t ext3",
		"-t ext3 -b 1024",
		"-t ext2 -b 1024",
		"-t ext2 -b 4096",
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	make_tree(&f);
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		fixture_mke2fs(&f, "tree", "fs", 24 * MIB, options[i]);
		assert_same_tree(&f, "fs", "tree");
		file_remove(fixture_path(&f, "fs"), NULL);
	}
	fixture_done(&f);
}

static void test_places(void **state)
{
	static const char *const options[] = {"-t ext4 -O ^inline_data", "-t ext2 -b 1024"};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	make_tree(&f);
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		fixture_mke2fs(&f, "tree", "fs", 24 * MIB, options[i]);
		assert_true(fixture_locate(&f, "fs", "/small", "hello"));
		assert_true(fixture_locate(&f, "fs", "/a/b/c/d/e/deep", "deep"));
		assert_false(fixture_locate(&f, "fs", "/sparse", NULL));
		assert_false(fixture_locate(&f, "fs", "/empty", NULL));
		file_remove(fixture_path(&f, "fs"), NULL);
	}
	fixture_mke2fs(&f, "tree", "fs", 24 * MIB, "-t ext4 -b 4096 -I 256 -O inline_data");
	assert_false(fixture_locate(&f, "fs", "/small", NULL));
	fixture_done(&f);
}

/* Blocks that were allocated and never written read as zeros, whatever lies there. */
static void test_unwritten_extents(void **state)
{
	auto_buf struct buf got = BUF_INIT(MIB);
	struct fixture f;
	struct mounted m;
	struct err err = {0};

	(void)state;
	fixture_init(&f);
	fixture_text(&f, "tree", "x", "x");
	fixture_mke2fs(&f, "tree", "fs", 4 * MIB, "-t ext4 -b 4096");
	char command[400];
	snprintf(command, sizeof(command),
		 "cd %s && PATH=$PATH:/sbin:/usr/sbin && tr '\\0' Z </dev/zero | head -c 40960 >z "
		 "&& "
		 "printf 'write z junk\\nrm junk\\nwrite /dev/null new\\nfallocate new 0 4\\n"
		 "set_inode_field new size 20000\\n' | debugfs -w fs >/dev/null 2>&1",
		 f.dir);
	fixture_shell(command);
	m = attach_good(&f, "fs");
	assert_int_equal(fsys_read_file(m.fs, "/new", &got, &err), 0);
	assert_int_equal(got.len, 20000);
	for (size_t i = 0; i < got.len; i++)
		assert_int_equal(got.data[i], 0);
	detach(&m);
	fixture_done(&f);
}

/* Extents that overlap would let a small file ask for endless reads: they are refused. */
static void test_overlapping_extents(void **state)
{
	auto_buf struct buf got = BUF_INIT(MIB), where = BUF_INIT(KIB);
	unsigned long block, off;
	struct fixture f;
	struct mounted m;
	struct err err = {0};
	char command[400];
	uint8_t extent[12];

	(void)state;
	fixture_init(&f);
	fixture_text(&f, "tree", "holes", "start");
	auto_close int in = open(fixture_path(&f, "tree/holes"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite_all(in, "end", 3, 40960), 0);
	fixture_mke2fs(&f, "tree", "fs", 4 * MIB, "-t ext4 -b 4096 -O ^metadata_csum,^has_journal");
	snprintf(command, sizeof(command),
		 "PATH=$PATH:/sbin:/usr/sbin debugfs -R 'imap /holes' %s 2>/dev/null",
		 fixture_path(&f, "fs"));
	fixture_run((const char *const[]){"sh", "-c", command, NULL}, &where);
	assert_int_equal(sscanf(strstr(buf_str(&where), "located at block"),
				"located at block %lu, offset %lx", &block, &off),
			 2);

	/* i_block is at 40, the extents behind a header of 12 bytes; the second one covers
	 * block 10. */
	auto_close int fd = open(fixture_path(&f, "fs"), O_RDWR | O_CLOEXEC);
	uint64_t at = block * 4096 + off + 40 + 12 + 12;
	assert_int_equal(pread_all(fd, extent, sizeof(extent), at, NULL), 0);
	assert_int_equal(get_le32(extent), 10);
	put_le32(extent, 0);
	assert_int_equal(pwrite_all(fd, extent, sizeof(extent), at), 0);
	m = attach_good(&f, "fs");
	assert_int_equal(fsys_read_file(m.fs, "/holes", &got, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	detach(&m);
	fixture_done(&f);
}

static void test_links(void **state)
{
	static const struct {
		const char *path;
		enum err_kind kind; /* ERR_NONE: it is the file */
	} cases[] = {
		{"/dir/file", ERR_NONE},
		{"dir/file", ERR_NONE},
		{"//dir///file", ERR_NONE},
		{"/dir/./file", ERR_NONE},
		{"/dir/../dir/file", ERR_NONE},
		{"/../../dir/file", ERR_NONE},
		{"/absolute", ERR_NONE},
		{"/relative", ERR_NONE},
		{"/dir/up", ERR_NONE},
		{"/todir/file", ERR_NONE},
		{"/todir/up", ERR_NONE},
		{"/chain", ERR_NONE},
		{"/outside", ERR_NOT_FOUND}, /* of the host there is nothing to see */
		{"/dangling", ERR_NOT_FOUND},
		{"/none", ERR_NOT_FOUND},
		{"/dir/file/none", ERR_NOT_FOUND},
		{"/dir/file/..", ERR_NOT_FOUND},
		{"/loop", ERR_CORRUPT},
		{"/loop2/x", ERR_CORRUPT},
	};
	struct fixture f;
	struct mounted m;

	(void)state;
	fixture_init(&f);
	fixture_text(&f, "tree", "dir/file", "content");
	fixture_link(&f, "tree", "absolute", "/dir/file");
	fixture_link(&f, "tree", "relative", "dir/file");
	fixture_link(&f, "tree", "dir/up", "../dir/file");
	fixture_link(&f, "tree", "todir", "dir/");
	fixture_link(&f, "tree", "chain", "relative");
	fixture_link(&f, "tree", "outside", "/etc/passwd");
	fixture_link(&f, "tree", "dangling", "nowhere");
	fixture_link(&f, "tree", "loop", "loop");
	fixture_link(&f, "tree", "loop2", "loop2");
	fixture_mke2fs(&f, "tree", "fs", 4 * MIB, NULL);
	m = attach_good(&f, "fs");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_buf struct buf got = BUF_INIT(KIB);
		struct err err = {0};
		int rc = fsys_read_file(m.fs, cases[i].path, &got, &err);

		if (err.kind != cases[i].kind)
			fail_msg("%s: %s", cases[i].path, err.msg);
		if (rc == 0)
			assert_string_equal(buf_str(&got), "content");
	}
	assert_true(fsys_is_dir(m.fs, "/"));
	assert_true(fsys_is_dir(m.fs, "/todir"));
	assert_false(fsys_is_dir(m.fs, "/dir/file"));
	detach(&m);
	fixture_done(&f);
}

static void test_size_limits(void **state)
{
	auto_buf struct buf got = BUF_INIT(4);
	struct fixture f;
	struct mounted m;
	struct err err = {0};

	(void)state;
	fixture_init(&f);
	fixture_text(&f, "tree", "five", "12345");
	fixture_mke2fs(&f, "tree", "fs", 4 * MIB, NULL);
	m = attach_good(&f, "fs");
	assert_int_equal(fsys_read_file(m.fs, "/five", &got, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_int_equal(fsys_copy(m.fs, "/five", -1, 4, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	detach(&m);
	fixture_done(&f);
}

/* --- the journal --- */

/*
 * Puts what changed between the file systems `old` and `new` into the journal of `old`, in
 * transactions of at most 20 blocks, so that only a replay shows it.
 */
static void journal_difference(struct fixture *f, const char *old, const char *new)
{
	char command[2000];

	snprintf(
		command, sizeof(command),
		"cd %s && PATH=$PATH:/sbin:/usr/sbin\n"
		"cmp -l %s %s | awk '{b=int(($1-1)/1024); if (b!=last||NR==1) print b; last=b}' |\n"
		"  split -l 20 - blocks.\n"
		"{ echo jo\n"
		"for part in blocks.*; do\n"
		"  : >data.$part; while read -r b; do\n"
		"    dd if=%s bs=1024 skip=$b count=1 status=none >>data.$part; done <$part\n"
		"  echo \"jw -b $(paste -sd, $part) data.$part\"\n"
		"done; echo jc; } >script\n"
		"debugfs -w -f script %s >debugfs.log 2>&1\n"
		"rm -f blocks.* data.*\n",
		f->dir, old, new, new, old);
	fixture_shell(command);
}

static void change(struct fixture *f, const char *fs)
{
	char command[600];

	/* The new file begins like a block of the journal itself: it is escaped there. */
	snprintf(command, sizeof(command),
		 "cd %s && PATH=$PATH:/sbin:/usr/sbin\n"
		 "{ printf '\\300\\073\\071\\230'; head -c 9000 /dev/zero | tr '\\0' J; } >added\n"
		 "printf 'rm old\\nwrite added new\\nmkdir dir\\nwrite added dir/x\\nsymlink link "
		 "new\\n' |\n"
		 "  debugfs -w %s >/dev/null 2>&1",
		 f->dir, fs);
	fixture_shell(command);
}

static void test_journal(void **state)
{
	static const char *const options[] = {
		"-t ext4 -b 1024 -J size=1",
		"-t ext4 -b 1024 -J size=1 -O ^metadata_csum",
		"-t ext4 -b 1024 -J size=1 -O ^metadata_csum,^64bit",
		"-t ext3 -b 1024 -J size=1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		auto_buf struct buf here = BUF_INIT(MIB), there = BUF_INIT(MIB),
				    before = BUF_INIT(MIB);
		struct mounted m;
		struct fixture f;
		char command[400];

		fixture_init(&f);
		fixture_text(&f, "tree", "old", "old");
		fixture_text(&f, "tree", "kept", "kept");
		fixture_mke2fs(&f, "tree", "fs", 8 * MIB, options[i]);
		snprintf(command, sizeof(command), "cd %s && cp fs new && cp fs before", f.dir);
		fixture_shell(command);
		change(&f, "new");
		journal_difference(&f, "fs", "new");

		/* What the guest's kernel would see, by the judgement of e2fsck. */
		snprintf(command, sizeof(command),
			 "cd %s && PATH=$PATH:/sbin:/usr/sbin && cp fs replayed && "
			 "e2fsck -y -E journal_only replayed >/dev/null 2>&1; mkdir out && "
			 "debugfs -R 'rdump / out' replayed >/dev/null 2>&1",
			 f.dir);
		fixture_shell(command);
		tree_of_host(fixture_path(&f, "out"), &there);
		assert_non_null(strstr(buf_str(&there), "/dir/x f 9004 "));

		m = attach_good(&f, "fs");
		assert_true(m.part.fs_dirty);
		assert_true(m.part.fs_replayed);
		assert_non_null(strstr(m.part.note, "journal applied"));
		assert_int_equal(tree_of_fsys(m.fs, &here), 0);
		assert_same_text("after the journal", &here, &there);
		detach(&m);

		/* The journal did make the difference. */
		m = attach_good(&f, "before");
		assert_int_equal(tree_of_fsys(m.fs, &before), 0);
		assert_string_not_equal(buf_str(&here), buf_str(&before));
		detach(&m);
		fixture_done(&f);
	}
}

/*
 * A block that a later transaction revoked keeps what is in place (it may have become another
 * file's data); one that was revoked before it was written is replayed.
 */
static void test_revocations(void **state)
{
	static const struct {
		const char *script, *content;
	} cases[] = {
		{"jw -b $b data\njw -r $b\n", "old"},
		{"jw -r $b\njw -b $b data\n", "new"},
		{"jw -b $b data\njw -r 3,4,5\n", "new"},
		{"jw -b $b data\njw -c\n", "new"},
	};
	static const char *const options[] = {"-t ext4 -b 1024 -J size=1",
					      "-t ext4 -b 1024 -J size=1 -O ^metadata_csum,^64bit"};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		auto_buf struct buf got = BUF_INIT(KIB), judge = BUF_INIT(KIB);
		struct mounted m;
		struct fixture f;
		struct err err = {0};
		char command[1000];

		fixture_init(&f);
		fixture_text(&f, "tree", "file", "old");
		fixture_mke2fs(&f, "tree", "fs", 8 * MIB, options[i % 2]);
		snprintf(command, sizeof(command),
			 "cd %s && PATH=$PATH:/sbin:/usr/sbin\n"
			 "b=$(debugfs -R 'blocks /file' fs 2>/dev/null | tr -d ' ')\n"
			 "{ printf new; head -c 1021 /dev/zero; } >data\n"
			 "printf \"jo\\n%sjc\\n\" >script\n"
			 "debugfs -w -f script fs >debugfs.log 2>&1\n"
			 "cp fs replayed; e2fsck -y -E journal_only replayed >/dev/null 2>&1 || "
			 "true\n"
			 "debugfs -R 'cat /file' replayed >judge 2>/dev/null",
			 f.dir, cases[i / 2].script);
		fixture_shell(command);
		m = attach_good(&f, "fs");
		assert_true(m.part.fs_dirty);
		assert_int_equal(fsys_read_file(m.fs, "/file", &got, &err), 0);
		assert_int_equal(file_read(fixture_path(&f, "judge"), &judge, &err), 0);
		assert_string_equal(buf_str(&judge), cases[i / 2].content);
		assert_string_equal(buf_str(&got), buf_str(&judge));
		detach(&m);
		fixture_done(&f);
	}
}

/* A copy in the journal that its checksum contradicts is left out. */
static void test_damaged_journal(void **state)
{
	auto_buf struct buf got = BUF_INIT(KIB);
	struct mounted m;
	struct fixture f;
	struct err err = {0};
	char command[1000];

	(void)state;
	fixture_init(&f);
	fixture_text(&f, "tree", "file", "old");
	fixture_text(&f, "tree", "file2", "old");
	fixture_mke2fs(&f, "tree", "fs", 8 * MIB, "-t ext4 -b 1024 -J size=1");
	snprintf(command, sizeof(command),
		 "cd %s && PATH=$PATH:/sbin:/usr/sbin\n"
		 "b=$(debugfs -R 'blocks /file' fs 2>/dev/null | tr -d ' ')\n"
		 "c=$(debugfs -R 'blocks /file2' fs 2>/dev/null | tr -d ' ')\n"
		 "{ printf NEW; head -c 1021 /dev/zero; printf NEW; head -c 1021 /dev/zero; } "
		 ">data\n"
		 "printf \"jo -c -v 3\\njw -b $b,$c data\\njc\\n\" >script\n"
		 "debugfs -w -f script fs >debugfs.log 2>&1\n"
		 "at=$(grep -obUa NEW fs | head -1 | cut -d: -f1)\n"
		 "printf X | dd of=fs bs=1 seek=$at conv=notrunc status=none",
		 f.dir);
	fixture_shell(command);
	m = attach_good(&f, "fs");
	assert_true(m.part.fs_dirty && !m.part.fs_replayed);
	assert_non_null(strstr(m.part.note, "damaged"));
	assert_int_equal(fsys_read_file(m.fs, "/file", &got, &err), 0);
	assert_string_equal(buf_str(&got), "old");
	buf_reset(&got);
	assert_int_equal(fsys_read_file(m.fs, "/file2", &got, &err), 0);
	assert_string_equal(buf_str(&got), "NEW");
	detach(&m);
	fixture_done(&f);
}

/* --- superblocks that lie --- */

static void patch(const struct fixture *f, uint64_t off, uint32_t value, unsigned bytes)
{
	auto_close int fd = open(fixture_path(f, "fs"), O_WRONLY | O_CLOEXEC);
	uint8_t le[4];

	put_le32(le, value);
	assert_int_equal(pwrite_all(fd, le, bytes, off), 0);
}

static void test_bad_superblocks(void **state)
{
	static const struct {
		uint32_t off, value;
		unsigned bytes;
		enum err_kind kind;
		const char *text;
	} cases[] = {
		{0x18, 7, 4, ERR_CORRUPT, "blocks of 2^17"},
		{0x18, 0xFFFFFFFF, 4, ERR_CORRUPT, "blocks of 2^"},
		{0x04, 0, 4, ERR_CORRUPT, "0 blocks"},
		{0x04, 0x7FFFFFFF, 4, ERR_CORRUPT, "2147483647 blocks"},
		{0x20, 0, 4, ERR_CORRUPT, "groups"},
		{0x28, 0xFFFFFFFF, 4, ERR_CORRUPT, ""},
		{0x58, 7, 2, ERR_CORRUPT, ""},
		{0x60, 0x80000000, 4, ERR_UNSUPPORTED, "features"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		struct mounted m;
		struct fixture f;

		fixture_init(&f);
		fixture_text(&f, "tree", "x", "x");
		fixture_mke2fs(&f, "tree", "fs", 4 * MIB, "-t ext4 -O ^metadata_csum");
		patch(&f, 1024 + cases[i].off, cases[i].value, cases[i].bytes);
		m = attach(&f, "fs", &err);
		if (m.fs || err.kind != cases[i].kind || !strstr(err.msg, cases[i].text))
			fail_msg("case %zu: %s", i, err.msg);
		detach(&m);
		fixture_done(&f);
	}
}

/* The partition ends before the file system does. */
static void test_truncated(void **state)
{
	struct err err = {0};
	struct mounted m;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fixture_text(&f, "tree", "x", "x");
	fixture_mke2fs(&f, "tree", "fs", 8 * MIB, NULL);
	fixture_truncate(&f, "fs", 4 * MIB);
	m = attach(&f, "fs", &err);
	assert_null(m.fs);
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "the partition 4194304 bytes"));
	detach(&m);
	fixture_done(&f);
}

/* --- e2fsprogs' own test images --- */

static void compare_with_e2fsck(struct fixture *f, const char *name)
{
	auto_buf struct buf here = BUF_INIT(16 * MIB), there = BUF_INIT(16 * MIB);
	struct mounted m = attach_good(f, "fs");
	char command[400];

	snprintf(command, sizeof(command),
		 "cd %s && PATH=$PATH:/sbin:/usr/sbin && rm -rf out && mkdir out && cp fs replayed "
		 "&& "
		 "{ e2fsck -y -E journal_only replayed >/dev/null 2>&1 || true; } && "
		 "debugfs -R 'rdump / out' replayed >/dev/null 2>&1",
		 f->dir);
	fixture_shell(command);
	tree_of_host(fixture_path(f, "out"), &there);
	tree_of_fsys(m.fs, &here);
	print_message("%s: %s\n", name, m.part.note);
	assert_same_text(name, &here, &there);
	detach(&m);
}

static void test_e2fsprogs_images(void **state)
{
	const char *dir = getenv("E2FSPROGS_TESTS");
	unsigned opened = 0, compared = 0;
	struct fixture f;
	char pattern[512];
	glob_t images;

	(void)state;
	if (!dir)
		skip();
	snprintf(pattern, sizeof(pattern), "%s/*/image.[bg]z*", dir);
	assert_int_equal(glob(pattern, 0, NULL, &images), 0);
	fixture_init(&f);
	for (size_t i = 0; i < images.gl_pathc; i++) {
		auto_buf struct buf tree = BUF_INIT(64 * MIB);
		char command[1024];
		const char *name = images.gl_pathv[i] + strlen(dir) + 1;
		struct err err = {0};
		struct mounted m;

		snprintf(command, sizeof(command), "%s -dc '%s' >'%s'",
			 text_ends(images.gl_pathv[i], "bz2") ? "bzip2" : "gzip",
			 images.gl_pathv[i], fixture_path(&f, "fs"));
		fixture_shell(command);
		m = attach(&f, "fs", &err);
		if (m.fs) {
			opened++;
			tree_of_fsys(m.fs, &tree);
		}
		detach(&m);
		if (m.fs && m.part.fs_dirty && name[0] == 'j' && !strstr(name, "corrupt") &&
		    !strstr(name, "fast_commit")) {
			compare_with_e2fsck(&f, name);
			compared++;
		}
	}
	print_message("%zu images, %u opened, %u journals compared with e2fsck\n", images.gl_pathc,
		      opened, compared);
	assert_true(compared > 0);
	globfree(&images);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_unwritten_extents),
		cmocka_unit_test(test_overlapping_extents),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_size_limits),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_revocations),
		cmocka_unit_test(test_damaged_journal),
		cmocka_unit_test(test_bad_superblocks),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_e2fsprogs_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
