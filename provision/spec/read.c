/* SPDX-License-Identifier: Apache-2.0
 *
 * The walk that every value takes: complaints with their path, texts through their type's check,
 * maps, lists and maps of names through the rows below them.
 */
#include <stdarg.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "provision/spec/field.h"

/* --- complaints -------------------------------------------------------------------- */

static void put_path(const struct place *p, struct buf *out)
{
	if (!p || !p->up)
		return;
	put_path(p->up, out);
	if (p->up->short_form) /* "cpus: 99" is about cpus, not about cpus.count */
		return;
	if (!p->key)
		buf_printf(out, "[%zu]", p->index);
	else
		buf_printf(out, "%s%s", out->len ? "." : "", p->key);
}

static void say(struct reader *r, enum diag_level level, const struct place *place,
		const struct yaml_node *node, const char *help, const char *fmt, va_list ap)
{
	auto_buf struct buf text = BUF_INIT(4096);

	put_path(place, &text);
	if (text.len)
		buf_puts(&text, ": ");
	buf_vprintf(&text, fmt, ap);
	diag_add(r->diags, level, node->source, node->at, help, "%s", buf_str(&text));
}

void complain(struct reader *r, const struct place *place, const struct yaml_node *node,
	      const char *help, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(r, DIAG_ERROR, place, node, help, fmt, ap);
	va_end(ap);
}

void caution(struct reader *r, const struct place *place, const struct yaml_node *node,
	     const char *help, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(r, DIAG_WARNING, place, node, help, fmt, ap);
	va_end(ap);
}

static const char *a_or_an(struct reader *r, const char *thing)
{
	return arena_printf(r->arena, "%s %s", strchr("aeiouI", thing[0]) ? "an" : "a", thing);
}

/* --- scalars ----------------------------------------------------------------------- */

static struct yaml_node *copy_place(struct yaml_node *to, const struct yaml_node *from)
{
	to->at = from->at;
	to->source = from->source;
	return to;
}

/*
 * What YAML itself makes of an unquoted text: `name: no` is a boolean to one reader and a text to
 * the next, so a text that can be anything else has to be quoted. NULL: a text to everybody.
 */
static const char *other_than_text(const struct yaml_node *node)
{
	if (!node->plain)
		return NULL;
	switch (yaml_type(node)) {
	case YAML_NULL:
	case YAML_TEXT:
		break;
	case YAML_BOOL:
		return "a boolean";
	case YAML_INT:
	case YAML_FLOAT:
		return yaml_surprise(node->text) ? yaml_surprise(node->text) : "a number";
	}
	return yaml_surprise(node->text);
}

struct yaml_node *read_text(struct reader *r, const struct place *place,
			    const struct yaml_node *node)
{
	const struct type *type = place->field->type;
	struct value v = {r, place, node, NULL, NULL, NULL};
	const char *other = other_than_text(node);
	bool replaced;

	if (node->kind != YAML_SCALAR) {
		complain(r, place, node, type->help, "%s was expected", a_or_an(r, type->name));
		return NULL;
	}
	if (strlen(node->text) != node->len) {
		complain(r, place, node, NULL, "a NUL character cannot be part of it");
		return NULL;
	}
	v.text = place->field->literal ? node->text : interpolate(r, place, node);
	if (!v.text)
		return NULL;
	replaced = v.text != node->text;
	if (!type->lines && v.text[strcspn(v.text, "\r\n")])
		v.problem = "has to be on one line";
	else if (type->check)
		type->check(&v);
	if (!v.problem && other && !type->any && !replaced) {
		v.problem = arena_printf(r->arena, "YAML may read '%s' as %s", node->text, other);
		v.help = arena_printf(r->arena, "put it in quotes: \"%s\"", node->text);
	}
	if (v.problem) {
		complain(r, place, node, v.help, "%s", v.problem);
		return NULL;
	}
	return copy_place(type->bare ? yaml_plain(r->arena, v.text) : yaml_str(r->arena, v.text),
			  node);
}

/* --- maps -------------------------------------------------------------------------- */

static void unknown_key(struct reader *r, const struct place *place, const struct yaml_node *key)
{
	const char *words[128], *near;
	size_t n = 0;

	if (r->diags->full)
		return;
	for (const struct field *f = field_next(place->field, NULL); f && n < ARRAY_LEN(words);
	     f = field_next(place->field, f))
		words[n++] = field_key(f);
	near = text_nearest(key->text, words, n);
	complain(r, place, key, near ? arena_printf(r->arena, "did you mean '%s'?", near) : NULL,
		 "unknown key '%s'", key->text);
}

/* Keys that no row knows, that are not due yet, or that are the user's own. */
static void check_keys(struct reader *r, const struct place *place, const struct yaml_node *map)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct yaml_node *key = map->pairs[i].key;
		const struct field *f = field_child(place->field, key->text);
		struct place at = {place, f, key->text, 0, false};

		if (f && f->planned)
			complain(r, &at, key, f->help, "not supported yet");
		else if (!f && !text_starts(key->text, "x-"))
			unknown_key(r, place, key);
	}
}

/* The default of a row that the user did not give, read as if it had been written. */
static struct yaml_node *read_initial(struct reader *r, const struct place *place,
				      const struct yaml_node *map)
{
	const char *text = place->field->initial;
	struct yaml_node *node;

	if (!text)
		return NULL;
	node = !strcmp(text, "{}") ? yaml_map(r->arena) : yaml_plain(r->arena, text);
	return read_value(r, place, copy_place(node, map));
}

