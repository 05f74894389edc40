/* SPDX-License-Identifier: Apache-2.0
 *
 * A block device behind virtio-pci as it runs in the machine: served by a loop on a thread of its
 * own, while a vCPU's thread rings, resets and reconfigures it at the worst moments. What counts is
 * that nothing of before a reset reaches guest memory after it; the thread sanitizer sees the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <sys/mman.h>
#include <time.h>

#include "base/util.h"
#include "tests/lib/vmm/gring.h"
#include "tests/lib/vmm/guarded.h"
#include "tests/lib/vmm/vpci.h"
#include "vmm/virtio/devices.h"

#define RAM    (4 * MIB)
#define DISK   (4 * MIB)
#define HEADER UINT64_C(0x20000)
#define STATUS UINT64_C(0x30000)
#define DATA   UINT64_C(0x100000)

enum { SLOT = 1, REQUESTS = 16, BYTES = 16384 };

static struct vpci p;
static struct gmem *mem;
static struct loop *loop;
static struct virtio_pci *transport;
static struct vpci_virtio v;
static struct gring ring;
static struct virtio_dev *dev;

static int setup(void **state)
{
	struct blk_layer layer = {
		.fd = memfd_create("image", MFD_CLOEXEC), .format = BLK_RAW, .name = "x"};
	struct blk *blk;

	(void)state;
	assert_int_equal(ftruncate(layer.fd, DISK), 0);
	blk = blk_open(&layer, 1, 0, NULL);
	assert_non_null(blk);
	vpci_init(&p);
	mem = guarded_gmem(RAM);
	loop = loop_new(NULL);
	assert_int_equal(loop_thread_start(loop, "disk", NULL), 0);
	dev = blk_new("disk0", blk, "serial", mem, loop, NULL);
	transport = virtio_pci_new(p.pci, dev, &p.msi_hook, &p.bell_hook, &p.intx_hook, NULL);
	assert_non_null(transport);
	vpci_enable(&p, SLOT);
	vpci_virtio_find(&p, SLOT, &v);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loop_stop(loop);
	loop_thread_join(loop);
	virtio_pci_free(transport);
	loop_free(loop);
	vpci_done(&p);
	gmem_free(mem);
	return 0;
}

static void wr(unsigned off, unsigned size, uint64_t val)
{
	vpci_common_write(&v, off, size, val);
}

static void up(void)
{
	gpa_t parts[3];

	gring_place(&ring, mem, 64, 0x1000);
	parts[0] = ring.desc;
	parts[1] = ring.avail;
	parts[2] = ring.used;
	wr(VIRTIO_PCI_COMMON_STATUS, 1, 3);
	wr(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	wr(VIRTIO_PCI_COMMON_GF, 4, 1 | 1 << (VIRTIO_F_RING_RESET - 32));
	wr(VIRTIO_PCI_COMMON_STATUS, 1, 0xb);
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	wr(VIRTIO_PCI_COMMON_Q_SIZE, 2, 64);
	for (unsigned i = 0; i < 3; i++)
		wr(VIRTIO_PCI_COMMON_Q_DESCLO + 8 * i, 8, parts[i]);
	wr(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	wr(VIRTIO_PCI_COMMON_STATUS, 1, 0xf);
	assert_int_equal(vpci_common_read(&v, VIRTIO_PCI_COMMON_STATUS, 1), 0xf);
}

/* Writes and reads in turns, each with a header, data and a status byte. */
static void offer(unsigned i)
{
	struct virtio_blk_outhdr h = {.type = i % 2, .sector = i * (BYTES / 512)};
	uint16_t d = (uint16_t)(3 * i);

	gmem_write(mem, HEADER + 16 * i, &h, sizeof(h));
	gring_put_desc(&ring, d, HEADER + 16 * i, 16, VRING_DESC_F_NEXT, d + 1);
	gring_put_desc(&ring, d + 1, DATA + BYTES * (uint64_t)i, BYTES,
		       VRING_DESC_F_NEXT | (i % 2 ? 0 : VRING_DESC_F_WRITE), d + 2);
	gring_put_desc(&ring, d + 2, STATUS + i, 1, VRING_DESC_F_WRITE, 0);
	gring_offer(&ring, d);
}

static void ring_bell(void)
{
	vpci_write(&p, v.notify, 2, 0);
}

static void wait_for_used(uint16_t idx)
{
	for (int i = 0; i < 20000; i++) {
		if (gring_used_idx(&ring) == idx)
			return;
		nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
	}
	fail_msg("the requests never completed");
}

static void test_requests_complete(void **state)
{
	(void)state;
	up();
	for (unsigned i = 0; i < REQUESTS; i++) {
		offer(i);
		ring_bell();
	}
	wait_for_used(REQUESTS);
	for (unsigned i = 0; i < REQUESTS; i++)
		assert_int_equal(*(uint8_t *)gmem_ptr(mem, STATUS + i, 1), VIRTIO_BLK_S_OK);
}

/* Everything that a late completion would write to, scribbled over, must stay so. */
static void nothing_comes_late(void)
{
	uint8_t *used = gmem_ptr(mem, ring.used, 512), *status = gmem_ptr(mem, STATUS, REQUESTS);

	memset(used, 0xa5, 512);
	memset(status, 0xa5, REQUESTS);
	ring_bell();
	nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
	for (unsigned i = 0; i < 512; i++)
		assert_int_equal(used[i], 0xa5);
	for (unsigned i = 0; i < REQUESTS; i++)
		assert_int_equal(status[i], 0xa5);
}

static void test_resets_in_flight(void **state)
{
	(void)state;
	for (int round = 0; round < 100; round++) {
		up();
		for (unsigned i = 0; i < REQUESTS; i++) {
			offer(i);
			if (i % 4 == 3)
				ring_bell();
		}
		if (round % 3 == 1)
			wait_for_used(REQUESTS);
		if (round % 2)
			wr(VIRTIO_PCI_COMMON_STATUS, 1, 0);
		else
			wr(VIRTIO_PCI_COMMON_Q_RESET, 2, 1);
		nothing_comes_late();
		wr(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	}
}

static void test_pauses_in_flight(void **state)
{
	(void)state;
	up();
	for (int round = 0; round < 50; round++) {
		for (unsigned i = 0; i < REQUESTS; i++)
			offer(i);
		ring_bell();
		virtio_pause(dev);
		virtio_resume(dev);
		wait_for_used((uint16_t)((round + 1) * REQUESTS));
	}
}

static void test_the_bar_moves_in_flight(void **state)
{
	(void)state;
	up();
	for (int round = 0; round < 50; round++) {
		for (unsigned i = 0; i < REQUESTS; i++)
			offer(i);
		ring_bell();
		vpci_cfg_write(&p, SLOT, PCI_BASE_ADDRESS_1, 4, round % 2 + 1);
		vpci_virtio_find(&p, SLOT, &v);
		ring_bell();
		wait_for_used((uint16_t)((round + 1) * REQUESTS));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests_complete, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resets_in_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pauses_in_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_bar_moves_in_flight, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
