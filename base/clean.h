/* SPDX-License-Identifier: Apache-2.0
 *
 * Labels, titles and command lines come from whoever made the image and end on somebody's terminal
 * or in JSON. What leaves this layer is therefore valid UTF-8 without control characters, those for
 * the direction of writing included.
 */
#ifndef BASE_CLEAN_H
#define BASE_CLEAN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Copies src[0..len), up to a NUL, into dst of n bytes, NUL-terminated. Bytes that are not UTF-8
 * and control characters become '?'; a text that is too long ends before the character that does
 * not fit. Returns the length. dst and src may be the same.
 */
size_t clean_copy(char *dst, size_t n, const void *src, size_t len);

/*
 * The same for a string and an array: CLEAN_STR(e->title, text). True when it is there
 * unchanged.
 */
#define CLEAN_STR(dst, src) clean_str((dst), sizeof(dst), (src))
bool clean_str(char *dst, size_t n, const char *src);

/* One UTF-16LE text of `units` code units, up to a zero unit; otherwise as clean_copy. */
size_t clean_utf16(char *dst, size_t n, const void *src, size_t units);

#endif
