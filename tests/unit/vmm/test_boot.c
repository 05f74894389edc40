/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading kernels: what lands where in guest memory, and every way in which a file can be wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/util.h"
#include "tests/lib/vmm/payload.h"
#include "vmm/boot/boot.h"
#include "vmm/mem/layout.h"

enum { SETUP_SECTORS = 2, CODE = 8192, FILE_SIZE = (SETUP_SECTORS + 1) * 512 + CODE };

static struct gmem *mem;
static uint8_t image[FILE_SIZE];
static int initrd = -1;

static int setup(void **state)
{
	(void)state;
	mem = gmem_new(64 * MIB, NULL);
	memset(image, 0, sizeof(image));
	image[0x1f1] = SETUP_SECTORS;
	put_le16(image + 0x1fe, 0xaa55);
	image[0x200] = 0xeb;
	image[0x201] = 0x6a; /* the header ends at 0x26c */
	memcpy(image + 0x202, "HdrS", 4);
	put_le16(image + 0x206, 0x020f);
	image[0x211] = 1;			  /* loaded high */
	put_le32(image + 0x22c, 0x7fffffff);	  /* initrd_addr_max */
	put_le32(image + 0x230, 2 * MIB);	  /* kernel_alignment */
	image[0x234] = 1;			  /* relocatable */
	put_le16(image + 0x236, 1);		  /* XLF_KERNEL_64 */
	put_le32(image + 0x238, 2047);		  /* cmdline_size */
	put_le64(image + 0x258, 16 * MIB);	  /* pref_address */
	put_le32(image + 0x260, 20 * MIB);	  /* init_size */
	for (size_t i = 0; i < CODE; i++)
		image[FILE_SIZE - CODE + i] = (uint8_t)(i * 7);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gmem_free(mem);
	auto_close_fn(&initrd);
	initrd = -1;
	return 0;
}

static int file_of(const void *data, size_t n)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_int_equal(pwrite_all(fd, data, n, 0), 0);
	return fd;
}

static int load_file(const void *data, size_t n, const char *cmdline, struct boot_entry *e, struct err *err)
{
	auto_close int fd = file_of(data, n);
	const struct boot_config c = {.kernel = fd, .initrd = initrd, .cmdline = cmdline, .rsdp = 0xf0000};

	return boot_load(mem, &c, e, err);
}

static const uint8_t *at(gpa_t gpa, uint64_t n)
{
	const uint8_t *p = gmem_ptr(mem, gpa, n);

	assert_non_null(p);
	return p;
}

static void test_bzimage(void **state)
{
	struct boot_entry e;
	const uint8_t *zp;
	gpa_t rd;

	(void)state;
	initrd = file_of("initrd!", 7);
	assert_int_equal(load_file(image, sizeof(image), "console=ttyS0", &e, NULL), 0);
	assert_int_equal(e.mode, BOOT_LONG);
	assert_int_equal(e.ip, 16 * MIB + 0x200);
	assert_memory_equal(at(16 * MIB, CODE), image + FILE_SIZE - CODE, CODE);

	zp = at(e.param, 4096);
	assert_int_equal(zp[0x210], 0xff);
	assert_int_equal(zp[0x211], 0x81);
	assert_memory_equal(zp + 0x202, "HdrS", 4);
	assert_int_equal(get_le64(zp + 0x70), 0xf0000);
	assert_string_equal((const char *)at(get_le32(zp + 0x228), 14), "console=ttyS0");
	rd = get_le32(zp + 0x218);
	assert_int_equal(get_le32(zp + 0x21c), 7);
	assert_int_equal(rd % 4096, 0);
	assert_true(rd >= 36 * MIB); /* outside what the kernel needs */
	assert_memory_equal(at(rd, 7), "initrd!", 7);

	assert_int_equal(zp[0x1e8], 6);
	assert_int_equal(get_le64(zp + 0x2d0 + 3 * 20), LAYOUT_HIGH_RAM);
	assert_int_equal(get_le64(zp + 0x2d0 + 3 * 20 + 8), 63 * MIB);
	assert_int_equal(get_le32(zp + 0x2d0 + 3 * 20 + 16), E820_RAM);
	assert_int_equal(get_le64(zp + 0x2d0 + 4 * 20), LAYOUT_ECAM);
	assert_int_equal(get_le32(zp + 0x2d0 + 4 * 20 + 16), E820_RESERVED);
}

