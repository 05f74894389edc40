/* SPDX-License-Identifier: Apache-2.0
 *
 * Lays the ACPI tables out in the BIOS area: RSDP, XSDT, FADT, FACS, MADT, MCFG, the DSDT that iasl
 * compiled from dsdt.asl, and an SSDT with what depends on the configuration.
 */
#include <string.h>

#include "base/util.h"
#include "vmm/acpi/acpi.h"
#include "vmm/acpi/aml.h"
#include "vmm/acpi/dsdt.h"
#include "vmm/acpi/std.h"
#include "vmm/dev/pm.h"
#include "vmm/dev/reset.h"
#include "vmm/mem/layout.h"
#include "vmm/pci/pci.h"

enum {
	AREA = LAYOUT_TABLES - LAYOUT_BIOS,
	TABLES = 5, /* in the XSDT */
	RTC_CENTURY = 0x32,
	ALIGN = 64, /* what the FACS wants; the others do not mind */
};

/* The area while it is filled: a table lies at LAYOUT_BIOS + its offset in `out`. */
struct layout {
	struct buf out;
	uint64_t xsdt[TABLES];
	unsigned nxsdt;
};

static uint8_t checksum(const void *p, size_t n)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += ((const uint8_t *)p)[i];
	return (uint8_t)-sum;
}

static struct acpi_header header(const char *signature, uint8_t revision)
{
	struct acpi_header h = {
		.revision = revision,
		.oem_id = {'C', 'R', 'O', 'F', 'T', ' '},
		.oem_table_id = {'C', 'R', 'O', 'F', 'T', 'V', 'M', ' '},
		.oem_revision = 1,
		.creator_id = {'C', 'R', 'F', 'T'},
		.creator_revision = 1,
	};

	memcpy(h.signature, signature, sizeof(h.signature));
	return h;
}

/* Copies a table to the next free place, with its length and checksum, and returns its address. */
static gpa_t place(struct layout *l, const void *table, size_t n)
{
	size_t at;

	while (l->out.len % ALIGN)
		buf_putc(&l->out, 0);
	at = l->out.len;
	buf_put(&l->out, table, n);
	if (!l->out.overflow) {
		struct acpi_header *h = (void *)(l->out.data + at);

		h->length = (uint32_t)n;
		h->checksum = 0;
		h->checksum = checksum(h, n);
	}
	return LAYOUT_BIOS + at;
}

static void list(struct layout *l, gpa_t table)
{
	assert(l->nxsdt < TABLES);
	l->xsdt[l->nxsdt++] = table;
}

static struct acpi_gas io(uint64_t port, unsigned bytes)
{
	return (struct acpi_gas){
		.space = ACPI_IO,
		.bit_width = (uint8_t)(bytes * 8),
		.access_size = (uint8_t)(bytes == 1 ? 1 : bytes == 2 ? 2 : 3),
		.address = port,
	};
}

static gpa_t place_facs(struct layout *l)
{
	struct acpi_facs facs = {.signature = {'F', 'A', 'C', 'S'}, .length = sizeof(facs), .version = 2};
	size_t at;

	while (l->out.len % ALIGN)
		buf_putc(&l->out, 0);
	at = l->out.len;
	buf_put(&l->out, &facs, sizeof(facs)); /* it has no checksum */
	return LAYOUT_BIOS + at;
}

static gpa_t place_fadt(struct layout *l, gpa_t facs, gpa_t dsdt)
{
	const struct acpi_fadt fadt = {
		.header = header("FACP", 6),
		.minor_version = 4,
		.facs = (uint32_t)facs,
		.dsdt = (uint32_t)dsdt,
		.x_dsdt = dsdt,
		.sci_int = GSI_SCI,
		.pm1a_evt = PORT_PM_BASE + PM_EVENT,
		.pm1_evt_len = PM_EVENT_LEN,
		.x_pm1a_evt = io(PORT_PM_BASE + PM_EVENT, PM_EVENT_LEN),
		.pm1a_cnt = PORT_PM_BASE + PM_CONTROL,
		.pm1_cnt_len = PM_CONTROL_LEN,
		.x_pm1a_cnt = io(PORT_PM_BASE + PM_CONTROL, PM_CONTROL_LEN),
		.pm_tmr = PORT_PM_BASE + PM_TIMER,
		.pm_tmr_len = PM_TIMER_LEN,
		.x_pm_tmr = io(PORT_PM_BASE + PM_TIMER, PM_TIMER_LEN),
		.p_lvl2_lat = 0xfff, /* no C2, no C3 */
		.p_lvl3_lat = 0xfff,
		.century = RTC_CENTURY,
		/* No 8042: Linux would probe for it for half a second. */
		.iapc_boot_arch = IAPC_LEGACY_DEVICES | IAPC_VGA_NOT_PRESENT,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC | FADT_TMR_VAL_EXT |
			 FADT_RESET_REG_SUP,
		.reset_reg = io(PORT_RESET, 1),
		.reset_value = RESET_VALUE,
		.hypervisor = {'c', 'r', 'o', 'f', 't'},
	};

	return place(l, &fadt, sizeof(fadt));
}

