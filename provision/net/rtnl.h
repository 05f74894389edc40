/* SPDX-License-Identifier: Apache-2.0
 *
 * The host's links, addresses and neighbours through rtnetlink (rtnetlink(7), libmnl). Knows
 * nothing of VMs: what croft does with them is in hostnet.c.
 */
#ifndef PROVISION_NET_RTNL_H
#define PROVISION_NET_RTNL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct rtnl;
struct rtnl *rtnl_open(struct err *);
void rtnl_close(struct rtnl *);

struct link_info {
	int index;
	int master; /* index of the bridge it is a port of, or 0 */
	uint32_t mtu;
	bool up; /* administratively */
	uint8_t mac[6];
	char name[16];
	char kind[16]; /* "bridge", "tun", "openvswitch", ... or empty */
	char alias[256];
	uint64_t rx_packets; /* a tap's: what the guest has sent */
};

/* 1 found, 0 no such link, -1 error. */
int rtnl_link_get(struct rtnl *, const char *name, struct link_info *out, struct err *);
/*
 * Calls `each` for every link that is a port of `master` (0: for all); stops when it returns false.
 */
int rtnl_links(struct rtnl *, int master, bool (*each)(void *ctx, const struct link_info *),
	       void *ctx, struct err *);

/* EEXIST is no error here: two commands may make the same bridge at once. */
int rtnl_bridge_add(struct rtnl *, const char *name, const uint8_t mac[6], struct err *);
int rtnl_link_del(struct rtnl *, int index, struct err *);

struct link_change {
	int index;
	bool up;	    /* true: set up */
	uint32_t mtu;	    /* 0: as it is */
	const uint8_t *mac; /* NULL: as it is */
	int master;	    /* 0: as it is */
	const char *alias;  /* NULL: as it is */
};
int rtnl_link_set(struct rtnl *, const struct link_change *, struct err *);

/* "192.0.2.1/24" or "fd00::1/64"; one that is there already is no error. */
int rtnl_addr_add(struct rtnl *, int index, const char *address, struct err *);
/* 1: the link has the address (whatever the prefix length), 0: not. */
int rtnl_addr_has(struct rtnl *, int index, const char *address, struct err *);

/*
 * The address of a neighbour with this MAC on the link, IPv4 before global IPv6 before link-local,
 * as text. 1 found, 0 not. A neighbour that the kernel failed to reach does not count.
 */
int rtnl_neighbour_by_mac(struct rtnl *, int index, const uint8_t mac[6], char *out, size_t n,
			  struct err *);
/* The MAC that answered for an address: 1, or 0 when nobody has. */
int rtnl_neighbour_by_address(struct rtnl *, const char *address, uint8_t mac[6], struct err *);
/* True in *out when the bridge `index` has seen a frame from this MAC (its forwarding database). */
int rtnl_bridge_saw(struct rtnl *, int index, const uint8_t mac[6], bool *out, struct err *);

#endif
