/* SPDX-License-Identifier: Apache-2.0
 *
 * Checking against a table: see check.h. A value of the wrong shape is an error. A scalar that
 * cloud-init's YAML 1.1 reads as another type than the key wants is an error where the text itself
 * gets lost (22:22, no, 1_000), otherwise a warning: cloud-init mostly copes.
 */
#include "cloudinit/check.h"

#include <ctype.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"

enum { SCALARS = V_TEXT | V_INT | V_FLOAT | V_BOOL | V_NULL };

/* "a text, a number or a list" */
static const char *describe(unsigned kinds, char *out, size_t size)
{
	static const struct {
		unsigned kind;
		const char *name;
	} names[] = {
		{V_TEXT, "a text"},	   {V_INT, "a whole number"}, {V_FLOAT, "a number"},
		{V_BOOL, "true or false"}, {V_LIST, "a list"},	      {V_MAP, "a map"},
		{V_NULL, "nothing"},
	};
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (!(kinds & names[i].kind))
			continue;
		kinds &= ~names[i].kind;
		n += (size_t)snprintf(out + n, size - n, "%s%s",
				      !n      ? ""
				      : kinds ? ", "
					      : " or ",
				      names[i].name);
	}
	return out;
}

/* What cloud-init's YAML 1.1 makes of a node. */
static unsigned kind_of(const struct yaml_node *n, const char **surprise)
{
	const char *e;

	*surprise = NULL;
	if (n->kind != YAML_SCALAR)
		return n->kind == YAML_SEQ ? V_LIST : V_MAP;
	if (n->tag) /* who writes !!str knows */
		return SCALARS;
	*surprise = n->plain ? yaml_surprise(n->text) : NULL;
	if (*surprise && !strcmp(*surprise, "a boolean"))
		return V_BOOL | (n->len == 1 ? V_TEXT : 0); /* y and n are texts to PyYAML */
	if (*surprise)
		return V_INT;
	switch (yaml_type(n)) {
	case YAML_NULL:
		return V_NULL;
	case YAML_BOOL:
		return V_BOOL;
	case YAML_INT: /* 0o17 is a number in YAML 1.2 only */
		return text_starts(n->text, "0o") ? V_TEXT : V_INT;
	case YAML_FLOAT: /* so are 1e3 and 1.5e3 */
		e = strpbrk(n->text, "eE");
		return strchr(n->text, '.') && !(e && isdigit((unsigned char)e[1])) ? V_FLOAT
										    : V_TEXT;
	default:
		return V_TEXT;
	}
}

/* A scalar stands where another type of scalar belongs. */
static void complain_scalar(const struct yaml_node *n, const char *name, unsigned kinds,
			    unsigned got, const char *surprise, struct diags *ds)
{
	char want[128], have[128];

	describe(kinds, want, sizeof(want));
	if (got == V_NULL) {
		diag_warn(ds, n->source, n->at, "remove the key, or give it a value",
			  "%s is empty; cloud-init expects %s", name, want);
	} else if (surprise && (kinds & V_TEXT)) {
		diag_add(ds, strcmp(surprise, "an octal number") ? DIAG_ERROR : DIAG_WARNING,
			 n->source, n->at, "put it in quotes",
			 "%s: cloud-init reads %.60s as %s, not as a text", name, n->text,
			 surprise);
	} else if (kinds & V_TEXT) {
		diag_warn(ds, n->source, n->at, "put it in quotes",
			  "%s: cloud-init reads %.60s as %s, not as a text", name, n->text,
			  describe(got, have, sizeof(have)));
	} else if (!(kinds & SCALARS) || kinds == V_BOOL) {
		diag_error(ds, n->source, n->at, NULL, "%s must be %s", name, want);
	} else {
		diag_warn(ds, n->source, n->at, NULL, "%s should be %s", name, want);
	}
}

/* Returns false when the value was complained about. */
static bool check_kind(const struct yaml_node *n, const char *name, unsigned kinds,
		       struct diags *ds)
{
	const char *surprise;
	unsigned got = kind_of(n, &surprise);
	char want[128], have[128];

