/* SPDX-License-Identifier: Apache-2.0
 *
 * The ways out of a device: an interrupt line, message-signalled interrupts, and the way in that
 * skips the vCPU: an eventfd on a doorbell. Devices see these hooks only; vmm/kvm implements them
 * with the in-kernel irqchip, irqfd and ioeventfd, the unit tests with counters.
 */
#ifndef VMM_BUS_IRQ_H
#define VMM_BUS_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* A level-triggered pin (or a pulsed edge pin: raise, lower). Any thread. */
struct irq_line {
	void (*set)(void *ctx, unsigned gsi, bool level);
	void *ctx;
	unsigned gsi;
};

static inline void irq_set(const struct irq_line *line, bool level)
{
	if (line->set)
		line->set(line->ctx, line->gsi, level);
}

/*
 * Message-signalled interrupts. A vector is allocated once; while routed, a signal on its eventfd
 * delivers address and data to the guest without passing through the VMM.
 */
struct msi_ops {
	/* Allocates; the returned id is used below; -1 on error. *eventfd is borrowed: owned by the id. */
	int (*alloc)(void *ctx, int *eventfd, struct err *);
	void (*release)(void *ctx, int id);
	/* Unmasked with this message; called again when the guest rewrites it. On failure it is routed
	 * as before. */
	int (*route)(void *ctx, int id, uint64_t addr, uint32_t data);
	/* Masked: a signal must not reach the guest (the caller keeps it pending). */
	void (*unroute)(void *ctx, int id);
};

struct msi {
	const struct msi_ops *ops;
	void *ctx;
};

/* Doorbells: a write of `len` bytes (0: any) to MMIO address `addr` signals fd and does not exit. */
struct doorbell_ops {
	int (*attach)(void *ctx, uint64_t addr, unsigned len, int fd, struct err *);
	void (*detach)(void *ctx, uint64_t addr, unsigned len, int fd);
};

struct doorbell {
	const struct doorbell_ops *ops; /* NULL: none; writes arrive at the bus handler */
	void *ctx;
};

#endif
