/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables as a guest finds them: signatures, lengths, checksums, and agreement with the address map.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/util.h"
#include "vmm/acpi/acpi.h"
#include "vmm/acpi/aml.h"
#include "vmm/acpi/std.h"
#include "vmm/dev/pm.h"
#include "vmm/mem/layout.h"

static struct gmem *mem;
static gpa_t rsdp_at;

static void build(unsigned cpus, uint32_t slots)
{
	const struct acpi_config c = {
		.cpus = cpus, .pci64 = LAYOUT_4GIB, .pci64_size = LAYOUT_PCI64_SIZE, .slots = slots};

	mem = gmem_new(16 * MIB, NULL);
	assert_int_equal(acpi_put_tables(mem, &c, &rsdp_at, NULL), 0);
}

static int teardown(void **state)
{
	(void)state;
	gmem_free(mem);
	mem = NULL;
	return 0;
}

static uint8_t sum(const void *p, size_t n)
{
	uint8_t s = 0;

	for (size_t i = 0; i < n; i++)
		s += ((const uint8_t *)p)[i];
	return s;
}

static const struct acpi_header *table_at(gpa_t gpa, const char *signature)
{
	const struct acpi_header *h = gmem_ptr(mem, gpa, sizeof(*h));

	assert_memory_equal(h->signature, signature, 4);
	assert_int_equal(sum(gmem_ptr(mem, gpa, h->length), h->length), 0);
	assert_true(gpa >= LAYOUT_BIOS && gpa + h->length <= LAYOUT_TABLES);
	return h;
}

/* A table that the XSDT lists. */
static const void *find(const char *signature)
{
	const struct acpi_rsdp *rsdp = gmem_ptr(mem, rsdp_at, sizeof(*rsdp));
	const struct acpi_header *xsdt = table_at(rsdp->xsdt, "XSDT");

	for (size_t off = sizeof(*xsdt); off < xsdt->length; off += 8) {
		gpa_t at = get_le64((const uint8_t *)xsdt + off);

		if (!memcmp(gmem_ptr(mem, at, 4), signature, 4))
			return table_at(at, signature);
	}
	fail_msg("no %s", signature);
	return NULL;
}

static void test_rsdp(void **state)
{
	const struct acpi_rsdp *r;

	(void)state;
	build(1, 0);
	r = gmem_ptr(mem, rsdp_at, sizeof(*r));
	assert_memory_equal(r->signature, "RSD PTR ", 8);
	assert_int_equal(sum(r, 20), 0);
	assert_int_equal(sum(r, sizeof(*r)), 0);
	assert_int_equal(r->revision, 2);
	assert_true(rsdp_at >= 0xe0000 && rsdp_at < 0x100000 && rsdp_at % 16 == 0); /* a search finds it */
}

static void test_fadt(void **state)
{
	const struct acpi_fadt *f;
	const struct acpi_header *dsdt;

	(void)state;
	build(1, 0);
	f = find("FACP");
	assert_int_equal(f->header.revision, 6);
	assert_int_equal(f->header.length, 276);
	assert_int_equal(f->sci_int, GSI_SCI);
	assert_int_equal(f->smi_cmd, 0); /* ACPI is on already */
	assert_int_equal(f->pm1a_evt, PORT_PM_BASE);
	assert_int_equal(f->pm1a_cnt, PORT_PM_BASE + 4);
	assert_int_equal(f->pm_tmr, PORT_PM_BASE + 8);
	assert_int_equal(f->x_pm1a_evt.address, f->pm1a_evt);
	assert_int_equal(f->x_pm1a_evt.bit_width, 32);
	assert_int_equal(f->x_pm_tmr.address, f->pm_tmr);
	assert_int_equal(f->reset_reg.address, PORT_RESET);
	assert_int_equal(f->reset_reg.space, ACPI_IO);
	assert_int_equal(f->flags & 1 << 20, 0); /* not hardware-reduced */
	assert_int_equal(f->flags & 1 << 4, 0);	 /* the power button is a fixed one */
	assert_int_equal(f->iapc_boot_arch & 1 << 1, 0); /* no 8042 */
	assert_int_equal(f->facs % 64, 0);
	assert_memory_equal(gmem_ptr(mem, f->facs, 4), "FACS", 4);
	dsdt = table_at(f->x_dsdt, "DSDT");
	assert_int_equal(f->dsdt, f->x_dsdt);
	assert_true(dsdt->length > sizeof(*dsdt));
}

