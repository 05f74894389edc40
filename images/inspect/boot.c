/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidates for the boot file system, most telling first: an XBOOTLDR partition, one labelled
 * "boot", one whose top level holds a boot loader's directories, the /boot of a root file system,
 * the ESP. On each, configuration is looked for by what understands it; only when all of them have
 * nothing to say is the newest kernel taken.
 *
 * grub.cfg comes before the BLS directory, because a grub.cfg decides itself whether it uses the
 * entries (`blscfg`) and what the default among them is. Where there is none they stand alone.
 */
#include "images/inspect/boot.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/util.h"
#include "images/inspect/grub.h"

struct candidate {
	int vol;
	const char *dir; /* of the boot files on it: "" or "/boot" */
};

enum { MAX_CANDIDATES = 2 * INSPECT_MAX_PARTS };

struct search {
	struct volumes *v;
	unsigned root;
	struct candidate candidate[MAX_CANDIDATES];
	unsigned n;
	struct boot_entry found;
};

const char *boot_source_name(enum boot_source s)
{
	static const char *const names[] = {
		[BOOT_NONE] = "none",	      [BOOT_BLS] = "bls",	[BOOT_GRUB] = "grub",
		[BOOT_EXTLINUX] = "extlinux", [BOOT_NEWEST] = "newest",
	};

	return names[s];
}

/* --- candidates --- */

static bool is_xbootldr(struct volumes *v, int i)
{
	return !strcmp(v->in->part[i].type_name, "xbootldr");
}

static bool is_labelled_boot(struct volumes *v, int i)
{
	return !strcasecmp(v->in->part[i].fs_label, "boot");
}

static bool has_loader_dirs(struct volumes *v, int i)
{
	static const char *const dirs[] = {"/grub2", "/grub", "/loader/entries", "/extlinux",
					   "/syslinux"};

	for (size_t k = 0; k < ARRAY_LEN(dirs); k++)
		if (fsys_is_dir(volume_fs(v, i), dirs[k]))
			return true;
	return false;
}

static bool has_boot_dir(struct volumes *v, int i)
{
	return fsys_is_dir(volume_fs(v, i), "/boot");
}

static bool is_esp(struct volumes *v, int i)
{
	return !strcmp(v->in->part[i].type_name, "esp");
}

static const struct {
	bool (*matches)(struct volumes *, int);
	const char *dir;
} ranks[] = {
	{is_xbootldr, ""},	 /* Ubuntu since 24.04 */
	{is_labelled_boot, ""},	 /* Rocky */
	{has_loader_dirs, ""},	 /* AlmaLinux */
	{has_boot_dir, "/boot"}, /* Debian, Ubuntu before, Arch, Alpine, openSUSE */
	{is_esp, ""},		 /* systemd-boot; stubs */
};

static void add_candidate(struct search *s, int vol, const char *dir)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->candidate[i].vol == vol && !strcmp(s->candidate[i].dir, dir))
			return;
	s->candidate[s->n++] = (struct candidate){vol, dir};
}

static void list_candidates(struct search *s)
{
	for (size_t r = 0; r < ARRAY_LEN(ranks); r++)
		for (unsigned i = 0; i < s->v->in->nparts; i++)
			if (volume_fs(s->v, (int)i) && ranks[r].matches(s->v, (int)i))
				add_candidate(s, (int)i, ranks[r].dir);
}

/* --- what understands the configuration --- */

typedef int finder(struct volumes *, int vol, const char *path, struct boot_entry *, struct err *);

static const struct config {
	const char *path; /* below the candidate's directory */
	bool is_dir;
	finder *find;
} configs[] = {
	{"grub2/grub.cfg", false, grub_boot},		  /* Fedora, RHEL, SUSE */
	{"grub/grub.cfg", false, grub_boot},		  /* Debian, Ubuntu, Arch, Alpine */
	{"loader/entries", true, grub_boot_bls},	  /* systemd-boot */
	{"extlinux/extlinux.conf", false, extlinux_boot}, /* U-Boot's place */
	{"extlinux.conf", false, extlinux_boot},	  /* Alpine for BIOS */
	{"syslinux/syslinux.cfg", false, extlinux_boot},
	{"syslinux.cfg", false, extlinux_boot},
};

