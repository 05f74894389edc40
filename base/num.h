/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers with units, as people write them: sizes (4GiB, 500MB), durations (90s, 5m), plain integers.
 * Every parser takes the whole string or fails, and leaves *out untouched when it fails.
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Decimal or 0x hexadecimal; no sign, no blanks. Errors are ERR_USAGE. */
int parse_u64(const char *s, uint64_t *out, struct err *err);
/* The same, within [min, max]. */
int parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *out, struct err *err);

/*
 * Bytes: KiB MiB GiB TiB are powers of 1024, kB KB MB GB TB powers of 1000, B is bytes. A bare
 * integer is refused: every tool of the field guesses another unit for it. G and M, of which
 * nobody can say what they mean, are read as binary and *note says so (NULL otherwise); `note`
 * may be NULL. A fraction is allowed as long as the result is whole bytes: 1.5GiB.
 */
int parse_size(const char *s, uint64_t *bytes, const char **note, struct err *err);

/* Milliseconds: ms, s, m, h, d, and sequences such as 1m30s. A bare integer is refused. */
int parse_duration(const char *s, uint64_t *ms, struct err *err);

/* "2.0GiB", "512MiB", "700B": for people. */
char *format_size(uint64_t bytes, char *out, size_t n);
/* "4GiB", "1500MiB", "1234567B": the largest unit that loses nothing; parse_size reads it back. */
char *format_size_exact(uint64_t bytes, char *out, size_t n);
/* "850ms", "12.3s", "3m05s", "2h10m", "4d03h" */
char *format_duration(uint64_t ms, char *out, size_t n);

#define SIZE_TEXT 32 /* room for any text of the format functions */

/* Milliseconds since an arbitrary start, never going back. */
uint64_t now_ms(void);

#endif
