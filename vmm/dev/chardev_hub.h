/* SPDX-License-Identifier: Apache-2.0
 *
 * The world's side of a character stream (chardev.h is the device's): who listens, and who types.
 * All of it is called on the loop's thread, or while the loop does not run.
 */
#ifndef VMM_DEV_CHARDEV_HUB_H
#define VMM_DEV_CHARDEV_HUB_H

#include "base/err.h"
#include "vmm/dev/chardev.h"
#include "vmm/event/loop.h"

enum { CHARDEV_RING = 256 << 10, CHARDEV_MAX_CLIENTS = 16 };

struct chardev *chardev_new(struct loop *);
void chardev_free(struct chardev *); /* detaches everybody; NULL is fine */

/* Everything goes to `fd` too (borrowed), up to `max` bytes (0: no limit), then a line that says so.
 * What could not be written is tried again; a line there says how much of it was lost meanwhile. */
void chardev_set_log(struct chardev *, int fd, uint64_t max);

int chardev_has_room(const struct chardev *, struct err *); /* 0: for one more client */
/*
 * A client on a connected socket, which passes to the hub, also on failure. It is first sent up to
 * `replay` bytes of what was written before. The hub closes it when the other side goes.
 */
int chardev_attach(struct chardev *, int fd, uint64_t replay, bool read_only, struct err *);

/* For a run by hand: a terminal, a pipe or a file each (borrowed). `quit` is called when Ctrl-] is typed. */
void chardev_attach_stdio(struct chardev *, int in, int out, void (*quit)(void *ctx), void *ctx);

uint64_t chardev_written(const struct chardev *); /* bytes from the guest since the start; any thread */
void chardev_flush(struct chardev *);		  /* what is in the ring goes out now, as far as it can */

#endif
