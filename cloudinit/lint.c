/* SPDX-License-Identifier: Apache-2.0
 *
 * What a guest would only find out at its first boot, found on the host: whether cloud-init will
 * know the document at all, whether it can be read, and whether its keys and values are what
 * cloud-init expects. Every part of a message or of gzip data is looked at; complaints carry the
 * place in the file that the user wrote, where the part stands there as plain text.
 */
#include "cloudinit/seed.h"

#include <ctype.h>
#include <strings.h>

#include "base/text.h"
#include "base/util.h"
#include "cloudinit/check.h"
#include "cloudinit/document.h"
#include "cloudinit/mime.h"

enum { MAX_NESTING = 4, MAX_PARTS = 64 };

/* `depth` counts documents inside documents. */
struct lint {
	struct arena *arena;
	struct diags *diags;
	unsigned depth;
};

static const struct mark whole_file, first_line = {1, 1};

static void descend(struct lint *, const struct source *,
		    void (*check)(struct lint *, const struct source *));
static void lint_document(struct lint *, const struct source *);
static void lint_mime(struct lint *, const struct source *);

/* --- pieces of a text ------------------------------------------------------------------------ */

/* text[from..to) of a document as a source of its own, whose lines are counted as in the file. */
static const struct source *slice(struct lint *l, const struct source *src, const char *from,
				  size_t len)
{
	struct source *s = arena_zalloc(l->arena, sizeof(*s));

	*s = *src;
	s->text = from;
	s->len = len;
	for (const char *p = src->text; p < from && (p = memchr(p, '\n', (size_t)(from - p))); p++)
		s->line_offset++;
	return s;
}

/* A text that is not in the user's file as such; the buffer is the caller's. */
static const struct source *derived(struct lint *l, const struct source *src, const char *what,
				    const struct buf *b)
{
	struct source *s = arena_zalloc(l->arena, sizeof(*s));
	char *copy = arena_zalloc(l->arena, b->len + 1);

	if (b->len)
		memcpy(copy, b->data, b->len);
	*s = (struct source){.name = arena_printf(l->arena, "%s (%s)", src->name, what),
			     .text = copy,
			     .len = b->len};
	return s;
}

static const char *after_line(const struct source *src)
{
	const char *nl = memchr(src->text, '\n', src->len);

	return nl ? nl + 1 : src->text + src->len;
}

/* The first that is no blank, or 0. */
static char first_character(const struct source *src)
{
	for (size_t i = 0; i < src->len; i++)
		if (!isspace((unsigned char)src->text[i]))
			return src->text[i];
	return 0;
}

static bool contains(const struct source *src, const char *word)
{
	return src->len && memmem(src->text, src->len, word, strlen(word));
}

/* --- the kinds of documents ------------------------------------------------------------------ */

static void lint_cloud_config(struct lint *l, const struct source *src)
{
	struct yaml_node *root = yaml_parse(src, l->arena, l->diags);
	const struct yaml_node *vendor;

	if (!root)
		return;
	if (root->kind != YAML_MAP) {
		diag_error(l->diags, src, root->at,
			   "write keys and values, such as 'packages: [ git ]'",
			   "a cloud-config must be a map");
		return;
	}
	check_map(root, cloud_config_keys, "cloud-config", l->diags);
	vendor = yaml_get(yaml_get(root, "vendor_data"), "enabled");
	if (vendor && vendor->kind == YAML_SCALAR && vendor->plain &&
	    (!strcasecmp(vendor->text, "false") || !strcasecmp(vendor->text, "no") ||
	     !strcasecmp(vendor->text, "off")))
		diag_warn(l->diags, src, vendor->at, NULL,
			  "without vendor-data the guest makes host keys of its own, which 'croft "
			  "ssh' does "
			  "not know");
}

