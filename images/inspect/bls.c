/* SPDX-License-Identifier: Apache-2.0
 *
 * Boot Loader Specification (UAPI.1), type 1. Order is by version, then by file name, newest first;
 * the machine id in the names is of no interest, since images carry the build host's.
 */
#include "images/inspect/bls.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "images/inspect/vercmp.h"

enum { MAX_ENTRY_FILE = 64 * 1024, MAX_ENTRIES = 256 };

/* "+3", "+3-1": tries left and done, at the end of the name. Cuts it off. */
static void take_counter(char *id, struct bls_entry *e)
{
	char *plus = strrchr(id, '+');
	size_t left, n;

	if (!plus)
		return;
	left = strspn(plus + 1, "0123456789");
	n = left;
	if (left && plus[1 + n] == '-')
		n += 1 + strspn(plus + 2 + n, "0123456789");
	if (!left || plus[1 + n])
		return;
	e->tries_used_up = strspn(plus + 1, "0") == left;
	*plus = 0;
}

/* Several `options` lines are one list. */
static const char *append(struct arena *a, const char *old, const char *value)
{
	return old ? arena_printf(a, "%s %s", old, value) : value;
}

/* False when the entry is not for this machine. */
static bool take_key(struct arena *a, struct bls_entry *e, const char *key, const char *value)
{
	if (!strcmp(key, "title"))
		e->title = value;
	else if (!strcmp(key, "version"))
		e->version = value;
	else if (!strcmp(key, "linux"))
		e->kernel = value;
	else if (!strcmp(key, "options"))
		e->options = append(a, e->options, value);
	else if (!strcmp(key, "initrd") && e->ninitrd < BOOT_MAX_INITRDS)
		e->initrd[e->ninitrd++] = value;
	else if (!strcmp(key, "initrd"))
		return false;
	else if (!strcmp(key, "architecture"))
		return !strcmp(value, "x64") || !strcmp(value, "X64");
	return true;
}

static bool parse_entry(struct arena *a, char *text, struct bls_entry *e)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t n;
		char *value;

		line += strspn(line, " \t");
		n = strlen(line);
		while (n && isspace((unsigned char)line[n - 1]))
			line[--n] = 0;
		if (*line == '#' || !n)
			continue;
		value = line + strcspn(line, " \t");
		if (!*value)
			continue;
		*value++ = 0;
		value += strspn(value, " \t");
		if (!take_key(a, e, line, arena_strdup(a, value)))
			return false;
	}
	return e->kernel != NULL;
}

/* > 0 when a comes before b. */
static int order(const struct bls_entry *a, const struct bls_entry *b)
{
	int c;

	if (a->tries_used_up != b->tries_used_up)
		return b->tries_used_up ? 1 : -1;
	if (a->rescue != b->rescue)
		return b->rescue ? 1 : -1;
	c = version_compare(a->version, b->version);
	return c ? c : version_compare(a->id, b->id);
}

static void insert(struct bls_list *list, struct bls_entry *e)
{
	struct bls_entry **p = &list->first;

	while (*p && order(*p, e) >= 0)
		p = &(*p)->next;
	e->next = *p;
	*p = e;
	list->n++;
}

struct loading {
	struct volumes *v;
	struct fsys *fs;
	int vol;
	const char *dir;
	struct arena *arena;
	struct bls_list *list;
};

static bool load_one(void *ctx, const char *name)
{
	struct loading *l = ctx;
	auto_buf struct buf text = BUF_INIT(MAX_ENTRY_FILE);
	struct bls_entry *e;
	struct err why = {0};
	char *id;

	if (name[0] == '.' || !text_ends(name, ".conf"))
		return false;
	if (l->list->n == MAX_ENTRIES) {
		trail(l->v, "%s: more than %d entries: the rest is ignored", l->dir, MAX_ENTRIES);
		return true;
	}
	e = arena_zalloc(l->arena, sizeof(*e));
	e->path = arena_printf(l->arena, "%s/%s", l->dir, name);
	if (fsys_read_file(l->fs, e->path, &text, &why) < 0) {
		trail(l->v, "%s", why.msg);
		return false;
	}
	id = arena_strndup(l->arena, name, strlen(name) - strlen(".conf"));
	take_counter(id, e);
	e->id = id;
	e->vol = l->vol;
	e->base = text_starts(l->dir, "/boot/") ? "/boot" : "";
	e->rescue = strstr(id, "-0-rescue") != NULL;
	if (text.len && parse_entry(l->arena, text.data, e))
		insert(l->list, e);
	else
		trail(l->v, "%s: no kernel for this machine in it", e->path);
	return false;
}

int bls_load(struct volumes *v, int vol, const char *dir, struct arena *arena,
	     struct bls_list *list, struct err *err)
{
	struct loading l = {v, volume_fs(v, vol), vol, dir, arena, list};

	if (!l.fs)
		return err_set(err, ERR_UNSUPPORTED, "%s", v->in->part[vol].note);
	return fsys_list(l.fs, dir, load_one, &l, err);
}
