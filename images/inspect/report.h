/* SPDX-License-Identifier: Apache-2.0
 *
 * Findings on their way from the process that read the image (guard.h) to the one that asked. They
 * are untrusted there: whoever took the reader over may have written them.
 */
#ifndef IMAGES_INSPECT_REPORT_H
#define IMAGES_INSPECT_REPORT_H

#include "base/buf.h"
#include "images/inspect/inspect.h"

/* Looks at the disk in this process; what inspect_disk does in a guarded one. */
struct inspect *inspect_look(struct blk *, struct err *);

void report_write(const struct inspect *, struct buf *out);
/* A new inspect with every text terminated and clean and every number in its range; NULL if it is
 * none. */
struct inspect *report_read(const struct buf *, struct err *);

#endif
