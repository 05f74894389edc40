/* SPDX-License-Identifier: Apache-2.0
 *
 * The boot entry of a disk: where boot loader configuration may be, in which order it is believed,
 * and what is tried when there is none.
 */
#ifndef IMAGES_INSPECT_BOOT_H
#define IMAGES_INSPECT_BOOT_H

#include "images/inspect/volumes.h"

/*
 * Fills in->boot and, when nothing was found, in->boot_note. root is the index of the root
 * or -1u.
 */
void boot_find(struct volumes *, unsigned root);

/* extlinux.conf or syslinux.cfg at `path`. */
int extlinux_boot(struct volumes *, int vol, const char *path, struct boot_entry *out,
		  struct err *err);

/*
 * The newest kernel in `dir` and its initrd, with a command line made from /etc/kernel/cmdline or
 * from the root file system's UUID.
 */
int newest_boot(struct volumes *, int vol, const char *dir, unsigned root, struct boot_entry *out,
		struct err *err);

#endif
