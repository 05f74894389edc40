/* SPDX-License-Identifier: Apache-2.0
 *
 * The network device on a socket pair, its control queue, its filter; and the tap, where one can be
 * had.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/util.h"
#include "tests/lib/vmm/fake_netdev.h"
#include "tests/lib/vmm/vdrv.h"
#include "vmm/virtio/devices.h"

enum { RX, TX, CTRL };

#define ALL_OFFLOADS (NETDEV_CSUM | NETDEV_TSO4 | NETDEV_TSO6 | NETDEV_ECN | NETDEV_UFO)
#define F(name)	     VIRTIO_FEATURE(VIRTIO_NET_F_##name)
/* Without segmentation offload a receive buffer holds one frame of the MTU. */
#define PLAIN                                                                                      \
	(F(MAC) | F(MRG_RXBUF) | F(CTRL_VQ) | F(CTRL_RX) | F(CTRL_RX_EXTRA) | F(CTRL_MAC_ADDR))

static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};
static struct vdrv d;
static struct fake_netdev *netdev;
static int wire;

static void start_mtu(uint64_t want, uint16_t mtu)
{
	vdrv_init(&d);
	netdev = fake_netdev_new(ALL_OFFLOADS, &wire);
	vdrv_start(&d, net_new_on("net0", &netdev->netdev, mac, mtu, d.mem, d.loop, NULL), want);
}

static int setup(void **state)
{
	(void)state;
	start_mtu(VDRV_ALL, 0);
	return 0;
}

static int setup_plain(void **state)
{
	(void)state;
	start_mtu(PLAIN, 0);
	return 0;
}

