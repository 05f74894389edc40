/* SPDX-License-Identifier: Apache-2.0
 *
 * The network device: frames both ways, receive buffers of all sizes, control commands.
 */
#include <linux/virtio_net.h>
#include <sys/socket.h>

#include "base/util.h"
#include "tests/lib/vmm/fake_netdev.h"
#include "tests/lib/vmm/vfuzz.h"
#include "vmm/virtio/devices.h"

enum { RX, TX, CTRL };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vdrv d;
static int wire, far_end; /* far_end: the device's descriptor */
static uint8_t sink[70000];

static void drain(void)
{
	while (recv(wire, sink, sizeof(sink), MSG_DONTWAIT) >= 0)
		;
}

static void setup(void)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};
	struct fake_netdev *n = fake_netdev_new(NETDEV_CSUM | NETDEV_TSO4 | NETDEV_TSO6, &wire);

	far_end = n->netdev.fd;
	vdrv_init(&d);
	vdrv_attach(&d, net_new_on("net0", &n->netdev, mac, 1500, d.mem, d.loop, NULL));
}

static void receive_buffers(struct fuzzin *f)
{
	static const uint32_t sizes[] = {1530, 12, 13, 64, 1526, 4096, 65562, 600};

	for (unsigned n = 1 + fuzz_pick(f, 16); n; n--) {
		for (unsigned parts = 1 + fuzz_pick(f, 3); parts; parts--)
			vdrv_in(&d, sizes[fuzz_pick(f, ARRAY_LEN(sizes))]);
		vfuzz_offer(&d, RX, f);
	}
}

static void arrive(struct fuzzin *f)
{
	static uint8_t frame[65600];
	static const uint16_t sizes[] = {60, 1514, 3000, 11, 12, 13, 9000, 65535};

	for (unsigned n = 1 + fuzz_pick(f, 3); n; n--) {
		memset(frame + 12, fuzz_u8(f), 6);
		(void)!send(wire, frame, sizes[fuzz_pick(f, ARRAY_LEN(sizes))], MSG_DONTWAIT);
	}
	vdrv_run(&d);
}

static void transmit(struct fuzzin *f)
{
	static uint8_t frame[2048];

	frame[0] = fuzz_u8(f) & 3;
	vdrv_out(&d, frame, 12);
	vdrv_out(&d, frame + 12, 1 + fuzz_u8(f));
	vfuzz_offer(&d, TX, f);
}

static void command(struct fuzzin *f)
{
	static const uint8_t commands[][2] = {
		{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC},
		{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST},
		{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET},
		{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET},
		{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET},
	};
	uint8_t header[2], body[64] = {0};
	unsigned i = fuzz_pick(f, ARRAY_LEN(commands));

	memcpy(header, commands[i], 2);
	if (fuzz_rare(f))
		header[fuzz_u8(f) & 1] = fuzz_u8(f);
	put_le32(body, fuzz_rare(f) ? (uint32_t)fuzz_edge(f) : fuzz_u8(f) & 7);
	put_le32(body + 4 + 6 * (get_le32(body) & 7), fuzz_rare(f) ? (uint32_t)fuzz_edge(f) : 1);
	vdrv_out(&d, header, 2);
	vdrv_out(&d, body, 1 + fuzz_u8(f) % sizeof(body));
	vdrv_in(&d, 1);
	vfuzz_offer(&d, CTRL, f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzzin f = {data, size};

	if (!d.vd)
		setup();
	vfuzz_begin(&d, &f);
	for (int i = 0; i < 60 && fuzz_more(&f); i++) {
		switch (fuzz_pick(&f, 6)) {
		case 0:
		case 1:
			receive_buffers(&f);
			break;
		case 2:
			arrive(&f);
			break;
		case 3:
			transmit(&f);
			break;
		case 4:
			command(&f);
			break;
		case 5:
			vfuzz_aside(&d, &f);
			drain();
			break;
		}
	}
	virtio_reset(d.vd);
	drain();
	while (recv(far_end, sink, sizeof(sink), MSG_DONTWAIT) >= 0)
		; /* what arrived and was not taken would be the next input's */
	return 0;
}
