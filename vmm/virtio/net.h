/* SPDX-License-Identifier: Apache-2.0
 *
 * What net.c (frames) and net_ctrl.c (the control queue) share.
 */
#ifndef VMM_VIRTIO_NET_H
#define VMM_VIRTIO_NET_H

#include <linux/virtio_net.h>

#include "vmm/net/filter.h"
#include "vmm/net/netdev.h"
#include "vmm/virtio/virtio.h"

enum { NET_RX, NET_TX, NET_CTRL, NET_QUEUES };

enum {
	NET_QUEUE_SIZE = 256,
	RX_PARTS = 1020, /* iovecs of a read, and one more for what does not fit: at most IOV_MAX */
};

/* A receive buffer that was taken from the ring and waits for a frame. */
struct rx_buffer {
	uint16_t head;
	uint16_t parts; /* of rx_iov */
	uint32_t room;	/* bytes */
};

struct net {
	struct virtio_dev vd;
	struct netdev *netdev;
	struct loop_fd *watch;
	struct virtio_net_config config;
	uint8_t mac[6]; /* the configured one: what a reset restores */
	struct filter filter;

	/* Receiving: buffers at hand, oldest first, and their parts in one row. */
	struct rx_buffer rx[NET_QUEUE_SIZE];
	struct iovec rx_iov[RX_PARTS + 1];
	unsigned nrx, nparts;
	uint64_t room;
	/* A frame that was read before it had buffers enough; allocated when first needed. */
	uint8_t *parked;
	size_t parked_len;

	bool tx_blocked; /* the netdev takes no more just now */
	uint64_t rx_dropped, tx_dropped;
	struct chain chain;
};

/* Tells the netdev what the guest receives; features as negotiated, or by the control queue. */
int net_set_offloads(struct net *, uint64_t features, struct err *);
void net_ctrl_queue(struct net *);

#endif
