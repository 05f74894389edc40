/* SPDX-License-Identifier: Apache-2.0
 *
 * What CPUID answers in the guest: what this host's KVM offers, with a topology of our own. Pure
 * computation on KVM's structures, so it is tested without /dev/kvm.
 */
#ifndef VMM_KVM_CPUID_H
#define VMM_KVM_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

struct cpuid_want {
	unsigned cpus;	   /* one package of that many cores, a thread each; APIC id = index */
	unsigned index;	   /* of this vCPU */
	bool tsc_deadline; /* KVM_CAP_TSC_DEADLINE_TIMER: not part of the host's table */
};

/* The leaves that cpuid_build may add to the host's. */
enum { CPUID_EXTRA = 8 };

/* `out` has room for host->nent + CPUID_EXTRA entries. */
void cpuid_build(const struct kvm_cpuid2 *host, const struct cpuid_want *, struct kvm_cpuid2 *out);

/* The entry for a leaf and subleaf, or NULL. */
const struct kvm_cpuid_entry2 *cpuid_find(const struct kvm_cpuid2 *, uint32_t leaf, uint32_t index);

/* Bits of a guest physical address (CPUID 0x8000_0008); 36 when the host does not say. */
unsigned cpuid_phys_bits(const struct kvm_cpuid2 *host);

#endif
