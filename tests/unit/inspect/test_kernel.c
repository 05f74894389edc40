/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts of kernels, whole and broken, and the command line a guest gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <elf.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/inspect/fixture.h"

static int facts_of(const void *data, size_t n, struct kernel_facts *k, struct err *err)
{
	auto_close int fd = memfd_create("kernel", MFD_CLOEXEC);

	memset(k, 0xEE, sizeof(*k));
	assert_int_equal(pwrite_all(fd, data, n, 0), 0);
	return kernel_facts_read(fd, k, err);
}

static void bzimage(uint8_t k[8192])
{
	struct fixture f;
	auto_buf struct buf data = BUF_INIT(MIB);

	fixture_init(&f);
	fixture_kernel(&f, "t", "k", "6.1.0-37-cloud-amd64");
	assert_int_equal(file_read(fixture_path(&f, "t/k"), &data, NULL), 0);
	assert_int_equal(data.len, 8192);
	memcpy(k, data.data, 8192);
	fixture_done(&f);
}

static void test_bzimage(void **state)
{
	struct kernel_facts k;
	struct err err = {0};
	uint8_t data[8192];

	(void)state;
	bzimage(data);
	assert_int_equal(facts_of(data, sizeof(data), &k, &err), 0);
	assert_string_equal(k.kind, "bzImage");
	assert_string_equal(k.version, "6.1.0-37-cloud-amd64 (builder@host) #1 SMP");
	assert_int_equal(k.protocol, 0x20F);
	assert_true(k.entry64 && k.relocatable && k.above4g && !k.pvh);
	assert_int_equal(k.cmdline_size, 2047);
	assert_int_equal(k.init_size, 0x2000000);
	assert_int_equal(k.initrd_addr_max, 0x7FFFFFFF);
	assert_int_equal(k.pref_address, 0x1000000);
	assert_string_equal(k.payload, "lz4");
}

static void test_payloads(void **state)
{
	static const struct {
		const char *magic;
		size_t n;
		const char *name;
	} cases[] = {
		{"\x1f\x8b\x08\x00", 4, "gzip"},
		{"\xfd"
		 "7zXZ\x00",
		 6, "xz"},
		{"\x02\x21\x4c\x18", 4, "lz4"},
		{"\x28\xb5\x2f\xfd", 4, "zstd"},
		{"BZh9", 4, "bzip2"},
		{"\x5d\x00\x00\x00", 4, "lzma"},
		{"\x89LZO", 4, "lzo"},
		{"\x7f"
		 "ELF",
		 4, "elf"},
		{"????", 4, ""},
	};
	uint8_t data[8192];

	(void)state;
	bzimage(data);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct kernel_facts k;
		struct err err = {0};

		memcpy(data + 4096 + 0x100, cases[i].magic, cases[i].n);
		assert_int_equal(facts_of(data, sizeof(data), &k, &err), 0);
		assert_string_equal(k.payload, cases[i].name);
	}
}

/* What a header points at may lie outside of the file: then it is not known. */
static void test_bzimage_pointers(void **state)
{
	struct kernel_facts k;
	struct err err = {0};
	uint8_t data[8192];

	(void)state;
	bzimage(data);
	put_le32(data + 0x248, 0xFFFFFFFF);
	put_le16(data + 0x20E, 0xFFFF);
	assert_int_equal(facts_of(data, sizeof(data), &k, &err), 0);
	assert_string_equal(k.payload, "");
	assert_string_equal(k.version, "");
	/* A version that runs into control characters. */
	put_le16(data + 0x20E, 0x800);
	memcpy(data + 0xA00, "6.1\x1b[31m\xff", 10);
	assert_int_equal(facts_of(data, sizeof(data), &k, &err), 0);
	assert_string_equal(k.version, "6.1?[31m?");
	/* Cut off behind the header. */
	assert_int_equal(facts_of(data, 0x268, &k, &err), 0);
	assert_string_equal(k.version, "");
	/* No 64-bit entry: a fact, and for the VMM to refuse. */
	put_le16(data + 0x236, 0);
	assert_int_equal(facts_of(data, sizeof(data), &k, &err), 0);
	assert_false(k.entry64);
}

