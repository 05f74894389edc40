/* SPDX-License-Identifier: Apache-2.0
 *
 * Complaints about a text: see diag.h.
 */
#include "base/yaml/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "base/util.h"
#include "base/yaml/lines.h"
#include "base/yaml/yaml.h"

enum { SHOWN_CHARS = 100, SHOWN_BEFORE = 70 }; /* of a long line: around the caret */

static const char *const level_names[] = {
	[DIAG_ERROR] = "error",
	[DIAG_WARNING] = "warning",
};

void diags_init(struct diags *ds, struct arena *arena)
{
	*ds = (struct diags){.arena = arena};
}

void diags_done(struct diags *ds)
{
	free(ds->list);
	*ds = (struct diags){.arena = ds->arena};
}

/* An alias makes readers pass the same place again: one complaint is enough. */
static bool said_before(const struct diags *ds, const struct source *src, struct mark at,
			const char *message)
{
	for (size_t i = 0; i < ds->n; i++) {
		const struct diag *d = &ds->list[i];

		if (d->source == src && d->at.line == at.line && d->at.column == at.column &&
		    !strcmp(d->message, message))
			return true;
	}
	return false;
}

void diag_add(struct diags *ds, enum diag_level level, const struct source *src, struct mark at,
	      const char *help, const char *fmt, ...)
{
	auto_free char *message = NULL;
	va_list ap;

	if (ds->full) {
		ds->errors += level == DIAG_ERROR;
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&message, fmt, ap) < 0)
		message = xstrdup(fmt);
	va_end(ap);
	if (said_before(ds, src, at, message))
		return;

	ds->list = xgrow(ds->list, &ds->cap, ds->n + 1, sizeof(*ds->list));
	ds->list[ds->n++] = (struct diag){
		.level = level,
		.source = src,
		.at = at,
		.message = arena_strdup(ds->arena, message),
		.help = help ? arena_strdup(ds->arena, help) : NULL,
	};
	ds->errors += level == DIAG_ERROR;
	ds->full = ds->n == DIAGS_MAX;
}

/* Where a complaint stands in the file that the user opens in an editor. */
static struct mark in_file(const struct diag *d)
{
	struct mark at = d->at;

	if (d->source && at.line) {
		at.line += d->source->line_offset;
		at.column += d->source->column_offset;
	}
	return at;
}

static const char *file_name(const struct diag *d)
{
	return d->source && d->source->name ? d->source->name : "";
}

struct place {
	const struct diag *diag;
	size_t order; /* of report */
};

static int compare_places(const void *pa, const void *pb)
{
	const struct place *a = pa, *b = pb;
	struct mark ma = in_file(a->diag), mb = in_file(b->diag);
	int names = strcmp(file_name(a->diag), file_name(b->diag));

	if (names)
		return names;
	if (ma.line != mb.line)
		return ma.line < mb.line ? -1 : 1;
	if (ma.column != mb.column)
		return ma.column < mb.column ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* The complaints in the order of their place; the caller frees. */
static struct place *sorted(const struct diags *ds)
{
	struct place *places = xcalloc(ds->n, sizeof(*places));

	for (size_t i = 0; i < ds->n; i++)
		places[i] = (struct place){.diag = &ds->list[i], .order = i};
	if (ds->n)
		qsort(places, ds->n, sizeof(*places), compare_places);
	return places;
}

const char *source_line(const struct source *src, unsigned n, size_t *len)
{
	const char *p, *end;

	if (!src || !src->text || !n)
		return NULL;
	p = src->text + bom_length(src->text, src->len);
	end = src->text + src->len;
	for (; n > 1; n--) {
		p = line_end(p, end);
		if (p == end)
			return NULL;
		p += line_break(p, end);
	}
	*len = (size_t)(line_end(p, end) - p);
	return p;
}

/* Characters [from, to) of a text; what cannot be shown safely becomes '?', a tab one blank. */
static void put_shown(FILE *out, const char *text, size_t len, size_t from, size_t to)
{
	for (size_t i = 0, at = 0; i < len && at < to; at++) {
		uint32_t c;
		size_t n = utf8_char(text + i, len - i, &c);

		if (at < from)
			;
		else if (n && c == '\t')
			fputc(' ', out);
		else if (n && utf8_shown(c))
			fwrite(text + i, 1, n, out);
		else
			fputc('?', out);
		i += n ? n : 1;
	}
}

/* A message may quote what a file said, so it is shown with the same care. */
static void put_text(FILE *out, const char *text)
{
	put_shown(out, text, strlen(text), 0, SIZE_MAX);
}

static void print_line(const struct diag *d, FILE *out, const char *strong, const char *off)
{
	size_t len, caret, from = 0;
	const char *line = source_line(d->source, d->at.line, &len);
	unsigned indent = d->source ? d->source->column_offset : 0;

	if (!line || !d->at.column)
		return;
	caret = d->at.column - 1;
	if (caret > SHOWN_BEFORE) {
		from = caret - SHOWN_BEFORE;
		indent = 0;
	}
	fprintf(out, "%5u | %*s", in_file(d).line, (int)indent, "");
	put_shown(out, line, len, from, from + SHOWN_CHARS);
	fprintf(out, "\n      | %*s%s^%s\n", (int)(indent + caret - from), "", strong, off);
}

static void print_diag(const struct diag *d, FILE *out, bool colour)
{
	const char *off = colour ? "\033[0m" : "", *bold = colour ? "\033[1m" : "";
	const char *strong = !colour ? "" : d->level == DIAG_ERROR ? "\033[1;31m" : "\033[1;33m";
	struct mark at = in_file(d);

	fputs(bold, out);
	put_text(out, file_name(d));
	if (at.line)
		fprintf(out, ":%u:%u", at.line, at.column);
	fprintf(out, ":%s %s%s:%s ", off, strong, level_names[d->level], off);
	put_text(out, d->message);
	fputc('\n', out);
	print_line(d, out, strong, off);
	if (d->help) {
		fprintf(out, "      = %shelp:%s ", bold, off);
		put_text(out, d->help);
		fputc('\n', out);
	}
}

void diags_print(const struct diags *ds, FILE *out, bool colour)
{
	auto_free struct place *places = sorted(ds);

	for (size_t i = 0; i < ds->n; i++)
		print_diag(places[i].diag, out, colour);
	if (ds->full)
		fprintf(out, "(stopped after %d complaints)\n", DIAGS_MAX);
}

char *diags_json(const struct diags *ds)
{
	auto_free struct place *places = sorted(ds);
	struct arena *arena = arena_new();
	struct yaml_node *list = yaml_seq(arena);
	auto_buf struct buf out = BUF_INIT(64 << 20);

	for (size_t i = 0; i < ds->n; i++) {
		const struct diag *d = places[i].diag;
		struct mark at = in_file(d);
		struct yaml_node *m = yaml_map(arena);

		yaml_set(arena, m, "level", yaml_str(arena, level_names[d->level]));
		yaml_set(arena, m, "file", yaml_str(arena, file_name(d)));
		yaml_set(arena, m, "line", yaml_plain(arena, arena_printf(arena, "%u", at.line)));
		yaml_set(arena, m, "column",
			 yaml_plain(arena, arena_printf(arena, "%u", at.column)));
		yaml_set(arena, m, "message", yaml_str(arena, d->message));
		yaml_set(arena, m, "help",
			 d->help ? yaml_str(arena, d->help) : yaml_plain(arena, "null"));
		yaml_add(arena, list, m);
	}
	yaml_emit_json(list, &out);
	arena_free(arena);
	return buf_take(&out);
}
