/* SPDX-License-Identifier: Apache-2.0
 *
 * Boot Loader Specification, type 1 entries: one file with key-value lines per boot entry.
 */
#ifndef IMAGES_INSPECT_BLS_H
#define IMAGES_INSPECT_BLS_H

#include "base/mem.h"
#include "images/inspect/volumes.h"

struct bls_entry {
	const char *id;	  /* file name without ".conf" and boot counter */
	const char *path; /* of the file on its volume */
	const char *file; /* the id and ".conf" */
	const char *title, *version, *kernel, *options; /* NULL when not given */
	const char *sort_key, *machine_id;		/* NULL when not given */
	const char *initrd[BOOT_MAX_INITRDS]; /* as written: may hold variables and several names */
	unsigned ninitrd;
	int vol;
	const char *base;   /* "" or "/boot": where paths are looked for a second time */
	bool rescue;	    /* *-0-rescue-* */
	bool tries_used_up; /* its boot counter says that it never came up */
	struct bls_entry *next;
};

enum bls_order {
	BLS_GRUB, /* by version, then by file name, newest first */
	BLS_UAPI, /* by sort-key, machine-id and version, then by file name, as systemd-boot does */
};

/*
 * In the order that is set before entries are loaded; those that should not be a default last.
 * Lives in its arena.
 */
struct bls_list {
	struct bls_entry *first;
	unsigned n;
	enum bls_order order;
};

/*
 * Reads the entries of a directory and merges them into the list. ERR_NOT_FOUND when there is no
 * such directory; files that cannot be read or have no kernel are left out and noted in the trail.
 */
int bls_load(struct volumes *, int vol, const char *dir, struct arena *, struct bls_list *,
	     struct err *);

/*
 * The entry that systemd-boot's loader.conf names as the default: the first that the pattern fits.
 * NULL when it names none that is there. The file is beside the directory of the entries, or on the
 * ESP when they have a partition of their own (XBOOTLDR).
 */
const struct bls_entry *bls_default(struct volumes *, int vol, const char *dir, struct arena *,
				    const struct bls_list *);

#endif
