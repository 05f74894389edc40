/* SPDX-License-Identifier: Apache-2.0
 *
 * System calls, by seccomp(2): what the VMM makes from the moment its files are open. Everything
 * else ends it. The filter is one for all threads, since a reset builds the machine anew from the
 * main loop: less than that would buy little.
 *
 * io_uring's operations are not system calls; Landlock (landlock.c) keeps them from paths and TCP.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "base/util.h"
#include "vmm/sandbox/sandbox.h"

/* A row a line, with its reason. */
/* clang-format off */
static const struct syscall_rule table[] = {
	/* files, sockets and pipes that are open */
	ALLOW(read),			/* eventfds, timers, the console's input */
	ALLOW(write),			/* eventfds, the console, the log, reports */
	ALLOW(readv),			/* frames from a tap */
	ALLOW(writev),			/* frames to a tap; stdio */
	ALLOW(pread64),			/* kernel and initrd */
	ALLOW(pwrite64),
	ALLOW(preadv),			/* disks: metadata, and all where there is no io_uring */
	ALLOW(pwritev),
	ALLOW(lseek),			/* holes of an unpacked kernel */
	ALLOW(fstat),			/* a file's size ... */
	ALLOW(newfstatat),		/* ... as glibc asks for it since 2.33 */
	ALLOW(fallocate),		/* discards and zeroes */
	ALLOW(ftruncate),		/* a disk image that grows */
	ALLOW(fdatasync),		/* the guest's flush */
	ALLOW(close),			/* a client that leaves; everything, at a reset */
	ALLOW(accept4),			/* a client of the control socket ... */
	ALLOW(getsockopt),		/* ... who it is ... */
	ALLOW(geteuid),			/* ... and whether it is us */
	ALLOW(recvfrom),		/* its request: recv(3) */
	ALLOW(sendto),			/* the answer: send(3) */
	ALLOW_INT(fcntl, 1, F_GETFL),
	ALLOW_INT(fcntl, 1, F_SETFL),		/* non-blocking: the listener, a tap */
	ALLOW_INT(fcntl, 1, F_DUPFD_CLOEXEC),	/* what the machine after a reset gets */
	ALLOW_INT(fcntl, 1, F_OFD_SETLK),	/* whose disk it is (images/disk/lock.c) */
	ALLOW_INT(fcntl, 1, F_OFD_GETLK),

	/* events */
	ALLOW(epoll_create1),		/* loops of disks and NICs */
	ALLOW(epoll_ctl),
	ALLOW(epoll_wait),		/* glibc takes either */
	ALLOW(epoll_pwait),
	ALLOW(eventfd2),		/* doorbells and interrupts */
	ALLOW(signalfd4),		/* SIGTERM and the like */
	ALLOW(timerfd_create),		/* the RTC, the serial port's writes */
	ALLOW(timerfd_settime),
	ALLOW(io_uring_setup),		/* a disk, when it is first used */
	ALLOW(io_uring_register),	/* its eventfd */
	ALLOW(io_uring_enter),

	/* memory; nothing new to execute */
	ALLOW_MASKED(mmap, 2, PROT_EXEC, 0),		/* guest memory, stacks, rings */
	ALLOW_MASKED(mprotect, 2, PROT_EXEC, 0),	/* a stack above its guard page */
	ALLOW(munmap),
	ALLOW(mremap),			/* realloc(3) */
	ALLOW(brk),			/* malloc(3) */
	ALLOW(madvise),			/* huge pages; a stack that is kept for the next thread */

	/* threads; no processes */
	ALLOW_MASKED(clone, 0, CLONE_THREAD, CLONE_THREAD),
	REFUSE(clone3, ENOSYS),		/* keeps its flags in memory; glibc then takes clone() */
	ALLOW_INT(prctl, 0, PR_SET_NAME),
	ALLOW(set_robust_list),		/* a thread's first steps, in glibc */
	ALLOW(rseq),
	ALLOW(futex),			/* locks and joins */
	ALLOW(sched_yield),
	ALLOW(exit),
	ALLOW(exit_group),

	/* signals: one kicks a vCPU out of the guest */
	ALLOW(rt_sigaction),
	ALLOW(rt_sigprocmask),
	ALLOW(rt_sigreturn),
	ALLOW(restart_syscall),		/* a wait that was interrupted */
	ALLOW(getpid),			/* pthread_kill(3), abort(3) */
	ALLOW(gettid),

	/* entropy; clocks, for hosts without one in the vDSO */
	ALLOW(getrandom),		/* virtio-rng, KASLR */
	ALLOW(clock_gettime),
	ALLOW(gettimeofday),
	ALLOW(time),
	ALLOW(nanosleep),		/* between two tries for a disk's lock */
	ALLOW(clock_nanosleep),

	/* /dev/kvm */
	ALLOW_INT(ioctl, 1, KVM_CREATE_VM),
	ALLOW_INT(ioctl, 1, KVM_CHECK_EXTENSION),
	ALLOW_INT(ioctl, 1, KVM_GET_VCPU_MMAP_SIZE),
	ALLOW_INT(ioctl, 1, KVM_GET_SUPPORTED_CPUID),

	/* a VM, while it is made ... */
	ALLOW_INT(ioctl, 1, KVM_ENABLE_CAP),		/* 32-bit x2APIC IDs */
	ALLOW_INT(ioctl, 1, KVM_SET_TSS_ADDR),
	ALLOW_INT(ioctl, 1, KVM_SET_IDENTITY_MAP_ADDR),
	ALLOW_INT(ioctl, 1, KVM_SET_USER_MEMORY_REGION),
	ALLOW_INT(ioctl, 1, KVM_CREATE_IRQCHIP),
	ALLOW_INT(ioctl, 1, KVM_CREATE_PIT2),
	ALLOW_INT(ioctl, 1, KVM_CREATE_VCPU),
	/* ... while its drivers start, and while it runs */
	ALLOW_INT(ioctl, 1, KVM_SET_GSI_ROUTING),	/* MSI-X vectors */
	ALLOW_INT(ioctl, 1, KVM_IRQFD),
	ALLOW_INT(ioctl, 1, KVM_IOEVENTFD),
	ALLOW_INT(ioctl, 1, KVM_REGISTER_COALESCED_MMIO),
	ALLOW_INT(ioctl, 1, KVM_UNREGISTER_COALESCED_MMIO),
	ALLOW_INT(ioctl, 1, KVM_IRQ_LINE),

	/* a vCPU */
	ALLOW_INT(ioctl, 1, KVM_SET_CPUID2),
	ALLOW_INT(ioctl, 1, KVM_SET_MSRS),
	ALLOW_INT(ioctl, 1, KVM_SET_XCRS),
	ALLOW_INT(ioctl, 1, KVM_GET_LAPIC),
	ALLOW_INT(ioctl, 1, KVM_SET_LAPIC),
	ALLOW_INT(ioctl, 1, KVM_SET_REGS),
	ALLOW_INT(ioctl, 1, KVM_SET_SREGS),
	ALLOW_INT(ioctl, 1, KVM_RUN),
	ALLOW_INT(ioctl, 1, KVM_KVMCLOCK_CTRL),		/* it was paused */
	ALLOW_INT(ioctl, 1, KVM_GET_REGS),		/* where it was when it died */
	ALLOW_INT(ioctl, 1, KVM_GET_SREGS),

	/* a tap, a disk that is a block device */
	ALLOW_INT(ioctl, 1, TUNGETIFF),
	ALLOW_INT(ioctl, 1, TUNSETOFFLOAD),
	ALLOW_INT(ioctl, 1, TUNSETVNETHDRSZ),
	ALLOW_INT(ioctl, 1, BLKGETSIZE64),

	/* a terminal as console, raw and back; not TIOCSTI, which types for the user */
	ALLOW_INT(ioctl, 1, TCGETS),
	ALLOW_INT(ioctl, 1, TCSETSF),
};
/* clang-format on */

static void stopped(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	log_error("sandbox: system call %d is not one that a VMM makes: a bug of croft, or a guest "
		  "that took it over. The VM is ended.",
		  info->si_syscall);
	_exit(err_exit_code(ERR_VM));
}

int sandbox_restrict_syscalls(struct err *err)
{
	const struct sigaction sa = {.sa_sigaction = stopped, .sa_flags = SA_SIGINFO};
	/* Signals, to itself only. */
	const struct syscall_rule itself[] = {ALLOW_INT(tgkill, 0, getpid())};
	int r;

	if (sigaction(SIGSYS, &sa, NULL) < 0)
		return err_sys(err, ERR_HOST, "SIGSYS");
	r = syscalls_restrict(SCMP_ACT_TRAP, table, ARRAY_LEN(table), itself, ARRAY_LEN(itself));
	if (r < 0) {
		errno = -r;
		err_sys(err, ERR_HOST, "seccomp");
		return err_hint(err,
				"the kernel needs CONFIG_SECCOMP_FILTER (\"sandbox\": false in the "
				"machine's file does without)");
	}
	return 0;
}