static void test_page_tables_map_four_gib(void **state)
{
	struct boot_entry e;

	(void)state;
	assert_int_equal(load_file(image, sizeof(image), "", &e, NULL), 0);
	for (uint64_t addr = 0; addr < 4 * GIB; addr += 333 * MIB) {
		uint64_t l4 = get_le64(at(e.cr3 + (addr >> 39) * 8, 8));
		uint64_t l3 = get_le64(at((l4 & ~UINT64_C(0xfff)) + (addr >> 30 & 511) * 8, 8));
		uint64_t l2 = get_le64(at((l3 & ~UINT64_C(0xfff)) + (addr >> 21 & 511) * 8, 8));

		assert_int_equal(l4 & l3 & l2 & 3, 3);
		assert_true(l2 & 1 << 7);
		assert_int_equal((l2 & ~UINT64_C(0xfff)) | (addr & (2 * MIB - 1)), addr);
	}
	assert_int_equal(get_le64(at(e.gdt + BOOT_CS, 8)) >> 53 & 1, 1); /* L: 64-bit code */
}

static void test_a_small_machine_moves_the_kernel_down(void **state)
{
	struct boot_entry e;

	(void)state;
	put_le64(image + 0x258, 60 * MIB);
	assert_int_equal(load_file(image, sizeof(image), "", &e, NULL), 0);
	assert_int_equal(e.ip, 2 * MIB + 0x200);
	image[0x234] = 0;
	assert_int_equal(load_file(image, sizeof(image), "", &e, NULL), -1);
}

/* Memory above 4 GiB is in the map; the kernel and the initrd stay below. */
static void test_a_large_machine(void **state)
{
	struct e820_entry map[E820_MAX];
	unsigned n;

	(void)state;
	gmem_free(mem);
	mem = gmem_new(5 * GIB, NULL);
	n = boot_memory_map(mem, map);
	assert_int_equal(n, 7);
	assert_int_equal(map[3].addr + map[3].size, LAYOUT_HOLE);
	assert_int_equal(map[6].addr, LAYOUT_4GIB);
	assert_int_equal(map[6].size, 2 * GIB);
	for (unsigned i = 1; i < n; i++)
		assert_true(map[i - 1].addr + map[i - 1].size <= map[i].addr);
}

static void expect_refusal(size_t off, unsigned size, uint64_t value, const char *says)
{
	uint8_t broken[FILE_SIZE], raw[8];
	struct boot_entry e;
	struct err err = {0};

	memcpy(broken, image, sizeof(image));
	put_le64(raw, value);
	memcpy(broken + off, raw, size);
	if (load_file(broken, sizeof(broken), "", &e, &err) == 0)
		fail_msg("accepted with 0x%llx at 0x%zx", (unsigned long long)value, off);
	assert_int_equal(err.kind, ERR_VM);
	if (!strstr(err.msg, says))
		fail_msg("0x%zx: '%s' does not say '%s'", off, err.msg, says);
}

static void test_bzimages_that_are_refused(void **state)
{
	(void)state;
	expect_refusal(0x1fe, 2, 0, "no HdrS");
	expect_refusal(0x202, 4, 0, "no HdrS");
	expect_refusal(0x206, 2, 0x020b, "boot protocol 2.11");
	expect_refusal(0x236, 2, 0, "64-bit");
	expect_refusal(0x211, 1, 0, "64-bit");
	expect_refusal(0x201, 1, 0x20, "setup header is too short");
	expect_refusal(0x1f1, 1, 255, "ends inside its setup code");
	expect_refusal(0x260, 4, UINT32_MAX, "give it more memory");
}

