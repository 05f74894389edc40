/* SPDX-License-Identifier: Apache-2.0
 *
 * The registers in which a vCPU starts: CPUID, the local APIC's LINT pins, and for the boot processor
 * what its boot protocol asks for.
 */
#include <inttypes.h>
#include <linux/kvm.h>

#include "base/mem.h"
#include "base/util.h"
#include "vmm/kvm/cpuid.h"
#include "vmm/kvm/vcpu.h"

int vcpu_set_cpuid(struct kvm *k, int vcpu, unsigned index, unsigned cpus, struct err *err)
{
	const struct cpuid_want want = {
		.cpus = cpus,
		.index = index,
		.tsc_deadline = kvm_has(k, KVM_CAP_TSC_DEADLINE_TIMER) > 0,
	};
	auto_free struct kvm_cpuid2 *c =
		xzalloc(sizeof(*c) + (k->cpuid->nent + CPUID_EXTRA) * sizeof(c->entries[0]));

	cpuid_build(k->cpuid, &want, c);
	if (kvm_ioctl(vcpu, KVM_SET_CPUID2, c) < 0)
		return err_sys(err, ERR_HOST, "KVM: CPUID of vCPU %u", index);
	return 0;
}

/* As PC firmware leaves it: LINT0 takes the PIC's interrupts, LINT1 is the NMI (SDM volume 3, 10.5.1). */
int vcpu_set_lapic(int vcpu, struct err *err)
{
	enum { LVT_LINT0 = 0x350, LVT_LINT1 = 0x360, MODE_MASK = 7 << 8, NMI = 4 << 8, EXTINT = 7 << 8 };
	struct kvm_lapic_state lapic;
	char *lint0 = lapic.regs + LVT_LINT0, *lint1 = lapic.regs + LVT_LINT1;

	if (kvm_ioctl(vcpu, KVM_GET_LAPIC, &lapic) < 0)
		return err_sys(err, ERR_HOST, "KVM: local APIC");
	put_le32(lint0, (get_le32(lint0) & ~(uint32_t)MODE_MASK) | EXTINT);
	put_le32(lint1, (get_le32(lint1) & ~(uint32_t)MODE_MASK) | NMI);
	if (kvm_ioctl(vcpu, KVM_SET_LAPIC, &lapic) < 0)
		return err_sys(err, ERR_HOST, "KVM: local APIC");
	return 0;
}

static struct kvm_segment flat_segment(uint16_t selector, bool code, bool wide)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = code ? 0xb : 0x3, /* accessed; execute and read, or read and write */
		.present = 1,
		.s = 1,
		.g = 1,
		.l = code && wide,
		.db = !(code && wide),
	};
}

static void set_control(struct kvm_sregs *s, const struct boot_entry *e)
{
	enum { CR0_PE = 1, CR0_ET = 1 << 4, CR4_PAE = 1 << 5, EFER_LME = 1 << 8, EFER_LMA = 1 << 10 };
	const uint64_t cr0_pg = UINT64_C(1) << 31;

	s->cr0 = CR0_PE | CR0_ET;
	if (e->mode == BOOT_LONG) {
		s->cr0 |= cr0_pg;
		s->cr3 = e->cr3;
		s->cr4 = CR4_PAE;
		s->efer = EFER_LME | EFER_LMA;
	}
}

int vcpu_set_regs(int vcpu, const struct boot_entry *e, struct err *err)
{
	struct kvm_regs regs = {.rip = e->ip, .rflags = 2};
	struct kvm_sregs s;
	struct kvm_segment data = flat_segment(BOOT_DS, false, e->mode == BOOT_LONG);

	if (kvm_ioctl(vcpu, KVM_GET_SREGS, &s) < 0)
		return err_sys(err, ERR_HOST, "KVM: registers");
	s.cs = flat_segment(BOOT_CS, true, e->mode == BOOT_LONG);
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.tr = (struct kvm_segment){.limit = 0x67, .selector = BOOT_TSS, .type = 0xb, .present = 1};
	s.gdt = (struct kvm_dtable){.base = e->gdt, .limit = BOOT_GDT_ENTRIES * 8 - 1};
	s.idt = (struct kvm_dtable){0};
	set_control(&s, e);
	if (e->mode == BOOT_LONG)
		regs.rsi = e->param;
	else
		regs.rbx = e->param;
	if (kvm_ioctl(vcpu, KVM_SET_SREGS, &s) < 0 || kvm_ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		return err_sys(err, ERR_HOST, "KVM: registers");
	return 0;
}

void vcpu_describe(int vcpu, char *out, size_t n)
{
	struct kvm_regs r;
	struct kvm_sregs s;

	if (kvm_ioctl(vcpu, KVM_GET_REGS, &r) < 0 || kvm_ioctl(vcpu, KVM_GET_SREGS, &s) < 0)
		snprintf(out, n, "registers unknown");
	else
		snprintf(out, n,
			 "cs:rip %04x:%016" PRIx64 " rsp %016" PRIx64 " cr0 %08" PRIx64 " cr2 %016" PRIx64
			 " cr3 %016" PRIx64 " cr4 %08" PRIx64 " efer %04" PRIx64 " rflags %08" PRIx64,
			 s.cs.selector, (uint64_t)r.rip, (uint64_t)r.rsp, (uint64_t)s.cr0,
			 (uint64_t)s.cr2, (uint64_t)s.cr3, (uint64_t)s.cr4, (uint64_t)s.efer,
			 (uint64_t)r.rflags);
}
