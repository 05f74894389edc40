/* SPDX-License-Identifier: Apache-2.0
 *
 * CPUID: see cpuid.h. Leaf numbers and fields: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix
 * E; KVM's own leaves: Documentation/virt/kvm/x86/cpuid.rst. Everything that describes the topology
 * (1, 4, 0xB, 0x1F, 0x8000_0008, 0x8000_001D, 0x8000_001E) agrees with the MADT: otherwise Linux
 * trusts neither.
 */
#include "vmm/kvm/cpuid.h"

#include <asm/kvm_para.h>

#include "base/util.h"

#define BIT(n) (UINT32_C(1) << (n))

enum {
	LEAF_VENDOR = 0x0,
	LEAF_FEATURES = 0x1,
	LEAF_INTEL_CACHES = 0x4,
	LEAF_POWER = 0x6,
	LEAF_PMU = 0xa,
	LEAF_TOPOLOGY = 0xb,
	LEAF_TOPOLOGY_V2 = 0x1f,
};
#define LEAF_AMD_FEATURES 0x80000001u
#define LEAF_ADDRESSES	  0x80000008u
#define LEAF_AMD_CACHES	  0x8000001du
#define LEAF_AMD_TOPOLOGY 0x8000001eu
#define LEAF_AMD_PMU_V2	  0x80000022u
#define LEAF_KVM_FEATURES (KVM_CPUID_SIGNATURE | 1)

/*
 * KVM's paravirtual features that we want: a clock that is read without an exit, interrupts that are
 * ended and sent without one, and the hints that keep a busy host from stalling a guest's locks.
 */
static const uint32_t kvm_features =
	BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) |
	BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_ASYNC_PF) | BIT(KVM_FEATURE_STEAL_TIME) |
	BIT(KVM_FEATURE_PV_EOI) | BIT(KVM_FEATURE_PV_UNHALT) | BIT(KVM_FEATURE_PV_TLB_FLUSH) |
	BIT(KVM_FEATURE_ASYNC_PF_VMEXIT) | BIT(KVM_FEATURE_PV_SEND_IPI) |
	BIT(KVM_FEATURE_POLL_CONTROL) | BIT(KVM_FEATURE_PV_SCHED_YIELD) |
	BIT(KVM_FEATURE_ASYNC_PF_INT) | BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT);

/* Bits of an APIC id that hold the core: ceil(log2(cpus)). */
static unsigned core_bits(unsigned cpus)
{
	unsigned bits = 0;

	while ((1u << bits) < cpus)
		bits++;
	return bits;
}

const struct kvm_cpuid_entry2 *cpuid_find(const struct kvm_cpuid2 *c, uint32_t leaf, uint32_t index)
{
	for (uint32_t i = 0; i < c->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (e->function == leaf &&
		    (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index))
			return e;
	}
	return NULL;
}

unsigned cpuid_phys_bits(const struct kvm_cpuid2 *host)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(host, LEAF_ADDRESSES, 0);
	unsigned bits = e ? e->eax & 0xff : 0;

	return bits ? bits : 36;
}

static void add(struct kvm_cpuid2 *out, struct kvm_cpuid_entry2 e)
{
	out->entries[out->nent++] = e;
}

/* Leaves 0xB and 0x1F: a level of one thread, a level of all cores, the end. */
static void add_topology(struct kvm_cpuid2 *out, uint32_t leaf, const struct cpuid_want *w)
{
	enum { INVALID, SMT, CORE };
	const struct {
		uint32_t shift, cpus, type;
	} levels[] = {{0, 1, SMT}, {core_bits(w->cpus), w->cpus, CORE}, {0, 0, INVALID}};

	for (uint32_t i = 0; i < ARRAY_LEN(levels); i++)
		add(out, (struct kvm_cpuid_entry2){
				 .function = leaf,
				 .index = i,
				 .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
				 .eax = levels[i].shift,
				 .ebx = levels[i].cpus,
				 .ecx = levels[i].type << 8 | i,
				 .edx = w->index,
			 });
}

/* Leaf 4 and 0x8000_001D: level 1 and 2 caches belong to a core, the last level to the package. */
static uint32_t cache_sharing(uint32_t eax, unsigned cpus)
{
	uint32_t level = eax >> 5 & 7, sharers = level >= 3 ? (1u << core_bits(cpus)) - 1 : 0;

	return (eax & ~(0xfffu << 14)) | sharers << 14;
}