/* #cloud-config-archive: a list of documents. */
static void lint_archive(struct lint *l, const struct source *src)
{
	struct yaml_node *root = yaml_parse(src, l->arena, l->diags);

	if (!root)
		return;
	if (root->kind != YAML_SEQ) {
		diag_error(l->diags, src, root->at, NULL, "a cloud-config-archive must be a list");
		return;
	}
	for (size_t i = 0; i < root->n; i++) {
		const struct yaml_node *item = root->items[i];

		if (item->kind == YAML_SEQ ||
		    (item->kind == YAML_MAP && !yaml_get(item, "content")))
			diag_error(l->diags, src, item->at,
				   "write { type: text/cloud-config, content: ... }",
				   "an item of a cloud-config-archive needs 'content'");
	}
}

static void lint_script(struct lint *l, const struct source *src)
{
	size_t n = (size_t)(after_line(src) - src->text), i = 2;

	while (i < n && isspace((unsigned char)src->text[i]))
		i++;
	if (src->text[0] != '#')
		diag_error(l->diags, src, first_line, "remove the empty lines above it",
			   "a script must begin with '#!': the kernel looks nowhere else");
	else if (i == n)
		diag_error(l->diags, src, first_line, "write #!/bin/sh",
			   "no interpreter after '#!'");
	else if (n >= 2 && src->text[n - 2] == '\r')
		diag_error(l->diags, src, first_line, "save the file with UNIX line ends",
			   "the line ends with a carriage return: the kernel will not find the "
			   "interpreter");
}

/* #include: one URL a line. */
static void lint_include(struct lint *l, const struct source *src)
{
	const char *p = src->text, *end = p + src->len;
	bool any = false;

	for (unsigned line = 1; p < end; line++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = nl ? (size_t)(nl - p) : (size_t)(end - p);

		if (n >= 8 && !strncasecmp(p, "#include", 8)) {
			size_t skip = n >= 13 && !strncasecmp(p, "#include-once", 13) ? 13 : 8;

			p += skip;
			n -= skip;
		}
		while (n && isspace((unsigned char)*p)) {
			p++;
			n--;
		}
		if (n && *p != '#') {
			any = true;
			if (*p != '/' && !memmem(p, n, "://", 3))
				diag_error(l->diags, src, (struct mark){line, 1}, NULL,
					   "#include takes URLs, one on a line");
		}
		p = nl ? nl + 1 : end;
	}
	if (!any)
		diag_error(l->diags, src, first_line, NULL, "#include names no URL");
}

/* A template is YAML only once it is rendered; one without template syntax is checked as it is. */
static void lint_jinja(struct lint *l, const struct source *src)
{
	const char *rest = after_line(src);
	const struct source *body = slice(l, src, rest, (size_t)(src->text + src->len - rest));
	enum document_kind kind = document_kind(body->text, body->len);
	bool template = contains(body, "{{") || contains(body, "{%") || contains(body, "{#");

	if (!template)
		lint_document(l, body);
	else if (kind == DOC_UNKNOWN && first_character(body) != '{')
		diag_error(l->diags, body, first_line,
			   "write '#cloud-config' below '## template: jinja'",
			   "cloud-init will not know what the rendered template is");
}

static void lint_part(struct lint *l, const struct source *part)
{
	static const char script[] = "text/x-shellscript";
	struct mime_entity e;
	const struct source *body;

	mime_read(part->text, part->len, &e);
	body = slice(l, part, e.body, e.len);
	if (!strcmp(e.encoding, "base64")) {
		auto_buf struct buf bytes = BUF_INIT(SEED_MAX_DOCUMENT);

		if (!base64_decode(e.body, e.len, &bytes)) {
			diag_error(l->diags, body, first_line, NULL,
				   "this part is not base64, as its header says");
			return;
		}
		body = derived(l, part, "decoded", &bytes);
	}
	if (text_starts(e.type, "multipart/"))
		descend(l, part, lint_mime);
	else if (!strcmp(e.type, document_content_type(DOC_CLOUD_CONFIG)))
		lint_cloud_config(l, body);
	else if (!strcmp(e.type, document_content_type(DOC_CLOUD_CONFIG_ARCHIVE)))
		lint_archive(l, body);
	else if (!strcmp(e.type, "text/plain") || !strcmp(e.type, "text/x-not-multipart") ||
		 document_is_gzip(body->text, body->len))
		lint_document(l, body);
	else if (text_starts(e.type, script) && document_kind(body->text, body->len) != DOC_SCRIPT)
		diag_error(l->diags, body, first_line, "begin it with #!/bin/sh",
			   "a script needs '#!' on its first line");
	else if (!strcmp(e.type, script))
		lint_script(l, body);
}