	if (!kinds || (got & kinds) || (got == V_INT && (kinds & V_FLOAT)))
		return true;
	if (got & SCALARS) {
		/* "true" in quotes is understood as well */
		if (kinds & V_BOOL && got == V_TEXT &&
		    (!strcasecmp(n->text, "true") || !strcasecmp(n->text, "false")))
			return true;
		complain_scalar(n, name, kinds, got, surprise, ds);
	} else {
		diag_error(ds, n->source, n->at, NULL, "%s must be %s, not %s", name,
			   describe(kinds, want, sizeof(want)), describe(got, have, sizeof(have)));
	}
	return false;
}

static const struct key *find_key(const struct key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (!strcmp(keys->name, name) || !strcmp(keys->name, "*"))
			return keys;
	return NULL;
}

enum { NAMES_MAX = 192 }; /* rows of the longest table */

static const char *nearest_key(const struct key *keys, const char *given)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	for (; keys->name && n < NAMES_MAX; keys++)
		if (!keys->instead)
			names[n++] = keys->name;
	return text_nearest(given, names, n);
}

static void complain_unknown(const struct yaml_node *key, const struct key *keys, const char *what,
			     struct diags *ds)
{
	const char *near = ds->full ? NULL : nearest_key(keys, key->text);
	auto_free char *help = near ? xasprintf("did you mean '%s'?", near) : NULL;

	if (near)
		diag_error(ds, key->source, key->at, help, "'%.60s' is not a key of %s", key->text,
			   what);
	else
		diag_warn(
			ds, key->source, key->at, NULL,
			"'%.60s' is not a key of %s that cloud-init 22 to 25 knows; it is ignored "
			"there",
			key->text, what);
}

static void check_text(const struct yaml_node *n, const struct key *k, const char *name,
		       struct diags *ds)
{
	const char *why = k->wrong && n->kind == YAML_SCALAR ? k->wrong(n->text) : NULL;

	if (why)
		diag_error(ds, n->source, n->at, NULL, "%s: '%.60s' %s", name, n->text, why);
}

static void check_values(const struct yaml_node *n, const struct key *k, const char *name,
			 struct diags *ds)
{
	size_t count = 0;
	auto_free char *help = NULL;
	const char *near;

	if (!k->values || n->kind != YAML_SCALAR || yaml_type(n) == YAML_BOOL)
		return;
	for (; k->values[count]; count++)
		if (!strcmp(k->values[count], n->text))
			return;
	near = ds->full ? NULL : text_nearest(n->text, k->values, count);
	help = near ? xasprintf("did you mean '%s'?", near) : NULL;
	diag_error(ds, n->source, n->at, help, "%s: '%.60s' is not a value that cloud-init knows",
		   name, n->text);
}

static void check_value(const struct yaml_node *n, const struct key *k, const char *name,
			struct diags *ds)
{
	if (!check_kind(n, name, k->kinds, ds))
		return;
	check_values(n, k, name, ds);
	check_text(n, k, name, ds);
	if (n->kind == YAML_MAP && k->inside)
		check_map(n, k->inside, name, ds);
	for (size_t i = 0; n->kind == YAML_SEQ && i < n->n && !ds->full; i++) {
		char item[80];

		snprintf(item, sizeof(item), "an item of %.60s", name);
		if (!check_kind(n->items[i], item, k->items, ds))
			continue;
		check_text(n->items[i], k, item, ds);
		if (n->items[i]->kind == YAML_MAP && k->inside)
			check_map(n->items[i], k->inside, name, ds);
	}
}

void check_map(const struct yaml_node *map, const struct key *keys, const char *what,
	       struct diags *ds)
{
	for (size_t i = 0; i < map->n && !ds->full; i++) {
		const struct yaml_node *key = map->pairs[i].key;
		const struct key *k = find_key(keys, key->text);
		char name[80];

		if (!k) {
			complain_unknown(key, keys, what, ds);
			continue;
		}
		if (k->instead)
			diag_warn(ds, key->source, key->at, k->instead, "'%s' %s %s", key->text,
				  k->ignored ? "has no effect in" : "is deprecated in", what);
		if (strcmp(k->name, "*") != 0)
			snprintf(name, sizeof(name), "%s", k->name);
		else
			snprintf(name, sizeof(name), "%.30s '%.30s'", what, key->text);
		check_value(map->pairs[i].value, k, name, ds);
	}
	for (const struct key *k = keys; k->name; k++)
		if (k->required && !yaml_get(map, k->name))
			diag_error(ds, map->source, map->at, NULL, "%s: '%s' is missing", what,
				   k->name);
}
