/* SPDX-License-Identifier: Apache-2.0
 *
 * Which frames a network device wants, by their destination address: its own address, what the
 * driver asked for, and the modes around them (virtio 1.2, 5.1.6.5.1 and 5.1.6.5.2).
 */
#ifndef VMM_NET_FILTER_H
#define VMM_NET_FILTER_H

#include <stdbool.h>
#include <stdint.h>

enum { FILTER_MAX = 64 };

struct mac_list {
	unsigned n;
	bool overflow; /* the driver asked for more than we keep: all of the kind are wanted */
	uint8_t mac[FILTER_MAX][6];
};

struct filter {
	uint8_t mac[6];
	bool promiscuous, all_multicast, all_unicast, no_multicast, no_unicast, no_broadcast;
	struct mac_list unicast, multicast;
};

/* As after a reset: everything, until the driver says otherwise. */
void filter_reset(struct filter *, const uint8_t mac[6]);
bool filter_wants(const struct filter *, const uint8_t dst[6]);

#endif
