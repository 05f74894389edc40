/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalogs, merged, and looking up a name in them: see catalog.h.
 */
#include "images/store/catalog/catalog.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/catalog/catalog_int.h"

/* templates/catalog.yaml is part of the program: it is there wherever croft is. */
__asm__(".pushsection .rodata\n"
	"catalog_shipped:\n"
	".incbin \"templates/catalog.yaml\"\n"
	"catalog_shipped_end:\n"
	".byte 0\n"
	".popsection\n");
extern const char catalog_shipped[], catalog_shipped_end[];

/* --- reading ----------------------------------------------------------------------- */

static struct distro *find_distro(const struct catalog *c, const char *name)
{
	for (size_t i = 0; i < c->ndistros; i++)
		if (!strcmp(c->distros[i].name, name))
			return &c->distros[i];
	return NULL;
}

/* Every image of the distribution, so that no mistake waits for the day when somebody asks for
 * it. */
static bool fill_all(struct catalog *c, const struct distro *d)
{
	size_t before = c->diags.errors, nvariants = d->variants ? d->variants->n : 0;

	for (size_t v = 0; v < d->versions->n; v++)
		for (size_t i = 0; i <= nvariants; i++) {
			struct pick p = {d, &d->versions->pairs[v],
					 i ? &d->variants->pairs[i - 1] : NULL, NULL};
			const char *const *arches = pick_arches(c, &p);
			struct catalog_image image;

			for (; *arches; arches++) {
				p.arch = *arches;
				catalog_fill(c, &p, &image);
			}
		}
	return c->diags.errors == before;
}

static void add_file(struct catalog *c, const struct source *source)
{
	struct yaml_node *root = yaml_parse(source, c->arena, &c->diags);

	if (!root)
		return;
	if (root->kind != YAML_MAP) {
		diag_error(&c->diags, source, root->at,
			   "begin with the name of a distribution: 'name:'", "a catalog is a map");
		return;
	}
	for (size_t i = 0; i < root->n; i++) {
		const struct yaml_pair *pair = &root->pairs[i];
		struct distro d = {
			.name = pair->key->text, .from = source->name, .map = pair->value};

		if (!catalog_check_distro(c, pair))
			continue;
		d.versions = yaml_get(pair->value, "versions");
		d.variants = yaml_get(pair->value, "variants");
		if (!fill_all(c, &d) || find_distro(c, d.name))
			continue;
		c->distros = xgrow(c->distros, &c->cap, c->ndistros + 1, sizeof(*c->distros));
		c->distros[c->ndistros++] = d;
	}
}

static void read_file(struct catalog *c, const char *path)
{
	struct source *source = arena_zalloc(c->arena, sizeof(*source));
	auto_buf struct buf text = BUF_INIT(YAML_MAX_BYTES);
	struct err err = {0};

	source->name = arena_strdup(c->arena, path);
	if (file_read(path, &text, &err) < 0) {
		if (err.sys != ENOENT)
			diag_error(&c->diags, source, ((struct mark){0, 0}), NULL, "%s", err.msg);
		return;
	}
	source->text = arena_strndup(c->arena, buf_str(&text), text.len);
	source->len = text.len;
	add_file(c, source);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct distro *)a)->name, ((const struct distro *)b)->name);
}

static const char *const *keys_of(struct catalog *c, const struct yaml_node *map)
{
	const char **out = arena_zalloc(c->arena, ((map ? map->n : 0) + 1) * sizeof(*out));

	for (size_t i = 0; map && i < map->n; i++)
		out[i] = map->pairs[i].key->text;
	return out;
}

static const char *const *items_of(struct catalog *c, const struct yaml_node *seq)
{
	const char **out = arena_zalloc(c->arena, ((seq ? seq->n : 0) + 1) * sizeof(*out));

	for (size_t i = 0; seq && i < seq->n; i++)
		out[i] = seq->items[i]->text;
	return out;
}

