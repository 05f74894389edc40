/* SPDX-License-Identifier: Apache-2.0
 *
 * The control queue of the network device (virtio 1.2, 5.1.6.5): receive modes, address lists, the
 * device's own address, offloads. A command is copied, checked and answered in one go.
 */
#include "base/util.h"
#include "vmm/virtio/net.h"

enum {
	HEADER = sizeof(struct virtio_net_ctrl_hdr),
	MAC = 6,
};

/* A command's data: readable bytes behind the header. */
static bool read_data(const struct chain *c, uint64_t off, void *dst, size_t n)
{
	return chain_read(c, HEADER + off, dst, n) == n;
}

/* 5.1.6.5.1 */
static bool set_mode(struct filter *f, uint8_t command, const struct chain *c)
{
	bool *const modes[] = {
		[VIRTIO_NET_CTRL_RX_PROMISC] = &f->promiscuous,
		[VIRTIO_NET_CTRL_RX_ALLMULTI] = &f->all_multicast,
		[VIRTIO_NET_CTRL_RX_ALLUNI] = &f->all_unicast,
		[VIRTIO_NET_CTRL_RX_NOMULTI] = &f->no_multicast,
		[VIRTIO_NET_CTRL_RX_NOUNI] = &f->no_unicast,
		[VIRTIO_NET_CTRL_RX_NOBCAST] = &f->no_broadcast,
	};
	uint8_t on;

	if (command >= ARRAY_LEN(modes) || !read_data(c, 0, &on, 1))
		return false;
	*modes[command] = on;
	return true;
}

/* A list of the table at *off, which moves behind it. More than we keep means: all of them. */
static bool read_list(const struct chain *c, uint64_t *off, struct mac_list *out)
{
	uint8_t count[4];
	uint32_t n;

	if (!read_data(c, *off, count, sizeof(count)))
		return false;
	n = get_le32(count);
	*off += sizeof(count);
	if (!range_inside(*off, (uint64_t)n * MAC, c->out_len - HEADER))
		return false;
	out->overflow = n > FILTER_MAX;
	out->n = out->overflow ? 0 : n;
	(void)read_data(c, *off, out->mac, (size_t)out->n * MAC);
	*off += (uint64_t)n * MAC;
	return true;
}

/* 5.1.6.5.2: both lists, or neither. */
static bool set_table(struct filter *f, const struct chain *c)
{
	struct mac_list unicast, multicast;
	uint64_t off = 0;

	if (!read_list(c, &off, &unicast) || !read_list(c, &off, &multicast))
		return false;
	f->unicast = unicast;
	f->multicast = multicast;
	return true;
}

static bool set_address(struct net *n, const struct chain *c)
{
	uint8_t mac[MAC];

	if (!read_data(c, 0, mac, sizeof(mac)))
		return false;
	memcpy(n->filter.mac, mac, sizeof(mac));
	memcpy(n->config.mac, mac, sizeof(mac));
	return true;
}

/* 5.1.6.5.6: any of the offloads that were negotiated. */
static bool set_offloads(struct net *n, const struct chain *c)
{
	uint8_t bytes[8];
	uint64_t offloads;

	if (!read_data(c, 0, bytes, sizeof(bytes)))
		return false;
	offloads = get_le64(bytes);
	return !(offloads & ~n->vd.negotiated) && net_set_offloads(n, offloads, NULL) == 0;
}

static bool execute(struct net *n, const struct virtio_net_ctrl_hdr *h, const struct chain *c)
{
	struct virtio_dev *vd = &n->vd;

	switch (h->class << 8 | h->cmd) {
	case VIRTIO_NET_CTRL_RX << 8 | VIRTIO_NET_CTRL_RX_PROMISC:
	case VIRTIO_NET_CTRL_RX << 8 | VIRTIO_NET_CTRL_RX_ALLMULTI:
		return virtio_has(vd, VIRTIO_NET_F_CTRL_RX) && set_mode(&n->filter, h->cmd, c);
	case VIRTIO_NET_CTRL_RX << 8 | VIRTIO_NET_CTRL_RX_ALLUNI:
	case VIRTIO_NET_CTRL_RX << 8 | VIRTIO_NET_CTRL_RX_NOMULTI:
	case VIRTIO_NET_CTRL_RX << 8 | VIRTIO_NET_CTRL_RX_NOUNI:
	case VIRTIO_NET_CTRL_RX << 8 | VIRTIO_NET_CTRL_RX_NOBCAST:
		return virtio_has(vd, VIRTIO_NET_F_CTRL_RX_EXTRA) &&
		       set_mode(&n->filter, h->cmd, c);
	case VIRTIO_NET_CTRL_MAC << 8 | VIRTIO_NET_CTRL_MAC_TABLE_SET:
		return virtio_has(vd, VIRTIO_NET_F_CTRL_RX) && set_table(&n->filter, c);
	case VIRTIO_NET_CTRL_MAC << 8 | VIRTIO_NET_CTRL_MAC_ADDR_SET:
		return virtio_has(vd, VIRTIO_NET_F_CTRL_MAC_ADDR) && set_address(n, c);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS << 8 | VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET:
		return virtio_has(vd, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) && set_offloads(n, c);
	default:
		return false;
	}
}

static bool command(struct virtio_dev *vd, unsigned q, struct chain *c)
{
	struct net *n = container_of(vd, struct net, vd);
	struct virtio_net_ctrl_hdr header;
	uint8_t ack;

	if (chain_read(c, 0, &header, sizeof(header)) != sizeof(header) || !c->in_len) {
		virtio_broken(vd, "a control command without header or room for its answer");
		return false;
	}
	ack = execute(n, &header, c) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
	chain_write(c, 0, &ack, sizeof(ack));
	virtio_push(vd, q, c->head, sizeof(ack));
	return true;
}

void net_ctrl_queue(struct net *n)
{
	virtio_serve(&n->vd, NET_CTRL, &n->chain, command);
}
