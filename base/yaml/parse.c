/* SPDX-License-Identifier: Apache-2.0
 *
 * libyaml's events to a tree. The text is not trusted: its length, depth and number of nodes are
 * bounded, and an alias costs as much as what it stands for, in nodes, bytes and depth, so that
 * nobody who walks or copies the tree later has to think of bombs. No recursion: the open
 * collections are a stack of YAML_MAX_DEPTH frames.
 */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/util.h"
#include "base/yaml/lines.h"
#include "base/yaml/scan.h"
#include "base/yaml/yaml.h"

enum { MAX_ANCHORS = 1000 };

/* What a node amounts to with aliases written out. */
struct cost {
	size_t nodes, bytes;
	unsigned height; /* levels of collections */
};

/* An anchor is open while its node is being read: an alias to it then would never end. */
struct anchor {
	char *name;
	struct yaml_node *node;
	struct cost cost;
	bool open;
};

/* A collection that is being read. */
struct frame {
	struct yaml_node *node;
	struct yaml_node *key; /* of a map: the key whose value comes next */
	bool skip_value;       /* the key was refused, its value goes with it */
	struct anchor *anchor; /* its own, or NULL */
	struct cost before;    /* what there was when it began */
	unsigned height;       /* of the tallest child */
};

struct parser {
	yaml_parser_t lib;
	const struct source *src;
	struct arena *arena;
	struct diags *diags;
	struct yaml_node *root;
	struct frame stack[YAML_MAX_DEPTH];
	unsigned depth;
	struct anchor anchors[MAX_ANCHORS];
	size_t nanchors;
	struct cost cost; /* of all so far; its height is not used */
	/* Where the last token began, as bytes, line and column (from 0): moves forwards only. */
	const char *cursor, *line;
	size_t line_number, column;
};

#define fail(p, at, help, ...) (diag_error((p)->diags, (p)->src, at, help, __VA_ARGS__), -1)

/* --- tabs
 * --------------------------------------------------------------------------------------------- */

/* Moves the cursor to a mark; false when it has been passed. */
static bool go_to(struct parser *p, yaml_mark_t m)
{
	const char *end = p->src->text + p->src->len;

	if (m.line < p->line_number || (m.line == p->line_number && m.column < p->column))
		return false;
	for (; p->line_number < m.line; p->line_number++) {
		p->cursor = line_end(p->cursor, end);
		p->cursor += line_break(p->cursor, end);
		p->line = p->cursor;
		p->column = 0;
	}
	for (; p->column < m.column && p->cursor < end; p->column++)
		do
			p->cursor++;
		while (p->cursor < end && ((unsigned char)*p->cursor & 0xc0) == 0x80);
	return true;
}

/*
 * libyaml lets tabs pass inside [ ] and { } and between a key and its value; cloud-init's PyYAML,
 * for one, does not.
 */
static void check_tab(struct parser *p, yaml_mark_t start)
{
	const char *c, *tab = NULL;
	struct mark at = mark_of(start);

	if (!go_to(p, start))
		return;
	for (c = p->cursor; c > p->line && (c[-1] == ' ' || c[-1] == '\t'); c--)
		if (c[-1] == '\t')
			tab = c - 1;
	if (!tab)
		return;
	at.column -= (unsigned)(p->cursor - tab);
	if (c == p->line)
		diag_error(p->diags, p->src, at, "indent with spaces", "a tab cannot indent");
	else
		diag_error(p->diags, p->src, at, "write a space",
			   "a tab cannot stand between values");
}

/* --- anchors
 * ------------------------------------------------------------------------------------------ */

static int add_anchor(struct parser *p, const yaml_char_t *name, struct yaml_node *node,
		      struct anchor **out)
{
	*out = NULL;
	if (!name)
		return 0;
	if (p->nanchors == MAX_ANCHORS)
		return fail(p, node->at, NULL, "more than %d anchors", MAX_ANCHORS);
	*out = &p->anchors[p->nanchors++];
	**out = (struct anchor){
		.name = arena_strdup(p->arena, (const char *)name),
		.node = node,
		.cost = {.nodes = 1, .bytes = node->len},
		.open = node->kind != YAML_SCALAR,
	};
	return 0;
}

