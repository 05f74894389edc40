/* SPDX-License-Identifier: Apache-2.0
 *
 * Configuration space, BARs and MSI-X of two functions, through CF8/CFC and ECAM. What is read-only
 * must stay, a BAR is mapped exactly where its registers say, and a masked vector is never
 * signalled.
 */
#include <fcntl.h>

#include "base/log.h"
#include "base/util.h"
#include "tests/lib/vmm/fuzzin.h"
#include "tests/lib/vmm/vpci.h"

enum { FUNCTIONS = 2, VECTORS = 5, BAR_BYTES = 0x4000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct function {
	struct pci_dev *pci;
	unsigned slot, msix;
	int first_msi;
	bool mapped;
	uint64_t base;
};

static struct vpci p;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct function functions[FUNCTIONS];
static bool ready;

static uint64_t bar_read(void *owner, uint64_t off, unsigned size)
{
	(void)owner;
	if (off + size > BAR_BYTES)
		abort();
	return off;
}

static void bar_write(void *owner, uint64_t off, uint64_t val, unsigned size)
{
	struct function *fn = owner;

	if (off + size > BAR_BYTES)
		abort();
	if (val & 1)
		pci_msix_notify(fn->pci, val >> 1 & 7);
	else
		pci_intx(fn->pci, val & 2);
}

static void moved(void *owner, uint64_t base, bool mapped)
{
	struct function *fn = owner;

	if (fn->mapped == mapped)
		abort();
	fn->mapped = mapped;
	fn->base = base;
}

static const struct bus_ops ops = {"function", bar_read, bar_write};

static void setup(void)
{
	static const struct pci_ids ids = {
		.vendor = 0x1af4, .device = 0x1042, .class_code = 0x010000};

	log_setup(open("/dev/null", O_WRONLY), LOG_ERROR);
	vpci_init(&p);
	for (int i = 0; i < FUNCTIONS; i++) {
		struct function *fn = &functions[i];

		fn->pci = pci_dev_new(p.pci, i ? 9 : -1, "function", &ids, fn, &lock, NULL);
		fn->slot = pci_dev_slot(fn->pci);
		fn->first_msi = i * VECTORS;
		if (pci_add_bar64(fn->pci, 0, BAR_BYTES, &ops, moved, NULL) < 0 ||
		    pci_add_msix(fn->pci, 2, VECTORS, &p.msi_hook, NULL) < 0)
			abort();
		pci_set_intx(fn->pci, &p.intx_hook);
		fn->msix = vpci_find_cap(&p, fn->slot, PCI_CAP_ID_MSIX, 0);
	}
	ready = true;
}

static uint32_t cfg(const struct function *fn, unsigned off, unsigned size)
{
	return vpci_cfg_read(&p, fn->slot, off, size);
}

static void check(const struct function *fn)
{
	uint64_t bar = vpci_bar(&p, fn->slot, 0);
	uint16_t flags = (uint16_t)cfg(fn, fn->msix + PCI_MSIX_FLAGS, 2);

	if (cfg(fn, PCI_VENDOR_ID, 4) != 0x10421af4 || cfg(fn, PCI_HEADER_TYPE, 1) ||
	    (flags & PCI_MSIX_FLAGS_QSIZE) != VECTORS - 1 || bar % BAR_BYTES ||
	    cfg(fn, PCI_BASE_ADDRESS_4, 4) ||
	    (cfg(fn, PCI_BASE_ADDRESS_0, 4) & 0xf) != PCI_BASE_ADDRESS_MEM_TYPE_64)
		abort();
	if (fn->mapped && (fn->base != bar || !(cfg(fn, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY)))
		abort();
	if (fn->mapped && vpci_read(&p, bar + 8, 4) != 8)
		abort();
	for (int v = 0; v < VECTORS; v++) {
		bool open = flags & PCI_MSIX_FLAGS_ENABLE && !(flags & PCI_MSIX_FLAGS_MASKALL) &&
			    p.msi.v[fn->first_msi + v].routed;

		if (fake_msi_signals(&p.msi, fn->first_msi + v) && !open)
			abort();
	}
}

static void step(struct fuzzin *f)
{
	struct function *fn = &functions[fuzz_pick(f, FUNCTIONS)];
	static const uint8_t favourites[] = {PCI_COMMAND,	 PCI_BASE_ADDRESS_0,
					     PCI_BASE_ADDRESS_1, PCI_BASE_ADDRESS_2,
					     PCI_BASE_ADDRESS_3, PCI_STATUS};
	unsigned size = 1u << fuzz_pick(f, 3), off;
	uint64_t val;

	switch (fuzz_pick(f, 9)) {
	case 0:
		vpci_enable(&p, fn->slot);
		break;
	case 1:
	case 2:
		off = favourites[fuzz_pick(f, sizeof(favourites))];
		vpci_cfg_write(&p, fn->slot, off, size, (uint32_t)fuzz_edge(f));
		break;
	case 3: /* any place, any function, any alignment */
		bus_write(p.mmio, LAYOUT_ECAM + (fuzz_uint(f, 3) & 0xfffff), 1u << fuzz_pick(f, 4),
			  fuzz_edge(f));
		break;
	case 4:
		bus_write(p.ports, PORT_PCI_ADDRESS, 4,
			  fuzz_rare(f) ? fuzz_edge(f)
				       : 0x80000000 | fn->slot << 11 | (fuzz_u8(f) & 0xfc));
		off = fuzz_pick(f, 4);
		if (fuzz_u8(f) & 1)
			bus_write(p.ports, PORT_PCI_DATA + off, size, fuzz_edge(f));
		else
			bus_read(p.ports, PORT_PCI_DATA + off, size, &val);
		break;
	case 5: /* the MSI-X table, over its edges too */
		val = vpci_bar(&p, fn->slot, 2) + fuzz_uint(f, 2) % 4096;
		if (fuzz_u8(f) & 1)
			bus_write(p.mmio, val, 1u << fuzz_pick(f, 4), fuzz_edge(f));
		else
			bus_read(p.mmio, val, 1u << fuzz_pick(f, 4), &val);
		break;
	case 6: /* the same, as drivers do it */
		off = fuzz_pick(f, VECTORS) * 16 + fuzz_pick(f, 4) * 4;
		bus_write(p.mmio, vpci_bar(&p, fn->slot, 2) + off, 4, fuzz_u8(f));
		break;
	case 7:
		vpci_cfg_write(&p, fn->slot, fn->msix + PCI_MSIX_FLAGS, 2, fuzz_uint(f, 1) << 8);
		break;
	case 8:
		bus_write(p.mmio, fn->base + fuzz_uint(f, 2) % BAR_BYTES, 1, fuzz_u8(f));
		break;
	}
	for (int i = 0; i < FUNCTIONS; i++)
		check(&functions[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzzin f = {data, size};

	if (!ready)
		setup();
	for (int i = 0; i < FUNCTIONS; i++)
		pci_intx(functions[i].pci, false);
	pci_bus_reset(p.pci);
	for (int i = 0; i < FUNCTIONS * VECTORS; i++)
		fake_msi_signals(&p.msi, i);
	for (int i = 0; i < 100 && fuzz_more(&f); i++)
		step(&f);
	pci_bus_reset(p.pci);
	for (int i = 0; i < 24; i++)
		if (p.irq.level[i])
			abort();
	return 0;
}
