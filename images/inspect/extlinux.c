/* SPDX-License-Identifier: Apache-2.0
 *
 * extlinux.conf and syslinux.cfg (SYSLINUX wiki, "Config"): keywords at the beginning of a line, in
 * any case; LABEL begins an entry. Relative paths start at the directory of the file.
 */
#include "images/inspect/boot.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/clean.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"

enum { MAX_CONFIG = 256 * 1024, MAX_LABELS = 64, MAX_INCLUDES = 16, MAX_INCLUDE_DEPTH = 4 };

struct label {
	const char *name, *title, *kernel, *initrd, *append;
};

struct extlinux {
	struct volumes *v;
	struct fsys *fs;
	int vol;
	struct arena *arena;
	const char *dir;
	struct label label[MAX_LABELS];
	struct label spare;	 /* takes the keys of each label that is one too many */
	struct label *label_now; /* the one that keys are for; NULL before the first */
	unsigned n, includes, depth;
	const char *def, *menu_def, *append; /* global defaults; NULL when not given */
};

/* The rest of the line when it begins with the keyword and a blank; NULL otherwise. */
static const char *after(const char *line, const char *keyword)
{
	size_t n = strlen(keyword);

	if (strncasecmp(line, keyword, n) || (line[n] && !isspace((unsigned char)line[n])))
		return NULL;
	return line + n + strspn(line + n, " \t");
}

static int load(struct extlinux *, const char *path, struct err *);

/* A file that is not there is no reason to give up, as for the boot loader. */
static void include(struct extlinux *x, const char *name)
{
	auto_free char *path = path_join(x->dir, name);
	struct err why = {0};

	if (load(x, path, &why) < 0)
		trail(x->v, "include: %s", why.msg);
}

static void take_menu(struct extlinux *x, const char *rest)
{
	struct label *l = x->label_now;
	const char *value;

	if (after(rest, "DEFAULT") && l)
		x->menu_def = l->name;
	else if ((value = after(rest, "LABEL")) && l)
		l->title = value;
	else if ((value = after(rest, "INCLUDE")))
		include(x, value);
}

static void take_line(struct extlinux *x, const char *line)
{
	struct label *l = x->label_now;
	const char *value;

	if ((value = after(line, "LABEL"))) {
		x->label_now = x->n < MAX_LABELS ? &x->label[x->n++] : &x->spare;
		*x->label_now = (struct label){.name = value};
	} else if ((value = after(line, "DEFAULT"))) {
		x->def = value;
	} else if ((value = after(line, "MENU"))) {
		take_menu(x, value);
	} else if ((value = after(line, "INCLUDE"))) {
		include(x, value);
	} else if ((value = after(line, "APPEND"))) {
		*(l ? &l->append : &x->append) = value;
	} else if (l && ((value = after(line, "LINUX")) || (value = after(line, "KERNEL")))) {
		l->kernel = value;
	} else if (l && (value = after(line, "INITRD"))) {
		l->initrd = value;
	}
}

/* The lines live in the arena, as what was taken from them does. */
static int load(struct extlinux *x, const char *path, struct err *err)
{
	auto_buf struct buf text = BUF_INIT(MAX_CONFIG);
	char *copy, *save = NULL;

	if (x->depth == MAX_INCLUDE_DEPTH || x->includes == MAX_INCLUDES)
		return err_set(err, ERR_CORRUPT, "'%s': too many includes", path);
	if (fsys_read_file(x->fs, path, &text, err) < 0)
		return -1;
	x->includes++;
	x->depth++;
	copy = arena_strdup(x->arena, buf_str(&text));
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t n;

		line += strspn(line, " \t");
		for (n = strlen(line); n && isspace((unsigned char)line[n - 1]);)
			line[--n] = 0;
		if (*line && *line != '#')
			take_line(x, line);
	}
	x->depth--;
	return 0;
}

