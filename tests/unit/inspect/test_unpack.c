/* SPDX-License-Identifier: Apache-2.0
 *
 * Unpacking kernels and initrds: every compression that tools here can make, archives in a row, and
 * files that are wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "images/inspect/unpack.h"
#include "tests/lib/inspect/fixture.h"

enum { SETUP = 3 * 512, OFFSET = 0x1000, MOST = 16 << 20, PAYLOAD = 300000 };

typedef int unpack_fn(int, int, uint64_t, struct err *);

static struct fixture f;
static uint8_t payload[PAYLOAD];

static int setup(void **state)
{
	uint32_t x = 1;

	(void)state;
	fixture_init(&f);
	memcpy(payload, ELFMAG, SELFMAG);
	for (size_t i = SELFMAG; i < PAYLOAD; i++) {
		x = x * 1664525 + 1013904223;
		payload[i] = (uint8_t)(x >> 29);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_done(&f);
	return 0;
}

static int unpack(unpack_fn *fn, const char *name, uint64_t most, struct buf *out, struct err *err)
{
	auto_close int in = open(fixture_path(&f, name), O_RDONLY | O_CLOEXEC), to;
	int rc;

	assert_true(in >= 0);
	to = open(fixture_path(&f, "out"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(to >= 0);
	rc = fn(in, to, most, err);
	close(to);
	if (rc == 0)
		assert_int_equal(file_read(fixture_path(&f, "out"), out, NULL), 0);
	return rc;
}

/* A bzImage around the file "packed"; the size that the kernel's build appends, unless it is gzip's. */
static void make_kernel(bool size_appended)
{
	auto_buf struct buf k = BUF_INIT(MOST), packed = BUF_INIT(MOST);
	uint8_t head[SETUP + OFFSET] = {0}, size[4];

	assert_int_equal(file_read(fixture_path(&f, "packed"), &packed, NULL), 0);
	put_le32(size, PAYLOAD);
	if (size_appended)
		buf_put(&packed, size, sizeof(size));
	head[0x1f1] = SETUP / 512 - 1;
	put_le16(head + 0x1fe, 0xaa55);
	memcpy(head + 0x202, "HdrS", 4);
	put_le32(head + 0x248, OFFSET);
	put_le32(head + 0x24c, (uint32_t)packed.len);
	buf_put(&k, head, sizeof(head));
	buf_put(&k, packed.data, packed.len);
	buf_put(&k, "the decompressor's data", 23);
	assert_int_equal(file_replace(fixture_path(&f, "kernel"), k.data, k.len, 0600, NULL), 0);
}

static void pack(const char *command)
{
	char line[600];

	assert_int_equal(file_replace(fixture_path(&f, "plain"), payload, PAYLOAD, 0600, NULL), 0);
	snprintf(line, sizeof(line), "cd %s && %s <plain >packed", f.dir, command);
	fixture_shell(line);
}

