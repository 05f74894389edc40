/* SPDX-License-Identifier: Apache-2.0
 *
 * Text of an image made safe to show: UTF-8 is decoded strictly (RFC 3629, no overlong forms, no
 * surrogates) and encoded again, so nothing but what was understood comes out.
 */
#include "base/clean.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"
#include "base/util.h"

enum { UNREADABLE = '?' };

/* The code point at p, and how many bytes it took. */
static uint32_t decode_utf8(const uint8_t *p, size_t left, size_t *len)
{
	uint32_t c = UNREADABLE;

	*len = utf8_char((const char *)p, left, &c);
	if (!*len)
		*len = 1;
	return c;
}

static size_t encode_utf8(uint32_t c, char out[4])
{
	if (!utf8_shown(c))
		c = UNREADABLE;
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xC0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xE0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3F));
		out[2] = (char)(0x80 | (c & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3F));
	out[2] = (char)(0x80 | (c >> 6 & 0x3F));
	out[3] = (char)(0x80 | (c & 0x3F));
	return 4;
}

/* Appends a character; false when it does not fit. */
static bool put(char *dst, size_t n, size_t *at, uint32_t c)
{
	char enc[4];
	size_t len = encode_utf8(c, enc);

	if (*at + len >= n)
		return false;
	memcpy(dst + *at, enc, len);
	*at += len;
	return true;
}

/*
 * In place this never overtakes its source: what is encoded is at most as long as what was
 * decoded.
 */
size_t clean_copy(char *dst, size_t n, const void *src, size_t len)
{
	const uint8_t *p = src;
	size_t at = 0;

	if (!n)
		return 0;
	for (size_t i = 0, used; i < len && p[i]; i += used)
		if (!put(dst, n, &at, decode_utf8(p + i, len - i, &used)))
			break;
	dst[at] = 0;
	return at;
}

bool clean_str(char *dst, size_t n, const char *src)
{
	clean_copy(dst, n, src, strlen(src));
	return !strcmp(dst, src);
}

size_t clean_utf16(char *dst, size_t n, const void *src, size_t units)
{
	const uint8_t *p = src;
	size_t at = 0;

	for (size_t i = 0; i < units; i++) {
		uint32_t c = get_le16(p + 2 * i);

		if (!c)
			break;
		if (c >= 0xD800 && c <= 0xDBFF && i + 1 < units) {
			uint32_t low = get_le16(p + 2 * (i + 1));

			if (low >= 0xDC00 && low <= 0xDFFF) {
				c = 0x10000 + ((c & 0x3FF) << 10) + (low & 0x3FF);
				i++;
			}
		}
		if (c >= 0xD800 && c <= 0xDFFF)
			c = UNREADABLE;
		if (!put(dst, n, &at, c))
			break;
	}
	if (n)
		dst[at] = 0;
	return at;
}
