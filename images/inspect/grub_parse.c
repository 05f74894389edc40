/* SPDX-License-Identifier: Apache-2.0
 *
 * Recursive descent over the tokens of a GRUB script. Keywords count only where a command may
 * begin, so `echo if` is a command with an argument. Depth is bounded by a counter that every
 * nested construct passes through.
 */
#include "images/inspect/grub_script.h"

#include <string.h>

#include "base/util.h"

enum { MAX_NESTING = 64 };

static void advance(struct grub_parser *p)
{
	grub_lex(&p->lexer, &p->token);
}

void grub_parser_init(struct grub_parser *p, struct arena *arena, const char *text, size_t n)
{
	*p = (struct grub_parser){
		.lexer = {.at = text, .end = text + n, .line = 1, .arena = arena}};
	advance(p);
}

static bool at_separator(const struct grub_parser *p)
{
	return p->token.kind == TOKEN_NEWLINE || p->token.kind == TOKEN_SEMICOLON;
}

static void skip_separators(struct grub_parser *p)
{
	while (at_separator(p))
		advance(p);
}

static int syntax(struct grub_parser *p, struct err *err, const char *expected)
{
	if (p->token.kind == TOKEN_BAD)
		return err_set(err, ERR_CORRUPT, "line %u: %s", p->token.line, p->token.why);
	return err_set(err, ERR_CORRUPT, "line %u: %s expected", p->token.line, expected);
}

static int expect_word(struct grub_parser *p, const char *keyword, struct err *err)
{
	char quoted[32];

	if (!token_is(&p->token, keyword)) {
		snprintf(quoted, sizeof(quoted), "'%s'", keyword);
		return syntax(p, err, quoted);
	}
	advance(p);
	return 0;
}

static int expect(struct grub_parser *p, enum token_kind kind, const char *what, struct err *err)
{
	if (p->token.kind != kind)
		return syntax(p, err, what);
	advance(p);
	return 0;
}

static struct stmt *new_stmt(struct grub_parser *p, enum stmt_kind kind)
{
	struct stmt *s = arena_zalloc(p->lexer.arena, sizeof(*s));

	s->kind = kind;
	s->line = p->token.line;
	return s;
}

static int parse_stmt(struct grub_parser *, struct stmt **out, struct err *);

/* Statements up to one of the keywords, a closing brace or the end; which of them, the caller
 * checks. */
static int parse_list(struct grub_parser *p, const char *const stops[], struct stmt **out,
		      struct err *err)
{
	*out = NULL;
	for (;;) {
		skip_separators(p);
		if (p->token.kind == TOKEN_END || p->token.kind == TOKEN_CLOSE)
			return 0;
		for (int i = 0; stops[i]; i++)
			if (token_is(&p->token, stops[i]))
				return 0;
		if (parse_stmt(p, out, err) < 0)
			return -1;
		out = &(*out)->next;
	}
}

/* Words up to the end of the command. */
static void parse_words(struct grub_parser *p, struct word **tail)
{
	for (; p->token.kind == TOKEN_WORD; advance(p)) {
		struct word *w = arena_zalloc(p->lexer.arena, sizeof(*w));

		w->first = p->token.word;
		*tail = w;
		tail = &w->next;
	}
}

static int parse_block(struct grub_parser *p, struct stmt **out, struct err *err)
{
	static const char *const none[] = {NULL};

	if (expect(p, TOKEN_OPEN, "'{'", err) < 0 || parse_list(p, none, out, err) < 0)
		return -1;
	return expect(p, TOKEN_CLOSE, "'}'", err);
}

static int parse_command(struct grub_parser *p, struct stmt **out, struct err *err)
{
	struct stmt *s = new_stmt(p, STMT_COMMAND);

	parse_words(p, &s->words);
	if (!s->words)
		return syntax(p, err, "a command");
	if (p->token.kind == TOKEN_OPEN) {
		s->has_block = true;
		if (parse_block(p, &s->body, err) < 0)
			return -1;
	}
	*out = s;
	return 0;
}

