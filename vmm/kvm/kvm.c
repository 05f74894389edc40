/* SPDX-License-Identifier: Apache-2.0
 *
 * /dev/kvm and the virtual machine: see kvm.h and the kernel's Documentation/virt/kvm/api.rst.
 */
#include "vmm/kvm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "base/mem.h"
#include "base/util.h"
#include "vmm/mem/layout.h"

enum { CPUID_ENTRIES = 256 };

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
	int r;

	do
		r = ioctl(fd, request, arg);
	while (r < 0 && errno == EINTR);
	return r;
}

int kvm_has(const struct kvm *k, int capability)
{
	int r = kvm_ioctl(k->vm, KVM_CHECK_EXTENSION, (void *)(uintptr_t)capability);

	return r < 0 ? 0 : r;
}

int kvm_open(struct err *err)
{
	static const struct {
		int cap;
		const char *name;
	} needed[] = {
		{KVM_CAP_IRQCHIP, "in-kernel interrupt controllers"},
		{KVM_CAP_PIT2, "an in-kernel timer"},
		{KVM_CAP_IRQFD, "irqfd"},
		{KVM_CAP_IOEVENTFD, "ioeventfd"},
		{KVM_CAP_IMMEDIATE_EXIT, "immediate exit"},
		{KVM_CAP_EXT_CPUID, "CPUID"},
	};
	auto_close int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int version;

	if (fd < 0) {
		int sys = errno;

		err_sys(err, ERR_HOST, "/dev/kvm");
		if (sys == ENOENT)
			return err_hint(err, "is virtualization on in the firmware, and kvm_intel or "
					     "kvm_amd loaded? `croft doctor` tells more");
		if (sys == EACCES)
			return err_hint(err, "is your user in group 'kvm'?");
		return -1;
	}
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		return err_set(err, ERR_HOST, "/dev/kvm speaks version %d, expected %d", version,
			       KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (ioctl(fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			return err_set(err, ERR_HOST,
				       "/dev/kvm has no %s: this kernel's KVM is too old",
				       needed[i].name);
	return take_fd(&fd);
}

static int make_vm(struct kvm *k, struct err *err)
{
	int size = kvm_ioctl(k->sys, KVM_GET_VCPU_MMAP_SIZE, NULL);

	if (size < 0)
		return err_sys(err, ERR_HOST, "/dev/kvm: size of a vCPU's shared pages");
	k->run_size = (size_t)size;
	k->vm = kvm_ioctl(k->sys, KVM_CREATE_VM, NULL);
	return k->vm < 0 ? err_sys(err, ERR_HOST, "/dev/kvm: cannot create a virtual machine") : 0;
}

static int make_chips(struct kvm *k, struct err *err)
{
	uint64_t identity_map = LAYOUT_KVM_IDENTITY_MAP;
	struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
	/* The upper half of an MSI address is bits 8 to 31 of the destination, as with real x2APICs. */
	struct kvm_enable_cap x2apic = {
		.cap = KVM_CAP_X2APIC_API,
		.args[0] = KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
	};

	if (kvm_ioctl(k->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		return err_sys(err, ERR_HOST, "KVM: identity map");
	if (kvm_ioctl(k->vm, KVM_SET_TSS_ADDR, (void *)LAYOUT_KVM_TSS) < 0)
		return err_sys(err, ERR_HOST, "KVM: TSS address");
	if (kvm_ioctl(k->vm, KVM_CREATE_IRQCHIP, NULL) < 0)
		return err_sys(err, ERR_HOST, "KVM: interrupt controllers");
	if (kvm_ioctl(k->vm, KVM_CREATE_PIT2, &pit) < 0)
		return err_sys(err, ERR_HOST, "KVM: timer");
	if (kvm_ioctl(k->vm, KVM_ENABLE_CAP, &x2apic) < 0)
		return err_sys(err, ERR_HOST, "KVM: x2APIC ids");
	k->routes = kvm_routes_new(k->vm, err);
	return k->routes ? 0 : -1;
}

static int add_memory(struct kvm *k, const struct gmem *mem, struct err *err)
{
	for (unsigned i = 0; i < mem->n; i++) {
		const struct gmem_region *r = &mem->regions[i];
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = r->gpa,
			.memory_size = r->size,
			.userspace_addr = (uintptr_t)r->host,
		};

		if (kvm_ioctl(k->vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
			return err_sys(err, ERR_HOST, "KVM: memory at 0x%llx",
				       (unsigned long long)r->gpa);
	}
	return 0;
}

static int get_cpuid(struct kvm *k, struct err *err)
{
	k->cpuid = xzalloc(sizeof(*k->cpuid) + CPUID_ENTRIES * sizeof(k->cpuid->entries[0]));
	k->cpuid->nent = CPUID_ENTRIES;
	if (kvm_ioctl(k->sys, KVM_GET_SUPPORTED_CPUID, k->cpuid) < 0)
		return err_sys(err, ERR_HOST, "KVM: CPUID of this host");
	return 0;
}

struct kvm *kvm_new(int sys, const struct gmem *mem, struct err *err)
{
	struct kvm *k = NEW(struct kvm);

	k->sys = sys;
	k->vm = -1;
	/*
	 * Memory before the chips: each chip puts itself on KVM's buses, and a change of the memory
	 * slots waits for the end of what such a change began, which takes the kernel a whole tick.
	 */
	if (make_vm(k, err) < 0 || add_memory(k, mem, err) < 0 || make_chips(k, err) < 0 ||
	    get_cpuid(k, err) < 0) {
		kvm_free(k);
		return NULL;
	}
	return k;
}

void kvm_free(struct kvm *k)
{
	if (!k)
		return;
	kvm_routes_free(k->routes);
	auto_close_fn(&k->vm);
	free(k->cpuid);
	free(k);
}
