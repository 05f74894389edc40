/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels that were unpacked on the host: where they are put, what is done to the addresses in them,
 * and files that are wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/util.h"
#include "vmm/boot/boot.h"

enum {
	SETUP = 3 * 512,
	SEGMENT = 0x200, /* in the ELF image */
	SEGMENT_SIZE = 0x1000,
	RELOCS = SETUP + SEGMENT + SEGMENT_SIZE,
	AT_64 = 0x100, /* in the segment: what the relocations are about */
	AT_MINUS = 0x204,
	AT_32 = 0x300,
	KASLR_FLAG = 1 << 1,
};
#define LINK (16 * MIB)
#define NEED (4 * MIB)
#define VIRT UINT64_C(0xffffffff81000000)

static uint8_t image[RELOCS + 64];
static size_t image_size;
static struct gmem *mem;

static void put_relocs(const uint32_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_le32(image + RELOCS + 4 * i, words[i]);
	image_size = RELOCS + 4 * n;
	put_le32(image + 0x24c, (uint32_t)(image_size - SETUP)); /* payload_length */
}

static const uint32_t good_relocs[] = {0, (uint32_t)VIRT + AT_64, 0, (uint32_t)VIRT + AT_MINUS,
				       0, (uint32_t)VIRT + AT_32};

static int setup(void **state)
{
	uint8_t *elf = image + SETUP, *ph = elf + 64, *s = elf + SEGMENT;

	(void)state;
	mem = gmem_new(256 * MIB, NULL);
	memset(image, 0, sizeof(image));
	image[0x1f1] = SETUP / 512 - 1;
	put_le16(image + 0x1fe, 0xaa55);
	image[0x201] = 0x6a;
	memcpy(image + 0x202, "HdrS", 4);
	put_le16(image + 0x206, 0x020f);
	image[0x211] = 1;
	put_le32(image + 0x22c, 0x7fffffff);
	put_le32(image + 0x230, 2 * MIB);
	image[0x234] = 1;
	put_le16(image + 0x236, 1);
	put_le32(image + 0x238, 2047);
	put_le64(image + 0x258, LINK);
	put_le32(image + 0x260, NEED);

	memcpy(elf, ELFMAG, SELFMAG);
	elf[EI_CLASS] = ELFCLASS64;
	elf[EI_DATA] = ELFDATA2LSB;
	put_le16(elf + 18, EM_X86_64);
	put_le64(elf + 24, LINK + 0x40); /* entry */
	put_le64(elf + 32, 64);
	put_le16(elf + 54, sizeof(Elf64_Phdr));
	put_le16(elf + 56, 1);
	put_le32(ph, PT_LOAD);
	put_le64(ph + 8, SEGMENT);
	put_le64(ph + 16, VIRT);
	put_le64(ph + 24, LINK);
	put_le64(ph + 32, SEGMENT_SIZE);
	put_le64(ph + 40, 2 * SEGMENT_SIZE);
	put_le64(s + AT_64, VIRT + 0x123);
	put_le32(s + AT_MINUS, 0x1000);
	put_le32(s + AT_32, (uint32_t)VIRT + 0x456);
	put_relocs(good_relocs, ARRAY_LEN(good_relocs));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gmem_free(mem);
	return 0;
}

static int load(const char *cmdline, struct boot_entry *e, struct err *err)
{
	auto_close int fd = memfd_create("kernel", MFD_CLOEXEC);
	const struct boot_config c = {.kernel = fd, .initrd = -1, .cmdline = cmdline};

	assert_int_equal(pwrite_all(fd, image, image_size, 0), 0);
	gmem_clear(mem);
	return boot_load(mem, &c, e, err);
}

static const uint8_t *segment_at(gpa_t gpa)
{
	const uint8_t *p = gmem_ptr(mem, gpa, NEED);

	assert_non_null(p);
	return p;
}

static void expect_untouched(const struct boot_entry *e)
{
	const uint8_t *s = segment_at(LINK), *zero_page = gmem_ptr(mem, e->param, 4096);

	assert_int_equal(e->mode, BOOT_LONG);
	assert_int_equal(e->ip, LINK + 0x40);
	assert_int_equal(get_le64(s + AT_64), VIRT + 0x123);
	assert_int_equal(get_le32(s + AT_MINUS), 0x1000);
	assert_int_equal(get_le32(s + AT_32), (uint32_t)VIRT + 0x456);
	assert_false(zero_page[0x211] & KASLR_FLAG);
}

static void test_nokaslr_leaves_it_where_it_was_linked(void **state)
{
	struct boot_entry e;

	(void)state;
	assert_int_equal(load("nokaslr", &e, NULL), 0);
	expect_untouched(&e);
	assert_int_equal(load("quiet nokaslr console=ttyS0", &e, NULL), 0);
	expect_untouched(&e);
}

static void test_without_relocations_it_stays(void **state)
{
	struct boot_entry e;

	(void)state;
	put_relocs(NULL, 0);
	assert_int_equal(load("", &e, NULL), 0);
	expect_untouched(&e);
}