static void list_versions(struct catalog *c, const struct distro *d)
{
	for (size_t v = 0; v < d->versions->n; v++) {
		const struct yaml_pair *pair = &d->versions->pairs[v];
		struct pick p = {d, pair, NULL, NULL};
		const char *const *arches = pick_arches(c, &p);
		struct catalog_image image;

		p.arch = arches[0];
		if (!p.arch || !catalog_fill(c, &p, &image))
			continue;
		c->versions = xgrow(c->versions, &c->versions_cap, c->nversions + 1,
				    sizeof(*c->versions));
		c->versions[c->nversions++] = (struct catalog_version){
			.distro = d->name,
			.title = yaml_get(d->map, "title")->text,
			.version = pair->key->text,
			.user = image.user,
			.from = d->from,
			.aliases = items_of(c, yaml_get(pair->value, "aliases")),
			.variants = keys_of(c, d->variants),
			.arches = arches,
			.is_default = v == 0,
			.trust = image.trust,
		};
	}
}

struct catalog *catalog_check(const char *const *files)
{
	struct catalog *c = NEW(struct catalog);
	struct source *shipped;

	c->arena = arena_new();
	diags_init(&c->diags, c->arena);
	for (; files && *files; files++)
		read_file(c, *files);
	shipped = arena_zalloc(c->arena, sizeof(*shipped));
	*shipped = (struct source){
		.name = "built-in catalog",
		.text = catalog_shipped,
		.len = (size_t)(catalog_shipped_end - catalog_shipped),
	};
	add_file(c, shipped);
	if (c->ndistros)
		qsort(c->distros, c->ndistros, sizeof(*c->distros), by_name);
	for (size_t i = 0; i < c->ndistros; i++)
		list_versions(c, &c->distros[i]);
	return c;
}

const struct diags *catalog_diags(const struct catalog *c)
{
	return &c->diags;
}

struct catalog *catalog_open(const char *const *files, struct err *err)
{
	struct catalog *c = catalog_check(files);

	for (size_t i = 0; i < c->diags.n; i++) {
		const struct diag *d = &c->diags.list[i];

		if (d->level != DIAG_ERROR)
			continue;
		if (d->at.line)
			err_set(err, ERR_SPEC, "%s:%u:%u: %s", d->source->name, d->at.line,
				d->at.column, d->message);
		else
			err_set(err, ERR_SPEC, "%s", d->message);
		if (d->help)
			err_hint(err, "%s", d->help);
		if (c->diags.errors > 1)
			err_hint(err, "and %zu more: `croft image search` shows them",
				 c->diags.errors - 1);
		catalog_close(c);
		return NULL;
	}
	return c;
}

void catalog_close(struct catalog *c)
{
	if (!c)
		return;
	diags_done(&c->diags);
	arena_free(c->arena);
	free(c->distros);
	free(c->versions);
	free(c);
}

/* --- looking up -------------------------------------------------------------------- */

/* "debian:13/generic" in its parts, each NULL when it is not there. */
struct name {
	char *distro, *version, *variant;
};

