/* SPDX-License-Identifier: Apache-2.0
 *
 * Types that hold others: maps, lists, maps of names, and the two keys whose short form is more
 * than the value of one key: image and networks.
 */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "provision/spec/field.h"

/* --- schema ------------------------------------------------------------------------ */

static void set_text(struct arena *a, struct yaml_node *map, const char *key, const char *text)
{
	yaml_set(a, map, key, yaml_str(a, text));
}

static void set_number(struct arena *a, struct yaml_node *map, const char *key, uint64_t n)
{
	yaml_set(a, map, key, yaml_plain(a, arena_printf(a, "%" PRIu64, n)));
}

/* What the rows below make of an object. */
static struct yaml_node *schema_object(struct arena *a, const struct field *f)
{
	struct yaml_node *out = yaml_map(a), *properties = yaml_map(a), *required = yaml_seq(a);
	struct yaml_node *extensions = yaml_map(a);

	for (const struct field *c = field_next(f, NULL); c; c = field_next(f, c)) {
		if (c->planned)
			continue;
		yaml_set(a, properties, field_key(c), schema_of(a, c));
		if (c->required)
			yaml_add(a, required, yaml_str(a, field_key(c)));
	}
	yaml_set(a, extensions, "^x-", yaml_plain(a, "true"));
	set_text(a, out, "type", "object");
	yaml_set(a, out, "properties", properties);
	yaml_set(a, out, "patternProperties", extensions);
	yaml_set(a, out, "additionalProperties", yaml_plain(a, "false"));
	if (required->n)
		yaml_set(a, out, "required", required);
	return out;
}

/* One alternative is written as it is, several as anyOf. */
static void put_alternatives(struct arena *a, const struct yaml_node *list, struct yaml_node *out)
{
	const struct yaml_node *only = list->items[0];

	if (list->n > 1)
		yaml_set(a, out, "anyOf", (struct yaml_node *)list);
	else
		for (size_t i = 0; i < only->n; i++)
			yaml_set(a, out, only->pairs[i].key->text, only->pairs[i].value);
}

static struct yaml_node *schema_kind(struct arena *a, const char *kind)
{
	struct yaml_node *out = yaml_map(a);

	set_text(a, out, "type", kind);
	return out;
}

static void schema_map(struct arena *a, const struct field *f, struct yaml_node *out)
{
	struct yaml_node *list = yaml_seq(a), *word;

	yaml_add(a, list, schema_object(a, f));
	if (!f->required && !f->short_key && f != &root_field)
		yaml_add(a, list, schema_kind(a, "null"));
	for (size_t i = 0; f->words && f->words[i]; i++) {
		word = yaml_map(a);
		set_text(a, word, "const", f->words[i]);
		yaml_add(a, list, word);
	}
	if (f->short_key)
		yaml_add(a, list, schema_of(a, field_child(f, f->short_key)));
	put_alternatives(a, list, out);
}

const struct type type_map = {
	.name = "map",
	.help = "'key: value' lines below, or { key: value, key: value }",
	.read = read_map,
	.schema = schema_map,
};

static void schema_list(struct arena *a, const struct field *f, struct yaml_node *out)
{
	struct yaml_node *list = yaml_seq(a), *array = schema_kind(a, "array");

	yaml_set(a, array, "items", schema_of(a, field_item(f)));
	if (f->max)
		set_number(a, array, "maxItems", f->max);
	yaml_add(a, list, array);
	if (f->one)
		yaml_add(a, list, schema_of(a, field_item(f)));
	put_alternatives(a, list, out);
}

const struct type type_list = {
	.name = "list",
	.help = "'- item' lines below, or [ item, item ]",
	.read = read_list,
	.schema = schema_list,
};

static struct yaml_node *schema_named(struct arena *a, const struct field *f)
{
	struct yaml_node *out = schema_kind(a, "object"), *names = yaml_map(a);

	set_text(a, names, "pattern", type_name.pattern);
	yaml_set(a, out, "propertyNames", names);
	yaml_set(a, out, "additionalProperties", schema_of(a, field_item(f)));
	if (f->max)
		set_number(a, out, "maxProperties", f->max);
	return out;
}

