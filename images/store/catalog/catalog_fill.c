/* SPDX-License-Identifier: Apache-2.0
 *
 * From the layers of the catalog to one image: what is nearest to it, with the templates filled in.
 */
#include <ctype.h>
#include <string.h>

#include "base/util.h"
#include "images/store/catalog/catalog_int.h"
#include "images/store/catalog/template.h"

const struct yaml_node *pick_key(const struct pick *p, const char *key)
{
	const struct yaml_node *layers[] = {p->variant ? p->variant->value : NULL,
					    p->version->value, p->distro->map};

	for (size_t i = 0; i < ARRAY_LEN(layers); i++) {
		const struct yaml_node *value = layers[i] ? yaml_get(layers[i], key) : NULL;

		if (value)
			return yaml_is_null(value) ? NULL : value;
	}
	return NULL;
}

static const char *pick_text(const struct pick *p, const char *key)
{
	const struct yaml_node *n = pick_key(p, key);

	return n ? n->text : NULL;
}

const char *const *pick_arches(struct catalog *c, const struct pick *p)
{
	const struct yaml_node *n = pick_key(p, "arches");
	const char **out = arena_zalloc(c->arena, ((n ? n->n : 0) + 1) * sizeof(*out));

	for (size_t i = 0; n && i < n->n; i++)
		out[i] = n->kind == YAML_MAP ? n->pairs[i].key->text : n->items[i]->text;
	return out;
}

/* --- variables --------------------------------------------------------------------- */

/* What only the publisher can tell, and in which templates it may stand. */
enum { LATE_NONE, LATE_FOUND, LATE_FILE };

struct filling {
	const struct pick *pick;
	int late;
};

static const char *in_map(const struct yaml_node *map, const char *name)
{
	const struct yaml_node *n = map && map->kind == YAML_MAP ? yaml_get(map, name) : NULL;

	return n && n->kind == YAML_SCALAR ? n->text : NULL;
}

static const char *set_of(const struct yaml_node *layer, const char *name)
{
	return layer ? in_map(yaml_get(layer, "set"), name) : NULL;
}

static const char *value_of(void *ctx, const char *text, size_t n)
{
	static const struct {
		const char *name, *itself;
		int late;
	} late[] = {
		{"serial", "{serial}", LATE_FOUND},
		{"name", "{name}", LATE_FOUND},
		{"file", "{file}", LATE_FILE},
		{"dir", "{dir}", LATE_FILE},
	};
	const struct filling *f = ctx;
	const struct pick *p = f->pick;
	const struct yaml_node *arches = pick_key(p, "arches");
	const struct yaml_node *arch = arches ? yaml_get(arches, p->arch) : NULL;
	char name[64];
	const char *found;

	if (n >= sizeof(name))
		return NULL;
	memcpy(name, text, n);
	name[n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(late); i++)
		if (!strcmp(name, late[i].name))
			return f->late >= late[i].late ? late[i].itself : NULL;
	if (!strcmp(name, "version"))
		return p->version->key->text;
	found = p->variant ? set_of(p->variant->value, name) : NULL;
	if (!found)
		found = set_of(p->version->value, name);
	if (!found)
		found = in_map(arch, name);
	if (!found && !strcmp(name, "arch"))
		found = arch && arch->kind == YAML_SCALAR ? arch->text : p->arch;
	return found ? found : set_of(p->distro->map, name);
}

static const char *fill(struct catalog *c, const struct pick *p, const struct yaml_node *n,
			int late)
{
	auto_buf struct buf out = BUF_INIT(TEMPLATE_MAX);
	struct filling f = {p, late};
	const char *bad;
	size_t len;

	if (!n)
		return NULL;
	len = template_fill(n->text, value_of, &f, &out, &bad);
	if (len) {
		diag_error(&c->diags, n->source, n->at, "set: gives a name its value",
			   "'{%.*s}' stands for nothing here (%s:%s, %s)", (int)min_u64(len, 40),
			   bad, p->distro->name, p->version->key->text, p->arch);
		return NULL;
	}
	if (out.overflow) {
		diag_error(&c->diags, n->source, n->at, NULL, "this becomes longer than %d bytes",
			   TEMPLATE_MAX);
		return NULL;
	}
	return arena_strdup(c->arena, buf_str(&out));
}