/* The first line of a row's example says most about what to write. */
static const char *missing_help(struct reader *r, const struct field *f)
{
	if (!f->example)
		return f->help;
	return arena_printf(r->arena, "write %.*s", (int)strcspn(f->example, "\n"), f->example);
}

/* Keys come out in the table's order. */
static struct yaml_node *read_keys(struct reader *r, const struct place *place,
				   const struct yaml_node *map)
{
	struct yaml_node *out = copy_place(yaml_map(r->arena), map);

	check_keys(r, place, map);
	for (const struct field *f = field_next(place->field, NULL); f;
	     f = field_next(place->field, f)) {
		struct place at = {place, f, field_key(f), 0, false};
		const struct yaml_node *given = f->planned ? NULL : yaml_get(map, at.key);
		struct yaml_node *value =
			given ? read_value(r, &at, given) : read_initial(r, &at, map);

		if (value)
			yaml_set(r->arena, out, at.key, value);
		else if (f->required && !given)
			complain(r, &at, map, missing_help(r, f), "missing");
	}
	return out;
}

static bool is_word(const char *const *words, const struct yaml_node *node)
{
	for (size_t i = 0; words && words[i] && node->kind == YAML_SCALAR; i++)
		if (!strcmp(node->text, words[i]))
			return true;
	return false;
}

/* What a map's row takes instead of a map: "none or ", "default, an account or ". */
static const char *what_else(struct reader *r, const struct field *f)
{
	const char *word = f->words ? f->words[0] : "",
		   *comma = f->words && f->short_key ? ", " : "";
	const char *type = f->short_key ? field_child(f, f->short_key)->type->name : NULL;

	if (!f->words && !type)
		return "";
	return arena_printf(r->arena, "%s%s%s or ", word, comma, type ? a_or_an(r, type) : "");
}

struct yaml_node *read_map(struct reader *r, const struct place *place,
			   const struct yaml_node *node)
{
	const struct field *f = place->field;
	struct place folded = *place;
	struct yaml_node *map;

	if (node->kind == YAML_MAP)
		return read_keys(r, place, node);
	if (is_word(f->words, node))
		return copy_place(yaml_str(r->arena, node->text), node);
	if (node->kind == YAML_SCALAR && f->short_key && !yaml_is_null(node)) {
		map = copy_place(yaml_map(r->arena), node);
		yaml_set(r->arena, map, f->short_key, (struct yaml_node *)node);
		folded.short_form = true;
		return read_keys(r, &folded, map);
	}
	complain(r, place, node, "a map is 'key: value' lines below, or { key: value }",
		 "%sa map was expected", what_else(r, f));
	return NULL;
}

/* --- lists and maps of names ------------------------------------------------------- */

struct yaml_node *read_list(struct reader *r, const struct place *place,
			    const struct yaml_node *node)
{
	const struct field *f = place->field, *item = field_item(f);
	struct yaml_node *out = copy_place(yaml_seq(r->arena), node);
	struct yaml_node *one[] = {(struct yaml_node *)node}, **items = one;
	size_t n = 1;

	if (node->kind == YAML_SEQ) {
		items = node->items;
		n = node->n;
	} else if (is_word(f->later, node)) {
		complain(r, place, node, item->type->help, "%s: not supported yet", node->text);
		return NULL;
	} else if (!f->one || node->kind != YAML_SCALAR) {
		complain(r, place, node, "write it as '- item' lines below, or [ item, item ]",
			 "a list was expected");
		return NULL;
	}
	if (f->max && n > f->max) {
		complain(r, place, node, NULL, "%zu entries, and there can be %zu", n,
			 (size_t)f->max);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		struct place at = {place, item, NULL, i, false};
		struct yaml_node *value = read_value(r, &at, items[i]);

		if (value && item->type->splices)
			for (size_t j = 0; j < value->n; j++)
				yaml_add(r->arena, out, value->items[j]);
		else if (value)
			yaml_add(r->arena, out, value);
	}
	return out;
}

struct yaml_node *read_names(struct reader *r, const struct place *place,
			     const struct yaml_node *node)
{
	const struct field *f = place->field, *item = field_item(f);
	struct yaml_node *out = copy_place(yaml_map(r->arena), node);

	if (node->kind != YAML_MAP) {
		complain(r, place, node, "write it as 'name: ...' lines below",
			 "a map of names was expected");
		return NULL;
	}
	if (f->max && node->n > f->max) {
		complain(r, place, node, NULL, "%zu entries, and there can be %zu", node->n,
			 (size_t)f->max);
		return NULL;
	}
	for (size_t i = 0; i < node->n; i++) {
		const struct yaml_node *key = node->pairs[i].key;
		struct place at = {place, item, key->text, 0, false};
		struct yaml_node *value;

		if (!text_is_name(key->text)) {
			complain(r, place, key, "use a-z, 0-9 and '-', at most 63",
				 "'%s' is not a name", key->text);
			continue;
		}
		value = read_value(r, &at, node->pairs[i].value);
		if (value)
			yaml_set(r->arena, out, key->text, value);
	}
	return out;
}

struct yaml_node *read_value(struct reader *r, const struct place *place,
			     const struct yaml_node *node)
{
	struct yaml_node *empty;

	if (node->tag) {
		complain(r, place, node, "remove it", "the tag %s means nothing here", node->tag);
		return NULL;
	}
	if (yaml_is_null(node)) {
		if (place->field->type != &type_map || place->field->required ||
		    place->field->short_key) {
			complain(r, place, node, "give one, or remove the line", "no value");
			return NULL;
		}
		empty = copy_place(yaml_map(r->arena), node); /* "lan:" alone is an empty map */
		return read_map(r, place, empty);
	}
	return place->field->type->read(r, place, node);
}
