/* SPDX-License-Identifier: Apache-2.0
 *
 * Model-specific registers and XCR0 as firmware would have set them up (SDM volumes 3 and 4).
 * Everything else starts as KVM resets it, and unknown accesses get KVM's own answer.
 */
#include <linux/kvm.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/util.h"
#include "vmm/kvm/cpuid.h"
#include "vmm/kvm/vcpu.h"

enum {
	MSR_IA32_MISC_ENABLE = 0x1a0,
	MISC_ENABLE_FAST_STRING = 1 << 0,
	MSR_MTRR_DEF_TYPE = 0x2ff,
	MTRR_ENABLE = 1 << 11,
	MTRR_WRITE_BACK = 6,
};

int vcpu_set_msrs(const struct kvm *k, int vcpu, struct err *err)
{
	static const struct kvm_msr_entry entries[] = {
		{.index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLE | MTRR_WRITE_BACK},
		{.index = MSR_IA32_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRING},
	};
	const struct kvm_cpuid_entry2 *features = cpuid_find(k->cpuid, 1, 0);
	auto_free struct kvm_msrs *msrs = xzalloc(sizeof(*msrs) + sizeof(entries));
	int r;

	msrs->nmsrs = ARRAY_LEN(entries);
	memcpy(msrs->entries, entries, sizeof(entries));
	if (features && !(features->edx & 1u << 12)) /* no MTRRs */
		return 0;
	r = kvm_ioctl(vcpu, KVM_SET_MSRS, msrs);
	if (r < 0)
		return err_sys(err, ERR_HOST, "KVM: MSRs");
	/* The count of those that were taken: MISC_ENABLE is Intel's, and nobody else misses it. */
	if (r < 1)
		return err_set(err, ERR_HOST, "KVM refuses the MTRR default type");
	return 0;
}

/*
 * CPUID leaf 0xD tells the size of the state that XCR0 enables, and KVM computes it from the XCR0 that
 * it knows. On a host that does not let KVM see the guest's XSETBV (emulated SVM) it would keep
 * telling the reset value's, "XSAVE consistency problem" in Linux' words, and load that XCR0 at every
 * entry; so all that the guest may enable is enabled from the start.
 */
int vcpu_set_xcr0(const struct kvm *k, int vcpu, struct err *err)
{
	const struct kvm_cpuid_entry2 *xsave = cpuid_find(k->cpuid, 0xd, 0);
	struct kvm_xcrs xcrs = {.nr_xcrs = 1};

	if (!xsave || kvm_has(k, KVM_CAP_XCRS) <= 0)
		return 0;
	xcrs.xcrs[0].value = (uint64_t)xsave->edx << 32 | xsave->eax;
	if (kvm_ioctl(vcpu, KVM_SET_XCRS, &xcrs) < 0)
		return err_sys(err, ERR_HOST, "KVM: XCR0");
	return 0;
}