/* --- image ------------------------------------------------------------------------- */

static bool looks_like_path(const char *s)
{
	return s[0] == '/' || text_starts(s, "./") || text_starts(s, "../") || text_starts(s, "~");
}

/* "image: TEXT" is a path, an address, or a name of the catalog. */
static struct yaml_node *read_image(struct reader *r, const struct place *place,
				    const struct yaml_node *node)
{
	static const char *const endings[] = {".qcow2", ".img", ".raw"};
	struct place folded = *place;
	struct yaml_node *map;
	const char *text, *key;

	if (node->kind != YAML_SCALAR)
		return read_map(r, place, node);
	text = interpolate(r, place, node);
	if (!text)
		return NULL;
	key = looks_like_path(text) ? "path" : strstr(text, "://") ? "url" : "name";
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (key[0] == 'n' && text_ends(text, endings[i])) {
			complain(r, place, node,
				 arena_printf(r->arena, "for a file write ./%s", text),
				 "'%s' is no name of the catalog", text);
			return NULL;
		}
	map = yaml_map(r->arena);
	map->at = node->at;
	map->source = node->source;
	yaml_set(r->arena, map, key, (struct yaml_node *)node);
	folded.short_form = true;
	return read_map(r, &folded, map);
}

static void schema_image(struct arena *a, const struct field *f, struct yaml_node *out)
{
	struct yaml_node *list = yaml_seq(a);

	yaml_add(a, list, schema_object(a, f));
	yaml_add(a, list, schema_kind(a, "string"));
	put_alternatives(a, list, out);
}

const struct type type_image = {
	.name = "image",
	.help = "a name of the catalog, a path (beginning with '/', './', '../' or '~'), a URL, or "
		"a map of the keys below",
	.read = read_image,
	.schema = schema_image,
};

/* --- networks ---------------------------------------------------------------------- */

/* One item of the list form: "lan", or a map with its name in it. Adds it to `out`. */
static void add_network(struct reader *r, const struct place *place, const struct yaml_node *item,
			struct yaml_node *out)
{
	struct yaml_node *name = NULL, *value = yaml_map(r->arena);

	value->at = item->at;
	value->source = item->source;
	if (item->kind == YAML_SCALAR && !yaml_is_null(item))
		name = (struct yaml_node *)item;
	for (size_t i = 0; item->kind == YAML_MAP && i < item->n; i++) {
		const struct yaml_pair *p = &item->pairs[i];

		if (!strcmp(p->key->text, "name"))
			name = p->value;
		else
			yaml_append(r->arena, value, p->key, p->value);
	}
	if (!name || name->kind != YAML_SCALAR)
		complain(r, place, item, "write 'lan: { bridge: br0 }' lines below 'networks:'",
			 "a network needs a name");
	else if (yaml_get(out, name->text))
		complain(r, place, name, NULL, "duplicate network '%s'", name->text);
	else
		yaml_append(r->arena, out, name, value);
}

static struct yaml_node *read_networks(struct reader *r, const struct place *place,
				       const struct yaml_node *node)
{
	struct yaml_node *map;

	if (node->kind != YAML_SEQ || node->n > place->field->max)
		return read_names(r, place, node);
	map = yaml_map(r->arena);
	map->at = node->at;
	map->source = node->source;
	for (size_t i = 0; i < node->n; i++)
		add_network(r, place, node->items[i], map);
	return read_names(r, place, map);
}

static void schema_networks(struct arena *a, const struct field *f, struct yaml_node *out)
{
	struct yaml_node *list = yaml_seq(a), *array = schema_kind(a, "array");

	set_number(a, array, "maxItems", f->max);
	yaml_add(a, list, schema_named(a, f));
	yaml_add(a, list, array);
	put_alternatives(a, list, out);
}

const struct type type_networks = {
	.name = "map of names",
	.help = "'name: { ... }' lines below; or a list of maps with their name among their keys",
	.read = read_networks,
	.schema = schema_networks,
};
