/* SPDX-License-Identifier: Apache-2.0
 *
 * The core of every virtio device: see virtio.h. Here the guest's mistakes end: whatever it does to
 * status, features or queues, the worst outcome is a device that needs a reset.
 */
#include "vmm/virtio/virtio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdarg.h>

#include "base/util.h"

#define CORE_FEATURES                                                                              \
	(VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) |            \
	 VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | VIRTIO_FEATURE(VIRTIO_F_RING_RESET))

#define STATUS_BITS                                                                                \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK |        \
	 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED)

enum { BATCH = 128 }; /* buffers of one queue before others on the loop get their turn */

void virtio_init(struct virtio_dev *vd, const struct virtio_class *class, const char *id,
		 struct gmem *mem, struct loop *loop)
{
	pthread_mutexattr_t recursive;

	assert(class->nqueues <= VIRTIO_MAX_QUEUES && class->queue_size <= VIRTQ_MAX_SIZE);
	vd->class = class;
	snprintf(vd->id, sizeof(vd->id), "%s", id);
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&vd->lock, &recursive);
	pthread_mutexattr_destroy(&recursive);
	pthread_mutex_init(&vd->why_lock, NULL);
	vd->mem = mem;
	vd->loop = loop;
	vd->features = class->features | CORE_FEATURES;
	vd->nqueues = class->nqueues;
	vd->log = (struct log_limit)LOG_LIMIT_INIT;
}

void virtio_free(struct virtio_dev *vd)
{
	if (!vd)
		return;
	if (vd->class->free)
		vd->class->free(vd);
	pthread_mutex_destroy(&vd->why_lock);
	pthread_mutex_destroy(&vd->lock);
	free(vd);
}

void virtio_lock(struct virtio_dev *vd)
{
	pthread_mutex_lock(&vd->lock);
}

void virtio_unlock(struct virtio_dev *vd)
{
	pthread_mutex_unlock(&vd->lock);
}

static bool active(const struct virtio_dev *vd)
{
	return vd->status & VIRTIO_CONFIG_S_DRIVER_OK;
}

bool virtio_running(const struct virtio_dev *vd)
{
	return active(vd) && !vd->broken && !vd->paused;
}

/* --- for devices ------------------------------------------------------------------------------ */

void virtio_broken(struct virtio_dev *vd, const char *fmt, ...)
{
	va_list ap;

	if (vd->broken)
		return;
	va_start(ap, fmt);
	pthread_mutex_lock(&vd->why_lock);
	vsnprintf(vd->broken_why, sizeof(vd->broken_why), fmt, ap);
	pthread_mutex_unlock(&vd->why_lock);
	va_end(ap);
	vd->broken = true;
	vd->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	log_limited(&vd->log, LOG_WARN, "%s (virtio-%s): stopped until the guest resets it: %s",
		    vd->id, vd->class->name, vd->broken_why);
	if (active(vd)) /* virtio 1.2, 2.1.2 */
		virtio_config_changed(vd);
}

void virtio_why_broken(struct virtio_dev *vd, char *out, size_t n)
{
	pthread_mutex_lock(&vd->why_lock);
	snprintf(out, n, "%s", vd->broken_why);
	pthread_mutex_unlock(&vd->why_lock);
}

bool virtio_pop(struct virtio_dev *vd, unsigned q, struct chain *c)
{
	int got = virtio_running(vd) ? virtq_pop(&vd->vq[q], c) : 0;

	if (got < 0)
		virtio_broken(vd, "queue %u: %s", q, vd->vq[q].error);
	return got > 0;
}

void virtio_serve(struct virtio_dev *vd, unsigned q, struct chain *c,
		  bool (*one)(struct virtio_dev *, unsigned q, struct chain *))
{
	struct virtq *vq = &vd->vq[q];
	bool stalled = false;
	int n = 0;

	do {
		virtq_notify_off(vq);
		while (n < BATCH && !stalled && virtio_pop(vd, q, c)) {
			stalled = !one(vd, q, c);
			n++;
		}
	} while (n < BATCH && !stalled && virtio_running(vd) && virtq_notify_on(vq));
	if (stalled)
		virtq_unpop(vq);
	else if (n == BATCH)
		virtio_kick(vd, q);
	virtio_interrupt(vd, q);
}

