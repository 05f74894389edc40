/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's PCI side: a machine of two buses with fake interrupts and doorbells, configuration
 * accesses, and the registers of a virtio-pci function in its BAR.
 */
#ifndef TESTS_LIB_VMM_VPCI_H
#define TESTS_LIB_VMM_VPCI_H

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

#include "tests/lib/vmm/fakes.h"
#include "vmm/mem/layout.h"
#include "vmm/pci/pci.h"

struct vpci {
	struct bus *ports, *mmio;
	struct pci_bus *pci;
	struct fake_irq irq;
	struct fake_msi msi;
	struct fake_bells bells;
	struct msi msi_hook;
	struct doorbell bell_hook;
	struct irq_line intx_hook;
};

void vpci_init(struct vpci *);
void vpci_done(struct vpci *); /* the functions are gone by then */

/* Configuration space through ECAM. */
uint32_t vpci_cfg_read(struct vpci *, unsigned slot, unsigned off, unsigned size);
void vpci_cfg_write(struct vpci *, unsigned slot, unsigned off, unsigned size, uint32_t val);
/* The offset of the n-th capability with this id, or 0. */
unsigned vpci_find_cap(struct vpci *, unsigned slot, uint8_t id, unsigned nth);
uint64_t vpci_bar(struct vpci *, unsigned slot, unsigned index);
/* Memory decode (and bus mastering) on. */
void vpci_enable(struct vpci *, unsigned slot);

uint64_t vpci_read(struct vpci *, uint64_t addr, unsigned size);
void vpci_write(struct vpci *, uint64_t addr, unsigned size, uint64_t val);

/* Where a virtio-pci function has its structures, by the capabilities; addresses, 0 when absent. */
struct vpci_virtio {
	struct vpci *p;
	unsigned slot;
	uint64_t common, notify, isr, device;
	uint32_t notify_multiplier;
	unsigned window; /* offset of the PCI cfg capability */
};
void vpci_virtio_find(struct vpci *, unsigned slot, struct vpci_virtio *);
uint64_t vpci_common_read(struct vpci_virtio *, unsigned off, unsigned size);
void vpci_common_write(struct vpci_virtio *, unsigned off, unsigned size, uint64_t val);

#endif
