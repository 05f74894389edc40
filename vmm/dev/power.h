/* SPDX-License-Identifier: Apache-2.0
 *
 * How a machine's life ends: the one hook through which devices and vCPUs say so. Called on any
 * thread, in a device handler too; it returns at once, the machine stops soon after, and only the
 * first call counts.
 */
#ifndef VMM_DEV_POWER_H
#define VMM_DEV_POWER_H

enum power_event {
	POWER_OFF,	    /* the guest switched itself off (S5) */
	POWER_RESET,	    /* the guest, or somebody outside, asked for a reset */
	POWER_PANIC,	    /* the guest's kernel says that it panicked */
	POWER_TRIPLE_FAULT, /* a CPU of the guest gave up */
	POWER_KILLED,	    /* somebody outside wants it gone */
	POWER_FAILED,	    /* the VMM or KVM cannot go on */
	POWER_EVENTS
};

const char *power_event_name(enum power_event); /* "poweroff", "reboot", ...: the exit report's reason */

struct power {
	void (*event)(void *ctx, enum power_event, const char *detail);
	void *ctx;
};

static inline void power_event(const struct power *p, enum power_event e, const char *detail)
{
	p->event(p->ctx, e, detail);
}

#endif
