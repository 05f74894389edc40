/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of text on stdout: columns as wide as their widest cell, no trailing blanks.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

struct table;

/* headings: NULL-terminated, at most 12, borrowed. */
struct table *table_new(const char *const headings[]);
/* One cell, copied; rows fill from left to right. NULL shows as "-". Control characters are dropped. */
void table_cell(struct table *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void table_print(const struct table *, FILE *);
void table_free(struct table *);

#endif
