/* SPDX-License-Identifier: Apache-2.0
 *
 * The virtual CPUs: one thread each, that runs the guest and brings its accesses to the buses. They
 * run, pause and stop together.
 */
#ifndef VMM_KVM_VCPU_H
#define VMM_KVM_VCPU_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/boot/boot.h"
#include "vmm/bus/bus.h"
#include "vmm/dev/power.h"
#include "vmm/kvm/kvm.h"

struct vcpus;
struct loop;

struct vcpu_env {
	struct bus *ports, *mmio; /* borrowed */
	struct power power;	  /* triple faults, and what KVM cannot go on with */
	struct loop *loop;	  /* borrowed: drains what was coalesced when no exit does */
};

/* Makes n vCPUs; the first starts at `entry`, the others wait for the guest's INIT and SIPI. */
struct vcpus *vcpus_new(struct kvm *, unsigned n, const struct boot_entry *entry,
			const struct vcpu_env *, struct err *);
void vcpus_free(struct vcpus *); /* joined, or never started; NULL is fine */

/* Writes to this port need not exit at once: KVM collects them, and they arrive in order with
 * everything else within 10 ms. Before vcpus_start. */
void vcpus_coalesce_port(struct vcpus *, uint16_t port);
/* An index port: what is written to it matters when its data port is used, and that exits. */
void vcpus_coalesce_index(struct vcpus *, uint16_t port);

int vcpus_start(struct vcpus *, struct err *); /* the threads, paused */
void vcpus_pause(struct vcpus *);  /* returns when none executes guest code; not from a vCPU's thread */
void vcpus_resume(struct vcpus *); /* tells the guest's clock that time was lost */
void vcpus_stop(struct vcpus *);   /* any thread, returns at once; a stop is final */
void vcpus_join(struct vcpus *);   /* after vcpus_stop */

/* Exits that the VMM handled since the start. */
void vcpus_exits(const struct vcpus *, uint64_t *io, uint64_t *mmio);

/* --- inside vmm/kvm ------------------------------------------------------------------------------------ */

struct kvm_run;
struct kvm_coalesced_mmio_ring;

/* coalesced.c: collected writes. */
struct coalesced;
struct coalesced *coalesced_new(int vm, struct kvm_coalesced_mmio_ring *, struct bus *ports,
				struct loop *);
void coalesced_free(struct coalesced *);
void coalesced_set_port(struct coalesced *, uint16_t port);
void coalesced_add_index(struct coalesced *, uint16_t port);
/* Delivers what was collected. At every exit, before it is handled; any thread. */
void coalesced_drain(struct coalesced *);
/* A write to a port that made an exit: collecting (re)starts if it is the port. */
void coalesced_saw_write(struct coalesced *, uint16_t port);

/* regs.c, msr.c, cpuid.c: the state in which a vCPU starts. */
int vcpu_set_cpuid(struct kvm *, int vcpu, unsigned index, unsigned cpus, struct err *);
int vcpu_set_msrs(const struct kvm *, int vcpu, struct err *);
int vcpu_set_xcr0(const struct kvm *, int vcpu, struct err *);
int vcpu_set_lapic(int vcpu, struct err *);
int vcpu_set_regs(int vcpu, const struct boot_entry *, struct err *);
/* One line for the log: where the vCPU is. */
void vcpu_describe(int vcpu, char *out, size_t n);

#endif