static int setup_single_buffers(void **state)
{
	(void)state;
	start_mtu(F(MAC), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vdrv_done(&d);
	close(wire);
	return 0;
}

static void fill(uint8_t *frame, size_t n, const uint8_t dst[6])
{
	for (size_t i = 0; i < n; i++)
		frame[i] = (uint8_t)(i * 3 + 5);
	memset(frame, 0, 12);
	memcpy(frame + 12, dst, 6);
}

static void arrive(const uint8_t *frame, size_t n)
{
	assert_int_equal(send(wire, frame, n, 0), n);
	vdrv_run(&d);
}

static uint8_t *rx_buffer(uint32_t n)
{
	uint8_t *p = vdrv_in(&d, n);

	memset(p, 0xcc, n);
	vdrv_offer(&d, RX);
	return p;
}

/* --- sending --- */

static void test_send(void **state)
{
	uint8_t frame[112], got[200];

	(void)state;
	fill(frame, sizeof(frame), mac);
	frame[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	vdrv_out(&d, frame, 12);
	vdrv_out(&d, frame + 12, 100);
	vdrv_kick(&d, TX);
	assert_int_equal(recv(wire, got, sizeof(got), 0), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
	assert_true(vdrv_used(&d).found);
	/* The header may begin in the same descriptor, or end in another. */
	vdrv_out(&d, frame, 5);
	vdrv_out(&d, frame + 5, 107);
	vdrv_kick(&d, TX);
	assert_int_equal(recv(wire, got, sizeof(got), 0), sizeof(frame));
}

static void test_send_without_header(void **state)
{
	(void)state;
	vdrv_out(&d, "short", 5);
	vdrv_kick(&d, TX);
	assert_true(vdrv_needs_reset(&d));
}

static void test_send_too_much(void **state)
{
	static uint8_t frame[70000];
	uint8_t got[16];

	(void)state;
	vdrv_out(&d, frame, sizeof(frame));
	vdrv_kick(&d, TX);
	assert_true(vdrv_used(&d).found); /* dropped, and returned */
	assert_int_equal(recv(wire, got, sizeof(got), 0), -1);
	assert_false(vdrv_needs_reset(&d));
}

/* More parts than writev takes. */
static void test_send_in_too_many_parts(void **state)
{
	gpa_t table = vdrv_alloc(&d, 16 * 1024), at = vdrv_alloc(&d, 1024);

	(void)state;
	for (unsigned i = 0; i < 1024; i++)
		gring_desc_at(d.mem, table, i, at, 1, i < 1023 ? VRING_DESC_F_NEXT : 0,
			      (uint16_t)(i + 1));
	gring_put_desc(&d.ring[TX], 0, at, 12, VRING_DESC_F_NEXT, 1);
	gring_put_desc(&d.ring[TX], 1, table, 16 * 1024, VRING_DESC_F_INDIRECT, 0);
	gring_offer(&d.ring[TX], 0);
	vdrv_kick(&d, TX);
	assert_true(vdrv_used(&d).found);
	assert_false(vdrv_needs_reset(&d));
}

static void test_a_full_netdev_is_waited_for(void **state)
{
	static uint8_t got[65536];
	uint8_t frame[1000];
	unsigned sent = 0, received = 0, used = 0;
	int small = 4096;

	(void)state;
	fill(frame, sizeof(frame), mac);
	assert_int_equal(
		setsockopt(netdev->netdev.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	for (; sent < 60; sent++) {
		vdrv_out(&d, frame, sizeof(frame));
		vdrv_offer(&d, TX);
	}
	vdrv_kick(&d, TX);
	while (vdrv_used(&d).found)
		used++;
	assert_true(used < sent); /* else the test tests nothing */
	for (int i = 0; i < 1000 && received < sent; i++) {
		while (recv(wire, got, sizeof(got), 0) == sizeof(frame))
			received++;
		vdrv_run(&d);
	}
	assert_int_equal(received, sent);
	while (vdrv_used(&d).found)
		used++;
	assert_int_equal(used, sent);
}

/* --- receiving --- */

static void test_receive_merged(void **state)
{
	uint8_t frame[1012], *bufs[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		bufs[i] = rx_buffer(600);
	vdrv_kick(&d, RX);
	fill(frame, sizeof(frame), mac);
	arrive(frame, sizeof(frame));
	assert_int_equal(vdrv_used_on(&d, RX).len, 600);
	assert_int_equal(vdrv_used_on(&d, RX).len, 412);
	assert_false(vdrv_used_on(&d, RX).found);
	assert_int_equal(get_le16(bufs[0] + 10), 2); /* num_buffers */
	assert_memory_equal(bufs[0] + 12, frame + 12, 588);
	assert_memory_equal(bufs[1], frame + 600, 412);
	assert_int_equal(bufs[1][412], 0xcc);
	assert_int_equal(bufs[2][0], 0xcc);
	assert_true(d.interrupts[RX] > 0);

	arrive(frame, 600); /* the third takes it all */
	assert_int_equal(vdrv_used_on(&d, RX).len, 600);
	assert_int_equal(get_le16(bufs[2] + 10), 1);
}

static void test_receive_waits_for_buffers(void **state)
{
	uint8_t frame[100], *buf;

	(void)state;
	fill(frame, sizeof(frame), mac);
	arrive(frame, sizeof(frame));
	arrive(frame, sizeof(frame));
	assert_false(vdrv_used_on(&d, RX).found);
	buf = rx_buffer(2000);
	vdrv_kick(&d, RX);
	assert_int_equal(vdrv_used_on(&d, RX).len, 100);
	assert_memory_equal(buf + 12, frame + 12, 88);
	assert_false(vdrv_used_on(&d, RX).found);
	rx_buffer(2000);
	vdrv_kick(&d, RX);
	assert_true(vdrv_used_on(&d, RX).found);
}

/* A frame that is read aside because the buffers may not suffice, and then do not. */
static void test_receive_parks_a_frame(void **state)
{
	uint8_t frame[3012], *a, *b;

	(void)state;
	fill(frame, sizeof(frame), mac);
	a = rx_buffer(1600);
	vdrv_kick(&d, RX);
	arrive(frame, sizeof(frame));
	assert_false(vdrv_used_on(&d, RX).found);
	b = rx_buffer(1600);
	vdrv_kick(&d, RX);
	assert_int_equal(vdrv_used_on(&d, RX).len, 1600);
	assert_int_equal(vdrv_used_on(&d, RX).len, 1412);
	assert_int_equal(get_le16(a + 10), 2);
	assert_memory_equal(a + 12, frame + 12, 1588);
	assert_memory_equal(b, frame + 1600, 1412);
}

static void test_a_frame_that_never_fits_is_dropped(void **state)
{
	static uint8_t frame[10012];

	(void)state;
	fill(frame, sizeof(frame), mac);
	for (int i = 0; i < VDRV_QUEUE_SIZE; i++)
		rx_buffer(64); /* the whole ring holds 4 KiB */
	vdrv_kick(&d, RX);
	arrive(frame, sizeof(frame));
	assert_false(vdrv_used_on(&d, RX).found);
	arrive(frame, 60);
	assert_int_equal(vdrv_used_on(&d, RX).len, 60);
}

static void test_receive_large(void **state)
{
	static uint8_t frame[65562];
	unsigned n = 0, len = 0;
	struct vdrv_used u;

	(void)state;
	fill(frame, sizeof(frame), mac);
	for (int i = 0; i < 60; i++)
		rx_buffer(1526);
	vdrv_kick(&d, RX);
	arrive(frame, sizeof(frame));
	while ((u = vdrv_used_on(&d, RX)).found) {
		n++;
		len += u.len;
	}
	assert_int_equal(len, sizeof(frame));
	assert_int_equal(n, 43);
}

static void test_single_buffers(void **state)
{
	uint8_t frame[1530], *buf;

	(void)state;
	fill(frame, sizeof(frame), mac);
	buf = rx_buffer(1530);
	vdrv_kick(&d, RX);
	arrive(frame, sizeof(frame));
	assert_int_equal(vdrv_used_on(&d, RX).len, sizeof(frame));
	assert_int_equal(get_le16(buf + 10), 1); /* 5.1.6.4.1 */
	assert_memory_equal(buf + 12, frame + 12, sizeof(frame) - 12);
}

static void test_a_frame_longer_than_its_buffer_is_dropped(void **state)
{
	uint8_t frame[1600];

	(void)state;
	fill(frame, sizeof(frame), mac);
	rx_buffer(1530);
	rx_buffer(100);
	vdrv_kick(&d, RX);
	arrive(frame, 1531);
	assert_false(vdrv_used_on(&d, RX).found);
	arrive(frame, 1530);
	assert_int_equal(vdrv_used_on(&d, RX).len, 1530);
	arrive(frame, 101);
	assert_false(vdrv_used_on(&d, RX).found);
	arrive(frame, 100);
	assert_int_equal(vdrv_used_on(&d, RX).len, 100);
}

static void test_receive_into_parts(void **state)
{
	uint8_t frame[200], *a, *b;

	(void)state;
	fill(frame, sizeof(frame), mac);
	a = vdrv_in(&d, 11); /* the header straddles */
	b = vdrv_in(&d, 2000);
	vdrv_kick(&d, RX);
	arrive(frame, sizeof(frame));
	assert_int_equal(vdrv_used_on(&d, RX).len, sizeof(frame));
	assert_int_equal(a[10], 1);
	assert_int_equal(b[0], 0);
	assert_memory_equal(b + 1, frame + 12, sizeof(frame) - 12);
}

static void test_bad_receive_buffers(void **state)
{
	(void)state;
	vdrv_in(&d, 11);
	vdrv_kick(&d, RX);
	assert_true(vdrv_needs_reset(&d));
	vdrv_restart(&d, VDRV_ALL);
	vdrv_out(&d, "readable", 8);
	vdrv_kick(&d, RX);
	assert_true(vdrv_needs_reset(&d));
}

static void test_a_receive_buffer_of_too_many_parts(void **state)
{
	gpa_t table = vdrv_alloc(&d, 16 * 600), at = vdrv_alloc(&d, 1024);

	(void)state;
	for (unsigned i = 0; i < 600; i++)
		gring_desc_at(d.mem, table, i, at, 1,
			      VRING_DESC_F_WRITE | (i < 599 ? VRING_DESC_F_NEXT : 0),
			      (uint16_t)(i + 1));
	gring_put_desc(&d.ring[RX], 0, table, 16 * 600, VRING_DESC_F_INDIRECT, 0);
	gring_offer(&d.ring[RX], 0);
	vdrv_kick(&d, RX);
	assert_true(vdrv_needs_reset(&d));
}

static void test_short_frames_are_dropped(void **state)
{
	uint8_t frame[60];

	(void)state;
	fill(frame, sizeof(frame), mac);
	rx_buffer(100); /* too little to read into at once */
	vdrv_kick(&d, RX);
	arrive(frame, 3);
	assert_false(vdrv_used_on(&d, RX).found);
	rx_buffer(2000);
	vdrv_kick(&d, RX);
	arrive(frame, 3);
	assert_false(vdrv_used_on(&d, RX).found);
	arrive(frame, sizeof(frame));
	assert_true(vdrv_used_on(&d, RX).found);
}

static void test_more_frames_than_a_turn(void **state)
{
	uint8_t frame[60];
	unsigned n = 0;

	(void)state;
	fill(frame, sizeof(frame), mac);
	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < 60; i++) {
			/* As many as the socket takes: they wait until there are buffers. */
			if (send(wire, frame, sizeof(frame), 0) < 0)
				break;
		}
		for (int i = 0; i < VDRV_QUEUE_SIZE; i++)
			rx_buffer(1600);
		vdrv_kick(&d, RX);
		while (vdrv_used_on(&d, RX).found)
			n++;
		vdrv_restart(&d, PLAIN | VIRTIO_FEATURE(32));
		d.heap = MIB;
	}
	assert_true(n >= 8);
}

/* --- reset and pause --- */

static void test_reset_forgets_buffers(void **state)
{
	uint8_t frame[100], *old, *new;

	(void)state;
	fill(frame, sizeof(frame), mac);
	old = rx_buffer(2000);
	vdrv_kick(&d, RX);
	vdrv_restart(&d, VDRV_ALL);
	arrive(frame, sizeof(frame));
	assert_false(vdrv_used_on(&d, RX).found);
	assert_int_equal(old[0], 0xcc);
	new = rx_buffer(2000);
	vdrv_kick(&d, RX);
	assert_true(vdrv_used_on(&d, RX).found);
	assert_memory_equal(new + 12, frame + 12, 88);
	assert_int_equal(old[0], 0xcc);

	rx_buffer(2000);
	vdrv_kick(&d, RX);
	virtio_queue_reset(d.vd, RX);
	arrive(frame, sizeof(frame));
	assert_false(vdrv_needs_reset(&d));
}

static void test_pause(void **state)
{
	uint8_t frame[100], *buf;

	(void)state;
	fill(frame, sizeof(frame), mac);
	buf = rx_buffer(2000);
	vdrv_kick(&d, RX);
	virtio_pause(d.vd);
	arrive(frame, sizeof(frame));
	assert_int_equal(buf[0], 0xcc);
	virtio_resume(d.vd);
	vdrv_run(&d);
	assert_true(vdrv_used_on(&d, RX).found);
}

/* --- configuration and features --- */

static struct virtio_net_config config(void)
{
	struct virtio_net_config c;

	virtio_cfg_read(d.vd, 0, &c, sizeof(c));
	return c;
}

static void test_configuration(void **state)
{
	struct virtio_net_config c = config();

	(void)state;
	assert_memory_equal(c.mac, mac, 6);
	assert_int_equal(c.status, VIRTIO_NET_S_LINK_UP);
	assert_int_equal(c.max_virtqueue_pairs, 1);
	assert_false(virtio_has(d.vd, VIRTIO_NET_F_MTU));
	assert_false(virtio_has(d.vd, VIRTIO_NET_F_MQ));
	virtio_cfg_write(d.vd, 0, "\0\0\0\0\0\0", 6); /* read-only; there is a command for it */
	assert_memory_equal(config().mac, mac, 6);
	assert_int_equal(netdev->set, ALL_OFFLOADS);
}

static void test_mtu(void **state)
{
	static uint8_t frame[9030];

	(void)state;
	start_mtu(F(MAC) | F(MTU), 9000);
	assert_true(virtio_has(d.vd, VIRTIO_NET_F_MTU));
	assert_int_equal(config().mtu, 9000);
	fill(frame, sizeof(frame), mac);
	rx_buffer(9030);
	vdrv_kick(&d, RX);
	arrive(frame, sizeof(frame));
	assert_int_equal(vdrv_used_on(&d, RX).len, sizeof(frame));
}

static void test_offloads_follow_features(void **state)
{
	(void)state;
	vdrv_restart(&d, F(GUEST_CSUM) | F(GUEST_TSO4) | VIRTIO_FEATURE(32));
	assert_int_equal(netdev->set, NETDEV_CSUM | NETDEV_TSO4);
	virtio_set_status(d.vd, 0);
	assert_int_equal(netdev->set, 0);
	vdrv_restart(&d, VIRTIO_FEATURE(32));
	assert_int_equal(netdev->set, 0);
	/* 5.1.3.1 */
	assert_false(vdrv_negotiate(&d, F(GUEST_TSO4) | VIRTIO_FEATURE(32)));
	assert_false(vdrv_negotiate(&d, F(HOST_TSO6) | VIRTIO_FEATURE(32)));
	assert_false(vdrv_negotiate(&d, F(CTRL_RX) | VIRTIO_FEATURE(32)));
	assert_true(vdrv_negotiate(&d, F(CTRL_RX) | F(CTRL_VQ) | VIRTIO_FEATURE(32)));
}

static void test_offloads_that_fail(void **state)
{
	(void)state;
	netdev->refuse = true;
	vdrv_restart(&d, VDRV_ALL);
	assert_true(vdrv_needs_reset(&d));
	assert_string_equal(d.vd->broken_why, "no offloads, as the test wants");
	netdev->refuse = false;
}

static void test_a_netdev_that_cannot_be_watched(void **state)
{
	struct fake_netdev *n = fake_netdev_new(0, &(int){-1});
	struct err err = {0};

	(void)state;
	close(n->netdev.fd);
	n->netdev.fd = -1;
	assert_null(net_new_on("net1", &n->netdev, mac, 0, d.mem, d.loop, &err));
	assert_int_equal(strncmp(err.msg, "net1: ", 6), 0);
}

static void test_a_netdev_with_less(void **state)
{
	struct vdrv e;
	int other;
	struct fake_netdev *less = fake_netdev_new(NETDEV_CSUM, &other);

	(void)state;
	vdrv_init(&e);
	vdrv_start(&e, net_new_on("net1", &less->netdev, mac, 0, e.mem, e.loop, NULL), VDRV_ALL);
	assert_true(virtio_has(e.vd, VIRTIO_NET_F_GUEST_CSUM));
	assert_false(virtio_has(e.vd, VIRTIO_NET_F_GUEST_TSO4));
	assert_false(virtio_has(e.vd, VIRTIO_NET_F_GUEST_UFO));
	assert_true(virtio_has(e.vd, VIRTIO_NET_F_HOST_TSO4));
	vdrv_done(&e);
	close(other);
}

/* --- the control queue --- */

static uint8_t control(uint8_t class, uint8_t cmd, const void *data, uint32_t n)
{
	uint8_t header[2] = {class, cmd}, *ack;

	vdrv_out(&d, header, 2);
	if (n)
		vdrv_out(&d, data, n);
	ack = vdrv_in(&d, 1);
	*ack = 0xee;
	vdrv_kick(&d, CTRL);
	assert_int_equal(vdrv_used(&d).len, 1);
	return *ack;
}

static bool receives(const uint8_t dst[6])
{
	uint8_t frame[60];

	fill(frame, sizeof(frame), dst);
	arrive(frame, sizeof(frame));
	return vdrv_used_on(&d, RX).found;
}

static void table(uint8_t *to, unsigned nuni, const uint8_t uni[6], unsigned nmulti,
		  const uint8_t multi[6])
{
	put_le32(to, nuni);
	memcpy(to + 4, uni, 6 * nuni);
	put_le32(to + 4 + 6 * nuni, nmulti);
	memcpy(to + 8 + 6 * nuni, multi, 6 * nmulti);
}

static void test_filter(void **state)
{
	static const uint8_t other[6] = {0x52, 0x54, 0, 9, 9, 9}, multi[6] = {1, 0, 0x5e, 1, 2, 3},
			     broadcast[6] = {255, 255, 255, 255, 255, 255};
	uint8_t on = 1, off = 0, lists[32];

	(void)state;
	for (int i = 0; i < 40; i++)
		rx_buffer(1600);
	vdrv_kick(&d, RX);
	assert_true(receives(other)); /* everything, until told */
	assert_int_equal(control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &off, 1),
			 VIRTIO_NET_OK);
	assert_true(receives(mac));
	assert_true(receives(broadcast));
	assert_false(receives(other));
	assert_false(receives(multi));

	table(lists, 1, other, 1, multi);
	assert_int_equal(control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, lists, 20),
			 VIRTIO_NET_OK);
	assert_true(receives(other));
	assert_true(receives(multi));
	table(lists, 0, other, 0, multi);
	assert_int_equal(control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, lists, 8),
			 VIRTIO_NET_OK);
	assert_false(receives(other));
	assert_false(receives(multi));

	control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, &on, 1);
	assert_true(receives(multi));
	control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOMULTI, &on, 1);
	assert_false(receives(multi));
	assert_true(receives(broadcast));
	control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, &on, 1);
	assert_false(receives(broadcast));
	control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLUNI, &on, 1);
	assert_true(receives(other));
	control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOUNI, &on, 1);
	assert_false(receives(mac));
	control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &on, 1);
	assert_true(receives(other));
}