static void test_madt(void **state)
{
	const struct acpi_madt *m;
	unsigned lapics = 0, ioapics = 0, overrides = 0, nmis = 0;

	(void)state;
	build(64, 0);
	m = find("APIC");
	assert_int_equal(m->lapic_address, LAYOUT_LAPIC);
	for (const uint8_t *p = (const void *)(m + 1), *end = (const uint8_t *)m + m->header.length; p < end;
	     p += p[1]) {
		const struct madt_override *o = (const void *)p;

		assert_true(p[1] >= 6 && p + p[1] <= end);
		if (p[0] == MADT_LAPIC) {
			assert_int_equal(p[3], lapics); /* APIC id = index */
			lapics++;
		} else if (p[0] == MADT_IOAPIC) {
			ioapics++;
			assert_int_equal(get_le32(p + 4), LAYOUT_IOAPIC);
		} else if (p[0] == MADT_OVERRIDE) {
			overrides++;
			assert_int_equal(o->gsi, o->source == 0 ? 2 : GSI_SCI);
			assert_int_equal(o->flags, o->source == 0 ? 0 : 0xd);
		} else if (p[0] == MADT_NMI) {
			nmis++;
			assert_int_equal(p[5], 1); /* LINT1 */
		}
	}
	assert_int_equal(lapics, 64);
	assert_int_equal(ioapics, 1);
	assert_int_equal(overrides, 2);
	assert_int_equal(nmis, 1);
}

static void test_mcfg(void **state)
{
	const struct acpi_mcfg *m;

	(void)state;
	build(1, 0);
	m = find("MCFG");
	assert_int_equal(m->base, LAYOUT_ECAM);
	assert_int_equal(m->end_bus, 0); /* each bus would cost Linux 32 probes */
}

static const uint8_t *search(const void *in, size_t n, const char *what)
{
	return memmem(in, n, what, strlen(what));
}

static void test_ssdt(void **state)
{
	const struct acpi_header *s;
	const uint8_t *p;

	(void)state;
	build(64, 1u << 1 | 1u << 9 | 1u << 31);
	s = find("SSDT");
	assert_non_null(search(s, s->length, "C000"));
	assert_non_null(search(s, s->length, "C03F"));
	assert_null(search(s, s->length, "C040"));
	p = search(s, s->length, "P64B");
	assert_int_equal(p[4], 0x0e); /* a QWord */
	assert_int_equal(get_le64(p + 5), LAYOUT_4GIB);
	p = search(s, s->length, "P64L");
	assert_int_equal(get_le64(p + 5), LAYOUT_4GIB + LAYOUT_PCI64_SIZE - 1);
	p = search(s, s->length, "_PRT");
	assert_int_equal(p[4], 0x12); /* a package */
	assert_int_equal(p[8], 3);    /* of a row for each slot */
	/* Row of slot 1: package, its length in three bytes, 4 elements, address, pin, source, GSI 17. */
	assert_memory_equal(p + 13, "\x04\x0c\xff\xff\x01\x00\x0a\x00\x0a\x00\x0a\x11", 12);
}

/* What dsdt.asl writes down must be what layout.h says. */
static void test_dsdt_agrees_with_the_layout(void **state)
{
	const struct acpi_fadt *f;
	const struct acpi_header *d;
	uint8_t window[26] = {0}, com1[8] = {0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8};

	(void)state;
	build(1, 0);
	f = find("FACP");
	d = table_at(f->x_dsdt, "DSDT");
	/* DWord address space descriptor: minimum, maximum, translation, length (ACPI 6.4, 6.4.3.5.2). */
	put_le32(window + 0, LAYOUT_PCI32);
	put_le32(window + 4, LAYOUT_PCI32 + LAYOUT_PCI32_SIZE - 1);
	put_le32(window + 12, LAYOUT_PCI32_SIZE);
	assert_non_null(memmem(d, d->length, window, 16));
	/* Memory32Fixed: base, length. */
	put_le32(window + 0, LAYOUT_ECAM);
	put_le32(window + 4, LAYOUT_ECAM_SIZE);
	assert_non_null(memmem(d, d->length, window, 8));
	assert_non_null(memmem(d, d->length, com1, sizeof(com1)));
	put_le16(com1 + 2, PORT_PVPANIC);
	put_le16(com1 + 4, PORT_PVPANIC);
	com1[7] = 1;
	assert_non_null(memmem(d, d->length, com1, sizeof(com1)));
	put_le16(com1 + 2, PORT_PM_BASE);
	put_le16(com1 + 4, PORT_PM_BASE);
	com1[7] = PM_PORTS;
	assert_non_null(memmem(d, d->length, com1, sizeof(com1)));
	assert_non_null(search(d, d->length, "_S5_"));
}

