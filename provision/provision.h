/* SPDX-License-Identifier: Apache-2.0
 *
 * From a spec to a running VM and back: what the commands call. Each call locks the VM's directory,
 * so that two commands on one VM take turns; state is replaced atomically and survives kill -9.
 *
 * A VM lives in STATE/<project>/<vm>/ (docs/architecture.md, "State"):
 *
 *     state.json    identity, what was made from what
 *     run.json      the VMM that runs: pid, start time, boot of the host, socket
 *     journal       the step under way, removed when it is done
 *     vm.lock       flock of the command at work
 *     disk.qcow2    overlay on the cached image; further disks beside it
 *     seed.iso      NoCloud seed
 *     host_key      the guest's SSH host key, 0600, and .pub; known_hosts pins it
 *     boot/         kernel and initrd of the last start
 *     machine.json  for croft-vmm
 *     console.log   of this start; .1 of the one before; vmm.log likewise
 *     ladder.json   rungs that were seen of this start
 *     exit.json     why the VMM ended
 *     report.txt    of a failed `up`
 *
 * and its control socket is RUNTIME/<project>/<vm>.sock.
 */
#ifndef PROVISION_PROVISION_H
#define PROVISION_PROVISION_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "images/store/store.h"
#include "provision/spec/spec.h"
#include "vmm/client.h"

/*
 * The directories of this user: CROFT_HOME, else XDG's, and for root /var/lib/croft,
 * /var/cache/croft and /run/croft.
 */
struct croft_dirs {
	char *state, *cache, *runtime; /* owned */
};
int croft_dirs_get(struct croft_dirs *, struct err *);
void croft_dirs_done(struct croft_dirs *);
/* The runtime directory, where sockets go; an error names the variable that it came from. */
int croft_runtime_make(const struct croft_dirs *, struct err *);
/*
 * A file of the user's settings: below CROFT_HOME, else $XDG_CONFIG_HOME/croft, for root /etc/croft.
 * The caller frees; NULL when there is no such place.
 */
char *croft_config_file(const char *name);

/* How provisioning tells of its progress; cli/progress.c draws it. All may be NULL. */
struct reporter {
	/* A step begins or ends: "image", "disk", ...; text such as "40GiB overlay". */
	void (*step)(void *ctx, const char *step, bool done, const char *text);
	/* A wait goes on: what for, and the last thing seen. Called about twice a second. */
	void (*waiting)(void *ctx, const char *what, const char *last_seen, uint64_t since_ms);
	void (*bytes)(void *ctx, uint64_t done, uint64_t total);
	/* A warning, or something that the user should know. */
	void (*note)(void *ctx, const char *text);
	bool (*interrupted)(void *ctx);
	void *ctx;
};

/* The readiness ladder (complaints.md 1). Each rung holds once its evidence was seen. */
enum rung { RUNG_VMM, RUNG_KERNEL, RUNG_USERSPACE, RUNG_NETWORK, RUNG_SSH, RUNG_CLOUD_INIT, RUNGS };
const char *rung_name(enum rung); /* "vmm", "kernel", ..., "cloud-init" */
/* "ready" is cloud-init, or the last rung there can be. */
int rung_parse(const char *name, enum rung *out, struct err *);

struct rung_state {
	bool reached;
	bool applies;	    /* false for ssh without a network, cloud-init without a seed */
	uint64_t at_ms;	    /* after the VMM's start */
	char evidence[128]; /* "console: Linux version 6.1.0-37", "192.0.2.5:22: SSH-2.0-..." */
};

struct ladder {
	struct rung_state rungs[RUNGS];
	enum rung current;	/* the highest reached */
	uint64_t now_ms;	/* age of the VM */
	char last_console[256]; /* last complete line on the console */
	char *console_tail;	/* owned: last 20 lines, for a timeout */
	bool cloud_init_failed;
	char cloud_init_error[256];
};
void ladder_done(struct ladder *);

enum vm_phase { VM_ABSENT, VM_CREATED, VM_RUNS, VM_STOPPED, VM_CRASHED };
const char *vm_phase_name(enum vm_phase); /* "absent", "created", "running", "stopped", "crashed" */

