/* SPDX-License-Identifier: Apache-2.0
 *
 * The network device (virtio 1.2, 5.1): frames between a netdev and guest memory, read and written
 * in place, one system call a frame. One pair of queues and the control queue (net_ctrl.c).
 *
 * Sending: a chain is written as it stands, its header included, which the kernel checks. When the
 * netdev is full the queue waits until it is writable. What the netdev refuses is dropped.
 *
 * Receiving: the size of the next frame is not known, so buffers are taken from the ring until the
 * largest frame would fit, and kept until a frame used them. One byte of ours stands behind them in
 * the read: a frame that reaches it was too long, and is dropped. With mergeable buffers the guest
 * may have too few at the moment; then a frame is read aside, and copied, at once or when buffers
 * come. Without any buffer nothing is read: the netdev keeps the frames.
 *
 * The netdev is watched by edge: it is read until it has no more, and again when buffers arrive;
 * when it is full, watching it begins anew.
 */
#include "vmm/virtio/net.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <net/ethernet.h>

#include "base/mem.h"
#include "base/util.h"
#include "vmm/virtio/devices.h"
#include "vmm/virtio/parts.h"

enum {
	HEADER = sizeof(struct virtio_net_hdr_v1),
	VLAN = 4,
	LARGEST = HEADER + 65550, /* 5.1.6.3.1: with segmentation offload */
	RX_BATCH = 128,		  /* frames before others on the loop get their turn */
	NUM_BUFFERS = offsetof(struct virtio_net_hdr_v1, num_buffers),
};

#define WATCHED (EPOLLIN | EPOLLOUT | EPOLLET)

static_assert(sizeof(struct virtio_net_hdr_v1) == NETDEV_HEADER,
	      "the netdev writes the header that the guest reads");

static struct net *net_of(struct virtio_dev *vd)
{
	return container_of(vd, struct net, vd);
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool transmit(struct virtio_dev *vd, unsigned q, struct chain *c)
{
	struct net *n = net_of(vd);

	if (c->out_len < HEADER) {
		virtio_broken(vd, "a frame to send is shorter than its header");
		return false;
	}
	if (c->out_len > LARGEST) {
		n->tx_dropped++;
	} else if (writev(n->netdev->fd, c->iov, (int)c->nout) < 0) {
		if (errno == EAGAIN) {
			n->tx_blocked = true;
			/* A tap tells that it is writable to those only who have looked since. */
			loop_fd_set(n->watch, WATCHED);
			return false;
		}
		n->tx_dropped++; /* a header that makes no sense, an interface that is down */
	}
	virtio_push(vd, q, c->head, 0);
	return true;
}

static void send_frames(struct net *n)
{
	n->tx_blocked = false;
	virtio_serve(&n->vd, NET_TX, &n->chain, transmit);
}

/* --- receiving: buffers ----------------------------------------------------------------------- */

static bool mergeable(const struct net *n)
{
	return virtio_has(&n->vd, VIRTIO_NET_F_MRG_RXBUF);
}

/* The longest frame that may come, header included. */
static uint64_t wanted_room(const struct net *n)
{
	uint64_t mtu = max_u64(le16toh(n->config.mtu), ETH_DATA_LEN);
	bool segments = virtio_has(&n->vd, VIRTIO_NET_F_GUEST_TSO4) ||
			virtio_has(&n->vd, VIRTIO_NET_F_GUEST_TSO6) ||
			virtio_has(&n->vd, VIRTIO_NET_F_GUEST_UFO);

	return segments ? LARGEST : HEADER + ETH_HLEN + VLAN + mtu;
}

/* No more buffers are taken for one frame, however many the guest adds. */
static bool full(const struct net *n)
{
	return n->nrx == (mergeable(n) ? n->vd.vq[NET_RX].size : 1) || n->nparts >= RX_PARTS / 2;
}

static bool take_buffer(struct net *n)
{
	struct chain *c = &n->chain;

	if (full(n) || !virtio_pop(&n->vd, NET_RX, c))
		return false;
	if (c->in_len < HEADER) {
		virtio_broken(&n->vd, "a receive buffer is smaller than the header");
		return false;
	}
	if (c->nin > RX_PARTS / 2) {
		virtio_broken(&n->vd, "a receive buffer of %u parts", c->nin);
		return false;
	}
	memcpy(n->rx_iov + n->nparts, c->iov + c->nout, c->nin * sizeof(c->iov[0]));
	n->rx[n->nrx++] = (struct rx_buffer){c->head, (uint16_t)c->nin, (uint32_t)c->in_len};
	n->nparts += c->nin;
	n->room += c->in_len;
	return true;
}

/* Forgets the first k buffers. */
static void drop_buffers(struct net *n, unsigned k)
{
	unsigned parts = 0;

	for (unsigned i = 0; i < k; i++) {
		parts += n->rx[i].parts;
		n->room -= n->rx[i].room;
	}
	n->nrx -= k;
	n->nparts -= parts;
	memmove(n->rx, n->rx + k, n->nrx * sizeof(n->rx[0]));
	memmove(n->rx_iov, n->rx_iov + parts, n->nparts * sizeof(n->rx_iov[0]));
}

/* Takes buffers until there is room for any frame; doorbells are on only while there is not. */
static void gather(struct net *n, uint64_t want)
{
	struct virtq *vq = &n->vd.vq[NET_RX];

	virtq_notify_off(vq);
	while (n->room < want) {
		if (take_buffer(n))
			continue;
		if (full(n) || !virtio_running(&n->vd) || !virtq_notify_on(vq))
			break;
		virtq_notify_off(vq);
	}
}

/* --- receiving: frames ------------------------------------------------------------------------ */

/* The frame of `len` bytes lies in the buffers at hand: gives those to the guest. */
static void deliver(struct net *n, size_t len)
{
	struct virtq *vq = &n->vd.vq[NET_RX];
	uint8_t destination[ETH_ALEN] = {0}, count[2];
	unsigned k = 0;

	parts_read(n->rx_iov, n->nparts, HEADER, destination, sizeof(destination));
	if (!filter_wants(&n->filter, destination))
		return;
	do {
		uint32_t part = (uint32_t)min_u64(len, n->rx[k].room);

		virtq_fill(vq, n->rx[k].head, part, k);
		len -= part;
		k++;
	} while (len);
	put_le16(count, (uint16_t)k); /* 5.1.6.4.1: 1 without mergeable buffers */
	parts_write(n->rx_iov, n->nparts, NUM_BUFFERS, count, sizeof(count));
	virtq_publish(vq, k);
	drop_buffers(n, k);
}

enum received { RX_FRAME, RX_NONE, RX_NO_BUFFERS };

/* Straight into the buffers at hand. */
static enum received receive(struct net *n)
{
	uint8_t spill;
	ssize_t got;