void virtio_push(struct virtio_dev *vd, unsigned q, uint16_t head, uint32_t written)
{
	if (vd->vq[q].enabled)
		virtq_push(&vd->vq[q], head, written);
}

void virtio_interrupt(struct virtio_dev *vd, unsigned q)
{
	if (active(vd) && virtq_should_notify(&vd->vq[q]) && vd->transport_ops)
		vd->transport_ops->queue_interrupt(vd->transport, q);
}

void virtio_kick(struct virtio_dev *vd, unsigned q)
{
	if (vd->transport_ops)
		vd->transport_ops->kick(vd->transport, q);
}

void virtio_config_changed(struct virtio_dev *vd)
{
	vd->config_generation++;
	if (active(vd) && vd->transport_ops)
		vd->transport_ops->config_interrupt(vd->transport);
}

/* --- status and features (virtio 1.2, 2.1, 2.2, 3.1) ------------------------------------------ */

static bool features_acceptable(const struct virtio_dev *vd)
{
	uint64_t f = vd->negotiated;

	if (f & ~vd->features || !virtio_has(vd, VIRTIO_F_VERSION_1))
		return false;
	for (const struct virtio_dependency *d = vd->class->dependencies;
	     d && d->feature != d->needs; d++)
		if (virtio_has(vd, d->feature) && !virtio_has(vd, d->needs))
			return false;
	return true;
}

static void kick_all(struct virtio_dev *vd)
{
	for (unsigned q = 0; q < vd->nqueues; q++)
		if (vd->vq[q].enabled)
			virtio_kick(vd, q);
}

static void start(struct virtio_dev *vd)
{
	struct err err = {0};

	if (vd->class->activate && vd->class->activate(vd, &err) < 0)
		virtio_broken(vd, "%s", err.msg);
	/* A driver may add buffers before DRIVER_OK, and need not ring for them afterwards. */
	kick_all(vd);
}

