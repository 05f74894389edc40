/* SPDX-License-Identifier: Apache-2.0
 *
 * `croft explain`: a row of the field table, or a list of rows, for a terminal.
 */
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "provision/spec/doc.h"
#include "provision/spec/spec.h"

enum { WIDTH = 80, TEXTS_MAX = 4096 };

/* Text in lines of at most WIDTH, each `indent` deep; the first begins where the cursor is. */
static void put_wrapped(FILE *out, const char *text, unsigned indent)
{
	unsigned column = indent;

	for (const char *s = text; *s;) {
		size_t n = strcspn(s, " ");

		if (column > indent && column + 1 + n > WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		}
		if (column > indent) {
			fputc(' ', out);
			column++;
		}
		fwrite(s, 1, n, out);
		column += (unsigned)n;
		s += n;
		s += strspn(s, " ");
	}
	fputc('\n', out);
}

static void put_property(FILE *out, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	fprintf(out, "  %-8s  ", name);
	put_wrapped(out, text, 12);
}

/* A multi-line text, each line indented. */
static void put_lines(FILE *out, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		fprintf(out, "    %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

/* The rows below, items looked through: what one writes below "disks:" are the keys of a disk. */
static const struct field *holder(const struct field *f)
{
	const struct field *item = field_item(f);

	return item ? item : f;
}

static unsigned longest_key(const struct field *parent)
{
	size_t longest = 0;

	for (const struct field *f = field_next(parent, NULL); f; f = field_next(parent, f))
		if (!f->planned)
			longest = max_u64(longest, strlen(field_key(f)));
	return (unsigned)longest;
}

static void put_children(FILE *out, const struct field *parent)
{
	unsigned width = longest_key(parent);
	auto_buf struct buf later = BUF_INIT(TEXTS_MAX);

	for (const struct field *f = field_next(parent, NULL); f; f = field_next(parent, f)) {
		if (f->planned) {
			buf_printf(&later, "%s%s", later.len ? ", " : "", field_key(f));
			continue;
		}
		fprintf(out, "  %-*s  ", (int)width, field_key(f));
		put_wrapped(out, f->help, width + 4);
	}
	if (later.len) {
		fputs("\nKnown, not supported yet:\n  ", out);
		put_wrapped(out, buf_str(&later), 2);
	}
}

static void put_field(FILE *out, const char *name, const struct field *f)
{
	auto_buf struct buf type = BUF_INIT(TEXTS_MAX), initial = BUF_INIT(TEXTS_MAX);

	doc_type(f, &type);
	doc_initial(f, &initial);
	fprintf(out, "%s: ", name);
	put_wrapped(out, f->help, (unsigned)strlen(name) + 2);
	fputc('\n', out);
	put_property(out, "type", buf_str(&type));
	put_property(out, "written", f->type->help);
	put_property(out, "default", f->required ? "none: it has to be given" : buf_str(&initial));
	put_property(out, "change", doc_change(f));
	if (f->cloud_key)
		put_property(out, "guest", "passed on to cloud-init, which does the work");
	if (f->details) {
		fputs("\n", out);
		put_wrapped(out, f->details, 0);
	}
	if (f->example) {
		fputs("\nExample:\n", out);
		put_lines(out, f->example);
	}
	if (field_next(holder(f), NULL)) {
		fputs("\nKeys:\n", out);
		put_children(out, holder(f));
	}
}

static int unknown(const char *key, const struct field *deepest, const char *rest, struct err *err)
{
	const struct field *parent = holder(deepest);
	const char *words[128], *near;
	char last[64];
	size_t n = 0;

	snprintf(last, sizeof(last), "%.*s", (int)strcspn(rest, ".["), rest);
	for (const struct field *f = field_next(parent, NULL); f && n < ARRAY_LEN(words);
	     f = field_next(parent, f))
		words[n++] = field_key(f);
	near = text_nearest(last, words, n);
	err_set(err, ERR_NOT_FOUND, "a spec has no key '%s'", key);
	if (near && *deepest->path)
		return err_hint(err, "did you mean '%s' in '%s'?", near, deepest->path);
	if (near)
		return err_hint(err, "did you mean '%s'?", near);
	return err_hint(err, "croft explain lists the keys");
}

int spec_explain(const char *key, FILE *out, struct err *err)
{
	const struct field *deepest, *f;
	const char *rest;

	if (!key || !*key) {
		fputs("Keys of a spec (croft explain KEY says more; croft-spec(5) is the "
		      "manual):\n\n",
		      out);
		put_children(out, &root_field);
		return 0;
	}
	f = field_find(key, &deepest, &rest);
	if (!f)
		return unknown(key, deepest, rest, err);
	if (f->planned) {
		fprintf(out, "%s: known, not supported yet\n", key);
		if (f->help)
			fprintf(out, "\nMeanwhile: %s\n", f->help);
		return 0;
	}
	put_field(out, key, f);
	return 0;
}
