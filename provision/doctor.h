/* SPDX-License-Identifier: Apache-2.0
 *
 * Can this host run VMs, and if not: which of the many causes is it, and what is to be done about
 * it. For `croft doctor`, and for the hint behind a start that failed.
 */
#ifndef PROVISION_DOCTOR_H
#define PROVISION_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

enum check_status { CHECK_OK, CHECK_WARN, CHECK_FAIL };
const char *check_status_name(enum check_status); /* "ok", "warn", "fail" */

struct check {
	const char *name;	  /* "kvm", "kvm-speed", "tun", ... stable: scripts use it */
	enum check_status status; /* warn: croft works, some things do not; fail: it does not */
	char text[384];		  /* what was found */
	char fix[384];		  /* what to do, or empty */
};

enum { DOCTOR_MAX_CHECKS = 24 };

struct doctor {
	struct check list[DOCTOR_MAX_CHECKS];
	unsigned n;
	enum check_status worst;
};

/*
 * The host's KVM is paravirtual-only, by its modules: it is there, and stock kernels get nowhere on
 * it.
 */
bool kvm_is_paravirtual(void);
/* It interprets what its guests run, by running a payload where the modules leave a doubt. */
bool kvm_is_interpreted(void);

/*
 * Runs every check, in the order in which a VM would need what they look at. Takes a second at
 * most.
 */
void doctor_run(struct doctor *);

#endif
