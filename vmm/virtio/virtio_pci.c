/* SPDX-License-Identifier: Apache-2.0
 *
 * The PCI transport of virtio (virtio 1.2, 4.1), modern only: five capabilities that point into one
 * BAR, MSI-X in another. The common configuration is in virtio_pci_common.c.
 *
 * A doorbell is an eventfd, which KVM signals itself while the BAR is mapped and the queue enabled;
 * a write that arrives here all the same signals it, so that a device runs on its loop in either
 * case.
 *
 * The bus and the PCI side hold the device's lock around every call, and the core does around its
 * own.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <sys/eventfd.h>

#include "base/mem.h"
#include "base/util.h"
#include "vmm/virtio/devices.h"
#include "vmm/virtio/virtio_pci.h"

enum {
	BAR = 0,
	MSIX_BAR = 2,
	BAR_BYTES = 4096,
	COMMON = 0x000, /* the structures' places in the BAR */
	ISR = 0x100,
	NOTIFY = 0x200,
	DEVICE = 0x400,
	NOTIFY_STRIDE = 4,
	ISR_QUEUE = 1, /* 4.1.4.5; the other bit is VIRTIO_PCI_ISR_CONFIG */
};

static_assert(NOTIFY + VIRTIO_MAX_QUEUES * NOTIFY_STRIDE <= DEVICE,
	      "the structures do not overlap");

/* --- doorbells -------------------------------------------------------------------------------- */

