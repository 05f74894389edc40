/* SPDX-License-Identifier: Apache-2.0
 *
 * One life of the virtual machine, from power-on to its end: memory, KVM, buses, devices, the kernel
 * and the vCPUs. A reset makes a new one, so a device needs no code of its own to start afresh, and
 * nothing of the life before is left.
 *
 * Locks, in taking order: the vCPUs' ring of coalesced writes, one device, its backend or the bus's
 * writer, KVM's routes. With a lock held, calls go down, never up. Unless a comment says otherwise,
 * the functions here are for the main loop's thread.
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/config.h"
#include "vmm/dev/chardev.h"
#include "vmm/dev/power.h"
#include "vmm/event/loop.h"

struct machine;

/* What outlives the machine; all of it borrowed. */
struct machine_env {
	int kvm;		 /* /dev/kvm */
	struct loop *loop;	 /* the main loop */
	struct chardev *console; /* of ttyS0 */
	struct chardev *hvc0;	 /* of the virtio console, or NULL */
	struct power power;	 /* told once how this life ended, on the main loop; then free it */
};

/*
 * Builds it, every file of the configuration being an open descriptor (which stay the caller's: they
 * serve the next life too). It is born paused, with all it needs to run: machine_resume starts it.
 */
struct machine *machine_new(const struct vmm_config *, const struct machine_env *, struct err *);
/* Stops what runs, for good, and flushes the disks: -1 names the one that could not be. */
int machine_sync(struct machine *, struct err *);
void machine_free(struct machine *); /* stops what runs; NULL is fine */

/* Ends this life, as a device would: any thread. */
void machine_end(struct machine *, enum power_event, const char *detail);

bool machine_press_power_button(struct machine *); /* false: the guest does not listen to it */
void machine_pause(struct machine *);  /* when it returns neither a vCPU nor a device touches memory */
void machine_resume(struct machine *);

struct machine_stats {
	uint64_t exits_io, exits_mmio;
	char last_broken[160]; /* the last device that needed a reset, and why; or empty */
};
void machine_stats(struct machine *, struct machine_stats *);

#endif