static bool try_config(struct search *s, const struct candidate *c, const struct config *cfg)
{
	struct fsys *fs = volume_fs(s->v, c->vol);
	struct err err = {0};
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", c->dir, cfg->path);
	if (!(cfg->is_dir ? fsys_is_dir : fsys_is_file)(fs, path))
		return false;
	if (cfg->find(s->v, c->vol, path, &s->found, &err) < 0) {
		trail(s->v, "%s: %s: %s", volume_name(s->v, c->vol), path, err.msg);
		return false;
	}
	trail(s->v, "%s: %s: selects '%s'", volume_name(s->v, c->vol), path, s->found.title);
	return true;
}

/* The stubs that grub-install puts on the ESP lead to the configuration, wherever it is. */
struct stubs {
	char name[16][64];
	unsigned n;
};

static bool collect_stub(void *ctx, const char *name)
{
	struct stubs *l = ctx;

	if (strlen(name) < sizeof(l->name[0]))
		snprintf(l->name[l->n++], sizeof(l->name[0]), "%s", name);
	return l->n == ARRAY_LEN(l->name);
}

static bool try_stubs(struct search *s, const struct candidate *c)
{
	struct stubs l = {.n = 0};
	char path[128];

	if (fsys_list(volume_fs(s->v, c->vol), "/EFI", collect_stub, &l, NULL) < 0)
		return false;
	for (unsigned i = 0; i < l.n; i++) {
		snprintf(path, sizeof(path), "EFI/%s/grub.cfg", l.name[i]);
		if (try_config(s, c, &(struct config){path, false, grub_boot}))
			return true;
	}
	return false;
}

static bool try_newest(struct search *s, const struct candidate *c)
{
	struct err err = {0};

	if (newest_boot(s->v, c->vol, c->dir, s->root, &s->found, &err) < 0) {
		trail(s->v, "%s: %s: %s", volume_name(s->v, c->vol), *c->dir ? c->dir : "/",
		      err.msg);
		return false;
	}
	trail(s->v, "%s: no boot loader configuration: the newest kernel is '%s'",
	      volume_name(s->v, c->vol), s->found.kernel);
	return true;
}

static bool search_candidates(struct search *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		for (size_t k = 0; k < ARRAY_LEN(configs); k++)
			if (try_config(s, &s->candidate[i], &configs[k]))
				return true;
		if (try_stubs(s, &s->candidate[i]))
			return true;
	}
	for (unsigned i = 0; i < s->n; i++)
		if (try_newest(s, &s->candidate[i]))
			return true;
	return false;
}

/* --- nothing found --- */

/* One clause for each partition, and what to do next. */
static void explain(struct volumes *v)
{
	auto_buf struct buf text = BUF_INIT(4096);
	struct inspect *in = v->in;

	buf_puts(&text, "no boot entry found:");
	for (unsigned i = 0; i < in->nparts; i++) {
		const struct inspect_part *p = &in->part[i];

		buf_printf(&text, "%s ", i ? ";" : "");
		buf_puts(&text, volume_name(v, (int)i));
		buf_printf(&text, " (%s) ",
			   p->fs[0]	     ? p->fs
			   : p->type_name[0] ? p->type_name
					     : "unknown");
		if (v->fs[i])
			buf_puts(&text, "has no kernel");
		else
			buf_puts(&text, p->note[0] ? p->note : "cannot be read");
	}
	if (!in->nparts)
		buf_puts(&text, " the disk has no partitions");
	/* The next move must not be lost to a long list. */
	snprintf(in->boot_note, sizeof(in->boot_note),
		 "%.400s; name boot.kernel and boot.initrd in the spec", buf_str(&text));
}

void boot_find(struct volumes *v, unsigned root)
{
	struct search *s = NEW(struct search);

	s->v = v;
	s->root = root;
	list_candidates(s);
	if (search_candidates(s))
		v->in->boot = s->found;
	else
		explain(v);
	free(s);
}
