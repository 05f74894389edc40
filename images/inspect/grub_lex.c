/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens of a GRUB script. Quoting, escapes and what ends a word are those of GRUB's own scanner:
 * '...' verbatim; "..." with variables and \" \\ \$; a backslash before a newline joins lines; '#'
 * begins a comment only where a token could begin; braces separate words like blanks do.
 */
#include "images/inspect/grub_script.h"

#include <ctype.h>
#include <string.h>

#include "base/util.h"

static int peek(const struct grub_lexer *l, size_t ahead)
{
	return (size_t)(l->end - l->at) > ahead ? (unsigned char)l->at[ahead] : -1;
}

static int take(struct grub_lexer *l)
{
	int c = peek(l, 0);

	if (c >= 0)
		l->at++;
	if (c == '\n')
		l->line++;
	return c;
}

/* GRUB drops carriage returns when it reads lines; a NUL cannot be part of any word. */
static bool is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == 0;
}

static bool ends_word(int c)
{
	return c < 0 || c == '\n' || is_blank(c) || strchr("{}|&;<>", c);
}

static void skip_blanks(struct grub_lexer *l)
{
	for (;;) {
		if (is_blank(peek(l, 0))) {
			take(l);
		} else if (peek(l, 0) == '\\' && peek(l, 1) == '\n') {
			take(l);
			take(l);
		} else if (peek(l, 0) == '#') {
			while (peek(l, 0) >= 0 && peek(l, 0) != '\n')
				take(l);
		} else {
			return;
		}
	}
}

/* A word under construction. Text collects in scratch until a variable or a change of quoting. */
struct builder {
	struct grub_lexer *lexer;
	struct piece *first, **tail;
	const char *start; /* of the word: its text is never longer than its source */
	char *text;
	size_t len;
};

static void add_piece(struct builder *b, bool is_var, bool quoted, const char *text)
{
	struct piece *p = arena_zalloc(b->lexer->arena, sizeof(*p));

	*p = (struct piece){.is_var = is_var, .quoted = quoted, .text = text};
	*b->tail = p;
	b->tail = &p->next;
}

static void put(struct builder *b, int c)
{
	enum { STEP = 64 };

	if (b->len % STEP == 0)
		b->text = xrealloc(b->text, b->len + STEP);
	b->text[b->len++] = (char)c;
}

/* Ends the text so far; an empty quoted one counts, it makes an empty argument. */
static void flush(struct builder *b, bool quoted)
{
	if (b->len || quoted)
		add_piece(b, false, quoted,
			  arena_strndup(b->lexer->arena, b->text ? b->text : "", b->len));
	b->len = 0;
}

static size_t name_length(const struct grub_lexer *l, size_t from)
{
	size_t n = 0;
	int c = peek(l, from);

	if (c >= 0 && strchr("?#*@", c) && c)
		return 1;
	if (c >= '0' && c <= '9') {
		while (isdigit(peek(l, from + n)))
			n++;
	} else {
		while ((c = peek(l, from + n)) >= 0 && (isalnum(c) || c == '_'))
			n++;
	}
	return n;
}

/* At a '$': a variable, or false when it is just a dollar sign. */
static bool take_variable(struct builder *b, bool quoted)
{
	struct grub_lexer *l = b->lexer;
	bool braces = peek(l, 1) == '{';
	size_t n = name_length(l, braces ? 2 : 1);

	if (!n || (braces && peek(l, 2 + n) != '}'))
		return false;
	if (b->len)
		flush(b, quoted);
	add_piece(b, true, quoted, arena_strndup(l->arena, l->at + (braces ? 2 : 1), n));
	l->at += n + (braces ? 3 : 1);
	return true;
}

static bool take_single(struct builder *b)
{
	int c;

	flush(b, false);
	while ((c = take(b->lexer)) != '\'') {
		if (c < 0)
			return false;
		put(b, c);
	}
	flush(b, true);
	return true;
}

/* `variables` is false for $"...", the translatable text. */
static bool take_double(struct builder *b, bool variables)
{
	struct grub_lexer *l = b->lexer;

	flush(b, false);
	for (;;) {
		int c = peek(l, 0), next = peek(l, 1);

		if (c < 0)
			return false;
		if (c == '$' && variables && take_variable(b, true))
			continue;
		take(l);
		if (c == '"')
			break;
		if (c == '\\' && next >= 0 && strchr("$\\\"\n", next) && next) {
			take(l);
			if (next != '\n')
				put(b, next);
			continue;
		}
		if (c != '\r')
			put(b, c);
	}
	flush(b, true);
	return true;
}

/* NULL, or why it is not a word. */
static const char *take_word(struct builder *b)
{
	struct grub_lexer *l = b->lexer;

	while (!ends_word(peek(l, 0))) {
		int c = peek(l, 0);

		if (c == '$' && take_variable(b, false))
			continue;
		take(l);
		if (c == '\'') {
			if (!take_single(b))
				return "a quote ' is not closed";
		} else if (c == '"' || (c == '$' && peek(l, 0) == '"')) {
			if (c == '$')
				take(l);
			if (!take_double(b, c == '"'))
				return "a quote \" is not closed";
		} else if (c == '\\') {
			c = take(l);
			if (c < 0)
				return "a backslash at the end";
			if (c != '\n') {
				flush(b, false);
				put(b, c);
				flush(b, true);
			}
		} else {
			put(b, c);
		}
	}
	flush(b, false);
	return NULL;
}

void grub_lex(struct grub_lexer *l, struct token *out)
{
	struct builder b = {.lexer = l};

	b.tail = &b.first;
	skip_blanks(l);
	*out = (struct token){.line = l->line};
	switch (peek(l, 0)) {
	case -1:
		out->kind = TOKEN_END;
		return;
	case '\n':
		out->kind = TOKEN_NEWLINE;
		break;
	case ';':
		out->kind = TOKEN_SEMICOLON;
		break;
	case '{':
		out->kind = TOKEN_OPEN;
		break;
	case '}':
		out->kind = TOKEN_CLOSE;
		break;
	case '|':
	case '&':
	case '<':
	case '>':
		out->kind = TOKEN_BAD;
		out->why = "GRUB has no pipes and no redirections";
		break;
	default:
		out->why = take_word(&b);
		out->kind = out->why ? TOKEN_BAD : TOKEN_WORD;
		out->word = b.first;
		free(b.text);
		return;
	}
	take(l);
}

bool token_is(const struct token *t, const char *keyword)
{
	const struct piece *p = t->word;

	return t->kind == TOKEN_WORD && p && !p->next && !p->is_var && !p->quoted &&
	       !strcmp(p->text, keyword);
}
