/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands of GRUB that read files: other scripts, environment blocks, Boot Loader Specification
 * entries, and the kernel and initrds that an entry names.
 */
#include "images/inspect/grub_run.h"

#include <string.h>

#include "base/clean.h"
#include "base/text.h"
#include "base/util.h"
#include "images/inspect/grubenv.h"

static int run_other(struct grub *g, const struct grub_args *a)
{
	struct err err = {0};
	const char *path;
	int vol;

	if (a->argc < 2)
		return GRUB_FALSE;
	if (!grub_resolve(g, a->argv[1], &vol, &path)) {
		grub_note(g, a->stmt->line, "no such device: '%.80s'", a->argv[1]);
		return GRUB_FALSE;
	}
	if (!grub_step(g, 10) || grub_run_file(g, vol, path, &err) < 0) {
		grub_note(g, a->stmt->line, "%s", err.msg);
		return GRUB_FALSE;
	}
	return GRUB_TRUE;
}

int grub_source(struct grub *g, const struct grub_args *a)
{
	return run_other(g, a);
}

/*
 * The file's menu replaces this one, and GRUB shows it at once: when it boots something, nothing
 * behind the configfile runs any more.
 */
int grub_configfile(struct grub *g, const struct grub_args *a)
{
	struct grub_menu *outer = g->menu, menu = {.tail = &menu.first};
	int status;

	g->menu = &menu;
	grub_open_scope(g);
	status = run_other(g, a);
	if (status == GRUB_TRUE && !g->done)
		g->done = grub_boot_menu(g);
	grub_close_scope(g);
	g->menu = outer;
	return status;
}

/* {load|save}_env [--skip-sig] [--file FILE] [VARIABLE...]: the file and the variables. */
static bool env_file(struct grub *g, const struct grub_args *a, struct grub_args *rest, int *vol,
		     const char **path)
{
	enum { FILENAME };
	struct grub_option o[] = {
		[FILENAME] = GRUB_VALUE("file", 'f'),
		GRUB_FLAG("skip-sig", 's'),
	};
	const char *prefix = grub_get(g, "prefix");

	grub_parse_options(g, a, o, ARRAY_LEN(o), rest);
	if (!o[FILENAME].arg)
		o[FILENAME].arg = arena_printf(g->arena, "%s/grubenv", prefix ? prefix : "");
	return grub_resolve(g, o[FILENAME].arg, vol, path);
}

int grub_load_env(struct grub *g, const struct grub_args *a)
{
	struct grub_args rest;
	const char *path;
	int vol;

	if (!env_file(g, a, &rest, &vol, &path))
		return GRUB_FALSE;
	return grub_read_env(g, vol, path, &rest);
}

void grub_use_env(struct grub *g, int vol, const char *path)
{
	struct fsys *fs = volume_fs(g->vol, vol);
	struct err err = {0};
	uint64_t off, size;

	if (!fs || !grub_step(g, 10))
		return;
	if (fsys_locate(fs, path, &off, &size, &err) < 0 || size > BOOT_MAX_ENV)
		grub_note(g, 0, "next_entry stays as it is: %s", err.msg);
	else
		g->used = (struct boot_env){off, (uint32_t)size};
}

/*
 * What scripts note about failed and successful boots is for the next boot on hardware; next_entry
 * has to be gone then.
 */
int grub_save_env(struct grub *g, const struct grub_args *a)
{
	const char *path, *value = grub_get(g, "next_entry");
	struct grub_args rest;
	int vol;

	if (!env_file(g, a, &rest, &vol, &path))
		return GRUB_FALSE;
	for (unsigned i = 1; i < rest.argc; i++)
		if (!strcmp(rest.argv[i], "next_entry") && (!value || !*value))
			grub_use_env(g, vol, path);
	return GRUB_TRUE;
}

struct env_filter {
	struct grub *g;
	const struct grub_args *only;
};

static void take_env(void *ctx, const char *name, const char *value)
{
	struct env_filter *f = ctx;
	bool wanted = f->only->argc < 2;

	for (unsigned i = 1; i < f->only->argc && !wanted; i++)
		wanted = !strcmp(f->only->argv[i], name);
	if (wanted && grub_step(f->g, 1))
		grub_set(f->g, name, value);
}

int grub_read_env(struct grub *g, int vol, const char *path, const struct grub_args *only)
{
	struct env_filter f = {g, only};
	struct fsys *fs = volume_fs(g->vol, vol);
	struct err err = {0};

	if (!fs || !grub_step(g, 10) || grubenv_read(fs, path, take_env, &f, &err) < 0) {
		grub_note(g, 0, "load_env: %s", fs ? err.msg : "the device cannot be read");
		return GRUB_FALSE;
	}
	return GRUB_TRUE;
}

