/* SPDX-License-Identifier: Apache-2.0
 *
 * The syntax of GRUB's configuration files (GRUB manual 2.12, section 16): words made of quoted and
 * unquoted pieces, commands with an optional block, if, while, until, for, function. Everything
 * lives in the arena that the parser was given; nesting is bounded.
 */
#ifndef IMAGES_INSPECT_GRUB_SCRIPT_H
#define IMAGES_INSPECT_GRUB_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

/* A part of a word: text as it is, or a variable's name to be replaced. */
struct piece {
	bool is_var;
	bool quoted; /* not split at blanks, and a word even when empty */
	const char *text;
	struct piece *next;
};

struct word {
	struct piece *first;
	struct word *next;
};

enum stmt_kind { STMT_COMMAND, STMT_IF, STMT_LOOP, STMT_FOR, STMT_FUNCTION };

struct stmt {
	enum stmt_kind kind;
	unsigned line;
	const char *name;   /* FOR: the variable; FUNCTION: its name */
	struct word *words; /* COMMAND: name and arguments; FOR: the values */
	struct stmt *cond;  /* IF, LOOP */
	struct stmt *body;  /* COMMAND: the block, if has_block; others: what is run */
	struct stmt *other; /* IF: else */
	bool has_block;
	bool until; /* LOOP: ends when cond holds */
	struct stmt *next;
};

enum token_kind {
	TOKEN_END,
	TOKEN_NEWLINE,
	TOKEN_SEMICOLON,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_WORD,
	TOKEN_BAD,
};

struct token {
	enum token_kind kind;
	unsigned line;
	struct piece *word;
	const char *why; /* BAD: the reason */
};

/* The text is borrowed and need not end with a NUL. */
struct grub_lexer {
	const char *at, *end;
	unsigned line;
	struct arena *arena;
};

void grub_lex(struct grub_lexer *, struct token *out);
/* Whether the word is this keyword, written without quotes. */
bool token_is(const struct token *, const char *keyword);

struct grub_parser {
	struct grub_lexer lexer;
	struct token token; /* the next one */
	unsigned depth;
};

void grub_parser_init(struct grub_parser *, struct arena *, const char *text, size_t n);
/*
 * The next statement: 1, or 0 at the end. On a syntax error -1 with the line in the message; the
 * parser then stands behind that line, as GRUB goes on with the next one.
 */
int grub_parse(struct grub_parser *, struct stmt **out, struct err *err);

#endif
