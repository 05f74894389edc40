/* SPDX-License-Identifier: Apache-2.0
 *
 * Interrupt lines, message-signalled interrupts and doorbells on KVM: the other side of
 * vmm/bus/irq.h. A line is an ioctl. A message is an eventfd that KVM listens to (irqfd) and a row
 * of the routing table that says which address and data its signal stands for; without a row, a
 * signal goes nowhere. A doorbell is an eventfd that KVM writes (ioeventfd).
 */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/util.h"
#include "vmm/kvm/kvm.h"
#include "vmm/mem/layout.h"

enum {
	MAX_MSI = 512,
	ISA_PINS = 16,
	IOAPIC_PINS = GSI_MSI_FIRST,
	PIC_PINS = 8,
};

struct msi_row {
	bool used, routed;
	int eventfd;
	uint64_t addr;
	uint32_t data;
};

struct kvm_routes {
	int vm; /* borrowed */
	pthread_mutex_t lock;
	struct msi_row msi[MAX_MSI];
	unsigned nmsi; /* ids below it were used at some time */
	struct kvm_irq_routing *table;
};

static void add_pin(struct kvm_irq_routing *t, uint32_t gsi, uint32_t chip, uint32_t pin)
{
	t->entries[t->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = {.irqchip = chip, .pin = pin},
	};
}

/* The PC's wiring: ISA interrupts reach both controllers, and the timer comes to the IOAPIC at pin 2
 * (the MADT says so too), where nothing else arrives. */
static void add_pins(struct kvm_irq_routing *t)
{
	for (uint32_t gsi = 0; gsi < ISA_PINS; gsi++)
		if (gsi != 2)
			add_pin(t, gsi, gsi < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
				gsi % PIC_PINS);
	for (uint32_t gsi = 0; gsi < IOAPIC_PINS; gsi++)
		if (gsi != 2)
			add_pin(t, gsi, KVM_IRQCHIP_IOAPIC, gsi == 0 ? 2 : gsi);
}

/* With the lock held: KVM takes the whole table each time. */
static int set_table(struct kvm_routes *r)
{
	struct kvm_irq_routing *t = r->table;

	t->nr = 0;
	add_pins(t);
	for (unsigned id = 0; id < r->nmsi; id++)
		if (r->msi[id].routed)
			t->entries[t->nr++] = (struct kvm_irq_routing_entry){
				.gsi = GSI_MSI_FIRST + id,
				.type = KVM_IRQ_ROUTING_MSI,
				.u.msi = {.address_lo = (uint32_t)r->msi[id].addr,
					  .address_hi = (uint32_t)(r->msi[id].addr >> 32),
					  .data = r->msi[id].data},
			};
	return kvm_ioctl(r->vm, KVM_SET_GSI_ROUTING, t);
}

struct kvm_routes *kvm_routes_new(int vm, struct err *err)
{
	size_t rows = ISA_PINS + IOAPIC_PINS + MAX_MSI;
	struct kvm_routes *r = NEW(struct kvm_routes);

	r->vm = vm;
	pthread_mutex_init(&r->lock, NULL);
	r->table = xzalloc(sizeof(*r->table) + rows * sizeof(r->table->entries[0]));
	if (set_table(r) < 0) {
		err_sys(err, ERR_HOST, "KVM: interrupt routes");
		kvm_routes_free(r);
		return NULL;
	}
	return r;
}

void kvm_routes_free(struct kvm_routes *r)
{
	if (!r)
		return;
	for (unsigned id = 0; id < r->nmsi; id++)
		if (r->msi[id].used)
			close(r->msi[id].eventfd);
	pthread_mutex_destroy(&r->lock);
	free(r->table);
	free(r);
}

/* --- lines ----------------------------------------------------------------------------------------- */

static void set_line(void *ctx, unsigned gsi, bool level)
{
	struct kvm *k = ctx;
	struct kvm_irq_level l = {.irq = gsi, .level = level};

	if (kvm_ioctl(k->vm, KVM_IRQ_LINE, &l) < 0)
		log_error("KVM: interrupt line %u: %s", gsi, strerror(errno));
}

struct irq_line kvm_irq_line(struct kvm *k, unsigned gsi)
{
	return (struct irq_line){.set = set_line, .ctx = k, .gsi = gsi};
}

