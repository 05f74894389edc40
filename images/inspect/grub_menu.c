/* SPDX-License-Identifier: Apache-2.0
 *
 * The menu: what menuentry, submenu and blscfg put there, which entry `default` means, and what
 * running it selects. An entry that cannot be booted is followed by `fallback` and then by the
 * others in order: GRUB would wait for somebody at the keyboard there.
 */
#include "images/inspect/grub.h"

#include <ctype.h>
#include <string.h>

#include "base/clean.h"
#include "base/num.h"
#include "base/text.h"
#include "base/util.h"
#include "images/inspect/grub_run.h"

/* --- making it --- */

static struct grub_entry *append_entry(struct grub *g)
{
	struct grub_entry *e;

	if (g->nentries++ >= GRUB_MAX_ENTRIES) {
		grub_note(g, 0, "more than %d menu entries", GRUB_MAX_ENTRIES);
		g->exhausted = true;
		return NULL;
	}
	e = arena_zalloc(g->arena, sizeof(*e));
	*g->menu->tail = e;
	g->menu->tail = &e->next;
	g->menu->n++;
	return e;
}

/* menuentry TITLE [--class C] [--users U] [--unrestricted] [--hotkey K] [--id ID] [ARGUMENT...] */
int grub_add_entry(struct grub *g, const struct grub_args *a, bool submenu)
{
	enum { ID };
	struct grub_option o[] = {
		[ID] = GRUB_VALUE("id", 0), GRUB_VALUE("class", 0),  GRUB_VALUE("users", 0),
		GRUB_VALUE("hotkey", 0),    GRUB_VALUE("source", 0), GRUB_FLAG("unrestricted", 0),
	};
	struct grub_entry *e;
	struct grub_args rest;

	grub_parse_options(g, a, o, ARRAY_LEN(o), &rest);
	if (rest.argc < 2 || !a->stmt->has_block)
		return GRUB_FALSE;
	e = append_entry(g);
	if (!e)
		return GRUB_FALSE;
	e->title = rest.argv[1];
	e->id = o[ID].arg ? o[ID].arg : e->title;
	e->args = rest;
	e->block = a->stmt->body;
	e->is_submenu = submenu;
	return GRUB_TRUE;
}

int grub_add_bls(struct grub *g, int vol, const char *dir, struct bls_list *list)
{
	struct err err = {0};

	if (!grub_step(g, 100) || bls_load(g->vol, vol, dir, g->arena, list, &err) < 0) {
		grub_note(g, 0, "blscfg: %s", err.msg);
		return GRUB_FALSE;
	}
	for (const struct bls_entry *b = list->first; b; b = b->next) {
		struct grub_entry *e = append_entry(g);

		if (!e)
			return GRUB_FALSE;
		e->title = b->title ? b->title : b->id;
		e->id = b->id;
		e->bls = b;
	}
	return list->n ? GRUB_TRUE : GRUB_FALSE;
}

/* --- choosing --- */

/*
 * The first level of "Advanced options>Debian, with 6.1": up to a single '>'; a double one stands
 * for the character. Returns what follows, or NULL.
 */
static const char *split_spec(struct grub *g, const char *spec, const char **first)
{
	char *out = arena_zalloc(g->arena, strlen(spec) + 1);
	const char *rest = NULL;
	size_t n = 0;

	for (; *spec; spec++) {
		if (*spec == '>' && spec[1] != '>') {
			rest = spec + 1;
			break;
		}
		spec += *spec == '>';
		out[n++] = *spec;
	}
	*first = out;
	return rest;
}

/* By number when it is one, else by id or title. */
static struct grub_entry *find_entry(const struct grub *g, const char *name)
{
	uint64_t number = UINT64_MAX;
	struct grub_entry *e = g->menu->first;

	if (*name && !name[strspn(name, "0123456789")])
		parse_u64(name, &number, NULL);
	for (uint64_t i = 0; e; e = e->next, i++)
		if (i == number || !strcmp(e->id, name) || !strcmp(e->title, name))
			return e;
	return NULL;
}

/* --- running --- */

/* A path of a BLS entry: as it is, or below /boot when that is where the entries are. */
static const char *bls_path(struct grub *g, const struct bls_entry *b, const char *path)
{
	struct fsys *fs = volume_fs(g->vol, b->vol);

	if (*path != '/')
		path = arena_printf(g->arena, "/%s", path);
	if (!*b->base || !fs || fsys_is_file(fs, path))
		return path;
	return arena_printf(g->arena, "%s%s", b->base, path);
}

