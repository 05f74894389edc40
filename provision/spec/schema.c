/* SPDX-License-Identifier: Apache-2.0
 *
 * The field table as JSON Schema (draft 2020-12), for editors. It accepts every spec that croft
 * accepts; croft also sees what a schema cannot say.
 */
#include <string.h>

#include "base/util.h"
#include "provision/spec/field.h"
#include "provision/spec/spec.h"

/* Any text with a ${VARIABLE} in it: what it will be is not known here. */
static struct yaml_node *variable(struct arena *a)
{
	struct yaml_node *out = yaml_map(a);

	yaml_set(a, out, "type", yaml_str(a, "string"));
	yaml_set(a, out, "pattern", yaml_str(a, "\\$\\{"));
	return out;
}

static void string_schema(struct arena *a, const struct type *type, bool literal,
			  struct yaml_node *out)
{
	yaml_set(a, out, "type", yaml_str(a, "string"));
	if (!type->pattern)
		return;
	yaml_set(
		a, out, "pattern",
		yaml_str(a, literal ? type->pattern : arena_printf(a, "%s|\\$\\{", type->pattern)));
}

/* The default as JSON would have it; defaults in words are in the description. */
static void put_initial(struct arena *a, const struct field *f, struct yaml_node *out)
{
	if (!f->initial || !strcmp(f->initial, "{}"))
		return;
	yaml_set(a, out, "default", yaml_plain(a, f->initial));
}

static void put_description(struct arena *a, const struct field *f, struct yaml_node *out)
{
	const char *text = f->help;

	if (f->initial_note)
		text = arena_printf(a, "%s (default: %s)", text, f->initial_note);
	yaml_set(a, out, "description", yaml_str(a, text));
}

struct yaml_node *schema_of(struct arena *a, const struct field *f)
{
	struct yaml_node *out = yaml_map(a), *own, *either;

	put_description(a, f, out);
	put_initial(a, f, out);
	if (!f->type->schema) {
		string_schema(a, f->type, f->literal, out);
	} else if (f->type->check && !f->literal && f->type->read == read_text) {
		own = yaml_map(a);
		f->type->schema(a, f, own);
		either = yaml_seq(a);
		yaml_add(a, either, own);
		yaml_add(a, either, variable(a));
		yaml_set(a, out, "anyOf", either);
	} else {
		f->type->schema(a, f, out);
	}
	return out;
}

void spec_schema(struct buf *json)
{
	struct arena *a = arena_new();
	struct yaml_node *out = yaml_map(a), *body = schema_of(a, &root_field);

	yaml_set(a, out, "$schema", yaml_str(a, "https://json-schema.org/draft/2020-12/schema"));
	yaml_set(a, out, "title", yaml_str(a, "croft.yaml"));
	for (size_t i = 0; i < body->n; i++)
		yaml_set(a, out, body->pairs[i].key->text, body->pairs[i].value);
	yaml_emit_json(out, json);
	arena_free(a);
}