/* Behind `if` or `elif`. */
static int parse_if(struct grub_parser *p, struct stmt **out, struct err *err)
{
	static const char *const until_then[] = {"then", NULL};
	static const char *const until_end[] = {"elif", "else", "fi", NULL};
	struct stmt *first = NULL, **tail = &first;

	/*
	 * elif is an if in the else of the one before; a loop, so that a long chain takes
	 * no stack.
	 */
	for (;;) {
		struct stmt *s = new_stmt(p, STMT_IF);
		bool more;

		*tail = s;
		tail = &s->other;
		if (parse_list(p, until_then, &s->cond, err) < 0 ||
		    expect_word(p, "then", err) < 0 || parse_list(p, until_end, &s->body, err) < 0)
			return -1;
		more = token_is(&p->token, "elif");
		if (!more)
			break;
		advance(p);
	}
	if (token_is(&p->token, "else")) {
		advance(p);
		if (parse_list(p, until_end, tail, err) < 0)
			return -1;
	}
	*out = first;
	return expect_word(p, "fi", err);
}

static int parse_do(struct grub_parser *p, struct stmt **out, struct err *err)
{
	static const char *const until_done[] = {"done", NULL};

	if (expect_word(p, "do", err) < 0 || parse_list(p, until_done, out, err) < 0)
		return -1;
	return expect_word(p, "done", err);
}

static int parse_loop(struct grub_parser *p, bool until, struct stmt **out, struct err *err)
{
	static const char *const until_do[] = {"do", NULL};
	struct stmt *s = new_stmt(p, STMT_LOOP);

	s->until = until;
	*out = s;
	if (parse_list(p, until_do, &s->cond, err) < 0)
		return -1;
	return parse_do(p, &s->body, err);
}

/* A name, as one plain word. */
static int parse_name(struct grub_parser *p, const char **out, struct err *err)
{
	const struct piece *w = p->token.word;

	if (p->token.kind != TOKEN_WORD || !w || w->next || w->is_var || w->quoted)
		return syntax(p, err, "a name");
	*out = w->text;
	advance(p);
	return 0;
}

static int parse_for(struct grub_parser *p, struct stmt **out, struct err *err)
{
	struct stmt *s = new_stmt(p, STMT_FOR);

	*out = s;
	if (parse_name(p, &s->name, err) < 0 || expect_word(p, "in", err) < 0)
		return -1;
	parse_words(p, &s->words);
	if (!at_separator(p))
		return syntax(p, err, "';' or a new line");
	skip_separators(p);
	return parse_do(p, &s->body, err);
}

static int parse_function(struct grub_parser *p, struct stmt **out, struct err *err)
{
	struct stmt *s = new_stmt(p, STMT_FUNCTION);

	*out = s;
	if (parse_name(p, &s->name, err) < 0)
		return -1;
	skip_separators(p);
	return parse_block(p, &s->body, err);
}

static int parse_any(struct grub_parser *p, struct stmt **out, struct err *err)
{
	static const char *const keywords[] = {"if", "while", "until", "for", "function", NULL};
	int k = 0;

	while (keywords[k] && !token_is(&p->token, keywords[k]))
		k++;
	if (keywords[k])
		advance(p);
	switch (k) {
	case 0:
		return parse_if(p, out, err);
	case 1:
		return parse_loop(p, false, out, err);
	case 2:
		return parse_loop(p, true, out, err);
	case 3:
		return parse_for(p, out, err);
	case 4:
		return parse_function(p, out, err);
	default:
		return parse_command(p, out, err);
	}
}

static int parse_stmt(struct grub_parser *p, struct stmt **out, struct err *err)
{
	int rc;

	if (p->depth == MAX_NESTING)
		return err_set(err, ERR_CORRUPT, "line %u: nested deeper than %d", p->token.line,
			       MAX_NESTING);
	p->depth++;
	rc = parse_any(p, out, err);
	p->depth--;
	return rc;
}

/* Behind the line that a syntax error was found in. */
static void skip_line(struct grub_parser *p)
{
	struct grub_lexer *l = &p->lexer;

	if (p->token.kind != TOKEN_NEWLINE && p->token.kind != TOKEN_END) {
		const char *nl = memchr(l->at, '\n', (size_t)(l->end - l->at));

		l->at = nl ? nl : l->end;
	}
	advance(p);
}

int grub_parse(struct grub_parser *p, struct stmt **out, struct err *err)
{
	skip_separators(p);
	if (p->token.kind == TOKEN_END)
		return 0;
	if (parse_stmt(p, out, err) < 0) {
		skip_line(p);
		return -1;
	}
	return 1;
}
