/* SPDX-License-Identifier: Apache-2.0
 *
 * The block device on a raw and on a qcow2 image: requests as a driver makes them, with one thing
 * wrong now and then, and resets while requests are in flight.
 */
#include <linux/virtio_blk.h>
#include <sys/mman.h>

#include "base/util.h"
#include "tests/lib/vmm/vfuzz.h"
#include "vmm/virtio/devices.h"

#define DISK (1 * MIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make(struct vdrv *d, enum blk_format format)
{
	struct blk_layer layer = {
		.fd = memfd_create("image", MFD_CLOEXEC), .format = format, .name = "x"};
	struct blk *blk;

	if (format == BLK_RAW ? ftruncate(layer.fd, DISK)
			      : qcow2_create(layer.fd, &(struct blk_create){.size = DISK}, NULL))
		abort();
	blk = blk_open(&layer, 1, BLK_DISCARD, NULL);
	if (!blk)
		abort();
	vdrv_init(d);
	vdrv_attach(d, blk_new("disk0", blk, "serial", d->mem, d->loop, NULL));
}

static void data_parts(struct vdrv *d, struct fuzzin *f, bool in)
{
	static const uint8_t junk[4096];

	for (unsigned n = 1 + fuzz_pick(f, 3); n; n--) {
		uint32_t len = 512 * (1 + fuzz_pick(f, 8));

		if (in)
			vdrv_in(d, len);
		else
			vdrv_out(d, junk, len);
	}
}

static void request(struct vdrv *d, struct fuzzin *f)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_IN,      VIRTIO_BLK_T_OUT,
					 VIRTIO_BLK_T_FLUSH,   VIRTIO_BLK_T_GET_ID,
					 VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES};
	struct virtio_blk_outhdr h = {.type = types[fuzz_pick(f, ARRAY_LEN(types))]};
	uint64_t sector = fuzz_uint(f, 2) % (DISK / 512);

	if (fuzz_rare(f))
		sector = fuzz_edge(f);
	h.sector = sector;
	if (h.type == VIRTIO_BLK_T_DISCARD || h.type == VIRTIO_BLK_T_WRITE_ZEROES) {
		struct virtio_blk_discard_write_zeroes r = {
			.sector = sector,
			.num_sectors = fuzz_rare(f) ? (uint32_t)fuzz_edge(f) : fuzz_u8(f),
			.flags = fuzz_rare(f) ? (uint32_t)fuzz_edge(f) : fuzz_u8(f) & 1,
		};

		h.sector = 0;
		vdrv_out(d, &h, sizeof(h));
		vdrv_out(d, &r, sizeof(r));
	} else {
		if (fuzz_rare(f))
			h.type = (uint32_t)fuzz_edge(f);
		vdrv_out(d, &h, sizeof(h));
		if (h.type == VIRTIO_BLK_T_GET_ID)
			vdrv_in(d, 20);
		else if (h.type != VIRTIO_BLK_T_FLUSH)
			data_parts(d, f, h.type == VIRTIO_BLK_T_IN);
	}
	vdrv_in(d, 1);
	vfuzz_offer(d, 0, f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vdrv disks[2];
	struct fuzzin f = {data, size};
	struct vdrv *d = &disks[fuzz_u8(&f) & 1];

	if (!disks[0].vd) {
		make(&disks[0], BLK_RAW);
		make(&disks[1], BLK_QCOW2);
	}
	vfuzz_begin(d, &f);
	for (int i = 0; i < 100 && fuzz_more(&f); i++)
		if (fuzz_rare(&f))
			vfuzz_aside(d, &f);
		else
			request(d, &f);
	virtio_reset(d->vd); /* drains: no input runs into the next */
	return 0;
}
