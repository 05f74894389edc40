/* SPDX-License-Identifier: Apache-2.0
 *
 * A character stream between a guest's console device and whoever listens: the log, a ring that
 * late readers are replayed from, and attached clients. Output never blocks and never waits: with
 * nobody there it goes to the ring and the log; a client too slow to read loses its connection's
 * oldest bytes, never the guest's time. Input is queued, bounded, until the guest takes it.
 */
#ifndef VMM_DEV_CHARDEV_H
#define VMM_DEV_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chardev;

/* Guest -> world. Any thread; copies; never blocks. */
void chardev_write(struct chardev *, const void *data, size_t n);
/* World -> guest: up to n bytes of what is queued. Any thread. */
size_t chardev_read(struct chardev *, void *dst, size_t n);
/* `readable(ctx)` is called (on the main loop, no lock held) when input arrived on an empty queue. */
void chardev_set_reader(struct chardev *, void (*readable)(void *ctx), void *ctx);

#endif
