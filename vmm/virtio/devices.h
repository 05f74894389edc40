/* SPDX-License-Identifier: Apache-2.0
 *
 * The constructors of the virtio devices. Descriptors and block devices pass to the device, also
 * when the constructor fails.
 */
#ifndef VMM_VIRTIO_DEVICES_H
#define VMM_VIRTIO_DEVICES_H

#include "images/disk/block.h"
#include "vmm/virtio/virtio.h"

struct virtio_dev *rng_new(const char *id, struct gmem *, struct loop *, struct err *);
/* serial: at most 20 bytes, what VIRTIO_BLK_T_GET_ID answers. */
struct virtio_dev *blk_new(const char *id, struct blk *, const char *serial, struct gmem *,
			   struct loop *, struct err *);
/* tap: an attached tap descriptor with IFF_NO_PI | IFF_VNET_HDR. mtu 0: not offered. */
struct virtio_dev *net_new(const char *id, int tap, const uint8_t mac[6], uint16_t mtu,
			   struct gmem *, struct loop *, struct err *);
/* The same on any netdev, which passes to the device. */
struct netdev;
struct virtio_dev *net_new_on(const char *id, struct netdev *, const uint8_t mac[6], uint16_t mtu,
			      struct gmem *, struct loop *, struct err *);
/* Where console bytes go and come from: the same hub that serves the 16550 (vmm/dev/chardev.h). */
struct chardev;
struct virtio_dev *console_new(const char *id, struct chardev *, struct gmem *, struct loop *,
			       struct err *);

/*
 * Puts a device behind a virtio-pci function in the next slot (vmm/virtio/virtio_pci.c). The device
 * passes to it, also when it fails. The bus and the hooks are borrowed. A device that is reset by
 * its guest or by virtio_reset forgets everything but what pci_bus_reset restores.
 */
struct pci_bus;
struct msi;
struct doorbell;
struct irq_line;
struct virtio_pci;
struct virtio_pci *virtio_pci_new(struct pci_bus *, struct virtio_dev *, const struct msi *,
				  const struct doorbell *, const struct irq_line *intx,
				  struct err *);
void virtio_pci_free(struct virtio_pci *); /* the device too; NULL is fine */

#endif
