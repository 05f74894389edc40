/* SPDX-License-Identifier: Apache-2.0
 *
 * A process to read hostile bytes in. File systems of an image are read by libext2fs, decompressors
 * and our own code, as the user who runs croft, who may be root. A mistake in any of them should
 * cost the look at this image and nothing else, so the work is done in a child that can read what
 * is open, write to its result (and one file) and use memory, and that the kernel ends at anything
 * else.
 */
#ifndef BASE_GUARD_H
#define BASE_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * The work: fills `result` and returns 0, or fails as any function does. It runs in a copy of this
 * process: what else it changes in memory is lost.
 */
typedef int guard_work(void *ctx, struct buf *result, struct err *err);

struct guard_limits {
	int out_fd;	  /* the only file that the work may write, or -1 */
	uint64_t out_max; /* bytes that it may add to that file */
	uint64_t memory;  /* bytes of address space on top of what this process has; 0: 4 GiB */
	unsigned cpu_s;	  /* seconds of CPU time; 0: 60 */
};

struct guard {
	pid_t pid; /* 0: none runs */
	int result_fd;
	unsigned cpu_s;
};

/*
 * Starts the work in a child; a result longer than `ceiling` bytes is an error there. The child ends
 * with the thread that started it. guard_finish or guard_kill must follow.
 */
int guard_start(guard_work *, void *ctx, const struct guard_limits *, size_t ceiling, struct guard *,
		struct err *);
/* True when guard_finish would not wait for the work: it answered, or died. */
bool guard_answered(const struct guard *);
/*
 * Waits for the answer and the end. `result` gets what the work put there, up to its own ceiling; it
 * comes from a process that read hostile bytes, so the caller checks it like any other input.
 * ERR_CORRUPT when the child crashed, broke its confinement or used too much CPU time.
 */
int guard_finish(struct guard *, struct buf *result, struct err *);
/* Ends it, whatever it does; harmless when none runs. */
void guard_kill(struct guard *);

/* All of it: start, wait, finish, within the usual limits. */
int guard_run(guard_work *, void *ctx, int out_fd, uint64_t out_max, struct buf *result,
	      struct err *err);

#endif