/* What `list` and `status` show. Strings are owned. */
struct vm_info {
	char *project, *name, *dir, *spec_path, *socket;
	enum vm_phase phase;
	bool paused;
	int64_t pid;
	char *address; /* of the first NIC, without prefix length, or NULL */
	char *user;    /* who to log in as */
	char *image, *digest;
	enum trust trust;
	unsigned cpus;
	uint64_t memory, disk, uptime_ms;
	char *stop_reason; /* from exit.json: "poweroff", "killed", "panic: ...", or NULL */
	char *boot;	   /* "grub: Debian GNU/Linux, vmlinuz-6.1..." */
	struct ladder ladder;
};
void vm_info_done(struct vm_info *);

/* Names of a VM: from the spec in reach, or by name in the state directory. */
struct vm_name {
	char project[64], vm[64];
};
/*
 * name NULL: the VM of the spec; "vm" or "project/vm" otherwise. ERR_NOT_FOUND lists what there is.
 */
int vm_resolve(const char *name, const char *spec_path, struct vm_name *, struct err *);

struct up_options {
	bool insecure, offline;
	const char *vmm; /* croft-vmm's path, or NULL: beside croft, else libexec */
};

/*
 * Makes it so: image, disk, seed, network, VMM; does only what is missing, and nothing when all is
 * as the spec says. On failure the steps of this run are undone in reverse, and report.txt stays.
 * *started says whether a VMM was started now.
 */
int vm_up(const struct spec *, const struct spec_vm *, const struct up_options *,
	  const struct reporter *, bool *started, struct err *);

/* What a step of `up` finds when it looks. */
enum step_state {
	STEP_DONE,    /* as the spec says: nothing to do */
	STEP_CREATE,  /* not there */
	STEP_CHANGE,  /* there, and different: apply makes it right, undo leaves it */
	STEP_PENDING, /* different, and only a restart can make it right: said, not done */
};
const char *step_state_name(enum step_state); /* "none", "create", "change", "restart" */

enum { PLAN_MAX_STEPS = 8 };

struct vm_plan {
	struct {
		const char *step; /* "image", "disk", ... */
		enum step_state state;
		char *text; /* what there is or will be; owned */
	} lines[PLAN_MAX_STEPS];
	unsigned n;
};
void vm_plan_done(struct vm_plan *);
bool vm_plan_changes(const struct vm_plan *); /* `up` would do something, or a restart would */
/* One line a step: "+ disk   20GiB overlay on debian:12". */
void vm_plan_print(const struct vm_plan *, FILE *);

/*
 * What vm_up would do, and nothing of it done: no request is made, and nothing is written but in the
 * cache, where an image that was looked at is marked as used. Fails as vm_up would for what can be
 * known beforehand.
 */
int vm_plan(const struct spec *, const struct spec_vm *, const struct up_options *,
	    const struct reporter *, struct vm_plan *out, struct err *);

/*
 * Waits until `rung` holds. ERR_TIMEOUT: the VM still runs (err says the rung and what was seen);
 * ERR_VM: it ended; ERR_CLOUD_INIT: usable, cloud-init reported errors. *out is filled in each
 * case.
 */
int vm_wait(const struct vm_name *, enum rung, uint64_t timeout_ms, const struct reporter *,
	    struct ladder *out, struct err *);

/*
 * Power button, then after grace_ms ERR_TIMEOUT unless `force`, which kills. Takes back what croft
 * set up on the host; disks and state stay. A VM that does not run is no error.
 */
int vm_down(const struct vm_name *, uint64_t grace_ms, bool force, const struct reporter *,
	    struct err *);
/* vm_down with force, then deletes disks and state. */
int vm_destroy(const struct vm_name *, const struct reporter *, struct err *);

int vm_info_get(const struct vm_name *, struct vm_info *, struct err *);
/* The path of a file of the VM's, whether there is one or not. The caller frees. */
char *vm_file(const struct vm_name *, const char *file, struct err *);
int vm_list(struct vm_name **list, size_t *n, struct err *); /* malloc'd, sorted */

/*
 * argv for ssh (NULL-terminated, malloc'd with its strings): pinned host key, no agent surprises.
 */
char **vm_ssh_argv(const struct vm_name *, const char *const *cmd, struct err *);
void argv_free(char **);

/*
 * Renders the seed of a spec's VM: with the VM's host key when it exists already. For `croft seed`.
 */
struct seed;
int vm_seed(const struct spec *, const struct spec_vm *, struct seed *out, struct err *);

#endif
