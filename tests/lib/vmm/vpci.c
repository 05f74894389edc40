/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's PCI side: see vpci.h.
 */
#include "tests/lib/vmm/vpci.h"

#include "base/util.h"

void vpci_init(struct vpci *p)
{
	const struct pci_windows w = {
		.mem32 = LAYOUT_PCI32,
		.mem32_size = LAYOUT_PCI32_SIZE,
		.mem64 = 8 * GIB,
		.mem64_size = LAYOUT_PCI64_SIZE,
	};

	memset(p, 0, sizeof(*p));
	p->ports = bus_new("ports", 0x10000);
	p->mmio = bus_new("mmio", UINT64_C(1) << 46);
	p->pci = pci_bus_new(p->ports, p->mmio, &w, NULL);
	assert(p->pci);
	p->msi_hook = fake_msi(&p->msi);
	p->bell_hook = fake_doorbell(&p->bells);
	p->intx_hook = fake_irq_line(&p->irq, 0);
}

void vpci_done(struct vpci *p)
{
	pci_bus_free(p->pci);
	bus_free(p->mmio);
	bus_free(p->ports);
	assert(p->bells.n == 0);
	for (int i = 0; i < FAKE_MSI; i++)
		assert(!p->msi.v[i].used);
}

uint64_t vpci_read(struct vpci *p, uint64_t addr, unsigned size)
{
	uint64_t val;

	bus_read(p->mmio, addr, size, &val);
	return val;
}

void vpci_write(struct vpci *p, uint64_t addr, unsigned size, uint64_t val)
{
	/* As KVM does: a doorbell keeps the write from us. */
	if (!fake_bells_ring(&p->bells, addr))
		bus_write(p->mmio, addr, size, val);
}

static uint64_t ecam(unsigned slot, unsigned off)
{
	return LAYOUT_ECAM + ((uint64_t)slot << 15) + off;
}

uint32_t vpci_cfg_read(struct vpci *p, unsigned slot, unsigned off, unsigned size)
{
	return (uint32_t)vpci_read(p, ecam(slot, off), size);
}

void vpci_cfg_write(struct vpci *p, unsigned slot, unsigned off, unsigned size, uint32_t val)
{
	vpci_write(p, ecam(slot, off), size, val);
}

unsigned vpci_find_cap(struct vpci *p, unsigned slot, uint8_t id, unsigned nth)
{
	unsigned off = vpci_cfg_read(p, slot, PCI_CAPABILITY_LIST, 1);

	if (!(vpci_cfg_read(p, slot, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
		return 0;
	for (int i = 0; off && i < 48; i++) {
		if (vpci_cfg_read(p, slot, off, 1) == id && !nth--)
			return off;
		off = vpci_cfg_read(p, slot, off + 1, 1);
	}
	return 0;
}

uint64_t vpci_bar(struct vpci *p, unsigned slot, unsigned index)
{
	unsigned reg = PCI_BASE_ADDRESS_0 + 4 * index;

	return (vpci_cfg_read(p, slot, reg, 4) & ~0xfu) |
	       (uint64_t)vpci_cfg_read(p, slot, reg + 4, 4) << 32;
}

void vpci_enable(struct vpci *p, unsigned slot)
{
	vpci_cfg_write(p, slot, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

void vpci_virtio_find(struct vpci *p, unsigned slot, struct vpci_virtio *v)
{
	unsigned cap;

	*v = (struct vpci_virtio){.p = p, .slot = slot};
	for (unsigned n = 0; (cap = vpci_find_cap(p, slot, PCI_CAP_ID_VNDR, n)); n++) {
		unsigned bar = vpci_cfg_read(p, slot, cap + VIRTIO_PCI_CAP_BAR, 1);
		uint64_t at = vpci_bar(p, slot, bar) +
			      vpci_cfg_read(p, slot, cap + VIRTIO_PCI_CAP_OFFSET, 4);

		switch (vpci_cfg_read(p, slot, cap + VIRTIO_PCI_CAP_CFG_TYPE, 1)) {
		case VIRTIO_PCI_CAP_COMMON_CFG:
			v->common = at;
			break;
		case VIRTIO_PCI_CAP_NOTIFY_CFG:
			v->notify = at;
			v->notify_multiplier =
				vpci_cfg_read(p, slot, cap + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
			break;
		case VIRTIO_PCI_CAP_ISR_CFG:
			v->isr = at;
			break;
		case VIRTIO_PCI_CAP_DEVICE_CFG:
			v->device = at;
			break;
		case VIRTIO_PCI_CAP_PCI_CFG:
			v->window = cap;
			break;
		}
	}
}

uint64_t vpci_common_read(struct vpci_virtio *v, unsigned off, unsigned size)
{
	return vpci_read(v->p, v->common + off, size);
}

void vpci_common_write(struct vpci_virtio *v, unsigned off, unsigned size, uint64_t val)
{
	vpci_write(v->p, v->common + off, size, val);
}
