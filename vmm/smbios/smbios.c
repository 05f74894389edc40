/* SPDX-License-Identifier: Apache-2.0
 *
 * SMBIOS 3.0 (DMTF DSP0134): a 64-bit entry point in the BIOS area and structures of types 0, 1,
 * 2, 3, 4, 11, 16, 17, 19, 32 and 127. A structure is a formatted part, whose string fields are
 * numbers, and the strings behind it.
 */
#include "vmm/smbios/smbios.h"

#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "vmm/mem/layout.h"

enum {
	ENTRY = LAYOUT_TABLES + 0x40, /* behind the RSDP, on a 16-byte boundary */
	TABLE = LAYOUT_TABLES + 0x60,
	AREA = LAYOUT_HIGH_RAM - TABLE,
	ENTRY_LENGTH = 0x18,

	HANDLE_SYSTEM = 0x0100,
	HANDLE_BOARD = 0x0200,
	HANDLE_CHASSIS = 0x0300,
	HANDLE_MEMORY = 0x1000,
	HANDLE_NONE = 0xfffe, /* "not provided" */
};

/* A table while it is written. `start` is where the current structure begins. */
struct table {
	struct buf out, strings;
	size_t start;
	uint8_t nstrings;
};

static void begin(struct table *t, uint8_t type, uint16_t handle)
{
	t->start = t->out.len;
	t->nstrings = 0;
	buf_reset(&t->strings);
	buf_putc(&t->out, (char)type);
	buf_putc(&t->out, 0); /* the length, at the end */
	buf_put(&t->out, &handle, sizeof(handle));
}

static void u8(struct table *t, uint8_t v)
{
	buf_putc(&t->out, (char)v);
}

static void u16(struct table *t, uint16_t v)
{
	buf_put(&t->out, &v, sizeof(v));
}

static void u32(struct table *t, uint32_t v)
{
	buf_put(&t->out, &v, sizeof(v));
}

static void u64(struct table *t, uint64_t v)
{
	buf_put(&t->out, &v, sizeof(v));
}

/* Adds a string; returns its number, 0 for an empty one, which cannot be stored. */
static uint8_t add_string(struct table *t, const char *s)
{
	if (!*s)
		return 0;
	buf_put(&t->strings, s, strlen(s) + 1);
	return ++t->nstrings;
}

static void string(struct table *t, const char *s)
{
	u8(t, add_string(t, s));
}

static void end(struct table *t)
{
	if (!t->out.overflow)
		t->out.data[t->start + 1] = (char)(t->out.len - t->start);
	buf_put(&t->out, t->strings.data, t->strings.len);
	if (!t->nstrings)
		u8(t, 0); /* no strings: two zeroes */
	u8(t, 0);
	t->out.overflow |= t->strings.overflow;
}

static void put_bios(struct table *t)
{
	begin(t, 0, 0);
	string(t, "croft");
	string(t, CROFT_VERSION);
	u16(t, LAYOUT_TABLES >> 4);
	string(t, "01/01/2026"); /* the format's required date */
	u8(t, 0);		 /* 64 KiB */
	u64(t, 1 << 3);		 /* characteristics are not supported */
	u8(t, 1 << 0);		 /* ACPI */
	u8(t, 1 << 2 | 1 << 4);	 /* targeted content distribution, a virtual machine */
	u8(t, 0);
	u8(t, 1);
	u8(t, 0xff); /* no embedded controller */
	u8(t, 0xff);
	end(t);
}

/* The first three fields are little-endian (7.2.1). */
static void uuid(struct table *t, const char *text)
{
	static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
	uint8_t raw[16] = {0};
	unsigned digits = 0;

	for (; *text && digits < 32; text++) {
		unsigned v;

		if (*text == '-')
			continue;
		v = (unsigned)(*text <= '9' ? *text - '0' : (*text | 32) - 'a' + 10);
		raw[digits / 2] = (uint8_t)(raw[digits / 2] << 4 | (v & 15));
		digits++;
	}
	for (unsigned i = 0; i < sizeof(raw); i++)
		u8(t, raw[order[i]]);
}

static void put_system(struct table *t, const struct smbios_config *c)
{
	begin(t, 1, HANDLE_SYSTEM);
	string(t, "croft");
	string(t, "croft virtual machine");
	string(t, CROFT_VERSION);
	string(t, c->serial);
	uuid(t, c->uuid);
	u8(t, 6); /* woken by the power switch */
	string(t, "");
	string(t, "");
	end(t);
}

static void put_board(struct table *t)
{
	begin(t, 2, HANDLE_BOARD);
	string(t, "croft");
	string(t, "croft virtual machine");
	string(t, "");
	string(t, "");
	string(t, "");
	u8(t, 1 << 0); /* the hosting board */
	string(t, "");
	u16(t, HANDLE_CHASSIS);
	u8(t, 0x0a); /* motherboard */
	u8(t, 0);
	end(t);
}

static void put_chassis(struct table *t)
{
	begin(t, 3, HANDLE_CHASSIS);
	string(t, "croft");
	u8(t, 1); /* "other": what virtual machines say */
	string(t, "");
	string(t, "");
	string(t, "");
	for (unsigned i = 0; i < 4; i++)
		u8(t, 3); /* states and security: safe, safe, safe, none */
	u32(t, 0);
	u8(t, 0);
	u8(t, 0);
	u8(t, 0);
	u8(t, 0);
	string(t, "");
	end(t);
}

