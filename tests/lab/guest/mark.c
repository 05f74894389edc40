/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells a tracer on the host, with exactly one exit, that a guest's userspace has begun: a CPUID
 * for a leaf that nobody else asks for. KVM answers it itself, so it adds nothing to the round
 * trips to the VMM that are being counted; its event is kvm:kvm_cpuid with func == 0x43524f46.
 * Without a C library, so that starting it costs next to nothing. As process 1 (rdinit=/bin/mark)
 * it then sleeps for ever, and everything that counts exits stands still.
 *
 * Not a port: Debian's cloud kernel has no /dev/port, and ioperm does not reach the ports in a
 * nested guest on emulated SVM (QEMU 7.2 takes the guest's busy TSS for none).
 */
#include <sys/syscall.h>

#define LEAF 0x43524f46 /* "CROF" */

static long syscall1(long nr, long arg)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(arg) : "rcx", "r11", "memory");
	return ret;
}

void _start(void)
{
	unsigned int a = LEAF, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	while (syscall1(SYS_getpid, 0) == 1)
		syscall1(SYS_pause, 0);
	syscall1(SYS_exit, 0);
}
