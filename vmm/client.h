/* SPDX-License-Identifier: Apache-2.0
 *
 * Talks to a running VMM over its control socket: JSON lines, one request, one answer (control/proto.c
 * has the grammar; docs/man/croft-vmm.8 describes it). Used by cli and provision.
 */
#ifndef VMM_CLIENT_H
#define VMM_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum vmm_state { VMM_RUNNING, VMM_PAUSED, VMM_STOPPING, VMM_STOPPED };
const char *vmm_state_name(enum vmm_state);

struct vmm_status {
	enum vmm_state state;
	char name[128];
	int64_t pid;
	unsigned cpus;
	uint64_t memory, uptime_ms;
	uint64_t console_bytes; /* written by the guest to ttyS0 since the start */
	uint64_t resets;	/* guest reboots since the start */
	uint64_t exits_io, exits_mmio; /* handled by the VMM */
	char last_broken[160];	/* last device that needed a reset, and why; or empty */
};

/*
 * Each call connects, asks, reads the answer and closes. `socket` may be longer than sun_path: the
 * client enters it through /proc/self/fd. ERR_NOT_FOUND: nobody listens; ERR_VM: the VMM refused;
 * ERR_TIMEOUT: it is silent for timeout_ms; ERR_INTERRUPTED: a signal came that the caller handles.
 */
int vmm_client_status(const char *socket, uint64_t timeout_ms, struct vmm_status *, struct err *);
/* verb: "shutdown" (power button), "kill", "reset", "pause", "resume". */
int vmm_client_verb(const char *socket, const char *verb, uint64_t timeout_ms, struct err *);

enum {
	VMM_CLIENT_LOOK_MS = 2000, /* a status is answered at once, or the VMM hangs */
	VMM_CLIENT_MS = 30000,	   /* a pause waits for devices to come to rest */
};

/*
 * Attaches to the serial console. The VMM first sends up to `replay` bytes of what was missed, then
 * everything as it comes; bytes written to the descriptor go to the guest unless read_only. Several
 * may be attached; all read, all but read-only ones write. Returns the connected socket.
 */
int vmm_client_console(const char *socket, uint64_t replay, bool read_only, struct err *);
/* The same for a port by name: "ttyS0", or "hvc0" of a machine with a virtio console. */
int vmm_client_console_port(const char *socket, const char *port, uint64_t replay, bool read_only,
			    struct err *);

#endif
