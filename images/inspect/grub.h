/* SPDX-License-Identifier: Apache-2.0
 *
 * The interpreter for grub.cfg: what GRUB would boot, if nobody touched the keyboard. The file is
 * run, not searched: variables, conditions, functions, `search`, submenus and grubenv decide as
 * they do in GRUB. Steps, nesting, expanded text and sourced files are bounded.
 */
#ifndef IMAGES_INSPECT_GRUB_H
#define IMAGES_INSPECT_GRUB_H

#include "images/inspect/volumes.h"

/*
 * Runs the configuration file `path` of part[vol] and the menu entry it selects. 0 with *out filled
 * (a kernel that exists, and its initrds); -1 when it selects nothing that can be booted. The trail
 * says what was decided and why.
 */
int grub_boot(struct volumes *, int vol, const char *path, struct boot_entry *out, struct err *err);

/*
 * Boot Loader Specification entries in `dir` of part[vol], without a grub.cfg: the menu that GRUB's
 * blscfg would make where there is a grubenv (in any of the usual places), which then decides; else
 * systemd-boot's, with its loader.conf deciding.
 */
int grub_boot_bls(struct volumes *, int vol, const char *dir, struct boot_entry *out,
		  struct err *err);

#endif
