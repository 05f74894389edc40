/* SPDX-License-Identifier: Apache-2.0
 *
 * The AML writer: see aml.h.
 */
#include "vmm/acpi/aml.h"

#include "base/util.h"

enum {
	OP_NAME = 0x08,
	OP_BYTE = 0x0a,
	OP_DWORD = 0x0c,
	OP_STRING = 0x0d,
	OP_QWORD = 0x0e,
	OP_SCOPE = 0x10,
	OP_PACKAGE = 0x12,
	OP_EXTENDED = 0x5b,
	OP_DEVICE = 0x82, /* after OP_EXTENDED */
	DUAL_NAME = 0x2e,
	SEGMENT = 4,

	LENGTH_BYTES = 3, /* always the three-byte form of PkgLength (20.2.4): 20 bits */
	LENGTH_TWO_FOLLOW = 2 << 6,
};

static size_t block_begin(struct buf *b)
{
	size_t at = b->len;

	buf_put(b, "\0\0\0", LENGTH_BYTES);
	return at;
}

void aml_end(struct buf *b, size_t begun)
{
	size_t n = b->len - begun; /* the length counts itself */

	if (b->overflow)
		return;
	b->data[begun] = (char)(LENGTH_TWO_FOLLOW | (n & 0xf));
	b->data[begun + 1] = (char)(n >> 4);
	b->data[begun + 2] = (char)(n >> 12);
}

/* One or two segments of four letters, after an optional root mark (20.2.2). */
static void put_path(struct buf *b, const char *path)
{
	if (*path == '\\')
		buf_putc(b, *path++);
	if (strlen(path) > SEGMENT) {
		buf_putc(b, DUAL_NAME);
		buf_put(b, path, SEGMENT);
		path += SEGMENT + 1; /* the dot */
	}
	buf_put(b, path, SEGMENT);
}

size_t aml_scope_begin(struct buf *b, const char *path)
{
	size_t at;

	buf_putc(b, OP_SCOPE);
	at = block_begin(b);
	put_path(b, path);
	return at;
}

size_t aml_device_begin(struct buf *b, const char *name)
{
	size_t at;

	buf_putc(b, OP_EXTENDED);
	buf_putc(b, (char)OP_DEVICE);
	at = block_begin(b);
	put_path(b, name);
	return at;
}

size_t aml_package_begin(struct buf *b, uint8_t elements)
{
	size_t at;

	buf_putc(b, OP_PACKAGE);
	at = block_begin(b);
	buf_putc(b, (char)elements);
	return at;
}

void aml_name(struct buf *b, const char *path)
{
	buf_putc(b, OP_NAME);
	put_path(b, path);
}

void aml_int(struct buf *b, uint64_t v)
{
	uint8_t raw[8];

	put_le64(raw, v);
	if (v <= UINT8_MAX) {
		buf_putc(b, OP_BYTE);
		buf_put(b, raw, 1);
	} else if (v <= UINT32_MAX) {
		buf_putc(b, OP_DWORD);
		buf_put(b, raw, 4);
	} else {
		buf_putc(b, OP_QWORD);
		buf_put(b, raw, 8);
	}
}

void aml_string(struct buf *b, const char *s)
{
	buf_putc(b, OP_STRING);
	buf_put(b, s, strlen(s) + 1);
}