static void expect_kernel(void)
{
	auto_buf struct buf out = BUF_INIT(MOST);
	struct err err = {0};

	if (unpack(kernel_unpack, "kernel", MOST, &out, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(out.len, SETUP + PAYLOAD);
	assert_int_equal(get_le32((uint8_t *)out.data + 0x248), 0);
	assert_int_equal(get_le32((uint8_t *)out.data + 0x24c), PAYLOAD);
	assert_memory_equal(out.data + 0x202, "HdrS", 4);
	assert_memory_equal(out.data + SETUP, payload, PAYLOAD);
}

static void test_kernels(void **state)
{
	(void)state;
	pack("gzip -9n");
	make_kernel(false);
	expect_kernel();
	pack("xz --check=crc32 --x86 --lzma2=dict=1MiB");
	make_kernel(true);
	expect_kernel();
	pack("zstd -q -19");
	make_kernel(true);
	expect_kernel();
	pack("lz4 -q -l -9");
	make_kernel(true);
	expect_kernel();
}

static void expect_kernel_refused(enum err_kind kind, const char *says)
{
	auto_buf struct buf out = BUF_INIT(MOST);
	struct err err = {0};

	assert_int_equal(unpack(kernel_unpack, "kernel", MOST, &out, &err), -1);
	assert_int_equal(err.kind, kind);
	if (!strstr(err.msg, says))
		fail_msg("'%s' does not say '%s'", err.msg, says);
}

static void patch(const char *name, size_t off, uint32_t value)
{
	auto_close int fd = open(fixture_path(&f, name), O_WRONLY | O_CLOEXEC);
	uint8_t raw[4];

	put_le32(raw, value);
	assert_int_equal(pwrite_all(fd, raw, 4, off), 0);
}

static void test_kernels_that_are_refused(void **state)
{
	auto_buf struct buf out = BUF_INIT(MOST);
	struct err err = {0};

	(void)state;
	pack("gzip -9n");
	make_kernel(false);
	assert_int_equal(unpack(kernel_unpack, "kernel", PAYLOAD, &out, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "more than it may"));

	patch("kernel", 0x24c, UINT32_MAX);
	expect_kernel_refused(ERR_CORRUPT, "outside of the file");
	make_kernel(false);
	patch("kernel", SETUP + OFFSET, UINT32_MAX);
	expect_kernel_refused(ERR_UNSUPPORTED, "no compression that is known");
	make_kernel(false);
	patch("kernel", SETUP + OFFSET + 1000, 0x12345678);
	expect_kernel_refused(ERR_UNSUPPORTED, "");
	make_kernel(false);
	patch("kernel", 0x202, 0);
	expect_kernel_refused(ERR_UNSUPPORTED, "no bzImage");
	payload[1] = 'X';
	pack("gzip -n");
	make_kernel(false);
	expect_kernel_refused(ERR_CORRUPT, "no ELF image");
}

/* What the kernel reads as several archives reads as the same ones after it. */
static void expect_initrd(const char *command, const char *same_as)
{
	auto_buf struct buf out = BUF_INIT(MOST), want = BUF_INIT(MOST);
	char line[1000];
	struct err err = {0};

	snprintf(line, sizeof(line), "cd %s && %s", f.dir, command);
	fixture_shell(line);
	snprintf(line, sizeof(line), "cd %s && %s", f.dir, same_as);
	fixture_shell(line);
	if (unpack(initrd_unpack, "initrd", MOST, &out, &err) < 0)
		fail_msg("%s: %s", command, err.msg);
	assert_int_equal(file_read(fixture_path(&f, "want"), &want, NULL), 0);
	assert_int_equal(out.len, want.len);
	assert_memory_equal(out.data, want.data, want.len);
}

static void make_archives(void)
{
	char line[600];

	assert_int_equal(file_replace(fixture_path(&f, "content"), payload, PAYLOAD, 0600, NULL), 0);
	snprintf(line, sizeof(line),
		 "cd %s && echo content | cpio -o -H newc --quiet >big.cpio && "
		 "echo . | cpio -o -H newc --quiet >small.cpio && truncate -s 2048 small.cpio",
		 f.dir);
	fixture_shell(line);
}

static void test_initrds(void **state)
{
	(void)state;
	make_archives();
	expect_initrd("gzip <big.cpio >initrd", "cp big.cpio want");
	expect_initrd("zstd -q <big.cpio >initrd", "cp big.cpio want");
	expect_initrd("xz --check=crc32 <big.cpio >initrd", "cp big.cpio want");
	expect_initrd("lz4 -q -l <big.cpio >initrd", "cp big.cpio want");
	/* Microcode first, as it is. */
	expect_initrd("{ cat small.cpio; zstd -q <big.cpio; } >initrd",
		      "cat small.cpio big.cpio >want");
	/* Two of them, of two kinds, with padding between. */
	expect_initrd("{ cat small.cpio; gzip <big.cpio; } >initrd && truncate -s %4 initrd && "
		      "cat small.cpio >>initrd",
		      "cat small.cpio big.cpio >want && "
		      "head -c $(( ($(stat -c %s initrd) - 2048) - ($(cat small.cpio | wc -c) + "
		      "$(gzip <big.cpio | wc -c)) )) /dev/zero >>want && cat small.cpio >>want");
}

static void test_initrds_that_stay_as_they_are(void **state)
{
	static const char *const commands[] = {
		"cp big.cpio initrd",				    /* nothing is compressed */
		"cp content initrd",				    /* no archive at all */
		": >initrd",					    /* empty */
		"gzip <big.cpio | head -c 5000 >initrd",	    /* cut off */
		"{ gzip <big.cpio; echo and more; } >initrd",	    /* a tail that is nothing */
		"head -c 50000 big.cpio >initrd",		    /* cut off, uncompressed */
		"{ head -c 54 small.cpio; echo zzzzzzzz; cat big.cpio; } >initrd",
	};

	(void)state;
	make_archives();
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		auto_buf struct buf out = BUF_INIT(MOST);
		char line[600];
		struct err err = {0};

		snprintf(line, sizeof(line), "cd %s && %s", f.dir, commands[i]);
		fixture_shell(line);
		if (unpack(initrd_unpack, "initrd", MOST, &out, &err) == 0)
			fail_msg("unpacked: %s", commands[i]);
		assert_int_equal(err.kind, ERR_UNSUPPORTED);
	}
}

static void test_a_bomb(void **state)
{
	auto_buf struct buf out = BUF_INIT(MOST);
	struct err err = {0};
	char line[600];

	(void)state;
	snprintf(line, sizeof(line), "cd %s && head -c 100M /dev/zero | zstd -q >initrd", f.dir);
	fixture_shell(line);
	assert_int_equal(unpack(initrd_unpack, "initrd", MOST, &out, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kernels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kernels_that_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_initrds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_initrds_that_stay_as_they_are, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_bomb, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