static void test_more_addresses_than_we_keep(void **state)
{
	static uint8_t lists[8 + 6 * 100];
	static const uint8_t other[6] = {0x52, 0x54, 0, 9, 9, 9}, multi[6] = {1, 0, 0x5e, 1, 2, 3};
	uint8_t off = 0;

	(void)state;
	rx_buffer(1600);
	rx_buffer(1600);
	vdrv_kick(&d, RX);
	control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &off, 1);
	put_le32(lists, 100);
	assert_int_equal(
		control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, lists, sizeof(lists)),
		VIRTIO_NET_OK);
	assert_true(receives(other));
	assert_false(receives(multi));
}

static void test_setting_the_address(void **state)
{
	static const uint8_t new[6] = {2, 4, 6, 8, 10, 12};
	uint8_t off = 0;

	(void)state;
	rx_buffer(1600);
	rx_buffer(1600);
	vdrv_kick(&d, RX);
	control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &off, 1);
	assert_int_equal(control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, new, 6),
			 VIRTIO_NET_OK);
	assert_memory_equal(config().mac, new, 6);
	assert_true(receives(new));
	assert_false(receives(mac));
	virtio_set_status(d.vd, 0);
	assert_memory_equal(config().mac, mac, 6);
}

static void test_setting_offloads(void **state)
{
	uint8_t offloads[8] = {0};

	(void)state;
	offloads[0] = 1 << VIRTIO_NET_F_GUEST_CSUM;
	assert_int_equal(control(VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
				 offloads, 8),
			 VIRTIO_NET_OK);
	assert_int_equal(netdev->set, NETDEV_CSUM);
	offloads[7] = 0x40; /* never offered */
	assert_int_equal(control(VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
				 offloads, 8),
			 VIRTIO_NET_ERR);
	assert_int_equal(control(VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
				 offloads, 7),
			 VIRTIO_NET_ERR);
	assert_int_equal(netdev->set, NETDEV_CSUM);
}

