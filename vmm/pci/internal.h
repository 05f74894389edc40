/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of vmm/pci share: a function's registers, its BARs, its interrupts.
 *
 * Locks, in taking order: the bus's `config_lock` (configuration space and BAR placement), a
 * device's own lock (BAR handlers, `moved`, the hook), then one of the leaves: a function's
 * `msix_lock`, the bus's `intx_lock`. So a device can signal with its own lock held.
 */
#ifndef VMM_PCI_INTERNAL_H
#define VMM_PCI_INTERNAL_H

#include <linux/pci_regs.h>

#include "base/log.h"
#include "vmm/pci/pci.h"

struct pci_bar {
	uint64_t size; /* 0: none here */
	const struct bus_ops *ops;
	void *dev;
	pthread_mutex_t *lock;
	void (*moved)(void *owner, uint64_t base, bool mapped);
	uint64_t base; /* while mapped */
	bool mapped;
};

/* What the interrupt controller knows: nothing, an older message, or the one in the table. */
enum msix_route { NO_ROUTE, STALE_ROUTE, ROUTED };

struct msix_vector {
	uint32_t addr_lo, addr_hi, data, control;
	bool pending;
	enum msix_route route;
	int id, eventfd;
};

struct pci_dev {
	struct pci_bus *bus;
	unsigned slot;
	const char *name;
	void *owner;
	pthread_mutex_t *lock;
	const struct pci_config_hook *hook;

	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t wmask[PCI_CONFIG_SIZE];	   /* bits that the guest may write */
	uint8_t power_on[PCI_CONFIG_SIZE]; /* what a reset restores */
	unsigned last_cap, caps_end;
	struct pci_bar bars[PCI_BARS];

	/* Pin A; intx_lock guards it. */
	struct irq_line intx;
	bool intx_level, intx_disabled, intx_driven;

	pthread_mutex_t msix_lock; /* guards what follows */
	struct msi msi;
	unsigned msix_cap, nvectors;
	uint64_t pba;			/* its offset in the MSI-X BAR */
	bool msix_enabled, msix_masked; /* of the whole function */
	struct msix_vector *vectors;
	struct log_limit msix_log;
};

struct pci_bus {
	pthread_mutex_t config_lock;
	struct bus *ports, *mmio; /* borrowed; ports may be NULL */
	struct pci_windows windows;
	uint64_t used32, used64; /* of the windows */
	struct log_limit log;
	struct pci_dev *devs[PCI_SLOTS];
	struct pci_dev *host;
	pthread_mutex_t intx_lock;
	unsigned intx_drivers[PCI_INTX_GSIS]; /* how many of the slots on a GSI drive it */
	uint32_t cf8;
	const struct bus_ops *cf9;
	void *cf9_dev;
};

/* pci.c: an access to the configuration space at off, within one dword; config_lock is held. */
uint32_t pci_config_read(struct pci_bus *, unsigned devfn, unsigned off, unsigned size);
void pci_config_write(struct pci_bus *, unsigned devfn, unsigned off, unsigned size, uint32_t val);

/* bar.c: maps, moves and unmaps according to the registers. */
void pci_bars_update(struct pci_dev *);
void pci_bars_unmap(struct pci_dev *);
/* The same as pci_add_bar64 for a BAR whose handler is not the owner's. */
int pci_add_bar_for(struct pci_dev *, unsigned index, uint64_t size, const struct bus_ops *,
		    void *dev, pthread_mutex_t *lock,
		    void (*moved)(void *owner, uint64_t base, bool mapped), struct err *);

/* msix.c */
void pci_msix_control_written(struct pci_dev *);
void pci_msix_reset(struct pci_dev *);
void pci_msix_done(struct pci_dev *);

#endif