	n->rx_iov[n->nparts] = (struct iovec){&spill, 1};
	got = readv(n->netdev->fd, n->rx_iov, (int)n->nparts + 1);
	if (got < 0)
		return errno == EINTR ? RX_FRAME
				      : RX_NONE; /* EAGAIN; an interface that is down or gone */
	if (got < HEADER || (uint64_t)got > n->room)
		n->rx_dropped++;
	else
		deliver(n, (size_t)got);
	return RX_FRAME;
}

/* The frame that was read aside, if it fits now; a frame that never will is dropped. */
static enum received unpark(struct net *n)
{
	if (n->parked_len > n->room && !full(n))
		return RX_NO_BUFFERS;
	if (n->parked_len > n->room) {
		n->rx_dropped++;
	} else {
		parts_write(n->rx_iov, n->nparts, 0, n->parked, n->parked_len);
		deliver(n, n->parked_len);
	}
	n->parked_len = 0;
	return RX_FRAME;
}

static enum received receive_aside(struct net *n)
{
	ssize_t got;

	if (!n->parked)
		n->parked = xmalloc(LARGEST);
	got = read(n->netdev->fd, n->parked, LARGEST);
	if (got < 0)
		return errno == EINTR ? RX_FRAME : RX_NONE;
	if (got < HEADER) {
		n->rx_dropped++;
		return RX_FRAME;
	}
	n->parked_len = (size_t)got;
	return unpark(n);
}

static enum received receive_one(struct net *n)
{
	uint64_t want = wanted_room(n);

