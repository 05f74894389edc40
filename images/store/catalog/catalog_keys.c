/* SPDX-License-Identifier: Apache-2.0
 *
 * What may stand in a catalog, and where: each key is a row with its check. A mistake is complained
 * about where it stands, and the distribution that has one is left out.
 */
#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "images/store/catalog/catalog_int.h"

enum { MAX_ENTRIES = 64, MAX_TEXT = 512 };

enum level { AT_DISTRO = 1, AT_VERSION = 2, AT_VARIANT = 4, ANYWHERE = 7 };

static void wrong(struct catalog *c, const struct yaml_node *n, const char *help, const char *what)
{
	diag_error(&c->diags, n->source, n->at, help, "%s", what);
}

/* Letters, digits and the characters of `more`; not empty. */
static bool made_of(const char *s, const char *more)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || (s[n] && strchr(more, s[n])))
		n++;
	return n && !s[n];
}

static bool is_text(struct catalog *c, const struct yaml_node *n)
{
	if (n->kind != YAML_SCALAR || !n->len || n->len != strlen(n->text))
		wrong(c, n, NULL, "a text is expected here");
	else if (n->len > MAX_TEXT)
		wrong(c, n, NULL, "this text is too long");
	else
		return true;
	return false;
}

static bool is_map(struct catalog *c, const struct yaml_node *n)
{
	if (n->kind != YAML_MAP)
		wrong(c, n, NULL, "'key: value' lines are expected here");
	else if (n->n > MAX_ENTRIES)
		wrong(c, n, NULL, "these are too many entries");
	else
		return true;
	return false;
}

static bool is_list(struct catalog *c, const struct yaml_node *n, size_t most)
{
	if (n->kind != YAML_SEQ || !n->n)
		wrong(c, n, "write [ item, item ]", "a list is expected here");
	else if (n->n > most)
		diag_error(&c->diags, n->source, n->at, NULL, "at most %zu items are possible here",
			   most);
	else
		return true;
	return false;
}

static void check_line(struct catalog *c, const struct yaml_node *n)
{
	if (!is_text(c, n))
		return;
	for (const char *s = n->text; *s; s++)
		if (iscntrl((unsigned char)*s)) {
			wrong(c, n, NULL, "control characters are not possible here");
			return;
		}
}

static void check_word(struct catalog *c, const struct yaml_node *n)
{
	if (is_text(c, n) && !made_of(n->text, "-_."))
		diag_error(&c->diags, n->source, n->at,
			   "letters, digits, '-', '_' and '.' are possible", "'%s' is no name",
			   n->text);
}

/* It becomes a word on a command line: not one that begins with '-'. */
static void check_user(struct catalog *c, const struct yaml_node *n)
{
	if (is_text(c, n) && (!made_of(n->text, "-_") || n->text[0] == '-' || n->len > 32))
		diag_error(&c->diags, n->source, n->at, NULL, "'%.40s' is no user's name", n->text);
}

/* Names of distributions, versions and variants: they are written as name:version/variant. */
static void check_name(struct catalog *c, const struct yaml_node *n)
{
	if (!is_text(c, n))
		return;
	for (const char *s = n->text; *s; s++)
		if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) &&
		    !strchr("-.", *s)) {
			diag_error(&c->diags, n->source, n->at,
				   "a-z, 0-9, '-' and '.' are possible",
				   "'%s' cannot be a name in the catalog", n->text);
			return;
		}
}

static void check_bool(struct catalog *c, const struct yaml_node *n)
{
	if (yaml_type(n) != YAML_BOOL)
		wrong(c, n, NULL, "true or false is expected here");
}

/*
 * Addresses are https: a checksum that came over http would say nothing. The characters are those
 * of RFC 3986 and the braces of variables.
 */
static void check_url(struct catalog *c, const struct yaml_node *n)
{
	if (!is_text(c, n))
		return;
	if (!text_starts(n->text, "https://") || !made_of(n->text, "-._~:/?#[]@!$&'()*+,;=%{}"))
		diag_error(&c->diags, n->source, n->at, "write https://...",
			   "'%s' is no address that a catalog may name", n->text);
}

/* A path below the mirrors, or an address. */
static void check_path(struct catalog *c, const struct yaml_node *n)
{
	if (!is_text(c, n))
		return;
	if (strstr(n->text, "://"))
		check_url(c, n);
	else if (n->text[0] == '/' || strstr(n->text, "..") || !made_of(n->text, "-._~:/+=%{}"))
		diag_error(&c->diags, n->source, n->at,
			   "write it relative to the mirrors, without '..'",
			   "'%s' is no path below a mirror", n->text);
}