static void test_commands_that_are_refused(void **state)
{
	uint8_t lists[20], one = 1;

	(void)state;
	assert_int_equal(control(VIRTIO_NET_CTRL_RX, 6, &one, 1), VIRTIO_NET_ERR);
	assert_int_equal(control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, NULL, 0),
			 VIRTIO_NET_ERR);
	assert_int_equal(control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, "12345", 5),
			 VIRTIO_NET_ERR);
	assert_int_equal(control(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, "\1\0", 2),
			 VIRTIO_NET_ERR);
	assert_int_equal(control(VIRTIO_NET_CTRL_ANNOUNCE, 0, NULL, 0), VIRTIO_NET_ERR);
	assert_int_equal(control(VIRTIO_NET_CTRL_MQ, 0, "\1\0", 2), VIRTIO_NET_ERR);
	assert_int_equal(control(255, 255, NULL, 0), VIRTIO_NET_ERR);
	/* Lists that claim more than they hold. */
	memset(lists, 0, sizeof(lists));
	put_le32(lists, UINT32_MAX);
	assert_int_equal(control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, lists, 20),
			 VIRTIO_NET_ERR);
	put_le32(lists, 3);
	assert_int_equal(control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, lists, 20),
			 VIRTIO_NET_ERR);
	put_le32(lists, 2);
	assert_int_equal(control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, lists, 16),
			 VIRTIO_NET_ERR);
	assert_int_equal(control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, lists, 3),
			 VIRTIO_NET_ERR);
	assert_false(vdrv_needs_reset(&d));

	vdrv_restart(&d, VIRTIO_FEATURE(32)); /* nothing negotiated, nothing accepted */
	assert_int_equal(control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &one, 1),
			 VIRTIO_NET_ERR);
}

