/* SPDX-License-Identifier: Apache-2.0
 *
 * A tree to YAML text: block style, two spaces a level. A text is written bare where every reader,
 * of YAML 1.2 and of 1.1, sees that same text; a text of several lines as a literal block; anything
 * else in double quotes (YAML 1.2, 7.3.1).
 */
#include <ctype.h>
#include <string.h>

#include "base/utf8.h"
#include "base/util.h"
#include "base/yaml/yaml.h"

/* A longer key is written '? key': an implicit one has at most 1024 characters (8.2.2). */
enum { MAX_SIMPLE_KEY = 256 };

static void put_lines(const struct yaml_node *, unsigned indent, struct buf *);

/* Every character can be shown, or is a line feed or tab where those are allowed. */
static bool shown(const char *text, size_t len, bool lines)
{
	for (size_t i = 0; i < len;) {
		uint32_t c;
		size_t n = utf8_char(text + i, len - i, &c);

		if (!n || !(utf8_shown(c) || (lines && (c == '\n' || c == '\t'))))
			return false;
		i += n;
	}
	return true;
}

/* Could stand without quotes as far as YAML's syntax goes (7.3.3, block context). */
static bool can_be_bare(const char *s, size_t len)
{
	if (!len || s[0] == ' ' || s[len - 1] == ' ' || s[len - 1] == ':' || !shown(s, len, false))
		return false;
	if (strchr(",[]{}#&*!|>'\"%@`?:", s[0]))
		return false;
	if (s[0] == '-' && (len == 1 || s[1] == ' '))
		return false;
	if (!strncmp(s, "---", 3) || !strncmp(s, "...", 3))
		return false;
	for (size_t i = 0; i + 1 < len; i++)
		if ((s[i] == ':' || s[i] == ' ') && s[i + 1] == (s[i] == ':' ? ' ' : '#'))
			return false;
	return true;
}

static bool is_bare(const struct yaml_node *n)
{
	struct yaml_node plain = *n;

	if (n->plain && !n->len)
		return true;
	if (!can_be_bare(n->text, n->len))
		return false;
	plain.plain = true;
	return n->plain || n->tag || (yaml_type(&plain) == YAML_TEXT && !yaml_surprise(n->text));
}

/* A literal block keeps every byte of these. */
static bool is_literal(const struct yaml_node *n)
{
	size_t last = n->len;

	if (!memchr(n->text, '\n', n->len) || !shown(n->text, n->len, true))
		return false;
	while (last && n->text[last - 1] == '\n')
		last--;
	return last && n->text[last - 1] != ' ' && n->text[last - 1] != '\t';
}

static void put_indent(unsigned indent, struct buf *out)
{
	buf_printf(out, "%*s", (int)indent, "");
}

static void put_quoted(const char *s, size_t len, struct buf *out)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < len;) {
		uint32_t c;
		size_t n = utf8_char(s + i, len - i, &c);

		if (!n) {
			c = 0xfffd;
			n = 1;
		}
		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", (char)c);
		else if (c == '\n')
			buf_puts(out, "\\n");
		else if (c == '\t')
			buf_puts(out, "\\t");
		else if (utf8_shown(c) && c != 0xfffd)
			buf_put(out, s + i, n);
		else if (c < 0x100)
			buf_printf(out, "\\x%02X", c);
		else
			buf_printf(out, "\\u%04X", c);
		i += n;
	}
	buf_putc(out, '"');
}

/* "|", how the end is kept, and the lines, `indent` deep. */
static void put_literal(const struct yaml_node *n, unsigned indent, struct buf *out)
{
	size_t newlines = 0;

	while (n->text[n->len - 1 - newlines] == '\n')
		newlines++;
	buf_putc(out, '|');
	if (isspace((unsigned char)n->text[0]))
		buf_putc(out, '2');
	if (newlines != 1)
		buf_putc(out, newlines ? '+' : '-');
	for (size_t i = 0; i < n->len;) {
		const char *line = n->text + i, *end = memchr(line, '\n', n->len - i);
		size_t len = end ? (size_t)(end - line) : n->len - i;

		buf_putc(out, '\n');
		if (len)
			put_indent(indent, out);
		buf_put(out, line, len);
		i += len + 1;
	}
}