/* RHEL 8 keeps the options in grubenv's kernelopts, and a spare set in its grub.cfg. */
static const char *bls_options(struct grub *g, const struct bls_entry *b)
{
	const char *spare = grub_get(g, "default_kernelopts");

	if (spare && !grub_get(g, "kernelopts"))
		grub_set(g, "kernelopts", spare);
	return grub_expand_text(g, b->options ? b->options : "$kernelopts");
}

static void run_bls(struct grub *g, const struct bls_entry *b)
{
	const char *options = bls_options(g, b);

	if (grub_take_kernel(g, b->vol, bls_path(g, b, b->kernel), options) != GRUB_TRUE)
		return;
	for (unsigned i = 0; i < b->ninitrd; i++) {
		char *list = arena_strdup(g->arena, grub_expand_text(g, b->initrd[i])),
		     *save = NULL;

		for (char *p = strtok_r(list, " \t", &save); p; p = strtok_r(NULL, " \t", &save)) {
			if (grub_take_initrd(g, b->vol, bls_path(g, b, p)) == GRUB_TRUE)
				continue;
			g->pick = (struct boot_entry){0};
			return;
		}
	}
	g->pick.source = BOOT_BLS;
	CLEAN_STR(g->pick.config, b->path);
}

static void run_block(struct grub *g, const struct grub_entry *e)
{
	g->pick = (struct boot_entry){0};
	grub_call(g, e->block, &e->args);
}

/*
 * Ubuntu's GRUB_FORCE_PARTUUID makes entries that boot without an initrd first, and with one when
 * grubenv says `initrdfail=1` from a failed attempt. The drivers of our devices may be modules, so
 * such an entry is run as if the first attempt had failed.
 */
static void retry_with_initrd(struct grub *g, const struct grub_entry *e)
{
	struct boot_entry without = g->pick;

	if (!without.kernel[0] || without.ninitrd)
		return;
	grub_set(g, "initrdfail", "1");
	run_block(g, e);
	if (g->pick.ninitrd)
		trail(g->vol,
		      "%s: '%.100s' boots without an initrd first: its branch with one was taken",
		      g->file, e->title);
	else
		g->pick = without;
}

/* A submenu is a menu of its own, with what is left of `default`. */
static bool run_submenu(struct grub *g, const struct grub_entry *e, const char *rest)
{
	struct grub_menu *outer = g->menu, menu = {.tail = &menu.first};
	bool ok;

	if (g->depth == GRUB_MAX_DEPTH)
		return false;
	g->depth++;
	g->menu = &menu;
	grub_open_scope(g);
	if (rest)
		grub_set(g, "default", rest);
	grub_call(g, e->block, &e->args);
	ok = g->done || grub_boot_menu(g);
	grub_close_scope(g);
	g->menu = outer;
	g->depth--;
	return ok;
}

static bool run_entry(struct grub *g, const struct grub_entry *e, const char *rest)
{
	g->pick = (struct boot_entry){0};
	if (!grub_step(g, 10))
		return g->done;
	grub_set(g, "chosen", e->id);
	if (e->is_submenu)
		return run_submenu(g, e, rest);
	if (e->bls) {
		run_bls(g, e->bls);
	} else {
		run_block(g, e);
		if (!g->done)
			retry_with_initrd(g, e);
	}
	if (!g->pick.kernel[0])
		return false;
	if (!g->pick.title[0])
		CLEAN_STR(g->pick.title, e->title);
	return true;
}

/* `fallback` is a list of entries, separated by blanks. */
static bool run_fallbacks(struct grub *g)
{
	const char *list = grub_get(g, "fallback"), *rest;
	char *copy, *save = NULL;

	if (!list)
		return false;
	copy = arena_strdup(g->arena, list);
	for (char *p = strtok_r(copy, " \t", &save); p; p = strtok_r(NULL, " \t", &save)) {
		struct grub_entry *e;
		const char *first;

		rest = split_spec(g, p, &first);
		e = find_entry(g, first);
		if (e && run_entry(g, e, rest))
			return true;
	}
	return false;
}