static void set_features(struct kvm_cpuid_entry2 *e, const struct cpuid_want *w)
{
	/* Initial APIC id, logical processors, CLFLUSH line in units of 8 bytes, brand index 0. */
	e->ebx = w->index << 24 | (1u << core_bits(w->cpus)) << 16 | (e->ebx & 0xff00);
	if (!(e->ebx & 0xff00))
		e->ebx |= 8 << 8;
	e->ecx |= BIT(31); /* a hypervisor is present */
	if (w->tsc_deadline)
		e->ecx |= BIT(24);
	e->ecx &= ~BIT(3); /* MONITOR/MWAIT would be emulated as no-ops */
	e->ecx &= ~BIT(15); /* PDCM: the performance capabilities MSR belongs to the PMU */
	e->edx = w->cpus > 1 ? e->edx | BIT(28) : e->edx & ~BIT(28); /* HTT: more than one in the package */
}

/* Returns false when the leaf is to be left out. */
static bool adjust(struct kvm_cpuid_entry2 *e, const struct cpuid_want *w)
{
	switch (e->function) {
	case LEAF_FEATURES:
		set_features(e, w);
		return true;
	case LEAF_INTEL_CACHES:
		if (e->eax & 0x1f) {
			e->eax = cache_sharing(e->eax, w->cpus);
			e->eax = (e->eax & 0x03ffffff) | ((1u << core_bits(w->cpus)) - 1) << 26;
		}
		return true;
	case LEAF_POWER:
		e->eax |= BIT(2); /* ARAT: KVM's APIC timer runs in every idle state */
		e->ecx &= ~BIT(3); /* no energy/performance bias MSR */
		return true;
	case LEAF_PMU:
	case LEAF_AMD_PMU_V2:
		e->eax = e->ebx = e->ecx = e->edx = 0;
		return true;
	case LEAF_TOPOLOGY:
	case LEAF_TOPOLOGY_V2:
		return false; /* ours come instead */
	case LEAF_AMD_FEATURES:
		e->ecx &= ~(BIT(1) | BIT(22) | BIT(23) | BIT(24) | BIT(28));
		if (w->cpus > 1)
			e->ecx |= BIT(1); /* CmpLegacy: HTT means cores, not threads */
		return true;
	case LEAF_ADDRESSES:
		/* Cores less one, and the bits of the APIC id that number them. */
		e->ecx = core_bits(w->cpus) << 12 | (w->cpus - 1);
		e->edx = 0;
		return true;
	case LEAF_AMD_CACHES:
		if (e->eax & 0x1f)
			e->eax = cache_sharing(e->eax, w->cpus);
		return true;
	case LEAF_AMD_TOPOLOGY:
		e->eax = w->index;
		e->ebx = w->index; /* core id; one thread a core */
		e->ecx = 0;	   /* node 0 of one */
		e->edx = 0;
		return true;
	case LEAF_KVM_FEATURES:
		e->eax &= kvm_features;
		/* The guest may put bits 8 to 14 of a destination into bits 5 to 11 of an MSI's
		 * address. KVM does not look there, but no id here has more than 8 bits. */
		e->eax |= BIT(KVM_FEATURE_MSI_EXT_DEST_ID);
		e->edx = 0;
		return true;
	default:
		return true;
	}
}

/* A leaf that is missing within the range answers zeroes, as one of zeroes does. */
static bool empty(const struct kvm_cpuid_entry2 *e)
{
	return !(e->eax | e->ebx | e->ecx | e->edx);
}

static bool is_amd(const struct kvm_cpuid2 *host)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(host, LEAF_VENDOR, 0);

	/* "AuthenticAMD" and "HygonGenuine", by EBX. */
	return e && (e->ebx == 0x68747541 || e->ebx == 0x6f677948);
}

void cpuid_build(const struct kvm_cpuid2 *host, const struct cpuid_want *w, struct kvm_cpuid2 *out)
{
	const struct kvm_cpuid_entry2 *vendor = cpuid_find(host, LEAF_VENDOR, 0);
	uint32_t highest = vendor ? vendor->eax : 0;
	bool amd = is_amd(host);

	out->nent = 0;
	out->padding = 0;
	for (uint32_t i = 0; i < host->nent; i++) {
		struct kvm_cpuid_entry2 e = host->entries[i];
		bool amd_leaf = e.function == LEAF_AMD_CACHES || e.function == LEAF_AMD_TOPOLOGY;

		if (amd_leaf && !amd)
			continue;
		if (!adjust(&e, w))
			continue;
		if (e.function == LEAF_AMD_FEATURES && !amd)
			e.ecx = host->entries[i].ecx;
		if (e.function == LEAF_AMD_FEATURES && amd && cpuid_find(host, LEAF_AMD_TOPOLOGY, 0))
			e.ecx |= BIT(22); /* TopologyExtensions: leaves 0x8000_001D and 1E */
		if (!empty(&e))
			add(out, e);
	}
	if (highest >= LEAF_TOPOLOGY)
		add_topology(out, LEAF_TOPOLOGY, w);
	if (highest >= LEAF_TOPOLOGY_V2)
		add_topology(out, LEAF_TOPOLOGY_V2, w);
}
