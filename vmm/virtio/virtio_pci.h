/* SPDX-License-Identifier: Apache-2.0
 *
 * What virtio_pci.c (the function, its BAR, doorbells, interrupts) and virtio_pci_common.c (the
 * common configuration registers) share. All of it under the device's lock.
 */
#ifndef VMM_VIRTIO_VIRTIO_PCI_H
#define VMM_VIRTIO_VIRTIO_PCI_H

#include <linux/virtio_pci.h>

#include "vmm/pci/pci.h"
#include "vmm/virtio/virtio.h"

enum { VP_COMMON_BYTES = VIRTIO_PCI_COMMON_Q_RESET + 2 };

/* A queue's registers (virtio 1.2, 4.1.4.3) and its doorbell. */
struct vp_queue {
	struct virtio_pci *vp;
	unsigned index;
	uint16_t size, vector;
	uint32_t addr[6]; /* desc, avail, used: low and high halves, in register order */
	int eventfd;
	struct loop_fd *watch;
	bool attached;
};

struct virtio_pci {
	struct virtio_dev *vd;
	struct pci_dev *pci;
	struct pci_config_hook hook;
	struct doorbell doorbell;
	unsigned nvectors, pci_cfg; /* the capability's offset */
	uint64_t base;		    /* of the BAR while mapped */
	bool mapped;
	uint32_t device_feature_select, driver_feature_select;
	uint32_t driver_features[2];
	uint16_t config_vector, queue_select;
	uint8_t isr;
	struct vp_queue queues[VIRTIO_MAX_QUEUES];
};

/* A doorbell exists while the BAR is mapped and the queue enabled. */
void vp_doorbell_attach(struct vp_queue *);
void vp_doorbell_detach(struct vp_queue *);

/* An access of the wrong width reads zero and writes nothing (4.1.3.1: drivers make none). */
uint32_t vp_common_read(struct virtio_pci *, uint64_t off, unsigned size);
void vp_common_write(struct virtio_pci *, uint64_t off, unsigned size, uint32_t val);
void vp_queue_registers_reset(struct vp_queue *);

#endif
