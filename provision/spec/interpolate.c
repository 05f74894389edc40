/* SPDX-License-Identifier: Apache-2.0
 *
 * ${NAME}, ${NAME:-default} and ${NAME:?message} from the environment, as compose writes them; $$
 * is a dollar. There is no other use of '$': shell text that forgot to double it is told so instead
 * of losing its variables.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "provision/spec/field.h"

enum { MAX_EXPANDED = 1 << 20 }; /* bytes of one value: the environment is not ours to trust */

struct expansion {
	struct reader *reader;
	const struct place *place;
	const struct yaml_node *node;
	struct buf out;
};

#define fail(x, help, ...) (complain((x)->reader, (x)->place, (x)->node, help, __VA_ARGS__), NULL)

static size_t name_length(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	size_t n = strspn(s, letters);

	return n ? n + strspn(s + n,
			      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")
		 : 0;
}

/* `s` is after "${". Returns what is after the closing brace, or NULL after a complaint. */
static const char *expand_one(struct expansion *x, const char *s)
{
	struct arena *arena = x->reader->arena;
	const char *name, *value, *word, *end = strchr(s, '}');
	size_t n = name_length(s);

	if (!end)
		return fail(x, "close it: ${NAME}; a literal dollar is $$", "'${' without '}'");
	name = arena_strndup(arena, s, n);
	word = arena_strndup(arena, s + n, (size_t)(end - s) - n);
	if (!n || (*word && strncmp(word, ":-", 2) && strncmp(word, ":?", 2)) || strchr(word, '$'))
		return fail(x,
			    "write ${NAME}, ${NAME:-default} or ${NAME:?message}; a literal dollar "
			    "is $$",
			    "'${%.*s}' is no variable", (int)(end - s), s);
	value = getenv(name);
	if (*word && value && !*value)
		value = NULL; /* the forms with a colon take an empty variable as unset */
	if (!value && !*word)
		return fail(x, arena_printf(arena, "set it, or write ${%s:-default}", name),
			    "the variable %s is not set", name);
	if (!value && word[1] == '?')
		return fail(x, NULL, "%s: %s", name,
			    word[2] ? word + 2 : "the variable is not set");
	buf_puts(&x->out, value ? value : word + 2);
	return end + 1;
}

static const char *stray_dollar(struct expansion *x, const char *s)
{
	size_t n = name_length(s + 1);

	if (strchr("123456y", s[1]) && s[1] && strchr(s + 1, '$'))
		return fail(x, "write each dollar of a password's hash as $$",
			    "'$' begins a variable");
	if (!n)
		return fail(x, "write $$ for a literal dollar", "'$' begins a variable");
	return fail(x,
		    arena_printf(x->reader->arena,
				 "write ${%.*s} for the variable, $$%.*s for the text", (int)n,
				 s + 1, (int)n, s + 1),
		    "'$%.*s' is neither a variable nor text", (int)n, s + 1);
}

static const char *expand(struct expansion *x)
{
	const char *s = x->node->text;

	while (*s) {
		size_t plain = strcspn(s, "$");

		buf_put(&x->out, s, plain);
		s += plain;
		if (!*s)
			break;
		if (s[1] == '$') {
			buf_putc(&x->out, '$');
			s += 2;
		} else if (s[1] == '{') {
			s = expand_one(x, s + 2);
		} else {
			s = stray_dollar(x, s);
		}
		if (!s)
			return NULL;
	}
	x->reader->taken += x->out.len;
	if (x->out.overflow || x->reader->taken > READER_MAX_TAKEN)
		return fail(x, NULL, "too long with its variables replaced");
	return arena_strdup(x->reader->arena, buf_str(&x->out));
}

const char *interpolate(struct reader *r, const struct place *place, const struct yaml_node *node)
{
	struct expansion x = {r, place, node, BUF_INIT(MAX_EXPANDED)};
	const char *text;

	if (!strchr(node->text, '$'))
		return node->text;
	text = expand(&x);
	buf_done(&x.out);
	return text;
}

const char *interpolate_escape(struct arena *arena, const char *text)
{
	size_t dollars = 0;
	char *out, *to;

	for (const char *s = text; *s; s++)
		dollars += *s == '$';
	to = out = arena_zalloc(arena, strlen(text) + dollars + 1);
	for (const char *s = text; *s; s++) {
		*to++ = *s;
		if (*s == '$')
			*to++ = '$';
	}
	return out;
}
