/* SPDX-License-Identifier: Apache-2.0
 *
 * MSI-X (PCI 3.0, 6.8.2): a table of messages and the pending bits, in a BAR of their own.
 *
 * Every signal passes through pci_msix_notify, so a masked vector needs no change of KVM's routes:
 * it is simply not signalled, but marked pending and delivered when unmasked. A route is set when
 * an unmasked vector's message is new, and taken away when MSI-X is disabled. (Setting routes is
 * slow in KVM, and guests mask and unmask around each change of a message.)
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/util.h"
#include "vmm/pci/internal.h"

enum {
	ENTRY_BYTES = PCI_MSIX_ENTRY_SIZE,
	MAX_VECTORS = 128, /* one page: the table in its first half, the PBA in its second */
	BAR_BYTES = 4096,
	PBA_OFFSET = 2048,
};

static_assert(MAX_VECTORS * ENTRY_BYTES <= PBA_OFFSET, "table and PBA share the BAR");

static bool masked(const struct pci_dev *d, const struct msix_vector *v)
{
	return d->msix_masked || v->control & PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

static void signal_vector(const struct msix_vector *v)
{
	uint64_t one = 1;

	if (write(v->eventfd, &one, sizeof(one)) < 0)
		return; /* EAGAIN: the counter is full, so it is signalled */
}

static void unroute(struct pci_dev *d, struct msix_vector *v)
{
	if (v->route != NO_ROUTE)
		d->msi.ops->unroute(d->msi.ctx, v->id);
	v->route = NO_ROUTE;
}

static void route(struct pci_dev *d, struct msix_vector *v)
{
	uint64_t addr = (uint64_t)v->addr_hi << 32 | v->addr_lo;

	if (v->route == ROUTED)
		return;
	if (d->msi.ops->route(d->msi.ctx, v->id, addr, v->data) == 0) {
		v->route = ROUTED;
		return;
	}
	log_limited(&d->msix_log, LOG_ERROR, "%s: an MSI-X vector could not be routed", d->name);
	unroute(d, v); /* not to the older message either */
}

/* msix_lock is held, after anything that decides over the vector has changed. */
static void update(struct pci_dev *d, struct msix_vector *v)
{
	if (!d->msix_enabled) {
		v->pending = false; /* whoever enables it again starts afresh */
		unroute(d, v);
		return;
	}
	if (masked(d, v))
		return;
	route(d, v);
	if (v->pending && v->route == ROUTED) {
		v->pending = false;
		signal_vector(v);
	}
}

/* --- the table as the guest sees it; the bus holds msix_lock ---------------------------------- */

static uint32_t *entry_field(struct pci_dev *d, uint64_t off)
{
	struct msix_vector *v = &d->vectors[off / ENTRY_BYTES];

	switch (off % ENTRY_BYTES) {
	case PCI_MSIX_ENTRY_LOWER_ADDR:
		return &v->addr_lo;
	case PCI_MSIX_ENTRY_UPPER_ADDR:
		return &v->addr_hi;
	case PCI_MSIX_ENTRY_DATA:
		return &v->data;
	default:
		return &v->control;
	}
}

static uint32_t read_dword(struct pci_dev *d, uint64_t off)
{
	uint32_t pending = 0;

	if (off < (uint64_t)d->nvectors * ENTRY_BYTES)
		return *entry_field(d, off);
	if (off >= PBA_OFFSET)
		for (unsigned i = 0; i < 32; i++) {
			uint64_t v = (off - PBA_OFFSET) * 8 + i;

			if (v < d->nvectors && d->vectors[v].pending)
				pending |= UINT32_C(1) << i;
		}
	return pending;
}

static void write_dword(struct pci_dev *d, uint64_t off, uint32_t val)
{
	struct msix_vector *v = &d->vectors[off / ENTRY_BYTES];
	uint32_t *field;

	if (off >= (uint64_t)d->nvectors * ENTRY_BYTES)
		return; /* the PBA is read-only */
	field = entry_field(d, off);
	if (field == &v->control)
		val &= PCI_MSIX_ENTRY_CTRL_MASKBIT; /* the other bits are reserved */
	else if (*field != val && v->route == ROUTED)
		v->route = STALE_ROUTE;
	*field = val;
	update(d, v);
}

/* PCI 3.0, 6.8.2: accesses are aligned DWORDs and QWORDs; others are undefined, here: nothing. */
static bool defined(uint64_t off, unsigned size)
{
	return (size == 4 || size == 8) && off % size == 0;
}

static uint64_t table_read(void *dev, uint64_t off, unsigned size)
{
	struct pci_dev *d = dev;
	uint64_t val;

	if (!defined(off, size))
		return UINT64_MAX;
	val = read_dword(d, off);
	if (size == 8)
		val |= (uint64_t)read_dword(d, off + 4) << 32;
	return val;
}

static void table_write(void *dev, uint64_t off, uint64_t val, unsigned size)
{
	struct pci_dev *d = dev;

	if (!defined(off, size))
		return;
	write_dword(d, off, (uint32_t)val);
	if (size == 8)
		write_dword(d, off + 4, (uint32_t)(val >> 32));
}

static const struct bus_ops table_ops = {
	.name = "MSI-X table",
	.read = table_read,
	.write = table_write,
};

/* --- the function's side ---------------------------------------------------------------------- */

int pci_add_msix(struct pci_dev *d, unsigned bar, unsigned vectors, const struct msi *msi,
		 struct err *err)
{
	uint8_t cap[PCI_CAP_MSIX_SIZEOF - 2];

	assert(vectors && vectors <= MAX_VECTORS && !d->vectors);
	if (pci_add_bar_for(d, bar, BAR_BYTES, &table_ops, d, &d->msix_lock, NULL, err) < 0)
		return -1;
	d->msi = *msi;
	d->vectors = xcalloc(vectors, sizeof(d->vectors[0]));
	while (d->nvectors < vectors) {
		struct msix_vector *v = &d->vectors[d->nvectors];

		v->control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
		v->id = msi->ops->alloc(msi->ctx, &v->eventfd, err);
		if (v->id < 0)
			return err_wrap(err, "%s: MSI-X vector %u", d->name, d->nvectors);
		d->nvectors++;
	}
	put_le16(cap + PCI_MSIX_FLAGS - 2, (uint16_t)(vectors - 1));
	put_le32(cap + PCI_MSIX_TABLE - 2, bar);
	put_le32(cap + PCI_MSIX_PBA - 2, PBA_OFFSET | bar);
	d->msix_cap = pci_add_cap(d, PCI_CAP_ID_MSIX, cap, sizeof(cap));
	pci_set_wmask(d, d->msix_cap + PCI_MSIX_FLAGS, 2,
		      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	return 0;
}

void pci_msix_done(struct pci_dev *d)
{
	for (unsigned i = 0; i < d->nvectors; i++)
		d->msi.ops->release(d->msi.ctx, d->vectors[i].id);
	free(d->vectors);
}

/* pci_msix_enabled reads it without the lock. */
static void set_enabled(struct pci_dev *d, bool enabled)
{
	__atomic_store_n(&d->msix_enabled, enabled, __ATOMIC_RELEASE);
}

void pci_msix_control_written(struct pci_dev *d)
{
	uint32_t flags = pci_config_get(d, d->msix_cap + PCI_MSIX_FLAGS, 2);

	pthread_mutex_lock(&d->msix_lock);
	set_enabled(d, flags & PCI_MSIX_FLAGS_ENABLE);
	d->msix_masked = flags & PCI_MSIX_FLAGS_MASKALL;
	for (unsigned i = 0; i < d->nvectors; i++)
		update(d, &d->vectors[i]);
	pthread_mutex_unlock(&d->msix_lock);
}

void pci_msix_reset(struct pci_dev *d)
{
	pthread_mutex_lock(&d->msix_lock);
	set_enabled(d, false);
	d->msix_masked = false;
	for (unsigned i = 0; i < d->nvectors; i++) {
		struct msix_vector *v = &d->vectors[i];

		update(d, v);
		*v = (struct msix_vector){
			.control = PCI_MSIX_ENTRY_CTRL_MASKBIT,
			.id = v->id,
			.eventfd = v->eventfd,
		};
	}
	pthread_mutex_unlock(&d->msix_lock);
}

bool pci_msix_enabled(const struct pci_dev *d)
{
	return __atomic_load_n(&d->msix_enabled, __ATOMIC_ACQUIRE);
}

void pci_msix_notify(struct pci_dev *d, unsigned vector)
{
	struct msix_vector *v;

	pthread_mutex_lock(&d->msix_lock);
	if (d->msix_enabled && vector < d->nvectors) {
		v = &d->vectors[vector];
		if (masked(d, v) || v->route != ROUTED)
			v->pending = true;
		else
			signal_vector(v);
	}
	pthread_mutex_unlock(&d->msix_lock);
}
