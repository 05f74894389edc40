/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a line ends, as libyaml counts lines (YAML 1.1, 4.2: CR LF, CR, LF, NEL, LS and PS), so
 * that the line a mark names is the line that a complaint shows.
 */
#ifndef BASE_YAML_LINES_H
#define BASE_YAML_LINES_H

#include <stddef.h>

/* Bytes of the line break at p, 0 if there is none. */
static inline size_t line_break(const char *p, const char *end)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t left = (size_t)(end - p);

	if (!left)
		return 0;
	if (u[0] == '\r')
		return left > 1 && u[1] == '\n' ? 2 : 1;
	if (u[0] == '\n')
		return 1;
	if (u[0] == 0xc2 && left > 1 && u[1] == 0x85)
		return 2;
	if (u[0] == 0xe2 && left > 2 && u[1] == 0x80 && (u[2] == 0xa8 || u[2] == 0xa9))
		return 3;
	return 0;
}

/* The end of the line that p is in: its break, or the end of the text. */
static inline const char *line_end(const char *p, const char *end)
{
	while (p < end && !line_break(p, end))
		p++;
	return p;
}

/* Bytes of the mark that some editors put at the start of a UTF-8 text. */
static inline size_t bom_length(const char *text, size_t len)
{
	return len >= 3 && text[0] == '\xef' && text[1] == '\xbb' && text[2] == '\xbf' ? 3 : 0;
}

#endif
