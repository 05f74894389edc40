/* SPDX-License-Identifier: Apache-2.0
 *
 * An address space of devices: ranges, and dispatch of an access to the range that holds it. A
 * handler gets an offset, never an address, so a device does not know where it lives. The machine
 * has two: ports and MMIO.
 */
#ifndef VMM_BUS_BUS_H
#define VMM_BUS_BUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* size is 1, 2, 4 or 8; the access lies inside the range, at any alignment. On vCPU threads. Both
 * are there: a register that cannot be read has a handler that says what the bus answers then. */
struct bus_ops {
	const char *name;
	uint64_t (*read)(void *dev, uint64_t off, unsigned size);
	void (*write)(void *dev, uint64_t off, uint64_t val, unsigned size);
};

struct bus;

/* limit: addresses are below it (0x10000 for ports). */
struct bus *bus_new(const char *name, uint64_t limit);
void bus_free(struct bus *);

/*
 * Adds a range; overlap with another is refused. `lock` (borrowed, may be NULL) is held around each
 * call into the device: it is the device's lock, so that device code needs no mutex of its own; it
 * must be a recursive mutex when a handler may move its own range. Ranges may be added, removed and
 * moved while vCPUs run.
 */
int bus_add(struct bus *, uint64_t base, uint64_t size, const struct bus_ops *, void *dev,
	    pthread_mutex_t *lock, struct err *);
/* Removes the range that starts at base and belongs to dev; when it returns no call is under way,
 * unless the caller is itself inside such a call. A range without a lock cannot promise that: it is
 * removed only while no vCPU runs. The lock outlives every vCPU. */
void bus_remove(struct bus *, uint64_t base, void *dev);

/* An access to nobody, or across a range's end, reads all ones and writes nothing; false tells. */
bool bus_read(struct bus *, uint64_t addr, unsigned size, uint64_t *val);
bool bus_write(struct bus *, uint64_t addr, unsigned size, uint64_t val);

#endif