/* Bits that the driver added to the status. */
static void advance(struct virtio_dev *vd, uint8_t added)
{
	if (added & VIRTIO_CONFIG_S_FEATURES_OK && !features_acceptable(vd))
		added &= ~VIRTIO_CONFIG_S_FEATURES_OK; /* 2.2.2: it reads back clear */
	vd->status |= added & ~VIRTIO_CONFIG_S_DRIVER_OK;
	if (added & VIRTIO_CONFIG_S_FEATURES_OK && vd->class->negotiated)
		vd->class->negotiated(vd);
	if (!(added & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	if (!(vd->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		virtio_broken(vd, "DRIVER_OK without FEATURES_OK");
		return;
	}
	vd->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	start(vd);
}

void virtio_set_status(struct virtio_dev *vd, uint8_t status)
{
	/* NEEDS_RESET is ours: the driver neither sets nor clears it. */
	const uint8_t bits = STATUS_BITS & ~VIRTIO_CONFIG_S_NEEDS_RESET;

	virtio_lock(vd);
	if (!status)
		virtio_reset(vd);
	else if (vd->status & ~status & bits) /* 2.1.1: it must not clear others either */
		log_limited(&vd->log, LOG_WARN,
			    "%s: the guest cleared status bits (0x%x to 0x%x); ignored", vd->id,
			    vd->status, status);
	else
		advance(vd, status & ~vd->status & bits);
	virtio_unlock(vd);
}

void virtio_set_features(struct virtio_dev *vd, uint64_t driver_features)
{
	virtio_lock(vd);
	if (!(vd->status & VIRTIO_CONFIG_S_FEATURES_OK))
		vd->negotiated = driver_features;
	virtio_unlock(vd);
}

void virtio_reset(struct virtio_dev *vd)
{
	virtio_lock(vd);
	vd->generation++; /* first: what the drain completes belongs to the past */
	if (active(vd) && vd->class->reset)
		vd->class->reset(vd);
	for (unsigned q = 0; q < vd->nqueues; q++)
		virtq_reset(&vd->vq[q]);
	vd->status = 0;
	vd->negotiated = 0;
	vd->broken = false;
	pthread_mutex_lock(&vd->why_lock);
	vd->broken_why[0] = '\0';
	pthread_mutex_unlock(&vd->why_lock);
	if (vd->transport_ops)
		vd->transport_ops->reset(vd->transport);
	virtio_unlock(vd);
}

/* --- queues ----------------------------------------------------------------------------------- */

int virtio_queue_enable(struct virtio_dev *vd, unsigned q, uint16_t size, gpa_t desc, gpa_t avail,
			gpa_t used)
{
	struct virtq *vq = &vd->vq[q];
	int r = 0;

	virtio_lock(vd);
	if (vq->enabled) {
		r = -1; /* once: the registers of a running queue change nothing */
	} else if (!(vd->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		virtio_broken(vd, "queue %u enabled before FEATURES_OK", q);
		r = -1;
	} else if (size > vd->class->queue_size) {
		virtio_broken(vd, "queue %u: a size of %u, above the %u offered", q, size,
			      vd->class->queue_size);
		r = -1;
	} else {
		vq->event_idx = virtio_has(vd, VIRTIO_RING_F_EVENT_IDX);
		vq->indirect = virtio_has(vd, VIRTIO_RING_F_INDIRECT_DESC);
		r = virtq_enable(vq, vd->mem, size, desc, avail, used);
		if (r < 0)
			virtio_broken(vd, "queue %u: %s", q, vq->error);
	}
	virtio_unlock(vd);
	return r;
}

void virtio_queue_reset(struct virtio_dev *vd, unsigned q)
{
	virtio_lock(vd);
	vd->generation++;
	if (vd->vq[q].enabled && active(vd) && vd->class->queue_reset)
		vd->class->queue_reset(vd, q);
	virtq_reset(&vd->vq[q]);
	virtio_unlock(vd);
}

void virtio_queue_notify(struct virtio_dev *vd, unsigned q)
{
	virtio_lock(vd);
	if (q < vd->nqueues && vd->vq[q].enabled && virtio_running(vd) && vd->class->queue)
		vd->class->queue(vd, q);
	virtio_unlock(vd);
}

/* --- configuration space ---------------------------------------------------------------------- */

void virtio_cfg_read(struct virtio_dev *vd, unsigned off, void *dst, unsigned n)
{
	memset(dst, 0, n);
	virtio_lock(vd);
	if (off < vd->class->cfg_size && vd->class->cfg_read)
		vd->class->cfg_read(vd, off, dst, (unsigned)min_u64(n, vd->class->cfg_size - off));
	virtio_unlock(vd);
}

void virtio_cfg_write(struct virtio_dev *vd, unsigned off, const void *src, unsigned n)
{
	virtio_lock(vd);
	if (range_inside(off, n, vd->class->cfg_size) && vd->class->cfg_write)
		vd->class->cfg_write(vd, off, src, n);
	virtio_unlock(vd);
}

/* --- pause ------------------------------------------------------------------------------------ */

void virtio_pause(struct virtio_dev *vd)
{
	virtio_lock(vd);
	if (!vd->paused && active(vd) && vd->class->pause)
		vd->class->pause(vd);
	vd->paused = true;
	virtio_unlock(vd);
}

void virtio_resume(struct virtio_dev *vd)
{
	virtio_lock(vd);
	if (vd->paused) {
		vd->paused = false;
		if (active(vd) && vd->class->resume)
			vd->class->resume(vd);
		if (active(vd))
			kick_all(vd); /* doorbells that rang meanwhile went unheard */
	}
	virtio_unlock(vd);
}

int virtio_sync(struct virtio_dev *vd, struct err *err)
{
	int r;

	virtio_lock(vd);
	r = vd->class->sync ? vd->class->sync(vd, err) : 0;
	virtio_unlock(vd);
	return r;
}
