/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 by the character (RFC 3629), for what shows or writes texts that others chose.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bytes of the well-formed character at p, its code point in *out; 0 when there is none (truncated,
 * overlong, a surrogate, beyond U+10FFFF).
 */
static inline size_t utf8_char(const char *p, size_t left, uint32_t *out)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t min;
	} forms[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	const unsigned char *u = (const unsigned char *)p;

	for (size_t more = 0; left && more < 4; more++) {
		uint32_t c;

		if ((u[0] & forms[more].mask) != forms[more].lead)
			continue;
		if (more >= left)
			return 0;
		c = u[0] & (unsigned char)~forms[more].mask;
		for (size_t i = 1; i <= more; i++) {
			if ((u[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (u[i] & 0x3f);
		}
		if (c < forms[more].min || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return 0;
		*out = c;
		return more + 1;
	}
	return 0;
}

/*
 * A character that can be shown and stays where it is put: no control character (C0, DEL, C1), no
 * line or paragraph separator, no byte order mark, none that turns the direction of the text
 * around.
 */
static inline bool utf8_shown(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfeff || c == 0xfffe || c == 0xffff)
		return false;
	return !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069) &&
	       !(c >= 0x200e && c <= 0x200f);
}

#endif