/* The latest of that name: YAML lets a name be used again. */
static const struct anchor *find_anchor(const struct parser *p, const char *name)
{
	for (size_t i = p->nanchors; i-- > 0;)
		if (!strcmp(p->anchors[i].name, name))
			return &p->anchors[i];
	return NULL;
}

/* --- the tree
 * ----------------------------------------------------------------------------------------- */

static struct yaml_node *new_node(struct parser *p, enum yaml_kind kind, const yaml_event_t *ev,
				  const yaml_char_t *tag)
{
	static const char standard[] = "tag:yaml.org,2002:";
	struct yaml_node *node = arena_zalloc(p->arena, sizeof(*node));
	const char *t = (const char *)tag;

	node->kind = kind;
	node->at = mark_of(ev->start_mark);
	node->source = p->src;
	if (t && !strncmp(t, standard, strlen(standard)))
		node->tag = arena_printf(p->arena, "!!%s", t + strlen(standard));
	else if (t)
		node->tag = arena_strdup(p->arena, t);
	return node;
}

/* Counts what comes to stand here. */
static int count(struct parser *p, struct mark at, struct cost c)
{
	static const char help[] = "an alias counts as much as what it stands for";

	p->cost.nodes += c.nodes;
	p->cost.bytes +=
		c.bytes; /* neither can overflow: each step adds at most what was allowed */
	if (p->cost.nodes > YAML_MAX_NODES)
		return fail(p, at, help, "more than %d values", YAML_MAX_NODES);
	if (p->cost.bytes > YAML_MAX_TEXT)
		return fail(p, at, help, "more than %d KiB of text", YAML_MAX_TEXT / 1024);
	if (p->depth + c.height > YAML_MAX_DEPTH)
		return fail(p, at, NULL, "nested more than %d levels deep", YAML_MAX_DEPTH);
	if (p->depth && p->stack[p->depth - 1].height < c.height)
		p->stack[p->depth - 1].height = c.height;
	return 0;
}

/* Puts a node where the open collection expects one. */
static void attach(struct parser *p, struct yaml_node *node, struct mark at)
{
	struct frame *f;

	if (!p->depth) {
		p->root = node;
		return;
	}
	f = &p->stack[p->depth - 1];
	if (f->node->kind == YAML_SEQ) {
		yaml_add(p->arena, f->node, node);
	} else if (!f->key && !f->skip_value) {
		if (node->kind == YAML_SCALAR) {
			f->key = node;
		} else {
			f->skip_value = true;
			diag_error(p->diags, p->src, at, "keys are plain texts: 'name: value'",
				   "a list or map cannot be a key");
		}
	} else {
		if (f->key)
			yaml_append(p->arena, f->node, f->key, node);
		f->key = NULL;
		f->skip_value = false;
	}
}

static bool is_merge(const struct yaml_node *key)
{
	return key->plain && !strcmp(key->text, "<<");
}

/* A pair and where it stood: what the map itself says comes before what was merged in. */
struct candidate {
	struct yaml_pair pair;
	size_t order;
};

static int compare_keys(const struct yaml_node *a, const struct yaml_node *b)
{
	int c = memcmp(a->text, b->text, min_u64(a->len, b->len));

	return c ? c : (a->len > b->len) - (a->len < b->len);
}

static int by_key(const void *pa, const void *pb)
{
	const struct candidate *a = pa, *b = pb;
	int c = compare_keys(a->pair.key, b->pair.key);

	return c ? c : (a->order > b->order) - (a->order < b->order);
}

static int by_order(const void *pa, const void *pb)
{
	const struct candidate *a = pa, *b = pb;

	return (a->order > b->order) - (a->order < b->order);
}

struct candidates {
	struct candidate *list;
	size_t n, cap;
};