static void lint_mime(struct lint *l, const struct source *src)
{
	struct mime_entity e;
	const char *part;
	size_t at = 0, len, n = 0;

	if (isspace((unsigned char)src->text[0])) { /* a message is not empty */
		diag_error(l->diags, src, first_line, "remove what is above the headers",
			   "the headers of a MIME message begin on its first line");
		return;
	}
	mime_read(src->text, src->len, &e);
	if (!text_starts(e.type, "multipart/")) {
		lint_part(l, src);
		return;
	}
	while (n < MAX_PARTS && mime_next(&e, &at, &part, &len)) {
		lint_part(l, slice(l, src, part, len));
		n++;
	}
	if (n == MAX_PARTS)
		diag_warn(l->diags, src, whole_file, NULL, "only the first %d parts were checked",
			  MAX_PARTS);
	if (n == 0)
		diag_error(l->diags, src, first_line, NULL,
			   *e.boundary
				   ? "a multipart message without a part: no line is '--%s'"
				   : "a multipart message needs a boundary in its Content-Type%s",
			   e.boundary);
}

/* "# cloud-config", "#cloud_config", "cloud-config:" and the like */
static bool meant_cloud_config(const struct source *src)
{
	static const char word[] = "cloudconfig";
	const char *end = after_line(src);
	size_t n = 0;

	for (const char *p = src->text; p < end; p++) {
		if (!isalnum((unsigned char)*p))
			continue;
		if (n >= sizeof(word) - 1 || tolower((unsigned char)*p) != word[n])
			return false;
		n++;
	}
	return n == sizeof(word) - 1;
}

/* Reads as a map that has a key of cloud-config in it. */
static bool reads_as_cloud_config(struct lint *l, const struct source *src)
{
	struct diags ds;
	const struct yaml_node *root;
	bool known = false;

	diags_init(&ds, l->arena);
	root = yaml_parse(src, l->arena, &ds);
	for (const struct key *k = cloud_config_keys; root && k->name && !known; k++)
		known = yaml_get(root, k->name) != NULL;
	diags_done(&ds);
	return known;
}

static void lint_unknown(struct lint *l, const struct source *src)
{
	static const char help[] =
		"begin the file with a line that says '#cloud-config' and nothing else";

	if (meant_cloud_config(src))
		diag_error(l->diags, src, first_line, help,
			   "cloud-init ignores this file: its first line is not '#cloud-config'");
	else if (reads_as_cloud_config(l, src))
		diag_error(l->diags, src, first_line, help,
			   "cloud-init ignores this file: '#cloud-config' is missing");
	else
		diag_error(l->diags, src, first_line,
			   "the first line says what it is: #cloud-config, #!/bin/sh, #include, "
			   "... or MIME headers",
			   "cloud-init ignores this file: it does not know what it is");
}

static void lint_gzip(struct lint *l, const struct source *src)
{
	auto_buf struct buf text = BUF_INIT(SEED_MAX_DOCUMENT);
	struct err err = {0};

	if (document_unpack(src->text, src->len, &text, &err) < 0)
		diag_error(l->diags, src, whole_file, NULL, "%s", err.msg);
	else
		lint_document(l, derived(l, src, "unpacked", &text));
}