/* Tags are short where they can be, else in full with everything unusual escaped (6.8.2). */
static void put_tag(const char *tag, struct buf *out)
{
	static const char safe[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
	const char *suffix = tag + strspn(tag, "!");

	if (suffix > tag && suffix - tag <= 2 && !suffix[strspn(suffix, safe)] &&
	    (suffix - tag == 1 || *suffix)) {
		buf_puts(out, tag);
		return;
	}
	buf_puts(out, "!<");
	for (const char *c = tag; *c; c++) {
		if (strchr(safe, *c) || *c == ':' || *c == '.' || *c == ',' || *c == '!')
			buf_putc(out, *c);
		else
			buf_printf(out, "%%%02X", (unsigned char)*c);
	}
	buf_putc(out, '>');
}

static void put_key(const struct yaml_node *key, unsigned indent, struct buf *out)
{
	bool complex = key->len > MAX_SIMPLE_KEY || (key->plain && !key->len);

	if (complex)
		buf_puts(out, "? ");
	if (key->tag) {
		put_tag(key->tag, out);
		buf_putc(out, ' ');
	}
	if (is_bare(key))
		buf_put(out, key->text, key->len);
	else
		put_quoted(key->text, key->len, out);
	if (complex) {
		buf_putc(out, '\n');
		put_indent(indent, out);
	}
	buf_putc(out, ':');
}

/* What follows "key:" or "-": on the same line, or the lines below. */
static void put_value(const struct yaml_node *n, unsigned indent, struct buf *out)
{
	if (n->tag) {
		buf_putc(out, ' ');
		put_tag(n->tag, out);
	}
	if (n->kind != YAML_SCALAR && n->n) {
		buf_putc(out, '\n');
		put_indent(indent, out);
		put_lines(n, indent, out);
		return;
	}
	if (n->kind == YAML_MAP) {
		buf_puts(out, " {}");
	} else if (n->kind == YAML_SEQ) {
		buf_puts(out, " []");
	} else if (is_literal(n)) {
		buf_putc(out, ' ');
		put_literal(n, indent, out);
	} else if (is_bare(n)) {
		if (n->len)
			buf_putc(out, ' ');
		buf_put(out, n->text, n->len);
	} else {
		buf_putc(out, ' ');
		put_quoted(n->text, n->len, out);
	}
	buf_putc(out, '\n');
}

/*
 * The lines of a collection, `indent` deep; the first line's indentation is there already: "- - a"
 * and
 * "- key: value" begin behind the dash of the list around them.
 */
static void put_lines(const struct yaml_node *n, unsigned indent, struct buf *out)
{
	for (size_t i = 0; i < n->n; i++) {
		const struct yaml_node *value =
			n->kind == YAML_MAP ? n->pairs[i].value : n->items[i];

		if (i)
			put_indent(indent, out);
		if (n->kind == YAML_MAP)
			put_key(n->pairs[i].key, indent, out);
		else
			buf_putc(out, '-');
		if (n->kind == YAML_SEQ && value->kind != YAML_SCALAR && value->n && !value->tag) {
			buf_putc(out, ' ');
			put_lines(value, indent + 2, out);
		} else {
			put_value(value, indent + 2, out);
		}
	}
}

void yaml_emit(const struct yaml_node *n, struct buf *out)
{
	if (n->kind != YAML_SCALAR && n->n && !n->tag) {
		put_lines(n, 0, out);
		return;
	}
	buf_puts(out, "---");
	put_value(n, n->kind == YAML_SCALAR ? 2 : 0, out);
}
