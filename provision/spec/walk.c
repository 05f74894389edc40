/* SPDX-License-Identifier: Apache-2.0
 *
 * The field table as a tree: rows by parent, by key and by the paths that people write.
 */
#include <string.h>

#include "base/util.h"
#include "provision/spec/field.h"

/* The row below which the rows of `parent` stand: itself, or the one further down that it shares
 * them with. */
static const struct field *place_of_children(const struct field *parent)
{
	if (!parent->children)
		return parent;
	for (const struct field *f = parent; f < fields + nfields; f++)
		if (!strcmp(f->path, parent->children))
			return f;
	return parent;
}

/* Rows below a row follow it directly (test_spec_fields holds the table to it), so a walk ends
 * early. */
static const struct field *first_below(const struct field *holder)
{
	return holder == &root_field ? fields : holder + 1;
}

/* The part of a path below the holder's: ".address", "[]", ".*"; NULL: the row is not below it. */
static const char *below(const struct field *holder, const struct field *f)
{
	size_t n = strlen(holder->path);

	return strncmp(f->path, holder->path, n) ? NULL : f->path + n;
}

static bool is_item(const char *rest)
{
	return !strcmp(rest, "[]") || !strcmp(rest, ".*");
}

const struct field *field_next(const struct field *parent, const struct field *last)
{
	const struct field *holder = place_of_children(parent);

	for (const struct field *f = last ? last + 1 : first_below(holder); f < fields + nfields;
	     f++) {
		const char *rest = below(holder, f);

		if (!rest || (holder != &root_field && *rest != '.' && *rest != '['))
			return NULL;
		if (!is_item(rest) && !rest[1 + strcspn(rest + 1, ".[")])
			return f;
	}
	return NULL;
}

const struct field *field_child(const struct field *parent, const char *key)
{
	for (const struct field *f = field_next(parent, NULL); f; f = field_next(parent, f))
		if (!strcmp(field_key(f), key))
			return f;
	return NULL;
}

const struct field *field_item(const struct field *parent)
{
	const struct field *holder = place_of_children(parent), *f = first_below(holder);
	const char *rest = f < fields + nfields ? below(holder, f) : NULL;

	return rest && is_item(rest) ? f : NULL;
}

const char *field_key(const struct field *f)
{
	const char *dot = strrchr(f->path, '.');

	return dot ? dot + 1 : f->path;
}

/*
 * One step: the row of the key that `*path` begins with. Items need not be written ("disks.size"),
 * and may be: "disks[].size", "disks[0].size", "networks.*.address", "networks.lan.address".
 */
static const struct field *step(const struct field *from, const char **path)
{
	char key[64];
	const struct field *child, *item = field_item(from);
	size_t n = **path == '[' ? strcspn(*path, "]") + 1 : strcspn(*path, ".[");

	if (n >= sizeof(key) || n > strlen(*path))
		return NULL;
	memcpy(key, *path, n);
	key[n] = '\0';
	child = field_child(from, key);
	if (!child && item) {
		child = field_child(item, key);
		if (!child && (key[0] == '[' || from->type == &type_networks))
			child = item;
	}
	if (child) {
		*path += n;
		*path += **path == '.';
	}
	return child;
}

const struct field *field_find(const char *path, const struct field **deepest, const char **rest)
{
	const struct field *at = &root_field;

	while (*path) {
		const struct field *next = step(at, &path);

		if (!next) {
			*deepest = at;
			*rest = path;
			return NULL;
		}
		at = next;
	}
	return at;
}

const char *change_name(enum change c)
{
	static const char *const names[] = {
		[CHANGE_NONE] = NULL,	      [CHANGE_LIVE] = "live",
		[CHANGE_REAPPLY] = "reapply", [CHANGE_RESTART] = "restart",
		[CHANGE_GROW] = "grow",	      [CHANGE_RECREATE] = "recreate",
	};

	return names[c];
}
