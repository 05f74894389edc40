/* SPDX-License-Identifier: Apache-2.0
 *
 * A YAML text parsed for a test: see doc.h.
 */
#include "tests/lib/yaml/doc.h"

#include "base/util.h"

void doc_open(struct doc *d, const char *text, size_t len)
{
	*d = (struct doc){.arena = arena_new(), .out = BUF_INIT(64 << 20)};
	d->source = (struct source){.name = "t.yaml", .text = text, .len = len};
	diags_init(&d->diags, d->arena);
	d->root = yaml_parse(&d->source, d->arena, &d->diags);
}

void doc_close(struct doc *d)
{
	diags_done(&d->diags);
	arena_free(d->arena);
	buf_done(&d->out);
}

const char *doc_yaml(struct doc *d)
{
	buf_reset(&d->out);
	yaml_emit(d->root, &d->out);
	return buf_str(&d->out);
}

const char *doc_json(struct doc *d)
{
	buf_reset(&d->out);
	yaml_emit_json(d->root, &d->out);
	return buf_str(&d->out);
}

const char *doc_complaints(struct doc *d)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	diags_print(&d->diags, out, false);
	fclose(out);
	buf_reset(&d->out);
	buf_put(&d->out, text, n);
	free(text);
	return buf_str(&d->out);
}
