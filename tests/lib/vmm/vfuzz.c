/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets of the devices share: see vfuzz.h.
 */
#include "tests/lib/vmm/vfuzz.h"

#include <fcntl.h>
#include <linux/virtio_config.h>

#include "base/util.h"

#define HEAP (1 * MIB)

static uint64_t features(const struct vdrv *d, struct fuzzin *f)
{
	uint64_t want = d->vd->features;

	/* Now and then without some: bit by bit, so that dependencies are met or not. */
	for (unsigned n = fuzz_pick(f, 4); n; n--)
		want &= ~VIRTIO_FEATURE(fuzz_u8(f) % 64);
	return want | VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
}

static void bring_up(struct vdrv *d, struct fuzzin *f)
{
	uint64_t want = features(d, f);

	d->heap = HEAP;
	d->nparts = 0;
	memset(d->kicked, 0, sizeof(d->kicked));
	d->indirect = fuzz_u8(f) & 1 && want & VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
	if (!vdrv_negotiate(d, want) && !vdrv_negotiate(d, d->vd->features))
		abort();
	vdrv_queues(d);
	vdrv_driver_ok(d);
}

void vfuzz_begin(struct vdrv *d, struct fuzzin *f)
{
	static bool quiet;

	if (!quiet)
		log_setup(open("/dev/null", O_WRONLY), LOG_ERROR);
	quiet = true;
	virtio_resume(d->vd);
	bring_up(d, f);
}

/* One field of one part, before the buffer becomes descriptors. */
static void break_part(struct vdrv *d, struct fuzzin *f)
{
	unsigned i = fuzz_pick(f, d->nparts ? d->nparts : 1);

	switch (fuzz_pick(f, 5)) {
	case 0:
		d->parts[i].addr = fuzz_edge(f);
		break;
	case 1:
		d->parts[i].len = (uint32_t)fuzz_edge(f);
		break;
	case 2:
		d->parts[i].in = !d->parts[i].in;
		break;
	case 3: /* leave it out */
		d->nparts -= d->nparts > 1;
		memmove(&d->parts[i], &d->parts[i + 1],
			sizeof(d->parts[0]) * (d->nparts - min_u64(i, d->nparts)));
		break;
	case 4: /* a byte of what the part says */
	{
		uint8_t *p = gmem_ptr(d->mem, d->parts[i].addr, d->parts[i].len);

		if (p)
			p[fuzz_u8(f) % d->parts[i].len] = fuzz_u8(f);
		break;
	}
	}
}

/* One field of the ring. */
static void break_ring(struct vdrv *d, unsigned q, struct fuzzin *f)
{
	struct gring *r = &d->ring[q];
	uint64_t len = 20 * (uint64_t)r->size;
	uint8_t byte;

	switch (fuzz_pick(f, 3)) {
	case 0:
		gring_set_avail_idx(r, (uint16_t)(r->avail_idx + fuzz_edge(f)));
		break;
	case 1:
		gring_offer(r, (uint16_t)fuzz_edge(f));
		break;
	case 2:
		byte = fuzz_u8(f);
		gmem_write(d->mem, r->desc + fuzz_uint(f, 2) % len, &byte, 1);
		break;
	}
}

void vfuzz_offer(struct vdrv *d, unsigned q, struct fuzzin *f)
{
	uint8_t how = fuzz_u8(f);

	if (d->heap > HEAP * 12)
		d->heap = HEAP; /* what was given out is overwritten: guests do such things, too */
	if (how >= 0xd0 && d->nparts)
		break_part(d, f);
	if (d->nparts && d->nparts <= d->ring[q].size)
		vdrv_offer(d, q);
	d->nparts = 0;
	if (how >= 0xc0 && how < 0xd0)
		break_ring(d, q, f);
	if (!(how & 1))
		virtio_queue_notify(d->vd, q);
	for (unsigned i = 0; i < d->vd->nqueues; i++)
		while (vdrv_used_on(d, i).found)
			;
}

void vfuzz_aside(struct vdrv *d, struct fuzzin *f)
{
	unsigned q = fuzz_pick(f, d->vd->nqueues);
	uint8_t bytes[8];

	switch (fuzz_pick(f, 8)) {
	case 0:
		bring_up(d, f);
		break;
	case 1:
		virtio_pause(d->vd);
		virtio_resume(d->vd);
		break;
	case 2:
		virtio_cfg_read(d->vd, fuzz_u8(f), bytes, 1 + fuzz_pick(f, 8));
		break;
	case 3:
		put_le64(bytes, fuzz_edge(f));
		virtio_cfg_write(d->vd, fuzz_u8(f), bytes, 1 + fuzz_pick(f, 8));
		break;
	case 4:
		virtio_queue_notify(d->vd, fuzz_u8(f));
		break;
	case 5: {
		struct gring *r = &d->ring[q];

		virtio_queue_reset(d->vd, q);
		gring_place(r, d->mem, r->size, r->desc);
		virtio_queue_enable(d->vd, q, r->size, r->desc, r->avail, r->used);
		break;
	}
	case 6:
		virtio_set_status(d->vd, fuzz_u8(f) & 1 ? 0 : (uint8_t)fuzz_edge(f));
		break;
	case 7:
		vdrv_run(d);
		break;
	}
}
