/* SPDX-License-Identifier: Apache-2.0
 *
 * The last resort: no boot loader configuration, but kernels with the names that distributions give
 * them. The newest one is taken, with the initrd that belongs to it.
 */
#include "images/inspect/boot.h"

#include <string.h>

#include "base/clean.h"
#include "base/text.h"
#include "base/util.h"
#include "images/inspect/vercmp.h"

/* Debian, Ubuntu, Fedora, RHEL, SUSE, Arch, Alpine: vmlinuz-VERSION; Gentoo: kernel-; old ones:
 * bzImage. */
static const char *const kernel_prefixes[] = {"vmlinuz-", "vmlinux-", "kernel-", "bzImage-"};
static const char *const kernel_names[] = {"vmlinuz", "bzImage", "vmlinux"};

/* What belongs to it; %s is the kernel's version. */
static const char *const initrd_names[] = {
	"initrd.img-%s",    /* Debian, Ubuntu */
	"initramfs-%s.img", /* Fedora, RHEL, Arch, Gentoo */
	"initramfs-%s",	    /* Alpine */
	"initrd-%s",	    /* SUSE */
	"initrd-%s.img",    "initrd-%s.gz",
};
static const char *const plain_initrd_names[] = {"initrd.img", "initramfs.img", "initrd",
						 "initramfs"};

struct best {
	char name[256];
	const char *version; /* points into name; "" for a name without one */
	bool found, rescue;
};

/* The version in a kernel's name, "" without one, NULL when it is no kernel. */
static const char *version_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kernel_prefixes); i++)
		if (text_starts(name, kernel_prefixes[i]))
			return name + strlen(kernel_prefixes[i]);
	for (size_t i = 0; i < ARRAY_LEN(kernel_names); i++)
		if (!strcmp(name, kernel_names[i]))
			return "";
	return NULL;
}

static bool consider(void *ctx, const char *name)
{
	struct best *b = ctx;
	const char *version = version_of(name);
	bool rescue;

	if (!version || text_ends(name, ".old") || text_ends(name, ".hmac") ||
	    text_ends(name, ".sig"))
		return false;
	rescue = strstr(version, "rescue") != NULL;
	if (b->found && (rescue > b->rescue ||
			 (rescue == b->rescue && version_compare(version, b->version) <= 0)))
		return false;
	if (!CLEAN_STR(b->name, name))
		return false;
	b->version = version_of(b->name);
	b->rescue = rescue;
	b->found = true;
	return false;
}

static void find_initrd(struct fsys *fs, const char *dir, const char *version, struct boot_entry *e)
{
	char name[300];

	for (size_t i = 0; *version && i < ARRAY_LEN(initrd_names) && !e->ninitrd; i++) {
		size_t head = strcspn(initrd_names[i], "%");

		snprintf(name, sizeof(name), "%s/%.*s%s%s", dir, (int)head, initrd_names[i],
			 version, initrd_names[i] + head + 2);
		if (fsys_is_file(fs, name) && CLEAN_STR(e->initrd[0], name))
			e->ninitrd = 1;
	}
	for (size_t i = 0; !*version && i < ARRAY_LEN(plain_initrd_names) && !e->ninitrd; i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, plain_initrd_names[i]);
		if (fsys_is_file(fs, name) && CLEAN_STR(e->initrd[0], name))
			e->ninitrd = 1;
	}
}

/* kernel-install(8) keeps the options in /etc/kernel/cmdline; else the root's own UUID must do. */
static int make_cmdline(struct volumes *v, unsigned root, struct boot_entry *e, struct err *err)
{
	auto_buf struct buf text = BUF_INIT(sizeof(e->cmdline) - 1);
	struct inspect_part *p = &v->in->part[root];

	if (fsys_read_file(volume_fs(v, (int)root), "/etc/kernel/cmdline", &text, NULL) == 0 &&
	    text.len) {
		for (char *c = text.data; *c; c++)
			if (*c == '\n')
				*c = ' ';
		CLEAN_STR(e->cmdline, text.data);
		return 0;
	}
	/* Only an initrd can look for the UUID of a file system; the kernel knows partitions'
	 * UUIDs. */
	if (e->ninitrd && p->fs_uuid[0])
		snprintf(e->cmdline, sizeof(e->cmdline), "root=UUID=%s ro", p->fs_uuid);
	else if (p->partuuid[0])
		snprintf(e->cmdline, sizeof(e->cmdline), "root=PARTUUID=%s ro", p->partuuid);
	else if (!p->number)
		snprintf(e->cmdline, sizeof(e->cmdline), "root=/dev/vda ro");
	else
		return err_set(err, ERR_NOT_FOUND,
			       "the root file system has no UUID to boot it by");
	return 0;
}

int newest_boot(struct volumes *v, int vol, const char *dir, unsigned root, struct boot_entry *out,
		struct err *err)
{
	struct boot_entry e = {.source = BOOT_NEWEST, .part = v->in->part[vol].number};
	struct fsys *fs = volume_fs(v, vol);
	struct best best = {.found = false};
	char path[300];

	if (root == -1u)
		return err_set(err, ERR_NOT_FOUND, "no root file system to boot it with");
	if (fsys_list(fs, *dir ? dir : "/", consider, &best, err) < 0)
		return -1;
	if (!best.found)
		return err_set(err, ERR_NOT_FOUND, "no kernel");
	snprintf(path, sizeof(path), "%s/%s", dir, best.name);
	if (!fsys_is_file(fs, path) || !CLEAN_STR(e.kernel, path))
		return err_set(err, ERR_NOT_FOUND, "'%s' is no regular file", best.name);
	CLEAN_STR(e.title, best.name);
	find_initrd(fs, dir, best.version, &e);
	if (make_cmdline(v, root, &e, err) < 0)
		return -1;
	*out = e;
	return 0;
}
