/* SPDX-License-Identifier: Apache-2.0
 *
 * A fake driver: see vdrv.h.
 */
#include "tests/lib/vmm/vdrv.h"

#include <linux/virtio_config.h>
#include <time.h>

#include "base/util.h"
#include "tests/lib/vmm/fakes.h"
#include "tests/lib/vmm/guarded.h"

#define RAM   (16 * MIB)
#define RINGS (64 * KIB)
#define HEAP  (1 * MIB)

static void queue_interrupt(void *transport, unsigned q)
{
	struct vdrv *d = transport;

	d->interrupts[q]++;
}

static void config_interrupt(void *transport)
{
	struct vdrv *d = transport;

	d->config_interrupts++;
}

static void kick(void *transport, unsigned q)
{
	struct vdrv *d = transport;

	d->kicked[q] = true;
}

static void reset(void *transport)
{
	struct vdrv *d = transport;

	d->resets++;
}

static const struct virtio_transport_ops transport_ops = {
	.queue_interrupt = queue_interrupt,
	.config_interrupt = config_interrupt,
	.kick = kick,
	.reset = reset,
};

void vdrv_init(struct vdrv *d)
{
	memset(d, 0, sizeof(*d));
	d->mem = guarded_gmem(RAM);
	d->loop = loop_new(NULL);
	assert(d->mem && d->loop);
	d->queue_size = VDRV_QUEUE_SIZE;
	d->rings = RINGS;
	d->heap = HEAP;
}

void vdrv_attach(struct vdrv *d, struct virtio_dev *vd)
{
	assert(vd);
	d->vd = vd;
	vd->transport = d;
	vd->transport_ops = &transport_ops;
}

bool vdrv_negotiate(struct vdrv *d, uint64_t features)
{
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	virtio_set_status(d->vd, 0);
	virtio_set_status(d->vd, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	virtio_set_status(d->vd, status);
	virtio_set_features(d->vd, features);
	virtio_set_status(d->vd, status | VIRTIO_CONFIG_S_FEATURES_OK);
	return d->vd->status & VIRTIO_CONFIG_S_FEATURES_OK;
}

void vdrv_queues(struct vdrv *d)
{
	d->rings = RINGS;
	for (unsigned q = 0; q < d->vd->nqueues; q++) {
		struct gring *r = &d->ring[q];
		uint16_t size = (uint16_t)min_u64(d->queue_size, d->vd->class->queue_size);

		d->rings = gring_place(r, d->mem, size, d->rings);
		assert(virtio_queue_enable(d->vd, q, size, r->desc, r->avail, r->used) == 0);
	}
	assert(d->rings <= HEAP);
}

void vdrv_driver_ok(struct vdrv *d)
{
	virtio_set_status(d->vd, d->vd->status | VIRTIO_CONFIG_S_DRIVER_OK);
	vdrv_run(d);
}

void vdrv_restart(struct vdrv *d, uint64_t want)
{
	bool accepted = vdrv_negotiate(d, want & d->vd->features);

	assert(accepted);
	vdrv_queues(d);
	vdrv_driver_ok(d);
}

void vdrv_start(struct vdrv *d, struct virtio_dev *vd, uint64_t want)
{
	vdrv_attach(d, vd);
	vdrv_restart(d, want | VIRTIO_FEATURE(VIRTIO_F_VERSION_1));
}

void vdrv_done(struct vdrv *d)
{
	if (d->vd) {
		virtio_reset(d->vd);
		d->vd->transport_ops = NULL;
		virtio_free(d->vd);
	}
	loop_free(d->loop);
	gmem_free(d->mem);
}

gpa_t vdrv_alloc(struct vdrv *d, uint64_t n)
{
	gpa_t at = d->heap;

	d->heap = align_up(d->heap + n, 16);
	assert(d->heap <= RAM);
	return at;
}

static void *add_part(struct vdrv *d, uint32_t n, bool in)
{
	gpa_t at = vdrv_alloc(d, n);

	assert(d->nparts < VDRV_PARTS);
	d->parts[d->nparts].addr = at;
	d->parts[d->nparts].len = n;
	d->parts[d->nparts++].in = in;
	return gmem_ptr(d->mem, at, n);
}

void *vdrv_out(struct vdrv *d, const void *data, uint32_t n)
{
	void *p = add_part(d, n, false);

	if (p)
		memcpy(p, data, n);
	return p;
}

void *vdrv_in(struct vdrv *d, uint32_t n)
{
	return add_part(d, n, true);
}

uint16_t vdrv_offer(struct vdrv *d, unsigned q)
{
	struct gring *r = &d->ring[q];
	uint16_t head = r->next_desc;
	gpa_t table = r->desc;
	uint16_t base = head;

	if (d->indirect) {
		table = vdrv_alloc(d, 16 * (uint64_t)d->nparts);
		gring_put_desc(r, head, table, 16 * d->nparts, VRING_DESC_F_INDIRECT, 0);
		r->next_desc = (uint16_t)((head + 1) % r->size);
		base = 0;
	} else {
		assert(d->nparts <= r->size);
		r->next_desc = (uint16_t)((head + d->nparts) % r->size);
	}
	for (unsigned i = 0; i < d->nparts; i++) {
		bool last = i + 1 == d->nparts;
		uint16_t at = (uint16_t)(base + i), next = (uint16_t)(at + 1);

		if (!d->indirect) {
			at %= r->size;
			next %= r->size;
		}
		gring_desc_at(d->mem, table, at, d->parts[i].addr, d->parts[i].len,
			      (uint16_t)((last ? 0 : VRING_DESC_F_NEXT) |
					 (d->parts[i].in ? VRING_DESC_F_WRITE : 0)),
			      last ? 0 : next);
	}
	d->nparts = 0;
	gring_offer(r, head);
	return head;
}

void vdrv_kick(struct vdrv *d, unsigned q)
{
	if (d->nparts)
		vdrv_offer(d, q);
	d->last_queue = q;
	virtio_queue_notify(d->vd, q);
	vdrv_run(d);
}

void vdrv_run(struct vdrv *d)
{
	bool again = true;

	for (int i = 0; again && i < 64; i++) {
		again = false;
		for (unsigned q = 0; q < d->vd->nqueues; q++)
			if (d->kicked[q]) {
				d->kicked[q] = false;
				again = true;
				virtio_queue_notify(d->vd, q);
			}
	}
	loop_settle(d->loop);
}

struct vdrv_used vdrv_used_on(struct vdrv *d, unsigned q)
{
	struct vdrv_used u = {0};

	u.found = gring_take_used(&d->ring[q], &u.head, &u.len);
	return u;
}

struct vdrv_used vdrv_used(struct vdrv *d)
{
	return vdrv_used_on(d, d->last_queue);
}

struct vdrv_used vdrv_wait(struct vdrv *d, unsigned q)
{
	struct vdrv_used u = vdrv_used_on(d, q);

	for (int i = 0; !u.found && i < 5000; i++) {
		vdrv_run(d);
		u = vdrv_used_on(d, q);
		if (!u.found)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return u;
}

bool vdrv_needs_reset(const struct vdrv *d)
{
	return d->vd->status & VIRTIO_CONFIG_S_NEEDS_RESET;
}