static void check_mirrors(struct catalog *c, const struct yaml_node *n)
{
	if (!is_list(c, n, CATALOG_MAX_MIRRORS))
		return;
	for (size_t i = 0; i < n->n; i++)
		check_url(c, n->items[i]);
}

static bool known_arch(struct catalog *c, const struct yaml_node *n)
{
	if (!is_text(c, n))
		return false;
	if (!strcmp(n->text, "x86_64") || !strcmp(n->text, "aarch64"))
		return true;
	diag_error(&c->diags, n->source, n->at, "x86_64 and aarch64 are possible",
		   "'%s' is no architecture that croft knows", n->text);
	return false;
}

static void check_set(struct catalog *c, const struct yaml_node *n)
{
	if (!is_map(c, n))
		return;
	for (size_t i = 0; i < n->n; i++) {
		check_word(c, n->pairs[i].key);
		if (is_text(c, n->pairs[i].value) && !made_of(n->pairs[i].value->text, "-._~/+"))
			wrong(c, n->pairs[i].value, NULL, "this cannot be a part of a path");
	}
}

/* [x86_64], or { x86_64: amd64 } (the publisher's word), or { x86_64: { name: value } } */
static void check_arches(struct catalog *c, const struct yaml_node *n)
{
	if (n->kind == YAML_MAP && is_map(c, n)) {
		for (size_t i = 0; i < n->n; i++) {
			known_arch(c, n->pairs[i].key);
			if (n->pairs[i].value->kind == YAML_MAP)
				check_set(c, n->pairs[i].value);
			else
				check_word(c, n->pairs[i].value);
		}
	} else if (is_list(c, n, MAX_ENTRIES)) {
		for (size_t i = 0; i < n->n; i++)
			known_arch(c, n->items[i]);
	}
}

static void check_fingerprint(struct catalog *c, const struct yaml_node *n)
{
	if (!is_text(c, n))
		return;
	if ((n->len != 40 && n->len != 64) || strspn(n->text, "0123456789ABCDEFabcdef") != n->len)
		diag_error(&c->diags, n->source, n->at,
			   "write all 40 (or 64) hex digits: less can be made to fit another key",
			   "'%s' is no full fingerprint", n->text);
}

/* Keys of a map that has no others. */
struct row {
	const char *key;
	void (*check)(struct catalog *, const struct yaml_node *);
	bool required;
};

static void unknown(struct catalog *c, const struct yaml_node *key, const char *const *words,
		    size_t n)
{
	const char *near = text_nearest(key->text, words, n);
	auto_free char *help = near ? xasprintf("did you mean '%s'?", near) : NULL;

	diag_error(&c->diags, key->source, key->at, help, "unknown key '%s'", key->text);
}

static void check_rows(struct catalog *c, const struct yaml_node *map, const struct row *rows,
		       size_t n)
{
	const char *words[8];

	assert(n <= ARRAY_LEN(words));
	for (size_t i = 0; i < n; i++) {
		words[i] = rows[i].key;
		if (rows[i].required && !yaml_get(map, rows[i].key))
			diag_error(&c->diags, map->source, map->at, NULL, "'%s:' is missing",
				   rows[i].key);
	}
	for (size_t p = 0; p < map->n; p++) {
		size_t i = 0;

		while (i < n && strcmp(map->pairs[p].key->text, rows[i].key))
			i++;
		if (i == n)
			unknown(c, map->pairs[p].key, words, n);
		else
			rows[i].check(c, map->pairs[p].value);
	}
}

static void check_keys(struct catalog *c, const struct yaml_node *n)
{
	static const struct row rows[] = {{"url", check_url, true},
					  {"fingerprint", check_fingerprint, true}};

	if (!is_list(c, n, CATALOG_MAX_KEYS))
		return;
	for (size_t i = 0; i < n->n; i++)
		if (is_map(c, n->items[i]))
			check_rows(c, n->items[i], rows, ARRAY_LEN(rows));
}

static void check_match(struct catalog *c, const struct yaml_node *n)
{
	if (is_text(c, n) && (!strchr(n->text, '*') || !made_of(n->text, "-._+*{}")))
		wrong(c, n, "write the file's name with '*' for each number that changes",
		      "this is no pattern for a name");
}

