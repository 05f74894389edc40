/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a payload on /dev/kvm (kernel: Documentation/virt/kvm/api.rst). It counts down in 32-bit
 * protected mode and halts. Run with a small and a larger count, the difference in time, free of
 * what an entry and an exit cost, tells at what rate guest code runs: hardware runs a thousand
 * million instructions a second, an emulated CPU a hundred million, and a KVM that interprets its
 * guests (paravirtual-only, without kvm_intel or kvm_amd) one million.
 */
#include "provision/doctor_kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

enum {
	PAYLOAD_GPA = 0x1000,
	SHORT_RUN = 1000,
	LONG_RUN = 51000,
	INSTRUCTIONS = 2 * (LONG_RUN - SHORT_RUN), /* dec and jnz, each round */
	TIMEOUT_MS = 5000,
};

static const uint8_t payload[] = {
	0x49,	    /* dec ecx */
	0x75, 0xfd, /* jnz payload */
	0xf4,	    /* hlt */
};

/* What a VMM cannot do without. */
static const int wanted[] = {KVM_CAP_IRQCHIP,	KVM_CAP_USER_MEMORY, KVM_CAP_SET_TSS_ADDR,
			     KVM_CAP_EXT_CPUID, KVM_CAP_IRQFD,	     KVM_CAP_IOEVENTFD,
			     KVM_CAP_PIT2};

struct vcpu {
	int fd;
	struct kvm_run *run;
};

static int fail(struct kvm_probe *p, enum kvm_stage stage, int detail)
{
	*p = (struct kvm_probe){.failed = stage, .sys = errno, .detail = detail};
	return -1;
}

static int check_api(int kvm, struct kvm_probe *p)
{
	int version = ioctl(kvm, KVM_GET_API_VERSION, 0);

	errno = 0;
	if (version != KVM_API_VERSION)
		return fail(p, KVM_STAGE_API, version);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (ioctl(kvm, KVM_CHECK_EXTENSION, wanted[i]) <= 0) {
			errno = 0;
			return fail(p, KVM_STAGE_API, wanted[i]);
		}
	return 0;
}

static int make_vcpu(int kvm, int vm, struct vcpu *v)
{
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kvm_userspace_memory_region region = {.guest_phys_addr = PAYLOAD_GPA,
						     .memory_size = 4096};
	uint8_t *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (size < (int)sizeof(*v->run) || page == MAP_FAILED)
		return -1;
	memcpy(page, payload, sizeof(payload));
	region.userspace_addr = (uint64_t)(uintptr_t)page;
	/* Intel's VMX wants three pages of its own below 4 GiB (KVM_SET_TSS_ADDR). */
	if (ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000ul) < 0 ||
	    ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return -1;
	v->fd = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (v->fd < 0)
		return -1;
	v->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	return v->run == MAP_FAILED ? -1 : 0;
}

/* Flat 32-bit segments, no paging. */
static int set_mode(const struct vcpu *v)
{
	struct kvm_segment code = {.limit = 0xffffffff,
				   .selector = 8,
				   .type = 11,
				   .present = 1,
				   .db = 1,
				   .s = 1,
				   .g = 1};
	struct kvm_segment data = code;
	struct kvm_sregs s;

	if (ioctl(v->fd, KVM_GET_SREGS, &s) < 0)
		return -1;
	data.type = 3;
	data.selector = 16;
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.cr0 |= 1; /* PE */
	return ioctl(v->fd, KVM_SET_SREGS, &s);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Counts down from n. Nanoseconds, or 0 with errno; EPROTO: another exit than the halt. */
static uint64_t count_down(const struct vcpu *v, uint64_t n)
{
	struct kvm_regs r = {.rip = PAYLOAD_GPA, .rcx = n, .rflags = 2};
	uint64_t start;

	if (ioctl(v->fd, KVM_SET_REGS, &r) < 0)
		return 0;
	start = now_ns();
	while (ioctl(v->fd, KVM_RUN, 0) < 0)
		if (errno != EINTR && errno != EAGAIN)
			return 0;
	if (v->run->exit_reason != KVM_EXIT_HLT) {
		errno = EPROTO;
		return 0;
	}
	return now_ns() - start + 1;
}

static int run_payload(const struct vcpu *v, struct kvm_probe *p)
{
	uint64_t brief = UINT64_MAX, longer = UINT64_MAX;

	/* The best of a few: the first pays for page faults, and any may be preempted. */
	for (unsigned i = 0; i < 4; i++) {
		uint64_t a = count_down(v, SHORT_RUN), b = a ? count_down(v, LONG_RUN) : 0;

		if (!b)
			return fail(p, KVM_STAGE_RUN, (int)v->run->exit_reason);
		brief = min_u64(brief, a);
		longer = min_u64(longer, b);
	}
	longer = longer > brief ? longer - brief : 1;
	*p = (struct kvm_probe){
		.failed = KVM_STAGE_DONE,
		.instructions_per_s = INSTRUCTIONS * UINT64_C(1000000000) / longer,
	};
	return 0;
}

static void probe(struct kvm_probe *p)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm;
	struct vcpu v;

	if (kvm < 0) {
		fail(p, KVM_STAGE_OPEN, 0);
		return;
	}
	if (check_api(kvm, p) < 0)
		return;
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		fail(p, KVM_STAGE_VM, 0);
	else if (make_vcpu(kvm, vm, &v) < 0 || set_mode(&v) < 0)
		fail(p, KVM_STAGE_VCPU, 0);
	else
		run_payload(&v, p);
}

void kvm_probe(struct kvm_probe *out)
{
	struct kvm_probe p = {.failed = KVM_STAGE_RUN, .sys = ETIMEDOUT};
	struct pollfd ready;
	int pipefd[2];
	pid_t pid;

	*out = p;
	if (pipe2(pipefd, O_CLOEXEC) < 0) {
		out->sys = errno;
		return;
	}
	pid = fork();
	if (pid == 0) {
		probe(&p);
		_exit(write(pipefd[1], &p, sizeof(p)) == (ssize_t)sizeof(p) ? 0 : 1);
	}
	close(pipefd[1]);
	ready = (struct pollfd){.fd = pipefd[0], .events = POLLIN};
	if (pid > 0 && poll(&ready, 1, TIMEOUT_MS) > 0 &&
	    read(pipefd[0], &p, sizeof(p)) == (ssize_t)sizeof(p))
		*out = p;
	close(pipefd[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}
