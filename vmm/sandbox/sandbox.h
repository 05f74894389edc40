/* SPDX-License-Identifier: Apache-2.0
 *
 * What croft-vmm gives up before the guest's first instruction: a guest that takes the process over
 * keeps the descriptors of its own VM and can do with them what the VMM does, and nothing else. It
 * opens no file, makes no socket, starts no program, signals no other process, makes no memory
 * executable.
 */
#ifndef VMM_SANDBOX_SANDBOX_H
#define VMM_SANDBOX_SANDBOX_H

#include "base/err.h"

/* For good. Call it with one thread, when everything that has a path is open and the log is set up;
 * threads that start later are inside. A system call that is not in the table (seccomp.c) ends the
 * process with a line in the log. */
int sandbox_enter(struct err *);

/* --- its parts
 * ------------------------------------------------------------------------------------------ */

/* No capabilities, and none by exec. */
int sandbox_drop_privileges(struct err *);
/* No path leads anywhere, not for io_uring's workers either, which seccomp does not see. A kernel
 * without Landlock (before 5.13, or switched off) does without: that is not an error. */
int sandbox_restrict_paths(struct err *);
int sandbox_restrict_syscalls(struct err *);

#endif
