/* SPDX-License-Identifier: Apache-2.0
 *
 * A fake driver: drives a virtio device on plain memory, without PCI and without a guest. A buffer
 * is built part by part, then offered and kicked:
 *
 *      vdrv_start(&d, rng_new("rng0", d.mem, d.loop, NULL), VDRV_ALL);
 *      vdrv_in(&d, 64);                  one writable part
 *      vdrv_kick(&d, 0);
 *      assert_int_equal(vdrv_used(&d).len, 64);
 */
#ifndef TESTS_LIB_VMM_VDRV_H
#define TESTS_LIB_VMM_VDRV_H

#include "tests/lib/vmm/gring.h"
#include "vmm/virtio/virtio.h"

#define VDRV_ALL UINT64_MAX /* accept every feature that is offered */

enum { VDRV_QUEUE_SIZE = 64, VDRV_PARTS = 64 };

struct vdrv {
	struct gmem *mem;
	struct loop *loop;
	struct virtio_dev *vd;
	struct gring ring[VIRTIO_MAX_QUEUES];
	bool kicked[VIRTIO_MAX_QUEUES]; /* by the device itself: virtio_kick */
	unsigned interrupts[VIRTIO_MAX_QUEUES], config_interrupts, resets;

	/* the buffer being built */
	struct {
		gpa_t addr;
		uint32_t len;
		bool in;
	} parts[VDRV_PARTS];
	unsigned nparts;
	bool indirect;	     /* build it as an indirect table */
	uint16_t queue_size; /* of the rings: VDRV_QUEUE_SIZE unless set before the start */

	gpa_t rings, heap; /* where the next allocation goes */
	unsigned last_queue;
};

struct vdrv_used {
	bool found;
	uint32_t head, len;
};

/* Memory and a loop, for the device's constructor. */
void vdrv_init(struct vdrv *);
/* Attaches, negotiates `want` of what is offered, places the queues, DRIVER_OK. Owns the device. */
void vdrv_start(struct vdrv *, struct virtio_dev *, uint64_t want);
/* The pieces of it, for tests of what goes wrong in between. */
void vdrv_attach(struct vdrv *, struct virtio_dev *);
bool vdrv_negotiate(struct vdrv *, uint64_t features); /* exactly these; false: refused */
void vdrv_queues(struct vdrv *);
void vdrv_driver_ok(struct vdrv *);
/* Reset and all of the above again. */
void vdrv_restart(struct vdrv *, uint64_t want);
void vdrv_done(struct vdrv *);

/* Guest memory for a part; never given out twice. */
gpa_t vdrv_alloc(struct vdrv *, uint64_t n);
/* Parts of the buffer being built; the pointer is the host's view. */
void *vdrv_out(struct vdrv *, const void *data, uint32_t n);
void *vdrv_in(struct vdrv *, uint32_t n);
/* Puts the built buffer into the queue; its head. Without, and with, a notification. */
uint16_t vdrv_offer(struct vdrv *, unsigned q);
void vdrv_kick(struct vdrv *, unsigned q); /* offers what was built, if anything */
/* Lets the device's kicks and its loop run. */
void vdrv_run(struct vdrv *);

/* The next used buffer of the queue kicked last, or of one by number. */
struct vdrv_used vdrv_used(struct vdrv *);
struct vdrv_used vdrv_used_on(struct vdrv *, unsigned q);
/* Runs the loop until there is one (bounded). */
struct vdrv_used vdrv_wait(struct vdrv *, unsigned q);
bool vdrv_needs_reset(const struct vdrv *);

#endif
