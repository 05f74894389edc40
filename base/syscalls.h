/* SPDX-License-Identifier: Apache-2.0
 *
 * The system calls that a process keeps, as tables (seccomp(2), through libseccomp). Two use it:
 * the VMM for its life (vmm/sandbox), and the child that reads hostile bytes (base/guard.c).
 */
#ifndef BASE_SYSCALLS_H
#define BASE_SYSCALLS_H

#include <stddef.h>
#include <stdint.h>

#include <seccomp.h>

/* One row: a call, and with what it is allowed. A call may have several rows. */
struct syscall_rule {
	int call;
	enum {
		SYSCALL_ANY,	 /* whatever its arguments are */
		SYSCALL_MASKED,	 /* when argument number `arg`, under `mask`, is `value` */
		SYSCALL_REFUSED, /* never: it fails with the errno in `value` */
	} with;
	unsigned arg;
	uint64_t mask, value;
};

#define ALLOW(name)                                                                                \
	{                                                                                          \
		.call = SCMP_SYS(name)                                                             \
	}
#define ALLOW_MASKED(name, n, bits, is)                                                            \
	{                                                                                          \
		.call = SCMP_SYS(name), .with = SYSCALL_MASKED, .arg = (n), .mask = (bits),        \
		.value = (is)                                                                      \
	}
/* For int and unsigned int, of which the kernel looks at the lower half. */
#define ALLOW_INT(name, n, is) ALLOW_MASKED(name, n, UINT32_MAX, (uint32_t)(is))
#define REFUSE(name, error)                                                                        \
	{                                                                                          \
		.call = SCMP_SYS(name), .with = SYSCALL_REFUSED, .value = (error)                  \
	}

/*
 * For good, for this thread and those that it starts: what the rows do not allow gets the action
 * `otherwise` (SCMP_ACT_...). The second table is for rows that are known at run time. 0, or
 * -errno: then nothing changed. Sanitized builds do not restrict: what sanitizers do is in no table.
 */
int syscalls_restrict(uint32_t otherwise, const struct syscall_rule *rows, size_t n,
		      const struct syscall_rule *more, size_t nmore);

#endif
