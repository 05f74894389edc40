/* SPDX-License-Identifier: Apache-2.0
 *
 * What GRUB scripts call file systems by: "(hd0,gpt1)/path", $root, and the commands that find one
 * by UUID, label or a file on it.
 */
#include "images/inspect/grub_run.h"

#include <ctype.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "base/util.h"

/*
 * "hd0,gpt1", "hd0,msdos1", "hd0,1", "hd0". The number of the disk is not looked at: the VM has one
 * with this content, and the machine that made the image may have counted differently.
 */
int grub_device(const struct grub *g, const char *name)
{
	uint64_t number = 0;

	if (!text_starts(name, "hd") || !isdigit((unsigned char)name[2]))
		return VOLUME_NONE;
	name += 2 + strspn(name + 2, "0123456789");
	if (*name == ',') {
		name++;
		name += text_starts(name, "gpt") ? 3 : text_starts(name, "msdos") ? 5 : 0;
		if (parse_uint(name, 1, INSPECT_MAX_PARTS, &number, NULL) < 0)
			return VOLUME_NONE;
	} else if (*name) {
		return VOLUME_NONE;
	}
	return volume_by_number(g->vol, (unsigned)number);
}

const char *grub_device_name(struct grub *g, int vol)
{
	const struct inspect *in = g->vol->in;

	if (!in->part[vol].number)
		return "hd0";
	return arena_printf(g->arena, "hd0,%s%u", strcmp(in->table, "gpt") ? "msdos" : "gpt",
			    in->part[vol].number);
}

bool grub_resolve(const struct grub *g, const char *text, int *vol, const char **path)
{
	const char *device = grub_get(g, "root");
	char name[64];

	if (*text == '(') {
		size_t n = strcspn(text, ")");

		if (!text[n] || n > sizeof(name))
			return false;
		snprintf(name, sizeof(name), "%.*s", (int)n - 1, text + 1);
		device = name;
		text += n + 1;
	}
	if (*text && *text != '/')
		return false;
	*vol = device ? grub_device(g, device) : VOLUME_NONE;
	*path = text;
	return *vol != VOLUME_NONE;
}

/* --- search --- */

enum search_by { BY_FILE, BY_LABEL, BY_UUID };

static int search_file(struct grub *g, const char *path)
{
	for (unsigned i = 0; i < g->vol->in->nparts; i++) {
		struct fsys *fs = volume_fs(g->vol, (int)i);
		struct fnode node;

		if (!grub_step(g, 10))
			break;
		if (fs && fsys_find(fs, path, &node, NULL) == 0 && node.kind == FNODE_FILE)
			return (int)i;
	}
	return VOLUME_NONE;
}

static int search_for(struct grub *g, enum search_by by, const char *what, const char *var)
{
	int vol = by == BY_UUID	   ? volume_by_uuid(g->vol, what)
		  : by == BY_LABEL ? volume_by_label(g->vol, what)
				   : search_file(g, what);

	if (vol == VOLUME_NONE) {
		grub_note(g, 0, "search: no file system with %s '%.80s'",
			  by == BY_UUID	   ? "UUID"
			  : by == BY_LABEL ? "label"
					   : "file",
			  what);
		return GRUB_FALSE;
	}
	if (var)
		grub_set(g, var, grub_device_name(g, vol));
	return GRUB_TRUE;
}

/*
 * search [--no-floppy] [--hint...] --file|--label|--fs-uuid [--set[=VARIABLE]] NAME [HINT...]
 *
 * The last word may be both the value of --set and the only name: then it is the name, and $root is
 * set.
 */
int grub_search(struct grub *g, const struct grub_args *a)
{
	enum { LABEL, UUID, FILENAME, SET };
	struct grub_option o[] = {
		[LABEL] = GRUB_FLAG("label", 'l'),
		[UUID] = GRUB_FLAG("fs-uuid", 'u'),
		[FILENAME] = GRUB_FLAG("file", 'f'),
		[SET] = {.name = "set", .brief = 's', .value = GRUB_MAY_HAVE_VALUE},
		GRUB_VALUE("hint", 'h'),
		GRUB_VALUE("hint-bios", 0),
		GRUB_VALUE("hint-efi", 0),
		GRUB_VALUE("hint-baremetal", 0),
		GRUB_VALUE("hint-ieee1275", 0),
		GRUB_VALUE("hint-arc", 0),
		GRUB_FLAG("no-floppy", 'n'),
		GRUB_FLAG("efidisk-only", 0),
		GRUB_FLAG("root-dev-only", 'r'),
	};
	const char *var, *what;
	struct grub_args rest;

	grub_parse_options(g, a, o, ARRAY_LEN(o), &rest);
	var = !o[SET].set ? NULL : o[SET].arg && rest.argc > 1 ? o[SET].arg : "root";
	what = rest.argc > 1 ? rest.argv[1] : o[SET].arg;
	if (!what || !(o[LABEL].set || o[UUID].set || o[FILENAME].set))
		return GRUB_FALSE;
	return search_for(g, o[LABEL].set ? BY_LABEL : o[UUID].set ? BY_UUID : BY_FILE, what, var);
}

/* search.fs_uuid UUID [VARIABLE [HINT...]], and so on: what embedded configurations use. */
static int search_dotted(struct grub *g, const struct grub_args *a, enum search_by by)
{
	if (a->argc < 2)
		return GRUB_FALSE;
	return search_for(g, by, a->argv[1], a->argc > 2 ? a->argv[2] : "root");
}

int grub_search_uuid(struct grub *g, const struct grub_args *a)
{
	return search_dotted(g, a, BY_UUID);
}

int grub_search_label(struct grub *g, const struct grub_args *a)
{
	return search_dotted(g, a, BY_LABEL);
}

int grub_search_file(struct grub *g, const struct grub_args *a)
{
	return search_dotted(g, a, BY_FILE);
}

/* probe --set=VARIABLE --fs-uuid|--label DEVICE */
int grub_probe(struct grub *g, const struct grub_args *a)
{
	enum { SET, UUID, LABEL };
	struct grub_option o[] = {
		[SET] = {.name = "set", .brief = 's', .value = GRUB_MAY_HAVE_VALUE},
		[UUID] = GRUB_FLAG("fs-uuid", 'u'),
		[LABEL] = GRUB_FLAG("label", 'l'),
	};
	const struct inspect_part *p;
	struct grub_args rest;
	const char *device;
	size_t n;
	int vol;

	grub_parse_options(g, a, o, ARRAY_LEN(o), &rest);
	if (!o[SET].arg || rest.argc < 2 || o[UUID].set == o[LABEL].set)
		return GRUB_FALSE;
	device = rest.argv[1];
	n = strlen(device);
	if (n > 2 && device[0] == '(' && device[n - 1] == ')')
		device = arena_strndup(g->arena, device + 1, n - 2);
	vol = grub_device(g, device);
	if (vol == VOLUME_NONE)
		return GRUB_FALSE;
	p = &g->vol->in->part[vol];
	grub_set(g, o[SET].arg, o[UUID].set ? p->fs_uuid : p->fs_label);
	return GRUB_TRUE;
}
