/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML text to a tree of nodes that know where they stand, and back to text. libyaml scans; this
 * file adds the limits (threats.md: depth, size, alias budget) and what it refuses in every croft
 * document: duplicate keys, tabs in indentation, several documents, keys that are not scalars.
 * Scalars keep their text: what "yes" or 0644 means is for the reader of a field to say.
 */
#ifndef BASE_YAML_YAML_H
#define BASE_YAML_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/yaml/diag.h"

enum {
	YAML_MAX_BYTES = 1 << 20, /* of a document */
	YAML_MAX_DEPTH = 64,
	/* with every alias written out: */
	YAML_MAX_NODES = 100000,
	YAML_MAX_TEXT = 4 << 20, /* bytes of all scalars */
};

enum yaml_kind { YAML_SCALAR, YAML_SEQ, YAML_MAP };

struct yaml_pair;

/* All memory belongs to the arena given to yaml_parse or yaml_*() constructors. */
struct yaml_node {
	enum yaml_kind kind;
	struct mark at; /* of the first character; {0,0} for a node that we made */
	const struct source *source;
	/* scalar */
	const char *text; /* NUL-terminated; len counts embedded NULs too */
	size_t len;
	bool plain;	 /* unquoted: `null`, `true`, `1` have their YAML 1.2 meaning */
	bool block;	 /* | or >: content starts on the line after */
	const char *tag; /* explicit tag such as "!!str", or NULL */
	/* sequence */
	struct yaml_node **items;
	/* map */
	struct yaml_pair *pairs; /* in the order of the text */
	size_t n;		 /* items or pairs */
	size_t cap;
};

struct yaml_pair {
	struct yaml_node *key; /* always a scalar */
	struct yaml_node *value;
};

/*
 * Parses one document. Complaints go to `diags`; returns NULL when the text cannot be understood at
 * all. An empty text gives an empty map. With duplicate keys the first is kept and each further one
 * is an error in `diags`. An alias is the very node that its anchor names, so the tree may share
 * nodes; what it would be with every alias written out is bounded. Merge keys (<<) are applied.
 */
struct yaml_node *yaml_parse(const struct source *, struct arena *, struct diags *);

/* The value of a key; NULL: there is none, or `map` is none. */
struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
bool yaml_is_null(const struct yaml_node *); /* plain null, ~ or empty */

/* What a scalar is by YAML 1.2's core schema: a plain one may be null, true, 1 or 1.5. */
enum yaml_type { YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_TEXT };
enum yaml_type yaml_type(const struct yaml_node *);
/*
 * What YAML 1.1, which cloud-init reads, makes of this plain text where 1.2 sees a text or another
 * number: "a boolean" (no), "an octal number" (0644), "a number in base 60" (22:22). NULL: nothing.
 */
const char *yaml_surprise(const char *text);

/* Building: for what croft writes itself. Keys and texts are copied. */
struct yaml_node *yaml_map(struct arena *);
struct yaml_node *yaml_seq(struct arena *);
/* A text, quoted where YAML would read something else; a plain scalar (true, 42). */
struct yaml_node *yaml_str(struct arena *, const char *text);
struct yaml_node *yaml_plain(struct arena *, const char *text);
/* Sets a key, or replaces its value; appends without a look; adds an item. */
void yaml_set(struct arena *, struct yaml_node *map, const char *key, struct yaml_node *value);
void yaml_append(struct arena *, struct yaml_node *map, struct yaml_node *key,
		 struct yaml_node *value);
void yaml_add(struct arena *, struct yaml_node *seq, struct yaml_node *item);

/*
 * Block style, two spaces, keys in the tree's order; multi-line texts as literal blocks; every
 * scalar reads back to the same text and kind. Same tree, same bytes.
 */
void yaml_emit(const struct yaml_node *, struct buf *out);
/* The same tree as JSON; plain scalars become null, booleans and numbers (yaml_type). */
void yaml_emit_json(const struct yaml_node *, struct buf *out);

#endif