static void put_processor(struct table *t, const struct smbios_config *c)
{
	begin(t, 4, 0x0400);
	string(t, "CPU 0");
	u8(t, 3); /* central processor */
	u8(t, 2); /* family: unknown; CPUID says it better */
	string(t, "croft");
	u64(t, 0); /* processor id */
	string(t, "");
	u8(t, 0);
	u16(t, 0);
	u16(t, 0); /* speeds: unknown */
	u16(t, 0);
	u8(t, 1 << 6 | 1); /* populated, enabled */
	u8(t, 2);	   /* upgrade: unknown */
	u16(t, 0xffff);	   /* no cache structures */
	u16(t, 0xffff);
	u16(t, 0xffff);
	string(t, "");
	string(t, "");
	string(t, "");
	u8(t, (uint8_t)c->cpus);
	u8(t, (uint8_t)c->cpus);
	u8(t, (uint8_t)c->cpus);
	u16(t, 1 << 2); /* 64-bit capable */
	u16(t, 2);
	u16(t, (uint16_t)c->cpus);
	u16(t, (uint16_t)c->cpus);
	u16(t, (uint16_t)c->cpus);
	end(t);
}

static void put_oem_strings(struct table *t, const struct smbios_config *c)
{
	if (!c->noem_strings)
		return;
	begin(t, 11, 0x0b00);
	u8(t, (uint8_t)c->noem_strings);
	for (unsigned i = 0; i < c->noem_strings; i++)
		add_string(t, c->oem_strings[i]);
	end(t);
}

/* One array with one device of all memory, mapped in as many pieces as the layout has. */
static void put_memory(struct table *t, const struct gmem *mem, const struct smbios_config *c)
{
	begin(t, 16, HANDLE_MEMORY);
	u8(t, 1); /* other location */
	u8(t, 3); /* system memory */
	u8(t, 6); /* multi-bit ECC */
	u32(t, 0x80000000); /* see the 64-bit size */
	u16(t, HANDLE_NONE);
	u16(t, 1);
	u64(t, c->memory);
	end(t);

	begin(t, 17, 0x1100);
	u16(t, HANDLE_MEMORY);
	u16(t, HANDLE_NONE);
	u16(t, 0xffff); /* widths unknown */
	u16(t, 0xffff);
	u16(t, 0x7fff);		/* see the extended size */
	u8(t, 9);		/* DIMM */
	u8(t, 0);
	string(t, "DIMM 0");
	string(t, "");
	u8(t, 7);		/* RAM */
	u16(t, 1 << 1);		/* detail: other */
	u16(t, 0);
	string(t, "croft");
	string(t, "");
	string(t, "");
	string(t, "");
	u8(t, 0);
	u32(t, (uint32_t)(c->memory / MIB));
	u16(t, 0);
	u16(t, 0);
	u16(t, 0);
	u16(t, 0);
	end(t);

	for (unsigned i = 0; i < mem->n; i++) {
		begin(t, 19, (uint16_t)(0x1300 + i));
		u32(t, 0xffffffff); /* see the 64-bit addresses */
		u32(t, 0xffffffff);
		u16(t, HANDLE_MEMORY);
		u8(t, 1);
		u64(t, mem->regions[i].gpa);
		u64(t, mem->regions[i].gpa + mem->regions[i].size - 1);
		end(t);
	}
}

static void put_boot_and_end(struct table *t)
{
	begin(t, 32, 0x2000);
	for (unsigned i = 0; i < 6; i++)
		u8(t, 0);
	u8(t, 0); /* no errors detected */
	end(t);
	begin(t, 127, 0x7f00);
	end(t);
}

static void make_entry(uint8_t e[ENTRY_LENGTH], uint32_t table_size)
{
	uint8_t sum = 0;

	memset(e, 0, ENTRY_LENGTH);
	memcpy(e, "_SM3_", 5);
	e[6] = ENTRY_LENGTH;
	e[7] = 3; /* version 3.0, docrev 0 */
	e[10] = 1; /* entry point revision */
	put_le32(e + 12, table_size);
	put_le64(e + 16, TABLE);
	for (unsigned i = 0; i < ENTRY_LENGTH; i++)
		sum += e[i];
	e[5] = (uint8_t)-sum;
}

int smbios_put_tables(struct gmem *mem, const struct smbios_config *c, struct err *err)
{
	struct table t = {.out = BUF_INIT(AREA), .strings = BUF_INIT(AREA)};
	uint8_t entry[ENTRY_LENGTH];
	int rc = 0;

	put_bios(&t);
	put_system(&t, c);
	put_board(&t);
	put_chassis(&t);
	put_processor(&t, c);
	put_oem_strings(&t, c);
	put_memory(&t, mem, c);
	put_boot_and_end(&t);
	make_entry(entry, (uint32_t)t.out.len);
	if (t.out.overflow || gmem_write(mem, TABLE, t.out.data, t.out.len) < 0 ||
	    gmem_write(mem, ENTRY, entry, sizeof(entry)) < 0)
		rc = err_set(err, ERR_FAILED, "the SMBIOS tables do not fit into the BIOS area");
	buf_done(&t.out);
	buf_done(&t.strings);
	return rc;
}
