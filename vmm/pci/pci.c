/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions and their configuration space (PCI Local Bus 3.0, 6.1 and 6.2): one array of bytes with
 * a write mask for each, so that a register is described when it is set up and nowhere else.
 *
 * Two deliberate omissions. Bus mastering is not enforced: a driver that forgets the bit works here
 * as on most machines. The status register has no error bits, as nothing here can fail that way.
 */
#include "vmm/pci/pci.h"

#include "base/mem.h"
#include "base/util.h"
#include "vmm/pci/internal.h"

static uint32_t ones(unsigned size)
{
	return UINT32_MAX >> (32 - 8 * size);
}

/* --- making a function ------------------------------------------------------------------------ */

struct pci_dev *pci_dev_new(struct pci_bus *bus, int slot, const char *name,
			    const struct pci_ids *ids, void *owner, pthread_mutex_t *lock,
			    struct err *err)
{
	struct pci_dev *d;

	if (slot < 0)
		for (slot = 0; slot < PCI_SLOTS && bus->devs[slot]; slot++)
			;
	if (slot >= PCI_SLOTS || bus->devs[slot]) {
		err_set(err, ERR_FAILED,
			"%s: no free PCI slot (%d, of which the host bridge has one)", name,
			PCI_SLOTS);
		return NULL;
	}
	d = NEW(struct pci_dev);
	d->bus = bus;
	d->slot = (unsigned)slot;
	d->name = name;
	d->owner = owner;
	d->lock = lock;
	d->caps_end = PCI_STD_HEADER_SIZEOF;
	d->msix_log = (struct log_limit)LOG_LIMIT_INIT;
	pthread_mutex_init(&d->msix_lock, NULL);

