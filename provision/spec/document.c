/* SPDX-License-Identifier: Apache-2.0
 *
 * The user's own documents for cloud-init: read, and handed to cloudinit's checks as texts that
 * know where they stand. A literal block in the spec keeps the lines and columns of the spec
 * itself, so a complaint about the document names the line that the user has open in an editor.
 */
#include <string.h>

#include "base/util.h"
#include "cloudinit/seed.h"
#include "provision/spec/load.h"

static size_t leading_blanks(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] == ' ')
		n++;
	return n;
}

/*
 * Is the value a literal block whose lines can be found below its key? Fills in the offsets. The
 * first line that is not empty is compared, so what is not as it seems (an anchor between key and
 * block, a folded block) is not taken for one.
 */
static bool find_block(const struct yaml_node *n, struct source *doc)
{
	const struct source *file = n->source;
	const struct source text = {.text = n->text, .len = n->len};
	const char *header, *there, *here;
	size_t header_len, there_len, here_len;

	if (!n->block || !file)
		return false;
	header = source_line(file, n->at.line, &header_len);
	if (!header || !memchr(header, '|', header_len))
		return false;
	for (unsigned i = 1; (here = source_line(&text, i, &here_len)); i++) {
		size_t shift;

		there = source_line(file, n->at.line + i, &there_len);
		if (!there)
			return false;
		if (!here_len)
			continue;
		if (there_len < here_len)
			return false;
		shift = there_len - here_len;
		if (leading_blanks(there, there_len) < shift ||
		    memcmp(there + shift, here, here_len) != 0)
			return false;
		doc->line_offset = file->line_offset + n->at.line;
		doc->column_offset = file->column_offset + (unsigned)shift;
		return true;
	}
	return false;
}

/* A document that stands in the spec. Where its lines are not the file's, they count from 1. */
static const struct source *inline_document(struct load *l, const char *key,
					    const struct yaml_node *n)
{
	struct arena *a = l->reader.arena;
	struct source *doc = arena_zalloc(a, sizeof(*doc));
	auto_buf struct buf yaml = BUF_INIT(SEED_MAX_DOCUMENT);

	doc->name = l->source->name;
	if (n->kind == YAML_MAP) {
		yaml_emit(n, &yaml);
		doc->text = arena_strdup(a, buf_str(&yaml));
		doc->len = yaml.len;
	} else {
		doc->text = n->text;
		doc->len = n->len;
	}
	if (n->kind == YAML_MAP || !find_block(n, doc))
		doc->name = arena_printf(a, "%s: cloud_init.%s", l->source->name, key);
	return doc;
}

static const struct source *document_file(struct load *l, const char *key,
					  const struct yaml_node *n)
{
	struct arena *a = l->reader.arena;
	const struct field *f = field_child(field_child(&root_field, "cloud_init"), key);
	struct place cloud_init = {NULL, &root_field, "cloud_init", 0, false},
		     place = {&cloud_init, f, key, 0, false};
	struct value v = {&l->reader, &place, n, NULL, NULL, NULL};
	auto_buf struct buf file = BUF_INIT(SEED_MAX_DOCUMENT);
	struct source *doc;
	char *text;

	if (read_host_file(&v, n->text, SEED_MAX_DOCUMENT, &file) < 0) {
		load_error(l, n,
			   "write the path of a file, or the document as a block below the key and "
			   "'|'",
			   "cloud_init.%s: %s", key, v.problem);
		return NULL;
	}
	doc = arena_zalloc(a, sizeof(*doc));
	doc->name = n->text;
	doc->len = file.len;
	text = arena_zalloc(a, file.len + 1); /* may be gzip: NUL is a byte like any other */
	memcpy(text, buf_str(&file), file.len);
	doc->text = text;
	return doc;
}

static void load_document(struct load *l, const char *key, enum seed_file kind,
			  struct spec_document *out)
{
	const struct yaml_node *n = tree_at(tree_at(l->tree, "cloud_init"), key);

	if (!n ||
	    (kind == SEED_NETWORK_CONFIG && n->kind == YAML_SCALAR && !strcmp(n->text, "auto")))
		return;
	out->at = n->at;
	out->source = n->kind == YAML_MAP || strchr(n->text, '\n') || n->text[0] == '#'
			      ? inline_document(l, key, n)
			      : document_file(l, key, n);
	if (out->source)
		seed_lint(kind, out->source, l->reader.arena, l->reader.diags);
}

void load_documents(struct load *l, struct spec_vm *vm)
{
	load_document(l, "user_data", SEED_USER_DATA, &vm->user_data);
	load_document(l, "vendor_data", SEED_VENDOR_DATA, &vm->vendor_data);
	load_document(l, "meta_data", SEED_META_DATA, &vm->meta_data);
	load_document(l, "network_config", SEED_NETWORK_CONFIG, &vm->network_config);
}
