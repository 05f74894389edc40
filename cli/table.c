/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of text on stdout: see table.h.
 */
#include "cli/table.h"

#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "base/util.h"

enum { COLUMNS_MAX = 12 };

struct table {
	const char *const *headings;
	size_t columns, ncells, cap;
	char **cells;
	size_t width[COLUMNS_MAX];
};

/* Characters, not bytes: UTF-8 continuation bytes do not move the cursor. */
static size_t shown_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

struct table *table_new(const char *const headings[])
{
	struct table *t = NEW(struct table);

	t->headings = headings;
	while (headings[t->columns] && t->columns < COLUMNS_MAX) {
		t->width[t->columns] = shown_width(headings[t->columns]);
		t->columns++;
	}
	return t;
}

void table_cell(struct table *t, const char *fmt, ...)
{
	char text[1024], *to = text;
	size_t column = t->ncells % t->columns;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (const char *from = text; *from; from++)
		if ((unsigned char)*from >= ' ' && *from != 0x7f)
			*to++ = *from;
	*to = '\0';
	t->width[column] = max_u64(t->width[column], shown_width(text));
	t->cells = xgrow(t->cells, &t->cap, t->ncells + 1, sizeof(*t->cells));
	t->cells[t->ncells++] = xstrdup(text);
}

static void print_row(const struct table *t, const char *const cells[], FILE *out)
{
	for (size_t c = 0; c < t->columns; c++) {
		size_t pad = t->width[c] - min_u64(t->width[c], shown_width(cells[c]));

		fputs(cells[c], out);
		if (c + 1 < t->columns)
			fprintf(out, "%*s", (int)pad + 2, "");
	}
	putc('\n', out);
}

void table_print(const struct table *t, FILE *out)
{
	print_row(t, t->headings, out);
	for (size_t i = 0; i + t->columns <= t->ncells; i += t->columns)
		print_row(t, (const char *const *)t->cells + i, out);
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->ncells; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}
