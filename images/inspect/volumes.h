/* SPDX-License-Identifier: Apache-2.0
 *
 * The file systems of one disk while it is inspected: opened when first asked for, found by number,
 * UUID or label, and the trail of what was looked at.
 */
#ifndef IMAGES_INSPECT_VOLUMES_H
#define IMAGES_INSPECT_VOLUMES_H

#include <stdbool.h>

#include "base/buf.h"
#include "images/inspect/fsys.h"
#include "images/inspect/inspect.h"

struct volumes {
	struct blk *blk;		    /* borrowed */
	struct inspect *in;		    /* borrowed; part[i] belongs to fs[i] */
	struct fsys *fs[INSPECT_MAX_PARTS]; /* owned; NULL until asked for, or when not readable */
	bool tried[INSPECT_MAX_PARTS];
	struct buf trail;
};

enum { VOLUME_NONE = -1 };

void volumes_done(struct volumes *);

/* The file system of part[i], or NULL: part[i].note says why. */
struct fsys *volume_fs(struct volumes *, int i);

/* Indices into part[], or VOLUME_NONE. UUIDs are compared without regard to case. */
int volume_by_number(const struct volumes *, unsigned number);
int volume_by_uuid(const struct volumes *, const char *uuid);
int volume_by_label(const struct volumes *, const char *label);

/*
 * "partition 3", or "the disk" when that is the file system. Borrowed: valid until the next
 * call.
 */
const char *volume_name(const struct volumes *, int i);

/* One line, without its newline. */
void trail(struct volumes *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
