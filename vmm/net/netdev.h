/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a virtio network device's frames go: a descriptor that carries one frame a read or write,
 * each behind a virtio_net_hdr_v1 of 12 bytes, and never blocks. The tap is the one kind there is.
 */
#ifndef VMM_NET_NETDEV_H
#define VMM_NET_NETDEV_H

#include <stdint.h>

#include "base/err.h"

enum { NETDEV_HEADER = 12 };

/* What the receiver of frames can cope with; what of it this netdev can make use of. */
enum netdev_offload {
	NETDEV_CSUM = 1 << 0, /* checksums left undone */
	NETDEV_TSO4 = 1 << 1,
	NETDEV_TSO6 = 1 << 2,
	NETDEV_ECN = 1 << 3, /* with either of the two above */
	NETDEV_UFO = 1 << 4,
};

struct netdev;

struct netdev_class {
	const char *name;
	/* From now on frames to the guest may be of these kinds. */
	int (*set_offloads)(struct netdev *, unsigned offloads, struct err *);
	void (*free)(struct netdev *); /* what it holds besides the descriptor; may be NULL */
};

struct netdev {
	const struct netdev_class *class;
	int fd;		   /* owned; non-blocking; readable and writable through an event loop */
	unsigned offloads; /* that set_offloads accepts */
};

/*
 * An attached tap. The descriptor passes to it, also on failure. Checked: that it is a tap with
 * IFF_NO_PI and IFF_VNET_HDR.
 */
struct netdev *tap_new(int fd, struct err *);
void netdev_free(struct netdev *); /* closes; NULL is fine */

#endif