static int name_parse(const char *text, struct name *out, struct err *err)
{
	const char *colon = strchr(text, ':'), *slash = strchr(text, '/');
	size_t n = strcspn(text, ":/");

	if (!n ||
	    text[strspn(text,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:/")] ||
	    (slash && colon && slash < colon) || (colon && strchr(colon + 1, ':')) ||
	    (slash && strchr(slash + 1, '/')) || (colon && strcspn(colon + 1, "/") == 0) ||
	    (slash && !slash[1]))
		return err_set(err, ERR_SPEC,
			       "'%s' is no image's name (write name, name:version or "
			       "name:version/variant)",
			       text);
	out->distro = xstrndup(text, n);
	out->version = colon ? xstrndup(colon + 1, strcspn(colon + 1, "/")) : NULL;
	out->variant = slash ? xstrdup(slash + 1) : NULL;
	return 0;
}

static void name_done(struct name *n)
{
	free(n->distro);
	free(n->version);
	free(n->variant);
}

/* Adds "did you mean", or all there are when they are few. */
static int not_found(struct err *err, const char *given, const char *const *words)
{
	auto_buf struct buf list = BUF_INIT(200);
	const char *near;
	size_t n = 0;

	while (words[n])
		n++;
	near = text_nearest(given, words, n);
	if (near)
		return err_hint(err, "did you mean '%s'?", near);
	for (size_t i = 0; i < n; i++)
		buf_printf(&list, "%s%s", i ? ", " : "", words[i]);
	return err_hint(err, "there %s %s", n == 1 ? "is" : "are", n ? buf_str(&list) : "none");
}

static bool has_alias(const struct yaml_node *version, const char *alias)
{
	const struct yaml_node *aliases = yaml_get(version, "aliases");

	for (size_t i = 0; aliases && i < aliases->n; i++)
		if (!strcmp(aliases->items[i]->text, alias))
			return true;
	return false;
}

static const struct yaml_pair *find_version(const struct distro *d, const char *name)
{
	for (size_t i = 0; i < d->versions->n; i++) {
		const struct yaml_pair *p = &d->versions->pairs[i];

		if (!name || !strcmp(p->key->text, name) || has_alias(p->value, name))
			return p;
	}
	return NULL;
}

static const struct yaml_pair *find_variant(const struct distro *d, const char *name)
{
	for (size_t i = 0; d->variants && i < d->variants->n; i++)
		if (!strcmp(d->variants->pairs[i].key->text, name))
			return &d->variants->pairs[i];
	return NULL;
}

static int look_up(struct catalog *c, const struct name *n, const char *arch, struct pick *p,
		   struct err *err)
{
	const struct distro *d = find_distro(c, n->distro);
	const char *const *arches;

	if (!d) {
		const char **names = arena_zalloc(c->arena, (c->ndistros + 1) * sizeof(*names));

		for (size_t i = 0; i < c->ndistros; i++)
			names[i] = c->distros[i].name;
		err_set(err, ERR_NOT_FOUND, "no image '%s' in the catalog", n->distro);
		return not_found(err, n->distro, names);
	}
	*p = (struct pick){.distro = d, .version = find_version(d, n->version), .arch = arch};
	if (!p->version) {
		err_set(err, ERR_NOT_FOUND, "no version '%s' of %s in the catalog", n->version,
			d->name);
		return not_found(err, n->version, keys_of(c, d->versions));
	}
	p->variant = n->variant ? find_variant(d, n->variant) : NULL;
	if (n->variant && !p->variant) {
		err_set(err, ERR_NOT_FOUND, "no variant '%s' of %s in the catalog", n->variant,
			d->name);
		return not_found(err, n->variant, keys_of(c, d->variants));
	}
	for (arches = pick_arches(c, p); *arches; arches++)
		if (!strcmp(*arches, arch))
			return 0;
	err_set(err, ERR_NOT_FOUND, "%s:%s is not published for %s", d->name, p->version->key->text,
		arch);
	return not_found(err, arch, pick_arches(c, p));
}

int catalog_find(struct catalog *c, const char *text, const char *arch, struct catalog_image *out,
		 struct err *err)
{
	struct name name = {0};
	struct pick p;
	int rc = name_parse(text, &name, err);

	if (rc == 0)
		rc = look_up(c, &name, arch ? arch : catalog_host_arch(), &p, err);
	name_done(&name);
	if (rc < 0)
		return -1;
	if (!catalog_fill(c, &p, out)) /* what was checked when it was read */
		return err_set(err, ERR_SPEC, "%s: the catalog's entry is wrong", text);
	return 0;
}

bool catalog_next(const struct catalog *c, size_t *at, struct catalog_version *out)
{
	if (*at >= c->nversions)
		return false;
	*out = c->versions[(*at)++];
	return true;
}

const char *catalog_host_arch(void)
{
#if defined(__x86_64__)
	return "x86_64";
#elif defined(__aarch64__)
	return "aarch64";
#else
#error "an architecture that no catalog names"
#endif
}
