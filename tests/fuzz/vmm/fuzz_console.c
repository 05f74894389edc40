/* SPDX-License-Identifier: Apache-2.0
 *
 * The console device: output, input, and control messages in any order.
 */
#include <linux/virtio_console.h>
#include <sys/socket.h>

#include "base/util.h"
#include "tests/lib/vmm/vfuzz.h"
#include "vmm/dev/chardev_hub.h"
#include "vmm/virtio/devices.h"

enum { INPUT, OUTPUT, CONTROL_IN, CONTROL_OUT };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vdrv d;
static int client;

static void setup(void)
{
	struct chardev *chardev;
	int pair[2];

	vdrv_init(&d);
	chardev = chardev_new(d.loop);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
	    chardev_attach(chardev, pair[1], 0, false, NULL) < 0)
		abort();
	client = pair[0];
	vdrv_attach(&d, console_new("console0", chardev, d.mem, d.loop, NULL));
}

static void step(struct fuzzin *f)
{
	struct virtio_console_control m;
	char sink[4096];

	switch (fuzz_pick(f, 7)) {
	case 0:
		vdrv_in(&d, 1 + fuzz_u8(f));
		vfuzz_offer(&d, INPUT, f);
		break;
	case 1:
		for (unsigned n = 1 + fuzz_pick(f, 3); n; n--)
			vdrv_out(&d, "output\r\n", 1 + fuzz_pick(f, 8));
		vfuzz_offer(&d, OUTPUT, f);
		break;
	case 2:
		vdrv_in(&d, 8);
		vfuzz_offer(&d, CONTROL_IN, f);
		break;
	case 3:
	case 4:
		m = (struct virtio_console_control){
			.id = fuzz_rare(f) ? (uint32_t)fuzz_edge(f) : 0,
			.event = fuzz_rare(f) ? (uint16_t)fuzz_edge(f) : fuzz_pick(f, 8),
			.value = fuzz_u8(f) & 1,
		};
		vdrv_out(&d, &m, sizeof(m));
		vfuzz_offer(&d, CONTROL_OUT, f);
		break;
	case 5:
		(void)!send(client, "typed input", 1 + fuzz_pick(f, 11), MSG_DONTWAIT);
		vdrv_run(&d);
		while (recv(client, sink, sizeof(sink), MSG_DONTWAIT) > 0)
			;
		break;
	case 6:
		vfuzz_aside(&d, f);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzzin f = {data, size};

	if (!d.vd)
		setup();
	vfuzz_begin(&d, &f);
	for (int i = 0; i < 100 && fuzz_more(&f); i++)
		step(&f);
	return 0;
}