/* GRUB_MACHINE_EFI's blscfg looks on $root; Fedora's configurations set $boot to the same. */
int grub_blscfg(struct grub *g, const struct grub_args *a)
{
	const char *dir = grub_get(g, "blsdir"), *path = "";
	struct bls_list list = {.order = BLS_GRUB};
	int vol;

	(void)a;
	if (!grub_resolve(g, dir ? dir : "", &vol, &path))
		return GRUB_FALSE;
	if (*path)
		return grub_add_bls(g, vol, path, &list);
	if (grub_add_bls(g, vol, "/loader/entries", &list) == GRUB_TRUE)
		return GRUB_TRUE;
	return grub_add_bls(g, vol, "/boot/loader/entries", &list);
}

/* As GRUB joins them: arguments with blanks are quoted, quotes and backslashes escaped. */
static const char *join_args(struct grub *g, const struct grub_args *a, unsigned from)
{
	auto_buf struct buf line = BUF_INIT(GRUB_MAX_TEXT);

	for (unsigned i = from; i < a->argc; i++) {
		const char *blank = strpbrk(a->argv[i], " ") ? "\"" : "";

		if (i > from)
			buf_putc(&line, ' ');
		buf_puts(&line, blank);
		for (const char *p = a->argv[i]; *p; p++) {
			if (strchr("\\'\"", *p))
				buf_putc(&line, '\\');
			buf_putc(&line, *p);
		}
		buf_puts(&line, blank);
	}
	return arena_strdup(g->arena, buf_str(&line));
}

/* A file on a volume as an entry's path: it is there, and its name can be passed on. */
static bool take_path(struct grub *g, int vol, const char *path, char dst[256])
{
	struct fsys *fs = volume_fs(g->vol, vol);

	if (!fs || !grub_step(g, 10) || !fsys_is_file(fs, path)) {
		grub_note(g, 0, "no file '%.120s' on %s", path, volume_name(g->vol, vol));
		return false;
	}
	return clean_str(dst, 256, path);
}

int grub_take_kernel(struct grub *g, int vol, const char *path, const char *cmdline)
{
	struct boot_entry e = {.source = BOOT_GRUB, .part = g->vol->in->part[vol].number};

	g->pick = (struct boot_entry){0};
	if (!take_path(g, vol, path, e.kernel))
		return GRUB_FALSE;
	if (strlen(cmdline) >= sizeof(e.cmdline)) {
		grub_note(g, 0, "a command line of %zu bytes: more than any kernel takes",
			  strlen(cmdline));
		return GRUB_FALSE;
	}
	CLEAN_STR(e.cmdline, cmdline);
	CLEAN_STR(e.config, g->file);
	g->pick = e;
	g->pick_vol = vol;
	return GRUB_TRUE;
}

int grub_take_initrd(struct grub *g, int vol, const char *path)
{
	struct boot_entry *e = &g->pick;

	if (!e->kernel[0])
		return GRUB_FALSE; /* "you need to load the kernel first" */
	if (vol != g->pick_vol || e->ninitrd == BOOT_MAX_INITRDS) {
		grub_note(g, 0, "initrd '%.120s': %s", path,
			  vol != g->pick_vol ? "not on the kernel's partition" : "one too many");
		return GRUB_FALSE;
	}
	if (!take_path(g, vol, path, e->initrd[e->ninitrd]))
		return GRUB_FALSE;
	e->ninitrd++;
	return GRUB_TRUE;
}

int grub_linux(struct grub *g, const struct grub_args *a)
{
	const char *path;
	int vol;

	if (a->argc < 2)
		return GRUB_FALSE;
	if (!grub_resolve(g, a->argv[1], &vol, &path)) {
		g->pick = (struct boot_entry){0};
		grub_note(g, a->stmt->line, "no such device: '%.80s'", a->argv[1]);
		return GRUB_FALSE;
	}
	return grub_take_kernel(g, vol, path, join_args(g, a, 2));
}

/* An initrd that is missing makes GRUB give the whole entry up. */
int grub_initrd(struct grub *g, const struct grub_args *a)
{
	const char *path;
	int vol;

	for (unsigned i = 1; i < a->argc; i++) {
		if (grub_resolve(g, a->argv[i], &vol, &path) &&
		    grub_take_initrd(g, vol, path) == GRUB_TRUE)
			continue;
		grub_note(g, a->stmt->line, "initrd '%.80s' cannot be loaded", a->argv[i]);
		g->pick = (struct boot_entry){0};
		return GRUB_FALSE;
	}
	return GRUB_TRUE;
}