static void ring(struct vp_queue *q)
{
	uint64_t one = 1;

	if (write(q->eventfd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN); /* after 2^64 rings */
}

/* Watched by edge: each ring is an event, so the counter need not be read back each time. */
static void on_doorbell(void *ctx, uint32_t events)
{
	struct vp_queue *q = ctx;

	(void)events;
	virtio_queue_notify(q->vp->vd, q->index);
}

static uint64_t doorbell_addr(const struct vp_queue *q)
{
	return q->vp->base + NOTIFY + q->index * NOTIFY_STRIDE;
}

void vp_doorbell_detach(struct vp_queue *q)
{
	const struct doorbell *bell = &q->vp->doorbell;

	if (q->attached)
		bell->ops->detach(bell->ctx, doorbell_addr(q), 0, q->eventfd);
	q->attached = false;
}

/* Without one, writes come to bar_write: slower, the same otherwise. */
void vp_doorbell_attach(struct vp_queue *q)
{
	struct virtio_pci *vp = q->vp;
	const struct doorbell *bell = &vp->doorbell;
	struct err err = {0};

	if (!bell->ops || !vp->mapped || !vp->vd->vq[q->index].enabled || q->attached)
		return;
	q->attached = bell->ops->attach(bell->ctx, doorbell_addr(q), 0, q->eventfd, &err) == 0;
	if (!q->attached)
		log_limited(&vp->vd->log, LOG_WARN, "%s: queue %u goes without doorbell: %s",
			    vp->vd->id, q->index, err.msg);
}

static void bar_moved(void *owner, uint64_t base, bool mapped)
{
	struct virtio_pci *vp = owner;

	for (unsigned i = 0; !mapped && i < vp->vd->nqueues; i++)
		vp_doorbell_detach(&vp->queues[i]);
	vp->base = base;
	vp->mapped = mapped;
	for (unsigned i = 0; mapped && i < vp->vd->nqueues; i++)
		vp_doorbell_attach(&vp->queues[i]);
}

/* --- the way to the guest (virtio_transport_ops) ---------------------------------------------- */

/* virtio 1.2, 4.1.4.5: without MSI-X, the reason stands in the ISR and the pin is raised. */
static void interrupt(struct virtio_pci *vp, uint16_t vector, uint8_t isr)
{
	if (pci_msix_enabled(vp->pci)) {
		if (vector != VIRTIO_MSI_NO_VECTOR)
			pci_msix_notify(vp->pci, vector);
	} else {
		vp->isr |= isr;
		pci_intx(vp->pci, true);
	}
}

static void queue_interrupt(void *transport, unsigned q)
{
	struct virtio_pci *vp = transport;

	interrupt(vp, vp->queues[q].vector, ISR_QUEUE);
}

static void config_interrupt(void *transport)
{
	struct virtio_pci *vp = transport;

	vp->isr |= VIRTIO_PCI_ISR_CONFIG; /* also with MSI-X: 4.1.4.5.1 */
	interrupt(vp, vp->config_vector, VIRTIO_PCI_ISR_CONFIG);
}

static void kick(void *transport, unsigned q)
{
	struct virtio_pci *vp = transport;

	ring(&vp->queues[q]);
}

static void reset(void *transport)
{
	struct virtio_pci *vp = transport;

	for (unsigned i = 0; i < vp->vd->nqueues; i++)
		vp_queue_registers_reset(&vp->queues[i]);
	vp->device_feature_select = vp->driver_feature_select = 0;
	memset(vp->driver_features, 0, sizeof(vp->driver_features));
	vp->config_vector = VIRTIO_MSI_NO_VECTOR;
	vp->queue_select = 0;
	vp->isr = 0;
	pci_intx(vp->pci, false);
}

static const struct virtio_transport_ops transport_ops = {
	.queue_interrupt = queue_interrupt,
	.config_interrupt = config_interrupt,
	.kick = kick,
	.reset = reset,
};

/* --- the BAR ---------------------------------------------------------------------------------- */

static uint64_t bar_read(void *dev, uint64_t off, unsigned size)
{
	struct virtio_pci *vp = dev;
	uint8_t bytes[8] = {0}, isr = vp->isr;

	if (off < ISR) {
		if (size == 8) /* two registers of four bytes (4.1.3.1) */
			return bar_read(vp, off, 4) | bar_read(vp, off + 4, 4) << 32;
		return vp_common_read(vp, off - COMMON, size);
	}
	if (off == ISR) { /* 4.1.4.5: reading clears */
		vp->isr = 0;
		pci_intx(vp->pci, false);
		return isr;
	}
	if (off < DEVICE)
		return 0;
	virtio_cfg_read(vp->vd, (unsigned)(off - DEVICE), bytes, size);
	return get_le64(bytes);
}

static void bar_write(void *dev, uint64_t off, uint64_t val, unsigned size)
{
	struct virtio_pci *vp = dev;
	uint64_t q = (off - NOTIFY) / NOTIFY_STRIDE;
	uint8_t bytes[8];

	if (off < ISR) {
		if (size == 8) {
			bar_write(vp, off, (uint32_t)val, 4);
			bar_write(vp, off + 4, val >> 32, 4);
		} else {
			vp_common_write(vp, off - COMMON, size, (uint32_t)val);
		}
	} else if (off >= DEVICE) {
		put_le64(bytes, val);
		virtio_cfg_write(vp->vd, (unsigned)(off - DEVICE), bytes, size);
	} else if (off >= NOTIFY && off % NOTIFY_STRIDE == 0 && q < vp->vd->nqueues) {
		ring(&vp->queues[q]);
	}
}

static const struct bus_ops bar_ops = {
	.name = "virtio",
	.read = bar_read,
	.write = bar_write,
};

/* --- access through configuration space (virtio 1.2, 4.1.4.9) --------------------------------- */

static unsigned window_data(const struct virtio_pci *vp)
{
	return vp->pci_cfg + sizeof(struct virtio_pci_cap);
}

/* The window is open when the guest's bar, offset and length name a proper access to our BAR. */
static bool window(const struct virtio_pci *vp, uint32_t *off, uint32_t *len)
{
	uint32_t bar = pci_config_get(vp->pci, vp->pci_cfg + VIRTIO_PCI_CAP_BAR, 1);

	*off = pci_config_get(vp->pci, vp->pci_cfg + VIRTIO_PCI_CAP_OFFSET, 4);
	*len = pci_config_get(vp->pci, vp->pci_cfg + VIRTIO_PCI_CAP_LENGTH, 4);
	return bar == BAR && (*len == 1 || *len == 2 || *len == 4) && *off % *len == 0 &&
	       range_inside(*off, *len, BAR_BYTES);
}

static bool window_read(void *owner, unsigned at, unsigned size, uint32_t *val)
{
	struct virtio_pci *vp = owner;
	uint32_t off, len;

	*val = UINT32_MAX;
	if (at == window_data(vp) && window(vp, &off, &len) && size >= len)
		*val = (uint32_t)bar_read(vp, off, len);
	return true;
}

static bool window_write(void *owner, unsigned at, unsigned size, uint32_t val)
{
	struct virtio_pci *vp = owner;
	uint32_t off, len;

	if (at == window_data(vp) && window(vp, &off, &len) && size >= len)
		bar_write(vp, off, val & (UINT32_MAX >> (32 - 8 * len)), len);
	return true;
}

/* --- making one ------------------------------------------------------------------------------- */

/* `more` follows the common fields: notify's multiplier, the window's data. */
static unsigned add_cap(struct virtio_pci *vp, uint8_t type, uint32_t off, uint32_t length,
			const uint32_t *more)
{
	uint8_t cap[sizeof(struct virtio_pci_cap) + 4] = {0};
	unsigned n = sizeof(struct virtio_pci_cap) + (more ? 4 : 0);

	cap[VIRTIO_PCI_CAP_LEN] = (uint8_t)n;
	cap[VIRTIO_PCI_CAP_CFG_TYPE] = type;
	cap[VIRTIO_PCI_CAP_BAR] = BAR;
	put_le32(cap + VIRTIO_PCI_CAP_OFFSET, off);
	put_le32(cap + VIRTIO_PCI_CAP_LENGTH, length);
	if (more)
		put_le32(cap + sizeof(struct virtio_pci_cap), *more);
	return pci_add_cap(vp->pci, PCI_CAP_ID_VNDR, cap + VIRTIO_PCI_CAP_LEN,
			   n - VIRTIO_PCI_CAP_LEN);
}

/* In the order in which Linux looks for them. */
static void add_caps(struct virtio_pci *vp)
{
	const struct virtio_dev *vd = vp->vd;

	add_cap(vp, VIRTIO_PCI_CAP_COMMON_CFG, COMMON, VP_COMMON_BYTES, NULL);
	add_cap(vp, VIRTIO_PCI_CAP_ISR_CFG, ISR, 1, NULL);
	add_cap(vp, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY, vd->nqueues * NOTIFY_STRIDE,
		&(uint32_t){NOTIFY_STRIDE});
	if (vd->class->cfg_size)
		add_cap(vp, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE, vd->class->cfg_size, NULL);

	vp->pci_cfg = add_cap(vp, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, &(uint32_t){0});
	pci_set_wmask(vp->pci, vp->pci_cfg + VIRTIO_PCI_CAP_BAR, 1, 0xff);
	pci_set_wmask(vp->pci, vp->pci_cfg + VIRTIO_PCI_CAP_OFFSET, 4, UINT32_MAX);
	pci_set_wmask(vp->pci, vp->pci_cfg + VIRTIO_PCI_CAP_LENGTH, 4, UINT32_MAX);
	vp->hook = (struct pci_config_hook){
		.off = window_data(vp),
		.n = 4,
		.read = window_read,
		.write = window_write,
	};
	pci_set_config_hook(vp->pci, &vp->hook);
}

static int add_function(struct virtio_pci *vp, struct pci_bus *bus, const struct msi *msi,
			const struct irq_line *intx, struct err *err)
{
	const struct virtio_class *class = vp->vd->class;
	const struct pci_ids ids = {
		/* 4.1.2: device 0x1040 + type; revision and subsystem say "not transitional" */
		.vendor = 0x1af4,
		.device = 0x1040 + class->id,
		.subvendor = 0x1af4,
		.subdevice = 0x1040 + class->id,
		.class_code = class->pci_class,
		.revision = 1,
	};

	vp->pci = pci_dev_new(bus, -1, vp->vd->id, &ids, vp, &vp->vd->lock, err);
	if (!vp->pci || pci_add_bar64(vp->pci, BAR, BAR_BYTES, &bar_ops, bar_moved, err) < 0)
		return -1;
	if (intx)
		pci_set_intx(vp->pci, intx);
	/*
	 * Each look for a capability walks the list from its start, two exits a step. MSI-X comes
	 * first: of all that is looked for at boot it alone is there.
	 */
	if (msi && msi->ops) {
		vp->nvectors = vp->vd->nqueues + 1; /* and no more: guests write every vector they see */
		if (pci_add_msix(vp->pci, MSIX_BAR, vp->nvectors, msi, err) < 0)
			return -1;
	}
	add_caps(vp);
	return 0;
}

static int add_queue(struct virtio_pci *vp, unsigned index, struct err *err)
{
	struct vp_queue *q = &vp->queues[index];

	q->vp = vp;
	q->index = index;
	q->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->eventfd < 0)
		return err_sys(err, ERR_HOST, "%s: doorbell of queue %u", vp->vd->id, index);
	q->watch = loop_add(vp->vd->loop, q->eventfd, EPOLLIN | EPOLLET, on_doorbell, q, err);
	return q->watch ? 0 : -1;
}

struct virtio_pci *virtio_pci_new(struct pci_bus *bus, struct virtio_dev *vd, const struct msi *msi,
				  const struct doorbell *doorbell, const struct irq_line *intx,
				  struct err *err)
{
	struct virtio_pci *vp = NEW(struct virtio_pci);

	vp->vd = vd;
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++)
		vp->queues[i].eventfd = -1;
	if (doorbell)
		vp->doorbell = *doorbell;
	for (unsigned i = 0; i < vd->nqueues; i++)
		if (add_queue(vp, i, err) < 0)
			goto fail;
	if (add_function(vp, bus, msi, intx, err) < 0)
		goto fail;
	vd->transport = vp;
	vd->transport_ops = &transport_ops;
	reset(vp);
	return vp;
fail:
	virtio_pci_free(vp);
	return NULL;
}

void virtio_pci_free(struct virtio_pci *vp)
{
	if (!vp)
		return;
	pci_dev_free(vp->pci);
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++) {
		loop_fd_remove(vp->queues[i].watch);
		auto_close_fn(&vp->queues[i].eventfd);
	}
	vp->vd->transport_ops = NULL;
	virtio_free(vp->vd);
	free(vp);
}
