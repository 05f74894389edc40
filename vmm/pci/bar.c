/* SPDX-License-Identifier: Apache-2.0
 *
 * Base address registers (PCI 3.0, 6.2.5): where they lie after power-on, and mapping on the bus
 * while memory decode is on. Sizing needs no code: the write mask leaves the low bits zero.
 *
 * Addresses are assigned here, as firmware would do it, with decode left off. Linux keeps such
 * addresses when they lie in the windows that ACPI declares (pcibios_allocate_resources claims
 * disabled functions too), so it assigns nothing; and with decode off it need not switch decode off
 * and on around sizing, which would cost it four accesses a function and us as many mappings.
 */
#include "base/log.h"
#include "base/util.h"
#include "vmm/pci/internal.h"

/* A BAR lies in the 32-bit window, where every guest can reach it, until that is full. */
static int place(struct pci_bus *b, uint64_t size, uint64_t *out)
{
	const struct pci_windows *w = &b->windows;
	const struct {
		uint64_t base, size, *used;
	} windows[] = {
		{w->mem32, w->mem32_size, &b->used32},
		{w->mem64, w->mem64_size, &b->used64},
	};

	for (unsigned i = 0; i < ARRAY_LEN(windows); i++) {
		uint64_t base = windows[i].base;
		uint64_t off = align_up(base + *windows[i].used, size) - base;

		if (range_inside(off, size, windows[i].size)) {
			*windows[i].used = off + size;
			*out = base + off;
			return 0;
		}
	}
	return -1;
}

int pci_add_bar_for(struct pci_dev *d, unsigned index, uint64_t size, const struct bus_ops *ops,
		    void *dev, pthread_mutex_t *lock,
		    void (*moved)(void *owner, uint64_t base, bool mapped), struct err *err)
{
	unsigned reg = PCI_BASE_ADDRESS_0 + 4 * index;
	uint64_t base, mask = ~(size - 1);
	struct pci_bar *bar = &d->bars[index];

	assert(index + 1 < PCI_BARS && !bar->size && is_pow2(size) && size >= 4096);
	if (place(d->bus, size, &base) < 0)
		return err_set(err, ERR_FAILED,
			       "%s: no room for a BAR of %llu bytes in the PCI windows", d->name,
			       (unsigned long long)size);
	*bar = (struct pci_bar){.size = size, .ops = ops, .dev = dev, .lock = lock, .moved = moved};
	pci_config_set(d, reg, 4, (uint32_t)base | PCI_BASE_ADDRESS_MEM_TYPE_64);
	pci_config_set(d, reg + 4, 4, (uint32_t)(base >> 32));
	pci_set_wmask(d, reg, 4, (uint32_t)mask);
	pci_set_wmask(d, reg + 4, 4, (uint32_t)(mask >> 32));
	return 0;
}

int pci_add_bar64(struct pci_dev *d, unsigned index, uint64_t size, const struct bus_ops *ops,
		  void (*moved)(void *owner, uint64_t base, bool mapped), struct err *err)
{
	return pci_add_bar_for(d, index, size, ops, d->owner, d->lock, moved, err);
}

static void tell(struct pci_dev *d, struct pci_bar *bar)
{
	if (bar->moved)
		bar->moved(d->owner, bar->base, bar->mapped);
}

static void unmap(struct pci_dev *d, struct pci_bar *bar)
{
	if (!bar->mapped)
		return;
	bus_remove(d->bus->mmio, bar->base, bar->dev);
	bar->mapped = false;
	tell(d, bar);
}

static void map(struct pci_dev *d, struct pci_bar *bar, uint64_t base)
{
	struct err err = {0};

	if (bus_add(d->bus->mmio, base, bar->size, bar->ops, bar->dev, bar->lock, &err) < 0) {
		/* The guest's choice, and often only half of it (the other register follows). */
		log_limited(&d->bus->log, LOG_DEBUG, "%s: a BAR is not mapped: %s", d->name,
			    err.msg);
		return;
	}
	bar->base = base;
	bar->mapped = true;
	tell(d, bar);
}

void pci_bars_update(struct pci_dev *d)
{
	bool decode = pci_config_get(d, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY;

	for (unsigned i = 0; i < PCI_BARS; i++) {
		struct pci_bar *bar = &d->bars[i];
		unsigned reg = PCI_BASE_ADDRESS_0 + 4 * i;
		uint64_t base;

		if (!bar->size)
			continue;
		base = (pci_config_get(d, reg, 4) & PCI_BASE_ADDRESS_MEM_MASK) |
		       (uint64_t)pci_config_get(d, reg + 4, 4) << 32;
		if (bar->mapped == decode && (!decode || bar->base == base))
			continue;
		pthread_mutex_lock(d->lock);
		unmap(d, bar);
		if (decode)
			map(d, bar, base);
		pthread_mutex_unlock(d->lock);
	}
}

void pci_bars_unmap(struct pci_dev *d)
{
	for (unsigned i = 0; i < PCI_BARS; i++)
		if (d->bars[i].mapped) {
			pthread_mutex_lock(d->lock);
			unmap(d, &d->bars[i]);
			pthread_mutex_unlock(d->lock);
		}
}