	pci_config_set(d, PCI_VENDOR_ID, 2, ids->vendor);
	pci_config_set(d, PCI_DEVICE_ID, 2, ids->device);
	pci_config_set(d, PCI_CLASS_REVISION, 4, ids->class_code << 8 | ids->revision);
	pci_config_set(d, PCI_SUBSYSTEM_VENDOR_ID, 2, ids->subvendor);
	pci_config_set(d, PCI_SUBSYSTEM_ID, 2, ids->subdevice);
	pci_set_wmask(d, PCI_COMMAND, 2,
		      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
			      PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	pci_set_wmask(d, PCI_CACHE_LINE_SIZE, 1, 0xff);
	/* Means nothing here; but Linux writes one below 16 anew (pcibios_set_master). */
	pci_config_set(d, PCI_LATENCY_TIMER, 1, 64);
	pci_set_wmask(d, PCI_LATENCY_TIMER, 1, 0xff);
	pci_set_wmask(d, PCI_INTERRUPT_LINE, 1, 0xff);
	bus->devs[slot] = d;
	return d;
}

unsigned pci_dev_slot(const struct pci_dev *d)
{
	return d->slot;
}

unsigned pci_add_cap(struct pci_dev *d, uint8_t id, const void *data, unsigned n)
{
	unsigned off = (unsigned)align_up(d->caps_end, 4);

	assert(off + 2 + n <= PCI_CONFIG_SIZE);
	pci_config_set(d, off, 1, id);
	for (unsigned i = 0; i < n; i++)
		pci_config_set(d, off + 2 + i, 1, ((const uint8_t *)data)[i]);
	if (d->last_cap) {
		pci_config_set(d, d->last_cap + 1, 1, off);
	} else {
		pci_config_set(d, PCI_CAPABILITY_LIST, 1, off);
		pci_config_set(d, PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
	}
	d->last_cap = off;
	d->caps_end = off + 2 + n;
	return off;
}

static void put(uint8_t *to, unsigned size, uint32_t val)
{
	for (unsigned i = 0; i < size; i++)
		to[i] = (uint8_t)(val >> (8 * i));
}

static uint32_t get(const uint8_t *from, unsigned size)
{
	uint32_t val = 0;

	for (unsigned i = 0; i < size; i++)
		val |= (uint32_t)from[i] << (8 * i);
	return val;
}

void pci_set_wmask(struct pci_dev *d, unsigned off, unsigned size, uint32_t mask)
{
	assert(range_inside(off, size, PCI_CONFIG_SIZE));
	put(d->wmask + off, size, mask);
}

uint32_t pci_config_get(const struct pci_dev *d, unsigned off, unsigned size)
{
	assert(range_inside(off, size, PCI_CONFIG_SIZE));
	return get(d->config + off, size);
}

void pci_config_set(struct pci_dev *d, unsigned off, unsigned size, uint32_t val)
{
	assert(range_inside(off, size, PCI_CONFIG_SIZE));
	put(d->config + off, size, val);
	put(d->power_on + off, size, val);
}

void pci_set_config_hook(struct pci_dev *d, const struct pci_config_hook *hook)
{
	d->hook = hook;
}

/* --- INTx (PCI 3.0, 2.2.6, 6.8.2 and the interrupt bits of command and status) ---------------- */

void pci_set_intx(struct pci_dev *d, const struct irq_line *line)
{
	d->intx = *line;
	d->intx.gsi = PCI_INTX_GSI(d->slot);
	pci_config_set(d, PCI_INTERRUPT_PIN, 1, 1); /* A */
	pci_config_set(d, PCI_INTERRUPT_LINE, 1, d->intx.gsi);
}

/* intx_lock is held. Slots that share a GSI are wired together: it is high while one drives it. */
static void drive_intx(struct pci_dev *d)
{
	unsigned *drivers = &d->bus->intx_drivers[d->slot % PCI_INTX_GSIS];
	bool drive = d->intx_level && !d->intx_disabled && !pci_msix_enabled(d);

	if (drive == d->intx_driven)
		return;
	d->intx_driven = drive;
	*drivers += drive ? 1 : -1u;
	if (*drivers == (drive ? 1 : 0))
		irq_set(&d->intx, drive);
}

void pci_intx(struct pci_dev *d, bool level)
{
	pthread_mutex_lock(&d->bus->intx_lock);
	d->intx_level = level;
	drive_intx(d);
	pthread_mutex_unlock(&d->bus->intx_lock);
}

static void set_intx_disabled(struct pci_dev *d, bool disabled)
{
	pthread_mutex_lock(&d->bus->intx_lock);
	d->intx_disabled = disabled;
	drive_intx(d);
	pthread_mutex_unlock(&d->bus->intx_lock);
}

/* MSI-X was enabled or disabled. */
static void update_intx(struct pci_dev *d)
{
	pthread_mutex_lock(&d->bus->intx_lock);
	drive_intx(d);
	pthread_mutex_unlock(&d->bus->intx_lock);
}

static bool intx_pending(struct pci_dev *d)
{
	bool level;

	pthread_mutex_lock(&d->bus->intx_lock);
	level = d->intx_level;
	pthread_mutex_unlock(&d->bus->intx_lock);
	return level;
}

/* --- the guest's accesses --------------------------------------------------------------------- */

static bool overlaps(unsigned a, unsigned a_size, unsigned b, unsigned b_size)
{
	return a < b + b_size && b < a + a_size;
}

static struct pci_dev *dev_at(struct pci_bus *b, unsigned devfn)
{
	return devfn & 7 ? NULL : b->devs[devfn >> 3 & (PCI_SLOTS - 1)];
}

static bool hooked(const struct pci_dev *d, unsigned off, unsigned size)
{
	return d->hook && overlaps(off, size, d->hook->off, d->hook->n);
}

uint32_t pci_config_read(struct pci_bus *b, unsigned devfn, unsigned off, unsigned size)
{
	struct pci_dev *d = dev_at(b, devfn);
	uint32_t val;

	if (!d || !range_inside(off, size, PCI_CONFIG_SIZE))
		return ones(size);
	if (hooked(d, off, size)) {
		bool done;

		pthread_mutex_lock(d->lock);
		done = d->hook->read(d->owner, off, size, &val);
		pthread_mutex_unlock(d->lock);
		if (done)
			return val & ones(size);
	}
	val = get(d->config + off, size);
	if (overlaps(off, size, PCI_STATUS, 1) && intx_pending(d))
		val |= (uint32_t)PCI_STATUS_INTERRUPT << 8 * (PCI_STATUS - off);
	return val;
}

void pci_config_write(struct pci_bus *b, unsigned devfn, unsigned off, unsigned size, uint32_t val)
{
	struct pci_dev *d = dev_at(b, devfn);

	if (!d || !range_inside(off, size, PCI_CONFIG_SIZE))
		return;
	if (hooked(d, off, size)) {
		bool done;

		pthread_mutex_lock(d->lock);
		done = d->hook->write(d->owner, off, size, val);
		pthread_mutex_unlock(d->lock);
		if (done)
			return;
	}
	for (unsigned i = 0; i < size; i++) {
		uint8_t mask = d->wmask[off + i];

		d->config[off + i] =
			(uint8_t)((d->config[off + i] & ~mask) | (val >> 8 * i & mask));
	}
	if (overlaps(off, size, PCI_COMMAND, 2))
		set_intx_disabled(d, pci_config_get(d, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);
	if (overlaps(off, size, PCI_COMMAND, 2) ||
	    overlaps(off, size, PCI_BASE_ADDRESS_0, 4 * PCI_BARS))
		pci_bars_update(d);
	if (d->msix_cap && overlaps(off, size, d->msix_cap + PCI_MSIX_FLAGS, 2)) {
		pci_msix_control_written(d);
		update_intx(d);
	}
}

/* --- the end ---------------------------------------------------------------------------------- */

void pci_dev_free(struct pci_dev *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->bus->config_lock);
	pci_bars_unmap(d);
	d->bus->devs[d->slot] = NULL;
	pthread_mutex_unlock(&d->bus->config_lock);
	pci_intx(d, false);
	pci_msix_done(d);
	pthread_mutex_destroy(&d->msix_lock);
	free(d);
}

/* --- the bus ---------------------------------------------------------------------------------- */

void pci_bus_reset(struct pci_bus *b)
{
	pthread_mutex_lock(&b->config_lock);
	b->cf8 = 0;
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		struct pci_dev *d = b->devs[slot];

		if (!d)
			continue;
		memcpy(d->config, d->power_on, sizeof(d->config));
		pci_bars_update(d);
		pci_msix_reset(d);
		set_intx_disabled(d, false);
		pci_intx(d, false);
	}
	pthread_mutex_unlock(&b->config_lock);
}