static void test_lengths_of_blocks(void **state)
{
	auto_buf struct buf b = BUF_INIT(1 << 20);
	size_t scope = aml_scope_begin(&b, "\\_SB_");

	(void)state;
	for (int i = 0; i < 5000; i++)
		aml_string(&b, "x");
	aml_end(&b, scope);
	assert_int_equal(b.len, 1 + 3 + 5 + 15000);
	assert_int_equal((uint8_t)b.data[1], 0x80 | (15008 & 0xf));
	assert_int_equal((uint8_t)b.data[2] | (uint8_t)b.data[3] << 8, 15008 >> 4);
}

static void test_no_room(void **state)
{
	const struct acpi_config c = {.cpus = 64, .pci64 = 0, .pci64_size = 1, .slots = UINT32_MAX};
	struct err err = {0};

	(void)state;
	build(64, UINT32_MAX); /* the most there can be does fit */
	gmem_free(mem);
	mem = gmem_new(4096 * 16, NULL); /* no BIOS area in this one */
	assert_int_equal(acpi_put_tables(mem, &c, &rsdp_at, &err), -1);
	assert_non_null(strstr(err.msg, "ACPI"));
}

/* What _OSC of the PCI host bridge answers, by ACPICA: capabilities word 1 and 3. */
static void ask_osc(const char *dsdt, const char *uuid, int revision, unsigned want, uint8_t answer[2])
{
	char command[512], line[256], *hex;
	unsigned one, three;
	FILE *f;

	snprintf(command, sizeof(command),
		 "acpiexec -b 'evaluate \\_SB.PCI0._OSC (%s) %d 3 (00 00 00 00 00 00 00 00 %02X 00 00 00)' %s 2>&1",
		 uuid, revision, want, dsdt);
	f = popen(command, "r");
	assert_non_null(f);
	answer[0] = answer[1] = 0xff;
	while (fgets(line, sizeof(line), f)) {
		hex = strstr(line, "0000: ");
		if (hex && sscanf(hex, "0000: %x %*x %*x %*x %*x %*x %*x %*x %x", &one, &three) == 2) {
			answer[0] = (uint8_t)one;
			answer[1] = (uint8_t)three;
		}
	}
	pclose(f);
}

static void test_osc(void **state)
{
	static const char pci[] = "5B 4D DB 33 F7 1F 1C 40 96 57 74 41 C0 3D D7 66";
	static const char other[] = "5C 4D DB 33 F7 1F 1C 40 96 57 74 41 C0 3D D7 66";
	static const struct {
		const char *uuid;
		int revision;
		uint8_t want, answer[2];
	} cases[] = {
		{pci, 1, 0x1f, {0x10, 0}}, /* capabilities masked */
		{pci, 1, 0, {0, 0}},
		{pci, 2, 0x1f, {0x08, 0x1f}},	/* unknown revision */
		{other, 1, 0x1f, {0x04, 0x1f}}, /* unknown UUID */
	};
	char path[] = "/tmp/croft-test-XXXXXX";
	const struct acpi_fadt *fadt;
	const struct acpi_header *dsdt;
	int fd;

	(void)state;
	if (system("acpiexec -v >/dev/null 2>&1") != 0) {
		print_message("acpiexec is not there\n");
		skip();
	}
	build(1, 0);
	fadt = find("FACP");
	dsdt = table_at(fadt->x_dsdt, "DSDT");
	fd = mkstemp(path);
	assert_int_equal(write(fd, dsdt, dsdt->length), dsdt->length);
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t answer[2];

		ask_osc(path, cases[i].uuid, cases[i].revision, cases[i].want, answer);
		assert_memory_equal(answer, cases[i].answer, 2);
	}
	unlink(path);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		T(test_rsdp), T(test_fadt), T(test_madt), T(test_mcfg), T(test_ssdt),
		T(test_dsdt_agrees_with_the_layout), T(test_lengths_of_blocks), T(test_no_room),
		T(test_osc),
	};

	return cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
}