bool grub_boot_menu(struct grub *g)
{
	const char *spec = grub_get(g, "default"), *first = "", *rest = NULL;
	struct grub_entry *chosen = NULL;

	if (!g->menu->first)
		return false;
	if (spec && *spec) {
		rest = split_spec(g, spec, &first);
		chosen = find_entry(g, first);
		if (!chosen)
			grub_note(g, 0, "no entry '%.80s' as default says: the first one", first);
	}
	if (!chosen) {
		chosen = g->menu->first;
		rest = NULL;
	}
	if (run_entry(g, chosen, rest))
		return true;
	grub_note(g, 0, "entry '%.80s' cannot be booted", chosen->title);
	if (run_fallbacks(g))
		return true;
	for (struct grub_entry *e = g->menu->first; e && !g->exhausted; e = e->next)
		if (e != chosen && run_entry(g, e, NULL))
			return true;
	return false;
}

/* --- from outside --- */

static void set_exported(struct grub *g, const char *name, const char *value)
{
	grub_set(g, name, value);
	grub_export(g, name);
}

/* What GRUB 2.12 for UEFI has set before it reads its configuration. */
static void init_grub(struct grub *g, struct volumes *v, int vol, const char *path)
{
	static const char *const features[] = {
		"feature_chainloader_bpb",	"feature_ntldr",
		"feature_platform_search_hint", "feature_default_font_path",
		"feature_all_video_module",	"feature_menuentry_id",
		"feature_menuentry_options",	"feature_200_final",
		"feature_nativedisk_cmd",	"feature_timeout_style",
	};
	const char *slash = strrchr(path, '/');
	const char *dir;

	*g = (struct grub){.vol = v, .arena = arena_new(), .file = path};
	g->menu = arena_zalloc(g->arena, sizeof(*g->menu));
	g->menu->tail = &g->menu->first;
	grub_open_scope(g);
	for (size_t i = 0; i < ARRAY_LEN(features); i++)
		set_exported(g, features[i], "y");
	set_exported(g, "grub_platform", "efi");
	set_exported(g, "grub_cpu", "x86_64");
	set_exported(g, "root", grub_device_name(g, vol));
	dir = arena_printf(g->arena, "(%s)%.*s", grub_get(g, "root"),
			   slash ? (int)(slash - path) : 0, path);
	set_exported(g, "prefix", dir);
	set_exported(g, "config_directory", dir);
	set_exported(g, "config_file", path);
}

/* The choice, if there is one, to the caller. */
static int finish(struct grub *g, bool ok, struct boot_entry *out, struct err *err)
{
	g->pick.used = g->used;
	if (ok)
		*out = g->pick;
	else if (g->menu->n)
		err_set(err, ERR_NOT_FOUND, "none of its %u menu entries can be booted",
			g->menu->n);
	else
		err_set(err, ERR_NOT_FOUND, "it makes no menu entries");
	arena_free(g->arena);
	return ok ? 0 : -1;
}

int grub_boot(struct volumes *v, int vol, const char *path, struct boot_entry *out, struct err *err)
{
	struct grub g;

	init_grub(&g, v, vol, path);
	if (grub_run_file(&g, vol, path, err) < 0) {
		arena_free(g.arena);
		return -1;
	}
	return finish(&g, g.done || grub_boot_menu(&g), out, err);
}

static const char *next_entry(const struct grub *g)
{
	const char *name = grub_get(g, "next_entry");

	return name && *name ? name : NULL;
}

/* Whether there is an environment block, which only GRUB has. */
static bool read_any_env(struct grub *g, int vol)
{
	static const char *const dirs[] = {"/grub2", "/grub", "/boot/grub2", "/boot/grub"};
	static const struct grub_args all = {0};
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		const char *path = arena_printf(g->arena, "%s/grubenv", dirs[i]);

		if (!fsys_is_file(volume_fs(g->vol, vol), path))
			continue;
		grub_read_env(g, vol, path, &all);
		if (next_entry(g))
			grub_use_env(g, vol, path);
		found = true;
	}
	return found;
}

int grub_boot_bls(struct volumes *v, int vol, const char *dir, struct boot_entry *out,
		  struct err *err)
{
	struct bls_list list = {0};
	const char *name;
	struct grub g;

	init_grub(&g, v, vol, dir);
	if (read_any_env(&g, vol)) {
		grub_add_bls(&g, vol, dir, &list);
		name = next_entry(&g) ? next_entry(&g) : grub_get(&g, "saved_entry");
	} else {
		const struct bls_entry *e;

		list.order = BLS_UAPI;
		grub_add_bls(&g, vol, dir, &list);
		e = bls_default(v, vol, dir, g.arena, &list);
		name = e ? e->id : NULL;
	}
	if (name)
		grub_set(&g, "default", name);
	return finish(&g, grub_boot_menu(&g), out, err);
}