static void lint_kind(struct lint *l, const struct source *src)
{
	if (src->len >= 3 && !memcmp(src->text, "\xef\xbb\xbf", 3)) {
		diag_error(l->diags, src, first_line,
			   "save the file as UTF-8 without a byte order mark",
			   "cloud-init ignores this file: it begins with a byte order mark");
		return;
	}
	if (document_is_gzip(src->text, src->len)) {
		lint_gzip(l, src);
		return;
	}
	switch (document_kind(src->text, src->len)) {
	case DOC_CLOUD_CONFIG:
		lint_cloud_config(l, src);
		break;
	case DOC_CLOUD_CONFIG_ARCHIVE:
		lint_archive(l, src);
		break;
	case DOC_SCRIPT:
		lint_script(l, src);
		break;
	case DOC_INCLUDE:
	case DOC_INCLUDE_ONCE:
		lint_include(l, src);
		break;
	case DOC_JINJA:
		lint_jinja(l, src);
		break;
	case DOC_MIME:
		lint_mime(l, src);
		break;
	case DOC_UNKNOWN:
		lint_unknown(l, src);
		break;
	default: /* an empty one is fine; code and patches are their author's */
		break;
	}
}

static void descend(struct lint *l, const struct source *src,
		    void (*check)(struct lint *, const struct source *))
{
	if (l->depth == MAX_NESTING) {
		diag_error(l->diags, src, whole_file, NULL,
			   "documents are nested more than %d deep", MAX_NESTING);
		return;
	}
	l->depth++;
	check(l, src);
	l->depth--;
}

static void lint_document(struct lint *l, const struct source *src)
{
	descend(l, src, lint_kind);
}

/* --- the other two --------------------------------------------------------------------------- */

static void lint_meta_data(struct lint *l, const struct source *src)
{
	struct yaml_node *root = yaml_parse(src, l->arena, l->diags);

	if (root && root->kind != YAML_MAP)
		diag_error(l->diags, src, root->at,
			   "write keys and values, such as 'local-hostname: web'",
			   "meta-data must be a map");
	else if (root)
		check_map(root, meta_data_keys, "meta-data", l->diags);
}

/* netplan's form has everything below `network:`; cloud-init takes both. */
static void lint_network_config(struct lint *l, const struct source *src)
{
	struct yaml_node *root = yaml_parse(src, l->arena, l->diags),
			 *inner = yaml_get(root, "network");
	const struct yaml_node *map = inner ? inner : root, *version = yaml_get(map, "version");
	const struct yaml_node *config = yaml_get(map, "config");
	bool disabled = config && config->kind == YAML_SCALAR && !strcmp(config->text, "disabled");

	if (!root)
		return;
	if (map->kind != YAML_MAP) {
		diag_error(l->diags, src, map->at, NULL, "network-config must be a map");
	} else if (!version && !disabled) {
		diag_error(l->diags, src, map->at, "write 'version: 2' above 'ethernets:'",
			   "network-config: 'version' is missing");
	} else if (disabled || (version->kind == YAML_SCALAR && !strcmp(version->text, "1"))) {
		check_map(map, network_v1_keys, "network-config version 1", l->diags);
	} else if (version->kind == YAML_SCALAR && !strcmp(version->text, "2")) {
		check_map(map, network_v2_keys, "network-config version 2", l->diags);
	} else {
		diag_error(l->diags, src, version->at, NULL,
			   "network-config: cloud-init knows the versions 1 and 2");
	}
}

void seed_lint(enum seed_file file, const struct source *src, struct arena *arena,
	       struct diags *diags)
{
	struct lint l = {.arena = arena, .diags = diags};

	if (src->len > SEED_MAX_DOCUMENT) {
		diag_error(diags, src, whole_file, NULL, "larger than %d MiB",
			   SEED_MAX_DOCUMENT >> 20);
		return;
	}
	if (file == SEED_META_DATA)
		lint_meta_data(&l, src);
	else if (file == SEED_NETWORK_CONFIG)
		lint_network_config(&l, src);
	else
		lint_document(&l, src);
}
