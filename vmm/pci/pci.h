/* SPDX-License-Identifier: Apache-2.0
 *
 * PCI: functions on bus 0, their configuration space with a write mask for each register, BARs that
 * map and move while memory decode is on, and MSI-X (PCI Local Bus 3.0; PCI Express Base 2.0 ECAM).
 * No hot-plug, no bridges besides the host bridge at 00:00.0.
 */
#ifndef VMM_PCI_PCI_H
#define VMM_PCI_PCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"
#include "vmm/mem/layout.h"

enum { PCI_SLOTS = 32, PCI_BARS = 6, PCI_CONFIG_SIZE = 256 };

/* Where a slot's pin A arrives (and the _PRT of the DSDT says so): GSI 16-23 in turn. */
#define PCI_INTX_GSIS	   8
#define PCI_INTX_GSI(slot) (GSI_PCI_INTX + (slot) % PCI_INTX_GSIS)

struct pci_bus;
struct pci_dev;

struct pci_ids {
	uint16_t vendor, device, subvendor, subdevice;
	uint32_t class_code; /* 24 bits: class, subclass, interface */
	uint8_t revision;
};

/* Where BARs are placed before the guest may move them. */
struct pci_windows {
	uint64_t mem32, mem32_size, mem64, mem64_size;
};

/*
 * Registers CF8/CFC on `ports` and ECAM on `mmio`, and puts the host bridge into slot 0. The buses
 * are borrowed. One lock guards configuration space.
 *
 * `ports` may be NULL: no CF8/CFC. Linux prefers CF8/CFC, two exits an access, to ECAM, one exit,
 * as long as its probe of CF8 succeeds. Without, a direct boot has a third fewer user exits, and a
 * kernel message early on ("PCI: Fatal: No config space access function found") that is not true.
 */
struct pci_bus *pci_bus_new(struct bus *ports, struct bus *mmio, const struct pci_windows *,
			    struct err *);
void pci_bus_free(struct pci_bus *);
/* The byte port 0xCF9, reset control, lies inside CF8's dword: byte accesses to it go here. Without
 * `ports` above, the machine adds 0xCF9 to its ports itself. */
void pci_bus_set_cf9(struct pci_bus *, const struct bus_ops *, void *dev);
/* As after power-on: decode off, BARs at their first addresses. */
void pci_bus_reset(struct pci_bus *);

/*
 * A new function 0 in the next free slot (or `slot`, if >= 0). `lock` is the device's (recursive):
 * held around BAR accesses and callbacks; it outlives the bus. INTx goes to PCI_INTX_GSI(slot).
 */
struct pci_dev *pci_dev_new(struct pci_bus *, int slot, const char *name, const struct pci_ids *,
			    void *owner, pthread_mutex_t *lock, struct err *);
void pci_dev_free(struct pci_dev *);
unsigned pci_dev_slot(const struct pci_dev *);

/* A 64-bit memory BAR, in registers `index` and the next; size is a power of two, at least 4096.
 * Call before the guest runs. `moved` tells when and where it is mapped: never twice without the
 * other. */
int pci_add_bar64(struct pci_dev *, unsigned index, uint64_t size, const struct bus_ops *,
		  void (*moved)(void *owner, uint64_t base, bool mapped), struct err *);
/* Appends a capability; returns its offset. `data` begins after id and next. */
unsigned pci_add_cap(struct pci_dev *, uint8_t id, const void *data, unsigned n);
/* Lets the guest write these bits of the register at `off` (size bytes). */
void pci_set_wmask(struct pci_dev *, unsigned off, unsigned size, uint32_t mask);
/* Registers as the owner sees them; set before the guest runs: it is what a reset restores, too. */
uint32_t pci_config_get(const struct pci_dev *, unsigned off, unsigned size);
void pci_config_set(struct pci_dev *, unsigned off, unsigned size, uint32_t val);
/* Called, with the device's lock, before default handling of a configuration access that touches
 * [off, off+n): for virtio's PCI cfg capability. Return true from the hook when it was handled. */
struct pci_config_hook {
	unsigned off, n;
	bool (*read)(void *owner, unsigned off, unsigned size, uint32_t *val);
	bool (*write)(void *owner, unsigned off, unsigned size, uint32_t val);
};
void pci_set_config_hook(struct pci_dev *, const struct pci_config_hook *);

/* MSI-X: n vectors; table and PBA have BAR `bar` to themselves. */
int pci_add_msix(struct pci_dev *, unsigned bar, unsigned vectors, const struct msi *,
		 struct err *);
bool pci_msix_enabled(const struct pci_dev *);
/* Signals a vector from any thread: delivered, or left pending while masked. */
void pci_msix_notify(struct pci_dev *, unsigned vector);
/* Pin A; the hook's gsi is filled in. */
void pci_set_intx(struct pci_dev *, const struct irq_line *);
void pci_intx(struct pci_dev *, bool level);

#endif
