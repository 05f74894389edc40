/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as YAML. What can be read can be written, and reads back as the same tree; written
 * again it is the same text; its JSON is JSON. Complaints can be printed, whatever the text holds.
 */
#include <jansson.h>

#include "base/util.h"
#include "base/yaml/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct yaml_node *a, const struct yaml_node *b)
{
	if (a->kind != b->kind || a->n != b->n || !a->tag != !b->tag ||
	    (a->tag && strcmp(a->tag, b->tag)))
		return false;
	if (a->kind == YAML_SCALAR)
		return a->len == b->len && !memcmp(a->text, b->text, a->len) &&
		       yaml_type(a) == yaml_type(b);
	for (size_t i = 0; i < a->n; i++) {
		if (a->kind == YAML_SEQ && !same(a->items[i], b->items[i]))
			return false;
		if (a->kind == YAML_MAP && (!same(a->pairs[i].key, b->pairs[i].key) ||
					    !same(a->pairs[i].value, b->pairs[i].value)))
			return false;
	}
	return true;
}

static struct yaml_node *parse(struct source *src, struct arena *arena, struct diags *ds)
{
	diags_init(ds, arena);
	return yaml_parse(src, arena, ds);
}

static void print(const struct diags *ds)
{
	FILE *out = fopen("/dev/null", "w");

	diags_print(ds, out, true);
	fclose(out);
	free(diags_json(ds));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source src = {.name = "in.yaml", .text = (const char *)data, .len = size};
	struct arena *arena = arena_new();
	struct diags ds, ds2;
	struct yaml_node *tree = parse(&src, arena, &ds), *again;
	auto_buf struct buf text = BUF_INIT(256 << 20), text2 = BUF_INIT(256 << 20);
	auto_buf struct buf json = BUF_INIT(256 << 20);

	if (!tree && !ds.errors)
		abort(); /* refused without a word */
	print(&ds);
	if (tree) {
		struct source emitted = {.name = "out.yaml"};
		json_error_t error;
		json_t *j;

		yaml_emit(tree, &text);
		emitted.text = buf_str(&text);
		emitted.len = text.len;
		if (text.len <= YAML_MAX_BYTES) {
			again = parse(&emitted, arena, &ds2);
			if (!again || ds2.errors || !same(tree, again))
				abort();
			yaml_emit(again, &text2);
			if (text.len != text2.len || memcmp(text.data, text2.data, text.len))
				abort();
			diags_done(&ds2);
		}
		yaml_emit_json(tree, &json);
		j = json_loadb(json.data, json.len,
			       JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
		/* Not errors of ours, but what jansson cannot hold. */
		if (!j && !strstr(error.text, "overflow") && !strstr(error.text, "memory") &&
		    json_error_code(&error) != json_error_null_byte_in_key)
			abort();
		json_decref(j);
	}
	diags_done(&ds);
	arena_free(arena);
	return 0;
}