static void add_candidate(struct candidates *cs, struct yaml_pair pair)
{
	cs->list = xgrow(cs->list, &cs->cap, cs->n + 1, sizeof(*cs->list));
	cs->list[cs->n] = (struct candidate){.pair = pair, .order = cs->n};
	cs->n++;
}

/* "<<: *a" or "<<: [*a, *b]" (YAML 1.1 type repository, merge). */
static void add_merged(struct parser *p, struct candidates *cs, const struct yaml_pair *merge)
{
	struct yaml_node *one[] = {merge->value}, **maps = one;
	size_t n = 1;

	if (merge->value->kind == YAML_SEQ) {
		maps = merge->value->items;
		n = merge->value->n;
	}
	for (size_t i = 0; i < n; i++) {
		if (maps[i]->kind != YAML_MAP) {
			diag_error(p->diags, p->src, merge->key->at, "write '<<: *name'",
				   "'<<' merges maps, and this is none");
			continue;
		}
		for (size_t j = 0; j < maps[i]->n; j++)
			add_candidate(cs, maps[i]->pairs[j]);
	}
}

/* A map is complete: merge keys are applied, of equal keys the first stays. */
static void finish_map(struct parser *p, struct yaml_node *map)
{
	struct candidates cs = {0};
	size_t own, kept = 0;

	for (size_t i = 0; i < map->n; i++)
		if (!is_merge(map->pairs[i].key))
			add_candidate(&cs, map->pairs[i]);
	own = cs.n;
	for (size_t i = 0; i < map->n; i++)
		if (is_merge(map->pairs[i].key))
			add_merged(p, &cs, &map->pairs[i]);
	if (cs.n)
		qsort(cs.list, cs.n, sizeof(*cs.list), by_key);
	for (size_t i = 0; i < cs.n; i++) {
		const struct yaml_node *key = cs.list[i].pair.key;
		const struct yaml_node *first = kept ? cs.list[kept - 1].pair.key : NULL;

		if (!first || compare_keys(first, key))
			cs.list[kept++] = cs.list[i];
		else if (cs.list[i].order < own && !p->diags->full)
			diag_error(p->diags, p->src, key->at,
				   arena_printf(p->arena, "it is given on line %u already",
						first->at.line + p->src->line_offset),
				   "duplicate key '%s'", key->text);
	}
	if (kept)
		qsort(cs.list, kept, sizeof(*cs.list), by_order);

	map->pairs = NULL;
	map->n = map->cap = 0;
	for (size_t i = 0; i < kept; i++)
		yaml_append(p->arena, map, cs.list[i].pair.key, cs.list[i].pair.value);
	free(cs.list);
}

/* --- events
 * ------------------------------------------------------------------------------------------- */

static int on_alias(struct parser *p, const yaml_event_t *ev)
{
	const char *name = (const char *)ev->data.alias.anchor;
	const struct anchor *a = find_anchor(p, name);
	struct mark at = mark_of(ev->start_mark);

	if (!a)
		return fail(p, at, "an anchor (&name) comes before its aliases (*name)",
			    "nothing is called '&%s'", name);
	if (a->open)
		return fail(p, at, NULL, "'*%s' stands inside of what it names", name);
	if (count(p, at, a->cost) < 0)
		return -1;
	attach(p, a->node, at);
	return 0;
}

static int on_scalar(struct parser *p, const yaml_event_t *ev)
{
	struct yaml_node *node = new_node(p, YAML_SCALAR, ev, ev->data.scalar.tag);
	yaml_scalar_style_t style = ev->data.scalar.style;
	struct anchor *anchor;
	char *text;

	node->len = ev->data.scalar.length;
	if (count(p, node->at, (struct cost){.nodes = 1, .bytes = node->len}) < 0 ||
	    add_anchor(p, ev->data.scalar.anchor, node, &anchor) < 0)
		return -1;
	text = arena_zalloc(p->arena, node->len + 1);
	memcpy(text, ev->data.scalar.value, node->len);
	node->text = text;
	node->plain = style == YAML_PLAIN_SCALAR_STYLE;
	node->block = style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE;
	attach(p, node, node->at);
	return 0;
}