static struct label *find_label(struct extlinux *x, const char *name)
{
	for (unsigned i = 0; name && i < x->n; i++)
		if (!strcasecmp(x->label[i].name, name))
			return &x->label[i];
	return NULL;
}

/* DEFAULT often names a menu program and no label; then MENU DEFAULT or the first label counts. */
static struct label *choose(struct extlinux *x)
{
	struct label *l = find_label(x, x->def);

	if (!l)
		l = find_label(x, x->menu_def);
	return l ? l : x->n ? &x->label[0] : NULL;
}

/* A file that an entry names, as a path on the volume. */
static int take_path(struct extlinux *x, const char *name, char dst[256], struct err *err)
{
	auto_free char *path = path_join(x->dir, name);

	if (!fsys_is_file(x->fs, path))
		return err_set(err, ERR_NOT_FOUND, "it names '%.200s', which is not there", path);
	if (!clean_str(dst, 256, path))
		return err_set(err, ERR_NOT_FOUND, "it names a file with an unusable name");
	return 0;
}

static int take_initrds(struct extlinux *x, const char *list, struct boot_entry *e, struct err *err)
{
	char *copy = arena_strdup(x->arena, list), *save = NULL;

	for (char *p = strtok_r(copy, ", \t", &save); p; p = strtok_r(NULL, ", \t", &save)) {
		if (e->ninitrd == BOOT_MAX_INITRDS)
			return err_set(err, ERR_UNSUPPORTED, "it has more than %d initrds",
				       BOOT_MAX_INITRDS);
		if (take_path(x, p, e->initrd[e->ninitrd], err) < 0)
			return -1;
		e->ninitrd++;
	}
	return 0;
}

/*
 * APPEND may hold the initrd as well, which the boot loader takes and leaves on the command
 * line.
 */
static int take_append(struct extlinux *x, const char *append, struct boot_entry *e,
		       struct err *err)
{
	char *copy = arena_strdup(x->arena, append), *save = NULL;

	if (strlen(append) >= sizeof(e->cmdline))
		return err_set(err, ERR_CORRUPT, "its command line is too long");
	CLEAN_STR(e->cmdline, append);
	for (char *p = strtok_r(copy, " \t", &save); p; p = strtok_r(NULL, " \t", &save))
		if (text_starts(p, "initrd=") && !e->ninitrd)
			return take_initrds(x, p + strlen("initrd="), e, err);
	return 0;
}

static int make_entry(struct extlinux *x, const char *path, struct boot_entry *out, struct err *err)
{
	struct label *l = choose(x);
	struct boot_entry e = {.source = BOOT_EXTLINUX, .part = x->v->in->part[x->vol].number};
	const char *append;

	if (!l)
		return err_set(err, ERR_NOT_FOUND, "it has no LABEL");
	if (!l->kernel)
		return err_set(err, ERR_NOT_FOUND, "its entry '%.80s' has no kernel", l->name);
	append = l->append ? l->append : x->append;
	if (append && !strcmp(append, "-")) /* nothing, not even the global one */
		append = NULL;
	CLEAN_STR(e.config, path);
	CLEAN_STR(e.title, l->title ? l->title : l->name);
	if (take_path(x, l->kernel, e.kernel, err) < 0 ||
	    (l->initrd && take_initrds(x, l->initrd, &e, err) < 0) ||
	    (append && take_append(x, append, &e, err) < 0))
		return -1;
	*out = e;
	return 0;
}

int extlinux_boot(struct volumes *v, int vol, const char *path, struct boot_entry *out,
		  struct err *err)
{
	struct extlinux *x = NEW(struct extlinux);
	auto_free char *dir = path_dir(path);
	int rc;

	*x = (struct extlinux){
		.v = v, .fs = volume_fs(v, vol), .vol = vol, .dir = dir, .arena = arena_new()};
	rc = load(x, path, err);
	if (rc == 0)
		rc = make_entry(x, path, out, err);
	arena_free(x->arena);
	free(x);
	return rc;
}