	gather(n, want);
	if (n->parked_len)
		return unpark(n);
	if (!n->nrx)
		return RX_NO_BUFFERS;
	return n->room >= want || full(n) ? receive(n) : receive_aside(n);
}

static void receive_frames(struct net *n)
{
	enum received r = RX_FRAME;
	int i = 0;

	while (r == RX_FRAME && virtio_running(&n->vd) && n->vd.vq[NET_RX].enabled &&
	       i++ < RX_BATCH)
		r = receive_one(n);
	if (r == RX_FRAME && virtio_running(&n->vd))
		virtio_kick(&n->vd, NET_RX); /* the edge was ours to use up */
	virtio_interrupt(&n->vd, NET_RX);
}

static void on_netdev(void *ctx, uint32_t events)
{
	struct net *n = ctx;

	virtio_lock(&n->vd);
	if (virtio_running(&n->vd)) {
		if (events & EPOLLOUT && n->tx_blocked)
			send_frames(n);
		receive_frames(n);
	}
	virtio_unlock(&n->vd);
}

/* --- the device ------------------------------------------------------------------------------- */

static void net_queue(struct virtio_dev *vd, unsigned q)
{
	struct net *n = net_of(vd);

	if (q == NET_RX)
		receive_frames(n);
	else if (q == NET_TX)
		send_frames(n);
	else
		net_ctrl_queue(n);
}

static const struct {
	unsigned feature, offload;
} guest_offloads[] = {
	{VIRTIO_NET_F_GUEST_CSUM, NETDEV_CSUM}, {VIRTIO_NET_F_GUEST_TSO4, NETDEV_TSO4},
	{VIRTIO_NET_F_GUEST_TSO6, NETDEV_TSO6}, {VIRTIO_NET_F_GUEST_ECN, NETDEV_ECN},
	{VIRTIO_NET_F_GUEST_UFO, NETDEV_UFO},
};

int net_set_offloads(struct net *n, uint64_t features, struct err *err)
{
	unsigned offloads = 0;

	for (size_t i = 0; i < ARRAY_LEN(guest_offloads); i++)
		if (features & VIRTIO_FEATURE(guest_offloads[i].feature))
			offloads |= guest_offloads[i].offload;
	return n->netdev->class->set_offloads(n->netdev, offloads, err);
}

static int net_activate(struct virtio_dev *vd, struct err *err)
{
	return net_set_offloads(net_of(vd), vd->negotiated, err);
}

static void forget_buffers(struct net *n)
{
	n->nrx = n->nparts = 0;
	n->room = 0;
	n->parked_len = 0;
}

static void net_reset(struct virtio_dev *vd)
{
	struct net *n = net_of(vd);

	forget_buffers(n);
	n->tx_blocked = false;
	memcpy(n->config.mac, n->mac, sizeof(n->mac));
	filter_reset(&n->filter, n->mac);
	(void)net_set_offloads(n, 0, NULL);
}

static void net_queue_reset(struct virtio_dev *vd, unsigned q)
{
	if (q == NET_RX)
		forget_buffers(net_of(vd));
}

static void net_cfg_read(struct virtio_dev *vd, unsigned off, void *dst, unsigned n)
{
	memcpy(dst, (const uint8_t *)&net_of(vd)->config + off, n);
}

static void net_free(struct virtio_dev *vd)
{
	struct net *n = net_of(vd);

	if (n->rx_dropped || n->tx_dropped)
		log_info("%s: %llu received and %llu sent frames were dropped", vd->id,
			 (unsigned long long)n->rx_dropped, (unsigned long long)n->tx_dropped);
	loop_fd_remove(n->watch);
	netdev_free(n->netdev);
	free(n->parked);
}

/* virtio 1.2, 5.1.3.1 */
static const struct virtio_dependency dependencies[] = {
	{VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_CSUM},
	{VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_CSUM},
	{VIRTIO_NET_F_GUEST_UFO, VIRTIO_NET_F_GUEST_CSUM},
	{VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_CSUM},
	{VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_CSUM},
	{VIRTIO_NET_F_HOST_UFO, VIRTIO_NET_F_CSUM},
	{VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ},
	{VIRTIO_NET_F_CTRL_RX_EXTRA, VIRTIO_NET_F_CTRL_VQ},
	{VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_VQ},
	{0, 0},
};

static const struct virtio_class net_class = {
	.name = "net",
	.id = VIRTIO_ID_NET,
	.nqueues = NET_QUEUES,
	.queue_size = NET_QUEUE_SIZE,
	.cfg_size = offsetof(struct virtio_net_config, speed),
	.pci_class = 0x020000,
	/* HOST_*: what the kernel does for frames of every tap with IFF_VNET_HDR. */
	.features = VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4) |
		    VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_ECN) |
		    VIRTIO_FEATURE(VIRTIO_NET_F_HOST_UFO) | VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) |
		    VIRTIO_FEATURE(VIRTIO_NET_F_MAC) | VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) |
		    VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX) |
		    VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) |
		    VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) |
		    VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS),
	.dependencies = dependencies,
	.queue = net_queue,
	.activate = net_activate,
	.reset = net_reset,
	.queue_reset = net_queue_reset,
	.cfg_read = net_cfg_read,
	.free = net_free,
};

struct virtio_dev *net_new_on(const char *id, struct netdev *netdev, const uint8_t mac[6],
			      uint16_t mtu, struct gmem *mem, struct loop *loop, struct err *err)
{
	struct net *n = NEW(struct net);

	virtio_init(&n->vd, &net_class, id, mem, loop);
	for (size_t i = 0; i < ARRAY_LEN(guest_offloads); i++)
		if (netdev->offloads & guest_offloads[i].offload)
			n->vd.features |= VIRTIO_FEATURE(guest_offloads[i].feature);
	if (mtu)
		n->vd.features |= VIRTIO_FEATURE(VIRTIO_NET_F_MTU);
	n->netdev = netdev;
	n->config.status = htole16(VIRTIO_NET_S_LINK_UP);
	n->config.max_virtqueue_pairs = htole16(1);
	n->config.mtu = htole16(mtu);
	memcpy(n->mac, mac, sizeof(n->mac));
	memcpy(n->config.mac, mac, sizeof(n->mac));
	filter_reset(&n->filter, mac);
	n->watch = loop_add(loop, netdev->fd, WATCHED, on_netdev, n, err);
	if (!n->watch) {
		err_wrap(err, "%s", id);
		virtio_free(&n->vd);
		return NULL;
	}
	return &n->vd;
}

struct virtio_dev *net_new(const char *id, int tap, const uint8_t mac[6], uint16_t mtu,
			   struct gmem *mem, struct loop *loop, struct err *err)
{
	struct netdev *netdev = tap_new(tap, err);

	if (!netdev) {
		err_wrap(err, "%s", id);
		return NULL;
	}
	return net_new_on(id, netdev, mac, mtu, mem, loop, err);
}
