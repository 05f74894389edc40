/* SPDX-License-Identifier: Apache-2.0
 *
 * The host bridge: function 00:00.0, and the two ways to configuration space, CF8/CFC (PCI 3.0,
 * 3.2.2.3.2) and ECAM (PCI Express Base 2.0, 7.2.2) of bus 0. A function that is not there, and
 * configuration space beyond 256 bytes, read all ones: by that Linux knows that there is nothing.
 */
#include "base/mem.h"
#include "base/util.h"
#include "vmm/mem/layout.h"
#include "vmm/pci/internal.h"

enum {
	CF8_ENABLE = 1u << 31,
	PORTS = 4,
	CF9_OFFSET = PORT_RESET - PORT_PCI_ADDRESS,
};

/* --- CF8/CFC ---------------------------------------------------------------------------------- */

static bool cf9(const struct pci_bus *b, uint64_t off, unsigned size)
{
	return off == CF9_OFFSET && size == 1 && b->cf9;
}

static uint64_t address_read(void *dev, uint64_t off, unsigned size)
{
	struct pci_bus *b = dev;

	if (cf9(b, off, size))
		return b->cf9->read(b->cf9_dev, 0, 1);
	/* Only a whole DWORD is the address register; anything smaller passes it by. */
	return size == 4 ? b->cf8 : UINT64_MAX;
}

static void address_write(void *dev, uint64_t off, uint64_t val, unsigned size)
{
	struct pci_bus *b = dev;

	if (cf9(b, off, size))
		b->cf9->write(b->cf9_dev, 0, val, 1);
	else if (size == 4)
		b->cf8 = (uint32_t)val & ~3u;
}

/* 31 enable, 30-24 reserved, 23-16 bus, 15-8 device and function, 7-2 register */
static bool selected(const struct pci_bus *b, uint64_t off, unsigned size)
{
	return b->cf8 & CF8_ENABLE && !(b->cf8 & 0x7fff0000) && off + size <= 4;
}

static uint64_t data_read(void *dev, uint64_t off, unsigned size)
{
	struct pci_bus *b = dev;

	if (!selected(b, off, size))
		return UINT64_MAX;
	return pci_config_read(b, b->cf8 >> 8 & 0xff, (b->cf8 & 0xfc) + (unsigned)off, size);
}

static void data_write(void *dev, uint64_t off, uint64_t val, unsigned size)
{
	struct pci_bus *b = dev;

	if (selected(b, off, size))
		pci_config_write(b, b->cf8 >> 8 & 0xff, (b->cf8 & 0xfc) + (unsigned)off, size,
				 (uint32_t)val);
}

static const struct bus_ops address_ops = {"PCI address port", address_read, address_write};
static const struct bus_ops data_ops = {"PCI data port", data_read, data_write};

/* --- ECAM ------------------------------------------------------------------------------------- */

/* 19-12 device and function, 11-0 register; an access lies within one DWORD. */
static bool in_dword(uint64_t off, unsigned size)
{
	return size <= 4 && off % 4 + size <= 4;
}

static uint64_t ecam_read(void *dev, uint64_t off, unsigned size)
{
	if (!in_dword(off, size))
		return UINT64_MAX;
	return pci_config_read(dev, off >> 12 & 0xff, off & 0xfff, size);
}

static void ecam_write(void *dev, uint64_t off, uint64_t val, unsigned size)
{
	if (in_dword(off, size))
		pci_config_write(dev, off >> 12 & 0xff, off & 0xfff, size, (uint32_t)val);
}

static const struct bus_ops ecam_ops = {"PCI ECAM", ecam_read, ecam_write};

/* --- the bridge ------------------------------------------------------------------------------- */

struct pci_bus *pci_bus_new(struct bus *ports, struct bus *mmio, const struct pci_windows *windows,
			    struct err *err)
{
	/* The q35 host bridge, by its id only: the one with ECAM that existing firmware knows. */
	static const struct pci_ids ids = {
		.vendor = 0x8086,
		.device = 0x29c0,
		.subvendor = 0x1af4,
		.subdevice = 0x1100,
		.class_code = 0x060000,
	};
	struct pci_bus *b = NEW(struct pci_bus);
	pthread_mutex_t *lock = &b->config_lock;

	pthread_mutex_init(&b->config_lock, NULL);
	pthread_mutex_init(&b->intx_lock, NULL);
	b->ports = ports;
	b->mmio = mmio;
	b->windows = *windows;
	b->log = (struct log_limit)LOG_LIMIT_INIT;
	b->host = pci_dev_new(b, 0, "host bridge", &ids, b, NULL, err);
	if (!b->host ||
	    (ports && (bus_add(ports, PORT_PCI_ADDRESS, PORTS, &address_ops, b, lock, err) < 0 ||
		       bus_add(ports, PORT_PCI_DATA, PORTS, &data_ops, b, lock, err) < 0)) ||
	    bus_add(mmio, LAYOUT_ECAM, LAYOUT_ECAM_SIZE, &ecam_ops, b, lock, err) < 0) {
		pci_bus_free(b);
		return NULL;
	}
	return b;
}

void pci_bus_free(struct pci_bus *b)
{
	if (!b)
		return;
	if (b->ports) {
		bus_remove(b->ports, PORT_PCI_ADDRESS, b);
		bus_remove(b->ports, PORT_PCI_DATA, b);
	}
	bus_remove(b->mmio, LAYOUT_ECAM, b);
	pci_dev_free(b->host);
	pthread_mutex_destroy(&b->intx_lock);
	pthread_mutex_destroy(&b->config_lock);
	free(b);
}

void pci_bus_set_cf9(struct pci_bus *b, const struct bus_ops *ops, void *dev)
{
	b->cf9 = ops;
	b->cf9_dev = dev;
}
