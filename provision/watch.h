/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at a running VM from outside, for the readiness ladder: its control socket, its console,
 * the host's network and, when asked, cloud-init's own words over ssh. A watch takes no lock.
 *
 * What was seen is kept in ladder.json, so that ages do not change from one look to the next.
 */
#ifndef PROVISION_WATCH_H
#define PROVISION_WATCH_H

#include "provision/console.h"
#include "provision/launch.h"
#include "provision/net/rtnl.h"
#include "provision/probe.h"

struct watch {
	struct croft_dirs dirs;
	struct vmdir dir;
	struct vm_state state;
	struct process process;
	bool alive;

	struct vmm_status status;
	bool has_status;
	uint64_t resets;  /* the ladder is of the boot after this many */
	uint64_t skip;	  /* the console's first bytes, which tell nothing of the present boot */
	uint64_t kernels; /* whose first line was seen behind them */
	uint64_t began;	  /* how many of these were of earlier boots */

	struct console console;
	int console_fd; /* console.log, or an attached console when there is no log */
	bool attached;

	struct rtnl *rtnl;    /* NULL: cannot be had */
	char address[64];     /* of the first NIC, without prefix length; empty: not known (yet) */
	struct prober prober; /* of its SSH server */
	uint64_t probed_ms, asked_ms;
	bool login_refused;    /* ssh answered and did not let us in: not tried again */
	bool no_cloud_init;    /* the image has none: nobody looks at the seed */
	bool asked_cloud_init; /* it told all it had to tell */
	char hint[200];	       /* what stands in the way of the next rung, as far as can be told */

	struct ladder ladder;
	bool changed; /* since ladder.json was written */
};

int watch_open(const struct vm_name *, struct watch *, struct err *);
void watch_close(struct watch *);

/* One look. probe_ms: the longest that is waited for an answer from the network; 0: no probe. */
void watch_poll(struct watch *, uint64_t probe_ms);
/*
 * Asks cloud-init over ssh, at most every few seconds, when ssh is reached. Returns after
 * timeout_ms at the latest, or when a signal comes that the caller handles.
 */
void watch_ask_cloud_init(struct watch *, uint64_t timeout_ms);

#endif
