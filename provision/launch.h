/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting croft-vmm and ending it. The VMM gets every file as an open descriptor, and no process
 * of ours ever runs that is not on record: the child waits at a gate until the journal names it.
 */
#ifndef PROVISION_LAUNCH_H
#define PROVISION_LAUNCH_H

#include "provision/step.h"
#include "vmm/config.h"

/* croft-vmm: the option, $CROFT_VMM, beside croft, ../libexec/croft. The caller frees. */
char *launch_find_vmm(const char *option, struct err *);

/* A listening control socket, mode 0600, at a path of any length; what was there is replaced. */
int launch_listen(const char *path, struct err *);

/*
 * Writes machine.json with the numbers that the descriptors of `config` get in the VMM, starts it,
 * and waits until it says that it runs. Takes over every descriptor in `config`; its `ready` is
 * made here. On failure no process is left, and the error is the VMM's own where it gave one.
 */
int launch_vmm(struct run *, const char *vmm, struct vmm_config *config, pid_t *pid, struct err *);

/* --- a VMM that runs, named by pid and start time --------------------------------------------- */

struct process {
	pid_t pid;
	uint64_t start_time;
};

bool process_alive(const struct process *);
/*
 * Waits until it has ended: 1, or 0 after timeout_ms. tick(ctx) about twice a second; false: stop
 * waiting.
 */
int process_wait(const struct process *, uint64_t timeout_ms, bool (*tick)(void *ctx), void *ctx);
/* SIGKILL, to that very process and no other, and waits for its end. */
void process_kill(const struct process *);

#endif
