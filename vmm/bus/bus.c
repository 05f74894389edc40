/* SPDX-License-Identifier: Apache-2.0
 *
 * Dispatch of port and MMIO accesses: see bus.h.
 *
 * Every vCPU looks up here at every exit, while a change (a guest moves a BAR) is rare, so the
 * sorted table is guarded by a sequence count: a lookup takes no lock and writes nothing; it copies
 * the entry and tries again if the table changed meanwhile. The table is an array inside the bus,
 * so there is nothing that a late reader could find freed.
 *
 * A range with a lock is looked up, its lock taken, and the count checked again. Removal holds that
 * lock as well, hence after it no call is under way and none will start.
 *
 * Lock order: a device's lock, then the bus's writer lock.
 */
#include "vmm/bus/bus.h"

#include "base/mem.h"
#include "base/util.h"

enum { BUS_MAX_RANGES = 256 };

struct range {
	uint64_t base, last; /* inclusive: a range may end at the address space's end */
	const struct bus_ops *ops;
	void *dev;
	pthread_mutex_t *lock;
};

struct bus {
	const char *name;
	uint64_t limit;
	pthread_mutex_t writer;
	unsigned seq; /* odd while a writer is at work */
	unsigned n;
	struct range ranges[BUS_MAX_RANGES]; /* ascending */
};

#define LOAD(field)	    __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

struct bus *bus_new(const char *name, uint64_t limit)
{
	struct bus *b = NEW(struct bus);

	b->name = name;
	b->limit = limit;
	pthread_mutex_init(&b->writer, NULL);
	return b;
}

void bus_free(struct bus *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->writer);
	free(b);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void store_range(struct range *to, const struct range *from)
{
	STORE(to->base, from->base);
	STORE(to->last, from->last);
	STORE(to->ops, from->ops);
	STORE(to->dev, from->dev);
	STORE(to->lock, from->lock);
}

static void write_begin(struct bus *b)
{
	STORE(b->seq, b->seq + 1);
}

static void write_end(struct bus *b)
{
	STORE(b->seq, b->seq + 1);
}

int bus_add(struct bus *b, uint64_t base, uint64_t size, const struct bus_ops *ops, void *dev,
	    pthread_mutex_t *lock, struct err *err)
{
	struct range new = {base, base + size - 1, ops, dev, lock};
	unsigned at = 0;
	int r = -1;

	pthread_mutex_lock(&b->writer);
	if (!size || !range_inside(base, size, b->limit)) {
		err_set(err, ERR_FAILED, "%s at 0x%llx: outside the %s space", ops->name,
			(unsigned long long)base, b->name);
		goto out;
	}
	if (b->n == BUS_MAX_RANGES) {
		err_set(err, ERR_FAILED, "%s: the %s space holds %d ranges already", ops->name,
			b->name, BUS_MAX_RANGES);
		goto out;
	}
	while (at < b->n && b->ranges[at].base <= base)
		at++;
	for (unsigned i = at ? at - 1 : 0; i < b->n && i <= at; i++)
		if (b->ranges[i].base <= new.last && base <= b->ranges[i].last) {
			err_set(err, ERR_FAILED, "%s at 0x%llx overlaps %s at 0x%llx", ops->name,
				(unsigned long long)base, b->ranges[i].ops->name,
				(unsigned long long)b->ranges[i].base);
			goto out;
		}
	write_begin(b);
	for (unsigned i = b->n; i > at; i--)
		store_range(&b->ranges[i], &b->ranges[i - 1]);
	store_range(&b->ranges[at], &new);
	STORE(b->n, b->n + 1);
	write_end(b);
	r = 0;
out:
	pthread_mutex_unlock(&b->writer);
	return r;
}

/* The writer lock is held. */
static struct range *find_owned(struct bus *b, uint64_t base, const void *dev)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->ranges[i].base == base && b->ranges[i].dev == dev)
			return &b->ranges[i];
	return NULL;
}

void bus_remove(struct bus *b, uint64_t base, void *dev)
{
	pthread_mutex_t *lock;
	struct range *r;

	pthread_mutex_lock(&b->writer);
	r = find_owned(b, base, dev);
	lock = r ? r->lock : NULL;
	pthread_mutex_unlock(&b->writer);
	if (!r)
		return;

	/* The device's lock comes first in the order. With it held, nobody else is in a call. */
	if (lock)
		pthread_mutex_lock(lock);
	pthread_mutex_lock(&b->writer);
	r = find_owned(b, base, dev);
	if (r) {
		write_begin(b);
		for (unsigned i = (unsigned)(r - b->ranges); i + 1 < b->n; i++)
			store_range(&b->ranges[i], &b->ranges[i + 1]);
		STORE(b->n, b->n - 1);
		write_end(b);
	}
	pthread_mutex_unlock(&b->writer);
	if (lock)
		pthread_mutex_unlock(lock);
}

/* --- dispatch --------------------------------------------------------------------------------- */

/* The range that holds all of the access; may see a table in the making: the caller checks seq. */
static bool find(const struct bus *b, uint64_t addr, unsigned size, struct range *out)
{
	unsigned lo = 0, hi = LOAD(b->n);
	const struct range *r;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (LOAD(b->ranges[mid].base) <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return false;
	r = &b->ranges[lo - 1];
	out->base = LOAD(r->base);
	out->last = LOAD(r->last);
	out->ops = LOAD(r->ops);
	out->dev = LOAD(r->dev);
	out->lock = LOAD(r->lock);
	return addr >= out->base && addr <= out->last && size - 1 <= out->last - addr;
}

/* Finds and locks: the call into the device is safe until leave(). */
static bool enter(struct bus *b, uint64_t addr, unsigned size, struct range *r)
{
	unsigned seq;
	bool found;

	for (;;) {
		seq = LOAD(b->seq);
		if (seq & 1) {
			__builtin_ia32_pause();
			continue;
		}
		found = find(b, addr, size, r);
		if (LOAD(b->seq) != seq)
			continue;
		if (!found || !r->lock)
			return found;
		pthread_mutex_lock(r->lock);
		if (LOAD(b->seq) == seq)
			return true;
		pthread_mutex_unlock(r->lock);
	}
}

static void leave(const struct range *r)
{
	if (r->lock)
		pthread_mutex_unlock(r->lock);
}

bool bus_read(struct bus *b, uint64_t addr, unsigned size, uint64_t *val)
{
	uint64_t ones = UINT64_MAX >> (64 - 8 * size);
	struct range r;

	*val = ones;
	if (!enter(b, addr, size, &r))
		return false;
	*val = r.ops->read(r.dev, addr - r.base, size) & ones;
	leave(&r);
	return true;
}

bool bus_write(struct bus *b, uint64_t addr, unsigned size, uint64_t val)
{
	uint64_t ones = UINT64_MAX >> (64 - 8 * size);
	struct range r;

	if (!enter(b, addr, size, &r))
		return false;
	r.ops->write(r.dev, addr - r.base, val & ones, size);
	leave(&r);
	return true;
}