static void test_pref_address_at_the_end_of_everything(void **state)
{
	struct boot_entry e;

	(void)state;
	put_le64(image + 0x258, UINT64_MAX - 4096);
	assert_int_equal(load_file(image, sizeof(image), "", &e, NULL), 0); /* relocated */
	assert_int_equal(e.ip, 2 * MIB + 0x200);
}

static void test_short_files(void **state)
{
	struct boot_entry e;

	(void)state;
	for (size_t n = 0; n <= (SETUP_SECTORS + 1) * 512 + 0x200; n += 37)
		assert_int_equal(load_file(image, n, "", &e, NULL), -1);
}

/* Which file, and what is wrong with it. */
static void test_files_that_cannot_be_read(void **state)
{
	auto_close int directory = open("/", O_RDONLY | O_CLOEXEC), two = file_of("MZ", 2);
	struct boot_config c = {.kernel = directory, .kernel_path = "/boot/vmlinuz", .initrd = -1};
	struct boot_entry e;
	struct err err = {0};
	char want[128];

	(void)state;
	assert_int_equal(boot_load(mem, &c, &e, &err), -1);
	assert_string_equal(err.msg, "kernel: cannot read '/boot/vmlinuz': Is a directory");
	c.kernel = two;
	assert_int_equal(boot_load(mem, &c, &e, &err), -1);
	assert_string_equal(err.msg, "kernel: '/boot/vmlinuz' has 2 bytes: that is no kernel");
	c.kernel_path = NULL;
	assert_int_equal(boot_load(mem, &c, &e, &err), -1);
	snprintf(want, sizeof(want), "kernel: descriptor %d has 2 bytes: that is no kernel", two);
	assert_string_equal(err.msg, want);
}

static void test_command_line_limit(void **state)
{
	char line[2049];
	struct boot_entry e;
	struct err err = {0};

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[2047] = line[2048] = '\0';
	assert_int_equal(load_file(image, sizeof(image), line, &e, NULL), 0);
	line[2047] = 'x';
	assert_int_equal(load_file(image, sizeof(image), line, &e, &err), -1);
	assert_non_null(strstr(err.msg, "2048 characters, this kernel takes 2047"));
}

static void test_initrd_that_does_not_fit(void **state)
{
	struct boot_entry e;
	struct err err = {0};

	(void)state;
	initrd = memfd_create("initrd", MFD_CLOEXEC);
	assert_int_equal(ftruncate(initrd, 29 * MIB), 0);
	assert_int_equal(load_file(image, sizeof(image), "", &e, &err), -1);
	assert_non_null(strstr(err.msg, "initrd: 29 MiB"));
	assert_int_equal(ftruncate(initrd, 27 * MIB), 0);
	assert_int_equal(load_file(image, sizeof(image), "", &e, NULL), 0);
	assert_int_equal(ftruncate(initrd, 0), 0);
	assert_int_equal(load_file(image, sizeof(image), "", &e, NULL), -1);
}

/* --- PVH --------------------------------------------------------------------------------------------- */

static void test_pvh(void **state)
{
	struct code c = {0};
	uint8_t elf[8192];
	struct boot_entry e;
	const uint8_t *info;
	size_t n;

	(void)state;
	emit_spin(&c);
	n = payload_image(&c, PAYLOAD_ADDRESS, elf, sizeof(elf));
	initrd = file_of("rd", 2);
	assert_int_equal(load_file(elf, n, "hello", &e, NULL), 0);
	assert_int_equal(e.mode, BOOT_PVH);
	assert_int_equal(e.ip, PAYLOAD_ADDRESS);
	assert_memory_equal(at(PAYLOAD_ADDRESS, 2), "\xeb\xfe", 2);
	info = at(e.param, 56);
	assert_int_equal(get_le32(info), 0x336ec578);
	assert_int_equal(get_le32(info + 4), 1);
	assert_int_equal(get_le32(info + 12), 1);
	assert_memory_equal(at(get_le64(at(get_le64(info + 16), 8)), 2), "rd", 2);
	assert_string_equal((const char *)at(get_le64(info + 24), 6), "hello");
	assert_int_equal(get_le64(info + 32), 0xf0000);
	assert_int_equal(get_le32(info + 48), 6);
	assert_int_equal(get_le64(at(get_le64(info + 40) + 3 * 24, 8)), LAYOUT_HIGH_RAM);
}