/* Twenty boots: each whole, and not all in the same place. */
static void test_it_lies_anywhere(void **state)
{
	uint64_t slides = 0, loads = 0, first_slide = 0, first_load = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct boot_entry e;
		const uint8_t *s, *zero_page;
		uint64_t slide, where;

		assert_int_equal(load("my_nokaslr nokaslr=1", &e, NULL), 0);
		where = e.ip - 0x40;
		assert_int_equal(where % (2 * MIB), 0);
		assert_true(where >= LINK && where + NEED <= 256 * MIB);
		s = segment_at(where);
		slide = get_le64(s + AT_64) - (VIRT + 0x123);
		assert_int_equal(slide % (2 * MIB), 0);
		assert_true(LINK + slide + NEED <= GIB);
		assert_int_equal(get_le32(s + AT_32), (uint32_t)(VIRT + 0x456 + slide));
		assert_int_equal(get_le32(s + AT_MINUS), (uint32_t)(0x1000 - slide));
		zero_page = gmem_ptr(mem, e.param, 4096);
		assert_true(zero_page[0x211] & KASLR_FLAG);
		if (i == 0) {
			first_slide = slide;
			first_load = where;
		}
		slides += slide != first_slide;
		loads += where != first_load;
	}
	assert_true(slides > 0 && loads > 0);
}

/* Memory that the kernel is told not to use is no place for it; addresses are chosen all the same. */
static void test_memory_that_is_taken_away(void **state)
{
	static const char *const lines[] = {"mem=64M", "quiet memmap=64M$128M"};
	unsigned slides = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct boot_entry e;

		assert_int_equal(load(lines[i % 2], &e, NULL), 0);
		assert_int_equal(e.ip, LINK + 0x40);
		slides += get_le64(segment_at(LINK) + AT_64) != VIRT + 0x123;
	}
	assert_true(slides > 0);
}

/* Linux 6.15 and later: nothing is subtracted from. */
static void test_two_lists(void **state)
{
	static const uint32_t words[] = {0, (uint32_t)VIRT + AT_64, 0, (uint32_t)VIRT + AT_32};
	struct boot_entry e;
	const uint8_t *s;

	(void)state;
	put_relocs(words, ARRAY_LEN(words));
	assert_int_equal(load("", &e, NULL), 0);
	s = segment_at(e.ip - 0x40);
	assert_int_equal(get_le32(s + AT_MINUS), 0x1000);
	assert_int_equal((uint32_t)(get_le64(s + AT_64) - (VIRT + 0x123)),
			 get_le32(s + AT_32) - ((uint32_t)VIRT + 0x456));
}

static void expect_refusal(const char *says)
{
	struct boot_entry e;
	struct err err = {0};

	/* A slide of zero is one chance in 500, and applies no relocation. */
	for (int i = 0; i < 5; i++)
		if (load("", &e, &err) < 0)
			break;
	assert_int_equal(err.kind, ERR_VM);
	if (!strstr(err.msg, says))
		fail_msg("'%s' does not say '%s'", err.msg, says);
}

static void test_relocations_that_are_refused(void **state)
{
	static const uint32_t no_stop[] = {1, 0, 2}, one[] = {0, 1, 2}, four[] = {0, 0, 0, 0},
			      below[] = {0, 0, 0, (uint32_t)VIRT - 1},
			      above[] = {0, 0, 0, (uint32_t)(VIRT + NEED) - 3},
			      above64[] = {0, (uint32_t)(VIRT + NEED) - 7, 0, 0};

	(void)state;
	put_relocs(no_stop, ARRAY_LEN(no_stop));
	expect_refusal("do not begin with a stop");
	put_relocs(one, ARRAY_LEN(one));
	expect_refusal("one list");
	put_relocs(four, ARRAY_LEN(four));
	expect_refusal("too many lists");
	put_relocs(below, ARRAY_LEN(below));
	expect_refusal("is outside of it");
	put_relocs(above, ARRAY_LEN(above));
	expect_refusal("is outside of it");
	put_relocs(above64, ARRAY_LEN(above64));
	expect_refusal("is outside of it");
}

static void test_images_that_are_refused(void **state)
{
	uint8_t *elf = image + SETUP, *ph = elf + 64;

	(void)state;
	put_le64(elf + 24, LINK + NEED);
	expect_refusal("its entry is outside");
	put_le64(elf + 24, LINK);
	put_le64(ph + 24, LINK - 1);
	expect_refusal("a segment is outside");
	put_le64(ph + 24, LINK + NEED - SEGMENT_SIZE);
	expect_refusal("a segment is outside");
	put_le64(ph + 24, LINK);
	put_le32(image + 0x24c, 100);
	expect_refusal("longer than its header says");
	put_le32(image + 0x24c, UINT32_MAX);
	expect_refusal("ends inside its payload");
}

static void test_too_little_memory(void **state)
{
	(void)state;
	put_le32(image + 0x260, 255 * MIB);
	expect_refusal("more memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nokaslr_leaves_it_where_it_was_linked, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_without_relocations_it_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_it_lies_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_that_is_taken_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_relocations_that_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_images_that_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_little_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