static int on_start(struct parser *p, enum yaml_kind kind, const yaml_event_t *ev,
		    const yaml_char_t *tag, const yaml_char_t *anchor)
{
	struct yaml_node *node = new_node(p, kind, ev, tag);
	struct frame f = {.node = node, .before = p->cost};

	if (count(p, node->at, (struct cost){.nodes = 1, .height = 1}) < 0 ||
	    add_anchor(p, anchor, node, &f.anchor) < 0)
		return -1;
	p->stack[p->depth++] = f;
	return 0;
}

static int on_end(struct parser *p)
{
	struct frame f = p->stack[--p->depth];

	if (f.node->kind == YAML_MAP)
		finish_map(p, f.node);
	if (f.anchor) {
		f.anchor->cost = (struct cost){
			.nodes = p->cost.nodes - f.before.nodes,
			.bytes = p->cost.bytes - f.before.bytes,
			.height = f.height + 1,
		};
		f.anchor->open = false;
	}
	if (p->depth && p->stack[p->depth - 1].height < f.height + 1)
		p->stack[p->depth - 1].height = f.height + 1;
	attach(p, f.node, f.node->at);
	return 0;
}

/* 1: go on, 0: the end, -1: cannot go on. */
static int on_event(struct parser *p, const yaml_event_t *ev)
{
	int r = 0;

	switch (ev->type) {
	case YAML_STREAM_END_EVENT:
		return 0;
	case YAML_DOCUMENT_START_EVENT:
		if (p->root)
			return fail(p, mark_of(ev->start_mark), "keep one document in the file",
				    "a second document begins here");
		break;
	case YAML_ALIAS_EVENT:
		check_tab(p, ev->start_mark);
		r = on_alias(p, ev);
		break;
	case YAML_SCALAR_EVENT:
		check_tab(p, ev->start_mark);
		r = on_scalar(p, ev);
		break;
	case YAML_SEQUENCE_START_EVENT:
		check_tab(p, ev->start_mark);
		r = on_start(p, YAML_SEQ, ev, ev->data.sequence_start.tag,
			     ev->data.sequence_start.anchor);
		break;
	case YAML_MAPPING_START_EVENT:
		check_tab(p, ev->start_mark);
		r = on_start(p, YAML_MAP, ev, ev->data.mapping_start.tag,
			     ev->data.mapping_start.anchor);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r = on_end(p);
		break;
	default:
		break;
	}
	return r < 0 ? -1 : 1;
}

static int run(struct parser *p)
{
	int r = 1;

	while (r > 0) {
		yaml_event_t ev;

		if (!yaml_parser_parse(&p->lib, &ev)) {
			scan_complain(&p->lib, p->src, p->diags);
			return -1;
		}
		r = on_event(p, &ev);
		yaml_event_delete(&ev);
	}
	return r;
}

struct yaml_node *yaml_parse(const struct source *src, struct arena *arena, struct diags *diags)
{
	size_t bom = bom_length(src->text, src->len);
	struct yaml_node *root = NULL;
	struct parser *p;

	if (src->len > YAML_MAX_BYTES) {
		diag_error(diags, src, ((struct mark){0}), NULL, "larger than %d KiB",
			   YAML_MAX_BYTES / 1024);
		return NULL;
	}
	p = NEW(struct parser);
	p->src = src;
	p->arena = arena;
	p->diags = diags;
	p->line = p->cursor = src->text + bom;
	if (!yaml_parser_initialize(&p->lib)) {
		diag_error(diags, src, ((struct mark){0}), NULL, "out of memory");
		free(p);
		return NULL;
	}
	yaml_parser_set_encoding(&p->lib, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p->lib, (const unsigned char *)src->text + bom,
				     src->len - bom);
	if (run(p) == 0) {
		root = p->root;
		if (!root) {
			root = yaml_map(arena);
			root->source = src;
		}
	}
	yaml_parser_delete(&p->lib);
	free(p);
	return root;
}
