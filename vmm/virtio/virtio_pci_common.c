/* SPDX-License-Identifier: Apache-2.0
 *
 * The common configuration registers of virtio-pci (virtio 1.2, 4.1.4.3). What the guest writes
 * about a queue is kept here until it enables the queue; then the core checks and copies it, and
 * writes to it change nothing until the queue is reset.
 */
#include <linux/virtio_config.h>

#include "base/util.h"
#include "vmm/virtio/virtio_pci.h"

/* The queue that queue_select names, or NULL: then its registers read zero and ignore writes. */
static struct vp_queue *selected(struct virtio_pci *vp)
{
	return vp->queue_select < vp->vd->nqueues ? &vp->queues[vp->queue_select] : NULL;
}

static bool running(const struct vp_queue *q)
{
	return q->vp->vd->vq[q->index].enabled;
}

void vp_queue_registers_reset(struct vp_queue *q)
{
	vp_doorbell_detach(q);
	q->size = q->vp->vd->class->queue_size;
	q->vector = VIRTIO_MSI_NO_VECTOR;
	memset(q->addr, 0, sizeof(q->addr));
}

static uint32_t read_queue_register(struct vp_queue *q, uint64_t off)
{
	switch (off) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return q->size;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return q->vector;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return running(q);
	case VIRTIO_PCI_COMMON_Q_NOFF:
		return q->index;
	case VIRTIO_PCI_COMMON_Q_DESCLO ... VIRTIO_PCI_COMMON_Q_USEDHI:
		return q->addr[(off - VIRTIO_PCI_COMMON_Q_DESCLO) / 4];
	default: /* queue_reset: a reset is over when its write returns */
		return 0;
	}
}

static uint32_t read_register(struct virtio_pci *vp, uint64_t off)
{
	struct virtio_dev *vd = vp->vd;
	struct vp_queue *q = selected(vp);

	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return vp->device_feature_select;
	case VIRTIO_PCI_COMMON_DF:
		return vp->device_feature_select < 2
			       ? vd->features >> 32 * vp->device_feature_select
			       : 0;
	case VIRTIO_PCI_COMMON_GFSELECT:
		return vp->driver_feature_select;
	case VIRTIO_PCI_COMMON_GF:
		return vp->driver_feature_select < 2
			       ? vp->driver_features[vp->driver_feature_select]
			       : 0;
	case VIRTIO_PCI_COMMON_MSIX:
		return vp->config_vector;
	case VIRTIO_PCI_COMMON_NUMQ:
		return vd->nqueues;
	case VIRTIO_PCI_COMMON_STATUS:
		return vd->status;
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return vd->config_generation;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		return vp->queue_select;
	default:
		return q ? read_queue_register(q, off) : 0;
	}
}

/* 4.1.5.1.2.1: a vector that is not there reads back as none. */
static uint16_t valid_vector(const struct virtio_pci *vp, uint32_t val)
{
	return val < vp->nvectors ? (uint16_t)val : VIRTIO_MSI_NO_VECTOR;
}

static uint64_t address(const struct vp_queue *q, unsigned i)
{
	return q->addr[i] | (uint64_t)q->addr[i + 1] << 32;
}

static void enable_queue(struct vp_queue *q)
{
	if (virtio_queue_enable(q->vp->vd, q->index, q->size, address(q, 0), address(q, 2),
				address(q, 4)) == 0)
		vp_doorbell_attach(q);
}

static void write_queue_register(struct vp_queue *q, uint64_t off, uint32_t val)
{
	struct virtio_dev *vd = q->vp->vd;

	if (off == VIRTIO_PCI_COMMON_Q_MSIX) { /* at any time */
		q->vector = valid_vector(q->vp, val);
	} else if (off == VIRTIO_PCI_COMMON_Q_RESET) { /* 4.1.4.3.1, 2.6.1 */
		if (val == 1 && virtio_has(vd, VIRTIO_F_RING_RESET)) {
			vp_queue_registers_reset(q);
			virtio_queue_reset(vd, q->index);
		}
	} else if (running(q)) {
		log_limited(&vd->log, LOG_WARN,
			    "%s: the guest wrote a register of running queue %u; ignored", vd->id,
			    q->index);
	} else if (off == VIRTIO_PCI_COMMON_Q_SIZE) {
		q->size = (uint16_t)val;
	} else if (off == VIRTIO_PCI_COMMON_Q_ENABLE) {
		if (val == 1)
			enable_queue(q);
	} else if (off >= VIRTIO_PCI_COMMON_Q_DESCLO && off <= VIRTIO_PCI_COMMON_Q_USEDHI) {
		q->addr[(off - VIRTIO_PCI_COMMON_Q_DESCLO) / 4] = val;
	}
}

static void write_driver_features(struct virtio_pci *vp, uint32_t val)
{
	if (vp->driver_feature_select >= 2)
		return;
	vp->driver_features[vp->driver_feature_select] = val;
	virtio_set_features(vp->vd,
			    vp->driver_features[0] | (uint64_t)vp->driver_features[1] << 32);
}

static void write_register(struct virtio_pci *vp, uint64_t off, uint32_t val)
{
	struct vp_queue *q = selected(vp);

	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		vp->device_feature_select = val;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		vp->driver_feature_select = val;
		break;
	case VIRTIO_PCI_COMMON_GF:
		write_driver_features(vp, val);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		vp->config_vector = valid_vector(vp, val);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		virtio_set_status(vp->vd, (uint8_t)val);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		vp->queue_select = (uint16_t)val;
		break;
	default:
		if (q)
			write_queue_register(q, off, val);
	}
}

/* The width of the register at `off`, 0 between registers. 4.1.3.1: drivers use this width only. */
static unsigned width(uint64_t off)
{
	switch (off) {
	case VIRTIO_PCI_COMMON_STATUS:
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return 1;
	case VIRTIO_PCI_COMMON_MSIX:
	case VIRTIO_PCI_COMMON_NUMQ:
	case VIRTIO_PCI_COMMON_Q_SELECT ... VIRTIO_PCI_COMMON_Q_NOFF:
	case VIRTIO_PCI_COMMON_Q_NDATA:
	case VIRTIO_PCI_COMMON_Q_RESET:
		return off % 2 ? 0 : 2;
	default:
		return off < VP_COMMON_BYTES && off % 4 == 0 ? 4 : 0;
	}
}

uint32_t vp_common_read(struct virtio_pci *vp, uint64_t off, unsigned size)
{
	return size == width(off) ? read_register(vp, off) : 0;
}

void vp_common_write(struct virtio_pci *vp, uint64_t off, unsigned size, uint32_t val)
{
	if (size == width(off))
		write_register(vp, off, val);
}
