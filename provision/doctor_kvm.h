/* SPDX-License-Identifier: Apache-2.0
 *
 * A payload of a few thousand instructions, run on /dev/kvm: the only way to know that it runs
 * guests.
 */
#ifndef PROVISION_DOCTOR_KVM_H
#define PROVISION_DOCTOR_KVM_H

#include <stdint.h>

enum kvm_stage {
	KVM_STAGE_OPEN, /* open("/dev/kvm") */
	KVM_STAGE_API,	/* version and extensions */
	KVM_STAGE_VM,	/* KVM_CREATE_VM */
	KVM_STAGE_VCPU, /* a vCPU with memory and registers */
	KVM_STAGE_RUN,	/* the payload */
	KVM_STAGE_DONE,
};

struct kvm_probe {
	enum kvm_stage failed; /* KVM_STAGE_DONE: nothing */
	int sys;	       /* errno of the failure, or 0 */
	int detail; /* API: the version, or the extension that is missing; RUN: the exit reason */
	uint64_t instructions_per_s; /* when done */
};

/* In a process of its own, for at most a few seconds: whatever KVM does, the caller goes on. */
void kvm_probe(struct kvm_probe *);

#endif