static void test_malformed_commands(void **state)
{
	(void)state;
	vdrv_out(&d, "x", 1);
	vdrv_in(&d, 1);
	vdrv_kick(&d, CTRL);
	assert_true(vdrv_needs_reset(&d));
	vdrv_restart(&d, VDRV_ALL);
	vdrv_out(&d, "\0\0\0", 3);
	vdrv_kick(&d, CTRL);
	assert_true(vdrv_needs_reset(&d));
}

/* --- the tap --- */

static int open_tap(short flags)
{
	struct ifreq ifr = {.ifr_flags = flags};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void test_tap_flags_are_checked(void **state)
{
	struct err err = {0};
	int fd;

	(void)state;
	assert_null(tap_new(open("/dev/null", O_RDWR | O_CLOEXEC), &err));
	assert_non_null(strstr(err.msg, "no attached tap"));
	fd = open_tap(IFF_TAP | IFF_NO_PI);
	if (fd < 0)
		skip(); /* no /dev/net/tun, or no right to make one */
	memset(&err, 0, sizeof(err));
	assert_null(tap_new(fd, &err));
	assert_non_null(strstr(err.msg, "IFF_VNET_HDR"));
	assert_null(net_new("net0", open("/dev/null", O_RDWR), mac, 0, d.mem, d.loop, &err));
}

static void test_tap(void **state)
{
	int fd = open_tap(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR), size = 0;
	struct netdev *n;

	(void)state;
	if (fd < 0)
		skip();
	n = tap_new(fd, NULL);
	assert_non_null(n);
	assert_true(n->offloads & NETDEV_TSO4);
	assert_int_equal(ioctl(fd, TUNGETVNETHDRSZ, &size), 0);
	assert_int_equal(size, 12);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	for (unsigned offloads = 0; offloads <= ALL_OFFLOADS; offloads++)
		assert_int_equal(n->class->set_offloads(n, offloads & n->offloads, NULL), 0);
	netdev_free(n);
	netdev_free(NULL);
}

int main(void)
{
#define NET_TEST(f)    cmocka_unit_test_setup_teardown(f, setup, teardown)
#define PLAIN_TEST(f)  cmocka_unit_test_setup_teardown(f, setup_plain, teardown)
#define SINGLE_TEST(f) cmocka_unit_test_setup_teardown(f, setup_single_buffers, teardown)
	const struct CMUnitTest tests[] = {
		NET_TEST(test_send),
		NET_TEST(test_send_without_header),
		NET_TEST(test_send_too_much),
		NET_TEST(test_send_in_too_many_parts),
		NET_TEST(test_a_full_netdev_is_waited_for),
		PLAIN_TEST(test_receive_merged),
		PLAIN_TEST(test_receive_waits_for_buffers),
		NET_TEST(test_receive_parks_a_frame),
		NET_TEST(test_a_frame_that_never_fits_is_dropped),
		NET_TEST(test_receive_large),
		SINGLE_TEST(test_single_buffers),
		SINGLE_TEST(test_a_frame_longer_than_its_buffer_is_dropped),
		PLAIN_TEST(test_receive_into_parts),
		NET_TEST(test_bad_receive_buffers),
		PLAIN_TEST(test_short_frames_are_dropped),
		NET_TEST(test_a_receive_buffer_of_too_many_parts),
		PLAIN_TEST(test_more_frames_than_a_turn),
		NET_TEST(test_reset_forgets_buffers),
		NET_TEST(test_pause),
		NET_TEST(test_configuration),
		cmocka_unit_test_teardown(test_mtu, teardown),
		NET_TEST(test_offloads_follow_features),
		NET_TEST(test_offloads_that_fail),
		NET_TEST(test_a_netdev_that_cannot_be_watched),
		NET_TEST(test_a_netdev_with_less),
		PLAIN_TEST(test_filter),
		PLAIN_TEST(test_more_addresses_than_we_keep),
		PLAIN_TEST(test_setting_the_address),
		NET_TEST(test_setting_offloads),
		NET_TEST(test_commands_that_are_refused),
		NET_TEST(test_malformed_commands),
		NET_TEST(test_tap_flags_are_checked),
		cmocka_unit_test(test_tap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