static void test_elf_files_that_are_refused(void **state)
{
	enum { PH = 64, NOTE_PH = PH + 56, NOTE = 64 + 2 * 56 };
	static const struct {
		size_t off;
		unsigned size;
		uint64_t value;
		const char *says;
	} cases[] = {
		{4, 1, 3, "class"},
		{5, 1, 2, "byte order"},
		{18, 2, 40, "not for x86"},
		{54, 2, 57, "unknown size"},
		{56, 2, 0, "program headers"},
		{56, 2, 65, "program headers"},
		{32, 8, UINT64_MAX, "program headers"},
		{32, 8, 1 << 20, "ends inside its program headers"},
		{PH + 24, 8, 0x1000, "below 1 MiB"},
		{PH + 24, 8, UINT64_MAX - 100, "outside guest memory"},
		{PH + 24, 8, 64 * MIB, "outside guest memory"},
		{PH + 32, 8, UINT64_MAX, "larger in the file"},
		{PH + 32, 8, 4097, "shorter than it says"},
		{PH + 40, 8, 1, "larger in the file"},
		{PH + 40, 8, UINT64_MAX, "outside guest memory"},
		{PH + 8, 8, UINT64_MAX, "beyond 4 GiB"},
		{NOTE_PH, 4, 1, "no PVH entry"},
		{NOTE_PH + 8, 8, 1 << 20, "ends inside its notes"},
		{NOTE_PH + 32, 8, UINT64_MAX, "beyond 4 GiB"},
		{NOTE_PH + 32, 8, 11, "no PVH entry"},
		{NOTE, 4, UINT32_MAX, "no PVH entry"},
		{NOTE + 4, 4, UINT32_MAX, "no PVH entry"},
		{NOTE + 4, 4, 3, "no PVH entry"},
		{NOTE + 8, 4, 17, "no PVH entry"},
		{NOTE + 12, 4, 0, "no PVH entry"},
		{NOTE + 16, 4, UINT32_MAX, "entry is outside"},
	};
	struct code c = {0};
	uint8_t good[8192], broken[8192];
	size_t n;

	(void)state;
	emit_spin(&c);
	n = payload_image(&c, PAYLOAD_ADDRESS, good, sizeof(good));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct boot_entry e;
		struct err err = {0};
		uint8_t raw[8];

		memcpy(broken, good, n);
		put_le64(raw, cases[i].value);
		memcpy(broken + cases[i].off, raw, cases[i].size);
		if (load_file(broken, n, "", &e, &err) == 0)
			fail_msg("case %zu accepted", i);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("case %zu: '%s' does not say '%s'", i, err.msg, cases[i].says);
	}
	for (size_t k = 4; k < n; k++) {
		struct boot_entry e;

		assert_int_equal(load_file(good, k, "", &e, NULL), -1);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_bzimage),
		T(test_page_tables_map_four_gib),
		T(test_a_small_machine_moves_the_kernel_down),
		T(test_a_large_machine),
		T(test_bzimages_that_are_refused),
		T(test_pref_address_at_the_end_of_everything),
		T(test_short_files),
		T(test_files_that_cannot_be_read),
		T(test_command_line_limit),
		T(test_initrd_that_does_not_fit),
		T(test_pvh),
		T(test_elf_files_that_are_refused),
	};

	return cmocka_run_group_tests_name("boot", tests, NULL, NULL);
}