/* --- messages ---------------------------------------------------------------------------------------- */

static int listen_to(struct kvm_routes *r, int id, uint32_t flags)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)r->msi[id].eventfd,
		.gsi = GSI_MSI_FIRST + (uint32_t)id,
		.flags = flags,
	};

	return kvm_ioctl(r->vm, KVM_IRQFD, &irqfd);
}

static int alloc_msi(void *ctx, int *fd, struct err *err)
{
	struct kvm_routes *r = ctx;
	int id = 0, rc = -1;

	pthread_mutex_lock(&r->lock);
	while (id < MAX_MSI && r->msi[id].used)
		id++;
	if (id == MAX_MSI) {
		err_set(err, ERR_FAILED, "all %d interrupt vectors are in use", MAX_MSI);
		goto out;
	}
	r->msi[id].eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (r->msi[id].eventfd < 0) {
		err_sys(err, ERR_HOST, "eventfd");
		goto out;
	}
	if (listen_to(r, id, 0) < 0) {
		err_sys(err, ERR_HOST, "KVM: irqfd");
		close(r->msi[id].eventfd);
		goto out;
	}
	r->msi[id].used = true;
	r->nmsi = (unsigned)max_u64(r->nmsi, (unsigned)id + 1);
	*fd = r->msi[id].eventfd;
	rc = id;
out:
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static int route_msi(void *ctx, int id, uint64_t addr, uint32_t data)
{
	struct kvm_routes *r = ctx;
	struct msi_row *row = &r->msi[id], was;
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	was = *row;
	if (!row->routed || row->addr != addr || row->data != data) {
		row->routed = true;
		row->addr = addr;
		row->data = data;
		rc = set_table(r);
		/* The guest chose a row that KVM does not take (bits 32 to 39 of the address, for
		 * one), and with it in the table nobody else's would be taken either. */
		if (rc < 0)
			*row = was;
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static void unroute_msi(void *ctx, int id)
{
	struct kvm_routes *r = ctx;

	pthread_mutex_lock(&r->lock);
	if (r->msi[id].routed) {
		r->msi[id].routed = false;
		if (set_table(r) < 0)
			log_error("KVM: interrupt routes: %s", strerror(errno));
	}
	pthread_mutex_unlock(&r->lock);
}

static void release_msi(void *ctx, int id)
{
	struct kvm_routes *r = ctx;

	unroute_msi(ctx, id);
	pthread_mutex_lock(&r->lock);
	if (listen_to(r, id, KVM_IRQFD_FLAG_DEASSIGN) < 0)
		log_error("KVM: irqfd: %s", strerror(errno));
	close(r->msi[id].eventfd);
	r->msi[id].used = false;
	pthread_mutex_unlock(&r->lock);
}

struct msi kvm_msi(struct kvm *k)
{
	static const struct msi_ops ops = {
		.alloc = alloc_msi,
		.release = release_msi,
		.route = route_msi,
		.unroute = unroute_msi,
	};

	return (struct msi){.ops = &ops, .ctx = k->routes};
}

/* --- doorbells ------------------------------------------------------------------------------------- */

static int set_doorbell(const struct kvm *k, uint64_t addr, unsigned len, int fd, uint32_t flags)
{
	struct kvm_ioeventfd e = {.addr = addr, .len = len, .fd = fd, .flags = flags};

	return kvm_ioctl(k->vm, KVM_IOEVENTFD, &e);
}

static int attach(void *ctx, uint64_t addr, unsigned len, int fd, struct err *err)
{
	if (set_doorbell(ctx, addr, len, fd, 0) < 0)
		return err_sys(err, ERR_HOST, "KVM: doorbell at 0x%llx", (unsigned long long)addr);
	return 0;
}

static void detach(void *ctx, uint64_t addr, unsigned len, int fd)
{
	if (set_doorbell(ctx, addr, len, fd, KVM_IOEVENTFD_FLAG_DEASSIGN) < 0)
		log_error("KVM: doorbell at 0x%llx: %s", (unsigned long long)addr, strerror(errno));
}

struct doorbell kvm_doorbell(struct kvm *k)
{
	static const struct doorbell_ops ops = {.attach = attach, .detach = detach};

	return (struct doorbell){.ops = &ops, .ctx = k};
}
