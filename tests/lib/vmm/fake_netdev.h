/* SPDX-License-Identifier: Apache-2.0
 *
 * A netdev whose wire is a socket pair: what the device sends is read from `wire`, what is written
 * there arrives. One datagram a frame, its 12-byte header in front, as with a tap.
 */
#ifndef TESTS_LIB_VMM_FAKE_NETDEV_H
#define TESTS_LIB_VMM_FAKE_NETDEV_H

#include <stdbool.h>

#include "vmm/net/netdev.h"

struct fake_netdev {
	struct netdev netdev; /* owned by the device; first */
	unsigned set;	      /* the offloads set last */
	unsigned sets;
	bool refuse;
};

/* *wire is the caller's end, non-blocking. */
struct fake_netdev *fake_netdev_new(unsigned offloads, int *wire);

#endif