static void check_find(struct catalog *c, const struct yaml_node *n)
{
	static const struct row rows[] = {
		{"manifest", check_path, false}, {"streams", check_path, false},
		{"listing", check_path, false},	 {"redirect", check_path, false},
		{"product", check_path, false},	 {"item", check_word, false},
		{"match", check_match, false},
	};
	static const struct {
		const char *rule, *needs[3];
	} rules[] = {
		{"manifest", {"item"}},
		{"streams", {"product", "item"}},
		{"listing", {"match"}},
		{"redirect", {NULL}},
	};
	size_t found = 0, extras = 0;

	if (!is_map(c, n))
		return;
	check_rows(c, n, rows, ARRAY_LEN(rows));
	for (size_t r = 0; r < ARRAY_LEN(rules); r++) {
		if (!yaml_get(n, rules[r].rule))
			continue;
		found++;
		for (size_t i = 0; rules[r].needs[i]; i++, extras++)
			if (!yaml_get(n, rules[r].needs[i]))
				diag_error(&c->diags, n->source, n->at, NULL, "%s: needs '%s:'",
					   rules[r].rule, rules[r].needs[i]);
	}
	if (found != 1)
		wrong(c, n, "write one of manifest, streams, listing and redirect",
		      found ? "this names more than one rule" : "this names no rule");
	else if (n->n > 1 + extras)
		wrong(c, n, NULL, "this has keys of another rule");
}

static void check_aliases(struct catalog *c, const struct yaml_node *n)
{
	if (!is_list(c, n, MAX_ENTRIES))
		return;
	for (size_t i = 0; i < n->n; i++)
		check_name(c, n->items[i]);
}

static void check_layer(struct catalog *, const struct yaml_node *, enum level);

static void check_layers(struct catalog *c, const struct yaml_node *n, enum level level)
{
	if (!is_map(c, n))
		return;
	if (level == AT_VERSION && !n->n)
		wrong(c, n, NULL, "a distribution needs a version");
	for (size_t i = 0; i < n->n; i++) {
		check_name(c, n->pairs[i].key);
		check_layer(c, n->pairs[i].value, level);
	}
}

static void check_versions(struct catalog *c, const struct yaml_node *n)
{
	check_layers(c, n, AT_VERSION);
}

static void check_variants(struct catalog *c, const struct yaml_node *n)
{
	check_layers(c, n, AT_VARIANT);
}

static const struct {
	const char *key;
	unsigned levels;
	void (*check)(struct catalog *, const struct yaml_node *);
} layer_keys[] = {
	{"title", AT_DISTRO, check_line},
	{"user", ANYWHERE, check_user},
	{"arches", ANYWHERE, check_arches},
	{"mirrors", ANYWHERE, check_mirrors},
	{"set", ANYWHERE, check_set},
	{"find", ANYWHERE, check_find},
	{"path", ANYWHERE, check_path},
	{"checksums", ANYWHERE, check_path},
	{"signature", ANYWHERE, check_path},
	{"image_signature", ANYWHERE, check_path},
	{"clearsigned", ANYWHERE, check_bool},
	{"keys", ANYWHERE, check_keys},
	{"aliases", AT_VERSION, check_aliases},
	{"versions", AT_DISTRO, check_versions},
	{"variants", AT_DISTRO, check_variants},
};

/* A null takes back what a farther layer says. */
static void check_layer(struct catalog *c, const struct yaml_node *map, enum level level)
{
	const char *words[ARRAY_LEN(layer_keys)];
	size_t nwords = 0;

	if (yaml_is_null(map) && level != AT_DISTRO)
		return;
	if (!is_map(c, map))
		return;
	for (size_t i = 0; i < ARRAY_LEN(layer_keys); i++)
		if (layer_keys[i].levels & level)
			words[nwords++] = layer_keys[i].key;
	for (size_t p = 0; p < map->n; p++) {
		const struct yaml_pair *pair = &map->pairs[p];
		size_t i = 0;

		while (i < ARRAY_LEN(layer_keys) && (!(layer_keys[i].levels & level) ||
						     strcmp(pair->key->text, layer_keys[i].key)))
			i++;
		if (i == ARRAY_LEN(layer_keys))
			unknown(c, pair->key, words, nwords);
		else if (level == AT_DISTRO || !yaml_is_null(pair->value))
			layer_keys[i].check(c, pair->value);
	}
}

bool catalog_check_distro(struct catalog *c, const struct yaml_pair *pair)
{
	static const char *const required[] = {"title", "arches", "mirrors", "versions"};
	size_t before = c->diags.errors;

	check_name(c, pair->key);
	check_layer(c, pair->value, AT_DISTRO);
	for (size_t i = 0; pair->value->kind == YAML_MAP && i < ARRAY_LEN(required); i++)
		if (!yaml_get(pair->value, required[i]))
			diag_error(&c->diags, pair->key->source, pair->key->at, NULL,
				   "%s: '%s:' is missing", pair->key->text, required[i]);
	return c->diags.errors == before;
}
