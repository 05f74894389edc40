/* SPDX-License-Identifier: Apache-2.0
 *
 * Boot Loader Specification (UAPI.1), type 1, and systemd-boot's loader.conf(5) as far as it
 * chooses among the entries. What the firmware's variables say about the default is not on the
 * disk.
 */
#include "images/inspect/bls.h"

#include <ctype.h>
#include <fnmatch.h>
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
	else if (!strcmp(key, "sort-key"))
		e->sort_key = value;
	else if (!strcmp(key, "machine-id"))
		e->machine_id = value;
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

/* The next line of a key and its value at *text; false at the end. Cuts the text up. */
static bool next_key(char **text, const char **key, const char **value)
{
	for (char *line; (line = strsep(text, "\n"));) {
		size_t n;
		char *end;

		line += strspn(line, " \t");
		n = strlen(line);
		while (n && isspace((unsigned char)line[n - 1]))
			line[--n] = 0;
		end = line + strcspn(line, " \t");
		if (*line == '#' || !*end)
			continue;
		*end++ = 0;
		*key = line;
		*value = end + strspn(end, " \t");
		return true;
	}
	return false;
}

static bool parse_entry(struct arena *a, char *text, struct bls_entry *e)
{
	const char *key, *value;

	while (next_key(&text, &key, &value))
		if (!take_key(a, e, key, arena_strdup(a, value)))
			return false;
	return e->kernel != NULL;
}

/* The machine id in the names is of no interest, since images carry the build host's. */
static int order_grub(const struct bls_entry *a, const struct bls_entry *b)
{
	int c = version_compare(a->version, b->version);

	return c ? c : version_compare(a->id, b->id);
}

/* The words ascend, the versions descend; entries with a sort-key come before those without. */
static int order_uapi(const struct bls_entry *a, const struct bls_entry *b)
{
	int c = 0;

	if (!a->sort_key != !b->sort_key)
		return a->sort_key ? 1 : -1;
	if (a->sort_key) {
		c = strcmp(b->sort_key, a->sort_key);
		if (!c)
			c = strcmp(b->machine_id ? b->machine_id : "",
				   a->machine_id ? a->machine_id : "");
		if (!c)
			c = version_compare_uapi(a->version, b->version);
	}
	return c ? c : version_compare_uapi(a->file, b->file);
}

/* > 0 when a comes before b. */
static int order(enum bls_order by, const struct bls_entry *a, const struct bls_entry *b)
{
	if (a->tries_used_up != b->tries_used_up)
		return b->tries_used_up ? 1 : -1;
	if (a->rescue != b->rescue)
		return b->rescue ? 1 : -1;
	return by == BLS_UAPI ? order_uapi(a, b) : order_grub(a, b);
}

static void insert(struct bls_list *list, struct bls_entry *e)
{
	struct bls_entry **p = &list->first;

	while (*p && order(list->order, *p, e) >= 0)
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
	e->file = arena_printf(l->arena, "%s.conf", id);
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

/* systemd-boot compares lower case; configurations from before its 243 leave ".conf" out. */
static bool is_named(const struct bls_entry *e, const char *pattern)
{
	return fnmatch(pattern, e->file, FNM_CASEFOLD) == 0 ||
	       fnmatch(pattern, e->id, FNM_CASEFOLD) == 0;
}

/* The arena's; NULL when there is no such file or it sets no default. */
static const char *read_default(struct volumes *v, int vol, const char *path, struct arena *arena)
{
	auto_buf struct buf text = BUF_INIT(MAX_ENTRY_FILE);
	const char *key, *value, *found = NULL;
	struct fsys *fs = volume_fs(v, vol);
	char *rest;

	if (!fs || fsys_read_file(fs, path, &text, NULL) < 0 || !text.len)
		return NULL;
	for (rest = text.data; next_key(&rest, &key, &value);)
		if (!strcmp(key, "default"))
			found = value;
	return found ? arena_strdup(arena, found) : NULL;
}

const struct bls_entry *bls_default(struct volumes *v, int vol, const char *dir,
				    struct arena *arena, const struct bls_list *list)
{
	const char *path = arena_printf(arena, "%s/../loader.conf", dir);
	const char *pattern = read_default(v, vol, path, arena);

	for (unsigned i = 0; !pattern && i < v->in->nparts; i++)
		if (!strcmp(v->in->part[i].type_name, "esp"))
			pattern = read_default(v, (int)i, "/loader/loader.conf", arena);
	for (const struct bls_entry *e = list->first; pattern && e; e = e->next)
		if (is_named(e, pattern))
			return e;
	if (pattern)
		trail(v, "loader.conf: no entry '%.80s'", pattern);
	return NULL;
}
