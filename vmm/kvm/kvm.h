/* SPDX-License-Identifier: Apache-2.0
 *
 * A virtual machine of the kernel's: memory slots, the in-kernel interrupt controllers and the timer,
 * interrupt routes and doorbells. Together with the other files of this folder it is the only code
 * that knows /dev/kvm.
 */
#ifndef VMM_KVM_KVM_H
#define VMM_KVM_KVM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/bus/irq.h"
#include "vmm/mem/gmem.h"

/* Opens /dev/kvm and checks that it can do what we need; the error says what to do about it. */
int kvm_open(struct err *);

struct kvm_cpuid2;
struct kvm_routes;

struct kvm {
	int sys; /* /dev/kvm; borrowed */
	int vm;
	size_t run_size; /* bytes of a vCPU's shared pages */
	struct kvm_cpuid2 *cpuid; /* what this host can offer; owned */
	struct kvm_routes *routes; /* owned */
};

/*
 * Makes the VM: memory, identity map and TSS, interrupt controllers, PIT, routes, in an order that
 * KVM takes and is quick about. `sys` and the memory are borrowed.
 */
struct kvm *kvm_new(int sys, const struct gmem *, struct err *);
void kvm_free(struct kvm *); /* after the vCPUs; NULL is fine */

/* An ioctl that must not be interrupted; returns what ioctl does. */
int kvm_ioctl(int fd, unsigned long request, void *arg);
int kvm_has(const struct kvm *, int capability); /* the value of KVM_CHECK_EXTENSION on the VM */

/* --- route.c: the hooks of vmm/bus/irq.h ------------------------------------------------------------ */

struct kvm_routes *kvm_routes_new(int vm, struct err *);
void kvm_routes_free(struct kvm_routes *);

struct irq_line kvm_irq_line(struct kvm *, unsigned gsi);
struct msi kvm_msi(struct kvm *);
struct doorbell kvm_doorbell(struct kvm *);

#endif
