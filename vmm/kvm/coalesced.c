/* SPDX-License-Identifier: Apache-2.0
 *
 * Coalesced port writes (Documentation/virt/kvm/api.rst, 4.116): KVM puts writes to the serial port's
 * data register into a ring instead of leaving the guest. The ring is drained before any other exit
 * is handled, so the device sees the guest's order, and by a timer, so output that no exit follows is
 * never late. When nothing came for a while the timer would tick for nothing: then the port is taken
 * out of the ring, and the next write makes an exit, which puts it back. Index ports need no timer:
 * what follows on their data port is an exit.
 */
#include <errno.h>
#include <linux/kvm.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/util.h"
#include "vmm/event/loop.h"
#include "vmm/kvm/vcpu.h"

enum {
	TICK_MS = 10,
	IDLE_TICKS = 200,
	RING_BYTES = 4096,
};

struct coalesced {
	int vm;				      /* borrowed */
	struct kvm_coalesced_mmio_ring *ring; /* borrowed: in the first vCPU's shared pages */
	struct bus *ports;		      /* borrowed */
	struct loop_timer *timer;
	pthread_mutex_t lock; /* held while delivering; guards what follows */
	bool has_port, collecting, drained;
	uint16_t port;
	unsigned idle_ticks;
};

static const uint32_t ring_entries =
	(RING_BYTES - sizeof(struct kvm_coalesced_mmio_ring)) / sizeof(struct kvm_coalesced_mmio);

/* With the lock held. An entry leaves the ring only when it is delivered: whoever sees the ring empty
 * knows that the device has everything. */
static void deliver(struct coalesced *c)
{
	uint32_t first = __atomic_load_n(&c->ring->first, __ATOMIC_RELAXED);

	while (first != __atomic_load_n(&c->ring->last, __ATOMIC_ACQUIRE)) {
		const struct kvm_coalesced_mmio *e = &c->ring->coalesced_mmio[first % ring_entries];
		uint32_t value;

		memcpy(&value, e->data, sizeof(value));
		if (e->pio && (e->len == 1 || e->len == 2 || e->len == 4))
			bus_write(c->ports, e->phys_addr, e->len, value);
		first = (first + 1) % ring_entries;
		__atomic_store_n(&c->ring->first, first, __ATOMIC_RELEASE);
		c->drained = true;
	}
}

void coalesced_drain(struct coalesced *c)
{
	if (__atomic_load_n(&c->ring->first, __ATOMIC_ACQUIRE) ==
	    __atomic_load_n(&c->ring->last, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&c->lock);
	deliver(c);
	pthread_mutex_unlock(&c->lock);
}

/* It is an optimisation: without it each write is an exit. */
static bool set_zone(const struct coalesced *c, uint16_t port, bool on)
{
	struct kvm_coalesced_mmio_zone zone = {.addr = port, .size = 1, .pio = 1};

	if (kvm_ioctl(c->vm, on ? KVM_REGISTER_COALESCED_MMIO : KVM_UNREGISTER_COALESCED_MMIO,
		      &zone) == 0)
		return true;
	log_debug("KVM: coalescing port 0x%x: %s", port, strerror(errno));
	return false;
}

/* With the lock held. */
static void collect(struct coalesced *c, bool on)
{
	if (!set_zone(c, c->port, on)) {
		c->has_port = false;
		return;
	}
	c->collecting = on;
	c->idle_ticks = 0;
	if (on)
		loop_timer_set(c->timer, TICK_MS);
}

static void tick(void *ctx)
{
	struct coalesced *c = ctx;

	pthread_mutex_lock(&c->lock);
	deliver(c);
	c->idle_ticks = c->drained ? 0 : c->idle_ticks + 1;
	c->drained = false;
	if (c->idle_ticks < IDLE_TICKS) {
		loop_timer_set(c->timer, TICK_MS);
	} else {
		collect(c, false);
		deliver(c); /* what came before the port was out */
	}
	pthread_mutex_unlock(&c->lock);
}

struct coalesced *coalesced_new(int vm, struct kvm_coalesced_mmio_ring *ring, struct bus *ports,
				struct loop *loop)
{
	struct coalesced *c = NEW(struct coalesced);

	c->vm = vm;
	c->ring = ring;
	c->ports = ports;
	c->timer = loop_timer_new(loop, tick, c);
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void coalesced_free(struct coalesced *c)
{
	if (!c)
		return;
	loop_timer_free(c->timer);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void coalesced_set_port(struct coalesced *c, uint16_t port)
{
	c->port = port;
	c->has_port = true;
}

void coalesced_add_index(struct coalesced *c, uint16_t port)
{
	set_zone(c, port, true);
}

void coalesced_saw_write(struct coalesced *c, uint16_t port)
{
	if (port != c->port)
		return;
	pthread_mutex_lock(&c->lock);
	if (c->has_port && !c->collecting)
		collect(c, true);
	pthread_mutex_unlock(&c->lock);
}
