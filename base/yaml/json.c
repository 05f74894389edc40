/* SPDX-License-Identifier: Apache-2.0
 *
 * A tree to JSON text (RFC 8259), two spaces a level.
 */
#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "base/util.h"
#include "base/yaml/yaml.h"

static void put_string(const char *s, size_t len, struct buf *out)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < len;) {
		uint32_t c;
		size_t n = utf8_char(s + i, len - i, &c);

		if (!n) {
			buf_puts(out, "\\ufffd");
			n = 1;
		} else if (c == '"' || c == '\\') {
			buf_printf(out, "\\%c", (char)c);
		} else if (c == '\n') {
			buf_puts(out, "\\n");
		} else if (c == '\t') {
			buf_puts(out, "\\t");
		} else if (c < 0x10000 && !utf8_shown(c)) {
			buf_printf(out, "\\u%04x", c);
		} else {
			buf_put(out, s + i, n);
		}
		i += n;
	}
	buf_putc(out, '"');
}

/* JSON has decimal integers only, without a plus and without leading zeros. */
static void put_int(const char *s, struct buf *out)
{
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'o')) {
		unsigned long long v;

		errno = 0;
		v = strtoull(s + 2, NULL, s[1] == 'x' ? 16 : 8);
		if (errno)
			put_string(s, strlen(s),
				   out); /* beyond 64 bits it is no number to anybody */
		else
			buf_printf(out, "%llu", v);
		return;
	}
	if (*s == '-')
		buf_putc(out, '-');
	s += *s == '-' || *s == '+';
	while (s[0] == '0' && s[1])
		s++;
	buf_puts(out, s);
}

/* ".5" and "1." need their zeros; infinity and NaN exist as texts only. */
static void put_float(const char *s, struct buf *out)
{
	size_t n;

	if (strpbrk(s, "nN")) {
		put_string(s, strlen(s), out);
		return;
	}
	if (*s == '-')
		buf_putc(out, '-');
	s += *s == '-' || *s == '+';
	while (s[0] == '0' && s[1] >= '0' && s[1] <= '9')
		s++;
	n = strspn(s, "0123456789");
	if (n)
		buf_put(out, s, n);
	else
		buf_putc(out, '0');
	s += n;
	if (*s == '.') {
		n = strspn(s + 1, "0123456789");
		buf_putc(out, '.');
		if (n)
			buf_put(out, s + 1, n);
		else
			buf_putc(out, '0');
		s += 1 + n;
	}
	buf_puts(out, s);
}

static void put_scalar(const struct yaml_node *n, struct buf *out)
{
	switch (yaml_type(n)) {
	case YAML_NULL:
		buf_puts(out, "null");
		break;
	case YAML_BOOL:
		buf_puts(out, n->text[0] == 't' || n->text[0] == 'T' ? "true" : "false");
		break;
	case YAML_INT:
		put_int(n->text, out);
		break;
	case YAML_FLOAT:
		put_float(n->text, out);
		break;
	case YAML_TEXT:
		put_string(n->text, n->len, out);
		break;
	}
}

static void put_line(unsigned indent, struct buf *out)
{
	buf_printf(out, "\n%*s", (int)indent, "");
}

static void put_node(const struct yaml_node *n, unsigned indent, struct buf *out)
{
	const char *brackets = n->kind == YAML_MAP ? "{}" : "[]";

	if (n->kind == YAML_SCALAR) {
		put_scalar(n, out);
		return;
	}
	buf_putc(out, brackets[0]);
	for (size_t i = 0; i < n->n; i++) {
		if (i)
			buf_putc(out, ',');
		put_line(indent + 2, out);
		if (n->kind == YAML_MAP) {
			put_string(n->pairs[i].key->text, n->pairs[i].key->len, out);
			buf_puts(out, ": ");
		}
		put_node(n->kind == YAML_MAP ? n->pairs[i].value : n->items[i], indent + 2, out);
	}
	if (n->n)
		put_line(indent, out);
	buf_putc(out, brackets[1]);
}

void yaml_emit_json(const struct yaml_node *n, struct buf *out)
{
	put_node(n, 0, out);
	buf_putc(out, '\n');
}
