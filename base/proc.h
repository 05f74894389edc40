/* SPDX-License-Identifier: Apache-2.0
 *
 * Running other programs: to the end with captured output and a time limit. No shell is involved.
 * And what a program sees to when it begins to run itself.
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct proc_result {
	int exit_code;	   /* 0..255; 128 + signal when killed by one */
	struct buf out;	   /* stdout, up to the ceiling it was given */
	struct buf errout; /* stderr */
};

/*
 * Runs argv (argv[0] through PATH, NULL-terminated) with stdin from /dev/null. Returns 0 when the
 * program ran to its end, whatever its exit code; -1 when it could not be started (ERR_HOST, the
 * message names the program) or ran longer than timeout_ms (ERR_TIMEOUT; it was killed); the same when
 * a signal came that the caller handles (ERR_INTERRUPTED).
 */
int proc_run(const char *const argv[], uint64_t timeout_ms, struct proc_result *out,
	     struct err *err);
void proc_result_done(struct proc_result *);

/*
 * First in main: a file that is opened later must not become standard output or error because that
 * was closed. Nothing can be read from what is opened instead, nor written to it.
 */
void proc_std_fds(void);

/* The path of a program in PATH, or NULL. The caller frees. */
char *proc_find(const char *name);

/*
 * A number for `pid` that no later process of the same pid will have (start time in clock ticks,
 * field 22 of /proc/PID/stat); 0 when there is no such process, or when it has ended and only its
 * parent does not know yet.
 */
uint64_t proc_start_time(pid_t pid);

#endif