static void test_not_a_kernel(void **state)
{
	struct kernel_facts k;
	struct err err = {0};
	uint8_t data[8192] = "#!/bin/sh\n";

	(void)state;
	assert_int_equal(facts_of(data, sizeof(data), &k, &err), -1);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	assert_int_equal(k.kind[0], (char)0xEE); /* untouched */
	assert_int_equal(facts_of(data, 10, &k, &err), -1);
	assert_int_equal(facts_of(data, 0, &k, &err), -1);
	bzimage(data);
	put_le16(data + 0x206, 0x20B);
	assert_int_equal(facts_of(data, sizeof(data), &k, &err), -1);
	assert_non_null(strstr(err.msg, "boot protocol 2.11"));
}

/* --- ELF --- */

struct vmlinux {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	uint8_t notes[64];
	char text[4096];
};

static void make_vmlinux(struct vmlinux *v)
{
	Elf64_Nhdr gnu = {4, 8, 3}, xen = {4, 4, 18};

	memset(v, 0, sizeof(*v));
	memcpy(v->eh.e_ident, ELFMAG, SELFMAG);
	v->eh.e_ident[EI_CLASS] = ELFCLASS64;
	v->eh.e_ident[EI_DATA] = ELFDATA2LSB;
	v->eh.e_machine = EM_X86_64;
	v->eh.e_phoff = offsetof(struct vmlinux, ph);
	v->eh.e_phentsize = sizeof(v->ph[0]);
	v->eh.e_phnum = 2;
	v->ph[0].p_type = PT_LOAD;
	v->ph[1].p_type = PT_NOTE;
	v->ph[1].p_offset = offsetof(struct vmlinux, notes);
	v->ph[1].p_filesz = sizeof(v->notes);
	memcpy(v->notes, &gnu, 12);
	memcpy(v->notes + 12, "GNU", 4);
	memcpy(v->notes + 24, &xen, 12);
	memcpy(v->notes + 36, "Xen", 4);
	snprintf(v->text + 100, 100, "Linux version %%s");
	snprintf(v->text + 300, 100, "Linux version 6.12.0 (a@b) #2 SMP\nmore");
}

static void test_vmlinux(void **state)
{
	struct kernel_facts k;
	struct err err = {0};
	struct vmlinux v;

	(void)state;
	make_vmlinux(&v);
	assert_int_equal(facts_of(&v, sizeof(v), &k, &err), 0);
	assert_string_equal(k.kind, "vmlinux");
	assert_true(k.pvh);
	assert_string_equal(k.version, "6.12.0 (a@b) #2 SMP");

	v.notes[24 + 8] = 17; /* another note of Xen's */
	assert_int_equal(facts_of(&v, sizeof(v), &k, &err), 0);
	assert_false(k.pvh);
}

static void test_vmlinux_broken(void **state)
{
	struct kernel_facts k;
	struct err err = {0};
	struct vmlinux v;

	(void)state;
	make_vmlinux(&v);
	put_le32(v.notes, 0xFFFFFFFF); /* sizes of a note that leave the segment */
	assert_int_equal(facts_of(&v, sizeof(v), &k, &err), 0);
	assert_false(k.pvh);
	make_vmlinux(&v);
	v.ph[1].p_offset = UINT64_MAX - 4;
	assert_int_equal(facts_of(&v, sizeof(v), &k, &err), 0);
	assert_false(k.pvh);
	make_vmlinux(&v);
	v.ph[1].p_filesz = UINT64_MAX;
	assert_int_equal(facts_of(&v, sizeof(v), &k, &err), 0);
	assert_false(k.pvh);
	make_vmlinux(&v);
	v.eh.e_phnum = 0xFFFF;
	assert_int_equal(facts_of(&v, sizeof(v), &k, &err), -1);
	make_vmlinux(&v);
	v.eh.e_phoff = UINT64_MAX;
	assert_int_equal(facts_of(&v, sizeof(v), &k, &err), -1);
	make_vmlinux(&v);
	v.eh.e_machine = EM_AARCH64;
	assert_int_equal(facts_of(&v, sizeof(v), &k, &err), -1);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
}

/* A version text across the windows that the file is searched in. */
static void test_banner_anywhere(void **state)
{
	static const size_t places[] = {65536 - 256 - 10, 65536 - 20, 65536 - 5, 65536, 130000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		size_t n = 200000;
		auto_free uint8_t *data = xzalloc(n);
		struct kernel_facts k;
		struct err err = {0};
		struct vmlinux v;

		make_vmlinux(&v);
		memset(v.text, 0, sizeof(v.text));
		memcpy(data, &v, sizeof(v));
		memcpy(data + places[i], "Linux version 7.0-test (x)\n", 27);
		assert_int_equal(facts_of(data, n, &k, &err), 0);
		assert_string_equal(k.version, "7.0-test (x)");
	}
}

