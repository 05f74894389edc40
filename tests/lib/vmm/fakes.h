/* SPDX-License-Identifier: Apache-2.0
 *
 * Stand-ins for what vmm/kvm offers devices through irq.h, which count and remember; and a way to
 * let a loop do what is ready and come back.
 */
#ifndef TESTS_LIB_VMM_FAKES_H
#define TESTS_LIB_VMM_FAKES_H

#include "vmm/bus/irq.h"
#include "vmm/event/loop.h"

struct fake_irq {
	bool level[32];
	unsigned raised[32], lowered[32];
};
struct irq_line fake_irq_line(struct fake_irq *, unsigned gsi);

enum { FAKE_MSI = 512 };
struct fake_msi {
	struct {
		bool used, routed;
		int fd;
		uint64_t addr;
		uint32_t data;
	} v[FAKE_MSI];
	unsigned routes, unroutes;
	unsigned fail_alloc_at; /* the n-th alloc fails, counting from 1; 0: none */
	unsigned allocs;
	bool fail_route;
};
struct msi fake_msi(struct fake_msi *);
/* How often id was signalled since the last call. */
uint64_t fake_msi_signals(struct fake_msi *, int id);

enum { FAKE_BELLS = 64 };
struct fake_bells {
	struct {
		bool used;
		uint64_t addr;
		unsigned len;
		int fd;
	} b[FAKE_BELLS];
	unsigned n; /* attached now */
	bool fail;
};
struct doorbell fake_doorbell(struct fake_bells *);
/* What KVM does with a guest's write: true when a bell took it. */
bool fake_bells_ring(struct fake_bells *, uint64_t addr);

/* Dispatches what is ready, and what that made ready, a few rounds deep. */
void loop_settle(struct loop *);

#endif
