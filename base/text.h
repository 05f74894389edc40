/* SPDX-License-Identifier: Apache-2.0
 *
 * Text for people: the nearest known word to a misspelt one.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Of `words[0..n)`, the one that was most likely meant by `given`: at most a third of its letters
 * away (insert, delete, replace, swap of neighbours). NULL when none is near.
 */
const char *text_nearest(const char *given, const char *const words[], size_t n);

bool text_starts(const char *s, const char *prefix);
bool text_ends(const char *s, const char *suffix);

/*
 * A name for files, sockets, taps and hosts: 1 to 63 of a-z 0-9 and '-', beginning with a letter or
 * digit and not ending with '-' (RFC 1123 label, lower case).
 */
bool text_is_name(const char *s);

#endif
