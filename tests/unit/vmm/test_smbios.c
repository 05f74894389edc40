/* SPDX-License-Identifier: Apache-2.0
 *
 * SMBIOS, read the way dmidecode reads it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "vmm/mem/layout.h"
#include "vmm/smbios/smbios.h"

static struct gmem *mem;

static const struct smbios_config config = {
	.uuid = "00112233-4455-6677-8899-aAbBcCdDeEfF",
	.serial = "ds=nocloud",
	.cpus = 3,
	.memory = 16 * MIB,
};

static int teardown(void **state)
{
	(void)state;
	gmem_free(mem);
	mem = NULL;
	return 0;
}

static const uint8_t *table(uint32_t *size)
{
	const uint8_t *e;
	uint8_t sum = 0;

	for (gpa_t at = LAYOUT_TABLES;; at += 16) { /* as SMBIOS 5.2.2 says it is searched */
		assert_true(at < LAYOUT_HIGH_RAM);
		e = gmem_ptr(mem, at, 24);
		if (!memcmp(e, "_SM3_", 5))
			break;
	}
	for (int i = 0; i < e[6]; i++)
		sum += e[i];
	assert_int_equal(sum, 0);
	*size = get_le32(e + 12);
	return gmem_ptr(mem, get_le64(e + 16), *size);
}

/* The n-th structure of a type, or NULL; its strings follow its formatted part. */
static const uint8_t *find(uint8_t type, unsigned n)
{
	uint32_t size;
	const uint8_t *p = table(&size), *end = p + size;

	while (p + 4 <= end) {
		const uint8_t *next = p + p[1];

		assert_true(p[1] >= 4);
		while (next[0] || next[1])
			next++;
		next += 2;
		assert_true(next <= end);
		if (p[0] == type && n-- == 0)
			return p;
		if (p[0] == 127) {
			assert_ptr_equal(next, end);
			return NULL;
		}
		p = next;
	}
	fail_msg("no end of the table");
	return NULL;
}

static const char *string(const uint8_t *p, unsigned field)
{
	const char *s = (const char *)p + p[1];

	if (!p[field])
		return "";
	for (unsigned n = p[field]; n > 1; n--)
		s += strlen(s) + 1;
	return s;
}

static void test_structures(void **state)
{
	static const uint8_t uuid[] = {0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
				       0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	static const struct {
		uint8_t type, length;
	} all[] = {{0, 0x18}, {1, 0x1b}, {2, 0x0f}, {3, 0x16}, {4, 0x30},
		   {16, 0x17}, {17, 0x28}, {19, 0x1f}, {32, 0x0b}, {127, 4}};

	(void)state;
	mem = gmem_new(16 * MIB, NULL);
	assert_int_equal(smbios_put_tables(mem, &config, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const uint8_t *p = find(all[i].type, 0);

		assert_non_null(p);
		if (p[1] != all[i].length)
			fail_msg("type %u: length 0x%x, want 0x%x", all[i].type, p[1], all[i].length);
	}
	assert_null(find(11, 0)); /* no OEM strings, no structure */
	assert_string_equal(string(find(1, 0), 7), "ds=nocloud");
	assert_string_equal(string(find(1, 0), 4), "croft");
	assert_memory_equal(find(1, 0) + 8, uuid, 16);
	assert_true(find(0, 0)[0x13] & 1 << 4); /* a virtual machine */
	assert_int_equal(find(4, 0)[0x23], 3);	/* cores */
	assert_int_equal(get_le32(find(17, 0) + 0x1c), 16); /* MiB */
}

static void test_memory_in_two_pieces(void **state)
{
	struct smbios_config c = config;

	(void)state;
	c.memory = 4 * GIB;
	mem = gmem_new(4 * GIB, NULL);
	assert_int_equal(smbios_put_tables(mem, &c, NULL), 0);
	assert_int_equal(get_le64(find(19, 0) + 0x0f), 0);
	assert_int_equal(get_le64(find(19, 0) + 0x17), LAYOUT_HOLE - 1);
	assert_int_equal(get_le64(find(19, 1) + 0x0f), LAYOUT_4GIB);
	assert_int_equal(get_le64(find(19, 1) + 0x17), LAYOUT_4GIB + 1 * GIB - 1);
	assert_int_equal(get_le64(find(16, 0) + 0x0f), 4 * GIB);
}

static void test_oem_strings(void **state)
{
	static const char *const strings[] = {"io.systemd.credential:a=b", "two"};
	struct smbios_config c = config;
	const uint8_t *p;

	(void)state;
	c.oem_strings = strings;
	c.noem_strings = 2;
	c.uuid = c.serial = "";
	mem = gmem_new(16 * MIB, NULL);
	assert_int_equal(smbios_put_tables(mem, &c, NULL), 0);
	p = find(11, 0);
	assert_int_equal(p[4], 2);
	assert_string_equal((const char *)p + p[1], "io.systemd.credential:a=b");
	assert_string_equal(string(find(1, 0), 7), "");
}

static void test_too_much(void **state)
{
	static char big[40000];
	static const char *const strings[] = {big, big};
	struct smbios_config c = config;
	struct err err = {0};

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	c.oem_strings = strings;
	c.noem_strings = 2;
	mem = gmem_new(16 * MIB, NULL);
	assert_int_equal(smbios_put_tables(mem, &c, &err), -1);
	assert_non_null(strstr(err.msg, "SMBIOS"));
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		T(test_structures), T(test_memory_in_two_pieces), T(test_oem_strings), T(test_too_much)};

	return cmocka_run_group_tests_name("smbios", tests, NULL, NULL);
}