/* --- the command line --- */

static void test_cmdline(void **state)
{
	static const struct {
		const char *entry, *append, *expected;
	} cases[] = {
		{"", NULL, "console=ttyS0,115200n8"},
		{"root=UUID=x ro quiet", NULL, "root=UUID=x ro quiet console=ttyS0,115200n8"},
		{"BOOT_IMAGE=/vmlinuz root=x", "", "root=x console=ttyS0,115200n8"},
		{"root=x crashkernel=auto crashkernel=1G-4G:192M,4G-:256M ro", NULL,
		 "root=x ro console=ttyS0,115200n8"},
		/* Ours is the last console, once. */
		{"console=tty0 console=ttyS0,115200 x", NULL,
		 "console=tty0 x console=ttyS0,115200n8"},
		{"console=ttyS0,115200 console=tty0 quiet", NULL,
		 "console=tty0 quiet console=ttyS0,115200n8"},
		{"console=ttyS1 x", NULL, "console=ttyS1 x console=ttyS0,115200n8"},
		/* Unless the user set one. */
		{"console=tty0 console=ttyS0", "console=hvc0",
		 "console=tty0 console=ttyS0 console=hvc0"},
		{"a", "b c", "a console=ttyS0,115200n8 b c"},
		{"  a \t b  ", "  c ", "a b console=ttyS0,115200n8 c"},
		/* What is for init stays behind all that is for the kernel, as it is. */
		{"a -- console=ttyS0 x", "b", "a console=ttyS0,115200n8 b -- console=ttyS0 x"},
		{"-- x -- y", NULL, "console=ttyS0,115200n8 -- x -- y"},
		{"a --- x --y", NULL, "a --- x --y console=ttyS0,115200n8"},
		/* Quotes keep blanks together, as the kernel reads them. */
		{"dyndbg=\"file x.c +p; console=y\" a", NULL,
		 "dyndbg=\"file x.c +p; console=y\" a console=ttyS0,115200n8"},
		{"x=\"a  crashkernel=1 console=ttyS0 b\" c", NULL,
		 "x=\"a  crashkernel=1 console=ttyS0 b\" c console=ttyS0,115200n8"},
		{"x=\"not closed  y", NULL, "x=\"not closed  y console=ttyS0,115200n8"},
		{"\"crashkernel=auto b\"", NULL, "\"crashkernel=auto b\" console=ttyS0,115200n8"},
		{"ds=nocloud;s=http://x/", NULL, "ds=nocloud;s=http://x/ console=ttyS0,115200n8"},
	};
	char out[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct boot_entry e = {0};
		struct err err = {0};

		snprintf(e.cmdline, sizeof(e.cmdline), "%s", cases[i].entry);
		if (boot_cmdline(&e, cases[i].append, 2047, out, sizeof(out), &err) < 0)
			fail_msg("%s", err.msg);
		assert_string_equal(out, cases[i].expected);
	}
}

static void test_cmdline_limit(void **state)
{
	struct boot_entry e = {.cmdline = "0123456789"}; /* and the console: 33 */
	struct err err = {0};
	char out[34] = "untouched";

	(void)state;
	assert_int_equal(boot_cmdline(&e, NULL, 32, out, sizeof(out), &err), -1);
	assert_int_equal(err.kind, ERR_SPEC);
	assert_non_null(strstr(err.msg, "33 bytes"));
	assert_non_null(strstr(err.msg, "at most 32"));
	assert_string_equal(out, "untouched");
	assert_int_equal(boot_cmdline(&e, NULL, 100, out, 33, &err), -1);
	assert_int_equal(boot_cmdline(&e, NULL, 33, out, 34, &err), 0);
	assert_int_equal(strlen(out), 33);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bzimage),		 cmocka_unit_test(test_payloads),
		cmocka_unit_test(test_bzimage_pointers), cmocka_unit_test(test_not_a_kernel),
		cmocka_unit_test(test_vmlinux),		 cmocka_unit_test(test_vmlinux_broken),
		cmocka_unit_test(test_banner_anywhere),	 cmocka_unit_test(test_cmdline),
		cmocka_unit_test(test_cmdline_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
