/* SPDX-License-Identifier: Apache-2.0
 *
 * Which file system a partition holds, by its superblock; label, UUID, and what speaks against
 * reading it. Nothing beyond the superblock is believed or read here.
 */
#ifndef IMAGES_INSPECT_PROBE_H
#define IMAGES_INSPECT_PROBE_H

#include "images/inspect/inspect.h"

/* Fills fs, fs_label, fs_uuid, fs_dirty, note; fs stays empty when nothing is known. */
void probe_part(struct blk *, struct inspect_part *);

#endif
