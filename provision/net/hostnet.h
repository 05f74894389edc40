/* SPDX-License-Identifier: Apache-2.0
 *
 * A VM's network on the host: a bridge that is there or that croft makes, and a tap for each NIC.
 *
 * A tap lives as long as its descriptor: nobody has to clean up after a VMM that was killed. A
 * bridge that croft makes carries the alias "croft" and goes when its last port has gone.
 */
#ifndef PROVISION_NET_HOSTNET_H
#define PROVISION_NET_HOSTNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Beside the VMs' sockets: held while bridges are made and removed. */
#define HOSTNET_LOCK "net.lock"

enum { TAP_NAME_MAX = 15, TAP_CANDIDATES = 4 };

struct hostnet_nic {
	const char *project, *vm; /* for names and aliases */
	unsigned index;
	const char *bridge;
	bool create;		  /* make the bridge when it is not there */
	const char *host_address; /* of a bridge that croft makes, or NULL */
	const uint8_t *mac;	  /* the guest's */
};

struct hostnet_tap {
	int fd; /* the caller's; closing it removes the tap */
	char name[16];
	uint16_t mtu;	  /* the bridge's */
	bool made_bridge; /* it was not there before */
};

/*
 * The tap's name: the beginning of the VM's name and five letters that derive from project, VM, NIC
 * and `attempt`: the same every time, and another for the next attempt should somebody have the
 * first.
 */
void hostnet_tap_name(const struct hostnet_nic *, unsigned attempt, char out[16]);

/* Whether the bridge is one, or croft may make it; touches nothing. */
int hostnet_check(const struct hostnet_nic *, struct err *);

/*
 * Bridge and tap. lock_path: a file of this user, locked while bridges are made and removed.
 * Missing rights are ERR_HOST, and the message says which, and the ways to get them. note(ctx,
 * text) tells of what is odd and no error; may be NULL.
 */
int hostnet_attach(const struct hostnet_nic *, const char *lock_path,
		   void (*note)(void *ctx, const char *text), void *ctx, struct hostnet_tap *out,
		   struct err *);

/* Removes the bridge if croft made it and no port is left. Anything else is left alone. */
int hostnet_release(const char *bridge, const char *lock_path, struct err *);

/* True when this process may make taps and bridges (CAP_NET_ADMIN in its network namespace). */
bool hostnet_may(void);

#endif