static gpa_t place_madt(struct layout *l, unsigned cpus)
{
	auto_buf struct buf b = BUF_INIT(4096);
	const struct acpi_madt madt = {
		.header = header("APIC", 5),
		.lapic_address = LAYOUT_LAPIC,
		.flags = MADT_PCAT_COMPAT,
	};
	const struct madt_ioapic ioapic = {.type = MADT_IOAPIC, sizeof(ioapic), .address = LAYOUT_IOAPIC};
	/* The timer is wired to pin 2, and the SCI is a level interrupt among edge-triggered ones. */
	const struct madt_override timer = {.type = MADT_OVERRIDE, sizeof(timer), .source = 0, .gsi = 2};
	const struct madt_override sci = {.type = MADT_OVERRIDE,
					  sizeof(sci),
					  .source = GSI_SCI,
					  .gsi = GSI_SCI,
					  .flags = MADT_ACTIVE_HIGH | MADT_LEVEL};
	const struct madt_nmi nmi = {.type = MADT_NMI, sizeof(nmi), .uid = MADT_ALL_CPUS, .lint = 1};

	buf_put(&b, &madt, sizeof(madt));
	for (unsigned i = 0; i < cpus; i++) {
		const struct madt_lapic cpu = {.type = MADT_LAPIC,
					       sizeof(cpu),
					       .uid = (uint8_t)i,
					       .apic_id = (uint8_t)i,
					       .flags = MADT_ENABLED};

		buf_put(&b, &cpu, sizeof(cpu));
	}
	buf_put(&b, &ioapic, sizeof(ioapic));
	buf_put(&b, &timer, sizeof(timer));
	buf_put(&b, &sci, sizeof(sci));
	buf_put(&b, &nmi, sizeof(nmi));
	return place(l, b.data, b.len);
}

static gpa_t place_mcfg(struct layout *l)
{
	/* Bus 0 only: Linux looks for 32 slots on every bus up to the last one. */
	const struct acpi_mcfg mcfg = {.header = header("MCFG", 1), .base = LAYOUT_ECAM};

	return place(l, &mcfg, sizeof(mcfg));
}

/* _PRT: for each slot, pin A arrives at this GSI (6.2.13). */
static void put_routing(struct buf *b, uint32_t slots)
{
	size_t table;

	aml_name(b, "_PRT");
	table = aml_package_begin(b, (uint8_t)__builtin_popcount(slots));
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		size_t row;

		if (!(slots >> slot & 1))
			continue;
		row = aml_package_begin(b, 4);
		aml_int(b, slot << 16 | 0xffff); /* any function */
		aml_int(b, 0);			 /* INTA */
		aml_int(b, 0);			 /* no link device: the next is a GSI */
		aml_int(b, PCI_INTX_GSI(slot));
		aml_end(b, row);
	}
	aml_end(b, table);
}

static void put_processors(struct buf *b, unsigned cpus)
{
	for (unsigned i = 0; i < cpus; i++) {
		char name[8];
		size_t device;

		snprintf(name, sizeof(name), "C%03X", i);
		device = aml_device_begin(b, name);
		aml_name(b, "_HID");
		aml_string(b, "ACPI0007");
		aml_name(b, "_UID");
		aml_int(b, i);
		aml_end(b, device);
	}
}

static gpa_t place_ssdt(struct layout *l, const struct acpi_config *c)
{
	auto_buf struct buf b = BUF_INIT(16384);
	struct acpi_header h = header("SSDT", 2);
	size_t scope;

	buf_put(&b, &h, sizeof(h));
	aml_name(&b, "\\P64B");
	aml_int(&b, c->pci64);
	aml_name(&b, "\\P64L");
	aml_int(&b, c->pci64 + c->pci64_size - 1);
	scope = aml_scope_begin(&b, "\\_SB_");
	put_processors(&b, c->cpus);
	aml_end(&b, scope);
	scope = aml_scope_begin(&b, "\\_SB_.PCI0");
	put_routing(&b, c->slots);
	aml_end(&b, scope);
	return place(l, b.data, b.len);
}

static gpa_t place_xsdt(struct layout *l)
{
	struct {
		struct acpi_header header;
		uint64_t tables[TABLES];
	} ACPI_PACKED xsdt = {.header = header("XSDT", 1)};

	memcpy(xsdt.tables, l->xsdt, sizeof(xsdt.tables));
	return place(l, &xsdt, sizeof(xsdt.header) + l->nxsdt * sizeof(xsdt.tables[0]));
}

static struct acpi_rsdp make_rsdp(gpa_t xsdt)
{
	struct acpi_rsdp r = {
		.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
		.oem_id = {'C', 'R', 'O', 'F', 'T', ' '},
		.revision = 2,
		.length = sizeof(r),
		.xsdt = xsdt,
	};

	r.checksum = checksum(&r, 20);
	r.extended_checksum = checksum(&r, sizeof(r));
	return r;
}

int acpi_put_tables(struct gmem *mem, const struct acpi_config *c, gpa_t *rsdp_gpa, struct err *err)
{
	struct layout l = {.out = BUF_INIT(AREA)};
	struct acpi_rsdp rsdp;
	gpa_t facs, dsdt;
	int rc = -1;

	facs = place_facs(&l);
	dsdt = place(&l, dsdt_aml_code, sizeof(dsdt_aml_code));
	list(&l, place_fadt(&l, facs, dsdt));
	list(&l, place_madt(&l, c->cpus));
	list(&l, place_mcfg(&l));
	list(&l, place_ssdt(&l, c));
	rsdp = make_rsdp(place_xsdt(&l));
	if (l.out.overflow || gmem_write(mem, LAYOUT_BIOS, l.out.data, l.out.len) < 0 ||
	    gmem_write(mem, LAYOUT_TABLES, &rsdp, sizeof(rsdp)) < 0) {
		err_set(err, ERR_FAILED, "the ACPI tables do not fit into the BIOS area");
	} else {
		*rsdp_gpa = LAYOUT_TABLES;
		rc = 0;
	}
	buf_done(&l.out);
	return rc;
}