/* --- the image --------------------------------------------------------------------- */

static void fill_find(struct catalog *c, const struct pick *p, struct catalog_image *out)
{
	static const char *const rules[] = {
		[RULE_MANIFEST] = "manifest",
		[RULE_STREAMS] = "streams",
		[RULE_LISTING] = "listing",
		[RULE_REDIRECT] = "redirect",
	};
	const struct yaml_node *find = pick_key(p, "find");

	out->rule = RULE_EXACT;
	for (unsigned r = RULE_MANIFEST; find && r < CATALOG_RULES; r++) {
		const struct yaml_node *index = yaml_get(find, rules[r]);

		if (!index)
			continue;
		out->rule = (enum catalog_rule)r;
		out->index = fill(c, p, index, LATE_NONE);
		out->product = fill(c, p, yaml_get(find, "product"), LATE_NONE);
		out->item = fill(c, p, yaml_get(find, "item"), LATE_NONE);
		out->match = fill(c, p, yaml_get(find, "match"), LATE_NONE);
	}
}

static void fill_keys(struct catalog *c, const struct pick *p, struct catalog_image *out)
{
	const struct yaml_node *keys = pick_key(p, "keys");

	for (size_t i = 0; keys && i < keys->n; i++) {
		char *fpr = arena_strdup(c->arena, yaml_get(keys->items[i], "fingerprint")->text);

		for (char *s = fpr; *s; s++)
			*s = (char)toupper((unsigned char)*s);
		out->keys[out->nkeys++] = (struct catalog_key){
			fill(c, p, yaml_get(keys->items[i], "url"), LATE_NONE), fpr};
	}
}

static void check_whole(struct catalog *c, const struct pick *p, const struct catalog_image *i)
{
	const struct yaml_node *at = p->version->key;
	bool has_signature = i->signature || i->image_signature || i->clearsigned;
	const char *problem = NULL;

	if (!i->path && i->rule != RULE_REDIRECT && i->rule != RULE_STREAMS)
		problem = "'path:' is missing";
	else if (i->path && i->rule == RULE_REDIRECT)
		problem = "'path:' and 'redirect:' both say where the image is";
	else if (!i->checksums && (i->signature || i->clearsigned))
		problem = "a signature of a checksum file needs 'checksums:'";
	else if (has_signature && !i->nkeys)
		problem = "a signature needs 'keys:'";
	else if (!has_signature && i->nkeys)
		problem = "'keys:' are for a signature, and there is none";
	if (problem)
		diag_error(&c->diags, at->source, at->at, NULL, "%s:%s: %s", p->distro->name,
			   at->text, problem);
}

bool catalog_fill(struct catalog *c, const struct pick *p, struct catalog_image *out)
{
	const struct yaml_node *mirrors = pick_key(p, "mirrors"),
			       *flag = pick_key(p, "clearsigned");
	size_t before = c->diags.errors;

	*out = (struct catalog_image){
		.name = arena_printf(c->arena, "%s:%s%s%s", p->distro->name, p->version->key->text,
				     p->variant ? "/" : "",
				     p->variant ? p->variant->key->text : ""),
		.user = pick_text(p, "user"),
		.path = fill(c, p, pick_key(p, "path"), LATE_FOUND),
		.checksums = fill(c, p, pick_key(p, "checksums"), LATE_FILE),
		.signature = fill(c, p, pick_key(p, "signature"), LATE_FILE),
		.image_signature = fill(c, p, pick_key(p, "image_signature"), LATE_FILE),
		.clearsigned = flag && !strcmp(flag->text, "true"),
	};
	for (size_t i = 0; mirrors && i < mirrors->n; i++)
		out->mirrors[i] = fill(c, p, mirrors->items[i], LATE_NONE);
	fill_find(c, p, out);
	fill_keys(c, p, out);
	out->trust = out->nkeys ? TRUST_SIGNED
		     : out->checksums || out->rule == RULE_MANIFEST || out->rule == RULE_STREAMS
			     ? TRUST_CHECKSUM
			     : TRUST_UNVERIFIED;
	if (c->diags.errors == before)
		check_whole(c, p, out);
	return c->diags.errors == before;
}
