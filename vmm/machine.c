/* SPDX-License-Identifier: Apache-2.0
 *
 * Builds the machine: see machine.h. machine_new() shows the order, device_kinds[] the devices.
 */
#include "vmm/machine.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/util.h"
#include "vmm/acpi/acpi.h"
#include "vmm/boot/boot.h"
#include "vmm/bus/bus.h"
#include "vmm/dev/pm.h"
#include "vmm/dev/reset.h"
#include "vmm/dev/rtc.h"
#include "vmm/dev/serial.h"
#include "vmm/kvm/cpuid.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/vcpu.h"
#include "vmm/mem/layout.h"
#include "vmm/pci/pci.h"
#include "vmm/smbios/smbios.h"
#include "vmm/virtio/devices.h"

enum { MAX_VIRTIO = VMM_MAX_DISKS + VMM_MAX_NICS + 2 };

struct machine {
	const struct vmm_config *config; /* borrowed */
	struct machine_env env;
	struct power power; /* what devices are given: machine_end */

	struct gmem *mem;
	struct kvm *kvm;
	struct bus *ports, *mmio;
	struct pci_windows windows;
	struct pci_bus *pci;
	struct serial *serial;
	struct rtc *rtc;
	struct pm *pm;

	struct {
		struct virtio_dev *dev; /* owned by pci */
		struct virtio_pci *pci;
		struct loop *loop; /* of its own, or NULL: the main loop */
	} virtio[MAX_VIRTIO];
	unsigned nvirtio;

	struct boot_entry entry;
	struct vcpus *vcpus;
	bool paused;

	pthread_mutex_t end_lock; /* guards what follows */
	bool ended;
	enum power_event end_event;
	char end_detail[384];
};

/* --- the end ----------------------------------------------------------------------------------------- */

/* On the main loop: the owner hears of it, and frees the machine. */
static void report_end(void *ctx)
{
	struct machine *m = ctx;
	char detail[sizeof(m->end_detail)];
	enum power_event event;

	pthread_mutex_lock(&m->end_lock);
	event = m->end_event;
	memcpy(detail, m->end_detail, sizeof(detail));
	pthread_mutex_unlock(&m->end_lock);
	power_event(&m->env.power, event, detail);
}

void machine_end(struct machine *m, enum power_event event, const char *detail)
{
	bool first;

	pthread_mutex_lock(&m->end_lock);
	first = !m->ended;
	if (first) {
		m->ended = true;
		m->end_event = event;
		snprintf(m->end_detail, sizeof(m->end_detail), "%s", detail);
	}
	pthread_mutex_unlock(&m->end_lock);
	if (!first)
		return;
	vcpus_stop(m->vcpus); /* before the guest's next instruction */
	loop_post(m->env.loop, report_end, m);
}

static void end_from_device(void *ctx, enum power_event event, const char *detail)
{
	machine_end(ctx, event, detail);
}

/* --- devices on ports --------------------------------------------------------------------------------- */

static int add_serial(struct machine *m, struct err *err)
{
	struct irq_line irq = kvm_irq_line(m->kvm, GSI_COM1);

	m->serial = serial_new(m->env.console, &irq);
	return bus_add(m->ports, PORT_COM1, SERIAL_PORTS, &serial_bus, m->serial,
		       serial_lock(m->serial), err);
}

static int add_clock(struct machine *m, struct err *err)
{
	struct irq_line irq = kvm_irq_line(m->kvm, GSI_RTC);

	m->rtc = rtc_new(&irq, m->env.loop, NULL);
	return bus_add(m->ports, PORT_RTC, RTC_PORTS, &rtc_bus, m->rtc, rtc_lock(m->rtc), err);
}

static int add_power_management(struct machine *m, struct err *err)
{
	struct irq_line sci = kvm_irq_line(m->kvm, GSI_SCI);

	m->pm = pm_new(&sci, &m->power, NULL);
	return bus_add(m->ports, PORT_PM_BASE, PM_PORTS, &pm_bus, m->pm, pm_lock(m->pm), err);
}

static int add_resets(struct machine *m, struct err *err)
{
	if (bus_add(m->ports, PORT_I8042_CMD, 1, &i8042_bus, &m->power, NULL, err) < 0)
		return -1;
	return bus_add(m->ports, PORT_PVPANIC, 1, &pvpanic_bus, &m->power, NULL, err);
}

static int add_pci(struct machine *m, struct err *err)
{
	uint64_t ram_end = m->mem->regions[m->mem->n - 1].gpa + m->mem->regions[m->mem->n - 1].size;
	unsigned bits = cpuid_phys_bits(m->kvm->cpuid);

	m->windows = (struct pci_windows){
		.mem32 = LAYOUT_PCI32,
		.mem32_size = LAYOUT_PCI32_SIZE,
		.mem64 = align_up(max_u64(ram_end, LAYOUT_4GIB), LAYOUT_PCI64_SIZE),
		.mem64_size = LAYOUT_PCI64_SIZE,
	};
	if (bits < 64 && (m->windows.mem64 + m->windows.mem64_size - 1) >> bits)
		return err_set(err, ERR_HOST,
			       "this CPU has %u physical address bits: too few for %llu MiB of memory",
			       bits, (unsigned long long)(m->mem->size / MIB));
	/* With CF8/CFC, although Linux prefers it to ECAM at twice the exits: without, every Linux logs
	 * "PCI: Fatal: No config space access function found" before ACPI tells it of ECAM. */
	m->pci = pci_bus_new(m->ports, m->mmio, &m->windows, err);
	if (!m->pci)
		return -1;
	pci_bus_set_cf9(m->pci, &reset_bus, &m->power);
	return 0;
}

/* --- virtio devices ------------------------------------------------------------------------------------ */

/* A loop on a thread of its own, for a device whose backend may wait. */
static struct loop *own_loop(const char *name, struct err *err)
{
	struct loop *loop = loop_new(err);

	if (!loop || loop_thread_start(loop, name, err) == 0)
		return loop;
	loop_free(loop);
	return NULL;
}

static void free_loop(struct loop *loop)
{
	if (!loop)
		return;
	loop_stop(loop);
	loop_thread_join(loop);
	loop_free(loop);
}

/* Puts a device (NULL: its constructor failed) behind PCI. `loop` is its own, or NULL. */
static int add_virtio(struct machine *m, struct virtio_dev *dev, struct loop *loop, struct err *err)
{
	struct msi msi = kvm_msi(m->kvm);
	struct doorbell doorbell = kvm_doorbell(m->kvm);
	struct irq_line intx = kvm_irq_line(m->kvm, 0); /* PCI fills the pin in */
	struct virtio_pci *pci = NULL;

	if (dev)
		pci = virtio_pci_new(m->pci, dev, &msi, &doorbell, &intx, err);
	if (!pci) {
		free_loop(loop);
		return -1;
	}
	m->virtio[m->nvirtio].dev = dev;
	m->virtio[m->nvirtio].pci = pci;
	m->virtio[m->nvirtio].loop = loop;
	m->nvirtio++;
	return 0;
}

/* The device gets descriptors of its own: the configuration's serve the machine's next life. */
static int duplicate(int fd, struct err *err)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? err_sys(err, ERR_HOST, "descriptor %d", fd) : copy;
}

static struct blk *open_disk(const struct vmm_disk *d, struct err *err)
{
	struct blk_layer layers[VMM_MAX_LAYERS];
	char names[VMM_MAX_LAYERS][32];

	for (unsigned i = 0; i < d->nlayers; i++) {
		const char *path = d->layers[i].file.path;

		snprintf(names[i], sizeof(names[i]), "layer %u", i);
		layers[i] = (struct blk_layer){
			.fd = duplicate(d->layers[i].file.fd, err),
			.format = d->layers[i].format == VMM_QCOW2 ? BLK_QCOW2 : BLK_RAW,
			.name = path ? path : names[i],
		};
		if (layers[i].fd < 0) {
			while (i--)
				close(layers[i].fd);
			return NULL;
		}
	}
	return blk_open(layers, d->nlayers, BLK_DISCARD | (d->read_only ? BLK_RDONLY : 0), err);
}

static int add_disk(struct machine *m, const struct vmm_disk *d, struct err *err)
{
	char id[sizeof(((struct virtio_dev *)0)->id)], thread[16];
	struct loop *loop;
	struct blk *blk = open_disk(d, err);

	if (!blk)
		return -1;
	snprintf(id, sizeof(id), "%s", d->id);
	snprintf(thread, sizeof(thread), "disk %s", d->id);
	loop = own_loop(thread, err);
	if (!loop) {
		blk_close(blk);
		return -1;
	}
	return add_virtio(m, blk_new(id, blk, d->id, m->mem, loop, err), loop, err);
}

static int add_disks(struct machine *m, struct err *err)
{
	for (unsigned i = 0; i < m->config->ndisks; i++)
		if (add_disk(m, &m->config->disks[i], err) < 0)
			return err_wrap(err, "disk '%s'", m->config->disks[i].id);
	return 0;
}

static int add_nic(struct machine *m, const struct vmm_nic *n, struct err *err)
{
	int tap = duplicate(n->tap.fd, err);
	char thread[16];
	struct loop *loop;

	if (tap < 0)
		return -1;
	snprintf(thread, sizeof(thread), "net %s", n->id);
	loop = own_loop(thread, err);
	if (!loop) {
		close(tap);
		return -1;
	}
	return add_virtio(m, net_new(n->id, tap, n->mac, n->mtu, m->mem, loop, err), loop, err);
}

static int add_nics(struct machine *m, struct err *err)
{
	for (unsigned i = 0; i < m->config->nnics; i++)
		if (add_nic(m, &m->config->nics[i], err) < 0)
			return err_wrap(err, "NIC '%s'", m->config->nics[i].id);
	return 0;
}

static int add_entropy(struct machine *m, struct err *err)
{
	if (!m->config->rng)
		return 0;
	return add_virtio(m, rng_new("rng0", m->mem, m->env.loop, err), NULL, err);
}

static int add_virtio_console(struct machine *m, struct err *err)
{
	if (!m->config->virtio_console)
		return 0;
	return add_virtio(m, console_new("console0", m->env.hvc0, m->mem, m->env.loop, err), NULL, err);
}

/* In this order: PCI functions get their slots, and so disks and NICs their names, by it. */
static const struct device_kind {
	const char *name;
	int (*add)(struct machine *, struct err *);
} device_kinds[] = {
	{"serial port", add_serial},
	{"clock", add_clock},
	{"power management", add_power_management},
	{"reset", add_resets},
	{"PCI", add_pci},
	{"disks", add_disks},
	{"network", add_nics},
	{"entropy", add_entropy},
	{"virtio console", add_virtio_console},
};

static int add_devices(struct machine *m, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(device_kinds); i++)
		if (device_kinds[i].add(m, err) < 0)
			return err_wrap(err, "%s", device_kinds[i].name);
	return 0;
}

/* --- what the guest reads -------------------------------------------------------------------------------- */

static int put_tables(struct machine *m, gpa_t *rsdp, struct err *err)
{
	const char *oem_strings[VMM_MAX_OEM_STRINGS];
	const struct smbios_config smbios = {
		.uuid = m->config->uuid,
		.serial = m->config->smbios_serial,
		.cpus = m->config->cpus,
		.memory = m->config->memory,
		.oem_strings = oem_strings,
		.noem_strings = m->config->noem_strings,
	};
	const struct acpi_config acpi = {
		.cpus = m->config->cpus,
		.pci64 = m->windows.mem64,
		.pci64_size = m->windows.mem64_size,
		.slots = ((1u << m->nvirtio) - 1) << 1, /* they follow the host bridge */
	};

	for (unsigned i = 0; i < m->config->noem_strings; i++)
		oem_strings[i] = m->config->oem_strings[i];
	if (smbios_put_tables(m->mem, &smbios, err) < 0)
		return -1;
	return acpi_put_tables(m->mem, &acpi, rsdp, err);
}

static int load_kernel(struct machine *m, gpa_t rsdp, struct err *err)
{
	const struct boot_config boot = {
		.kernel = m->config->kernel.fd,
		.kernel_path = m->config->kernel.path,
		.initrd = m->config->initrd.fd,
		.cmdline = m->config->cmdline,
		.rsdp = rsdp,
	};

	return boot_load(m->mem, &boot, &m->entry, err);
}

static int make_vcpus(struct machine *m, struct err *err)
{
	const struct vcpu_env env = {
		.ports = m->ports, .mmio = m->mmio, .power = m->power, .loop = m->env.loop};

	m->vcpus = vcpus_new(m->kvm, m->config->cpus, &m->entry, &env, err);
	if (!m->vcpus)
		return -1;
	vcpus_coalesce_port(m->vcpus, PORT_COM1);
	vcpus_coalesce_index(m->vcpus, PORT_RTC);
	return vcpus_start(m->vcpus, err);
}

/* --- the machine ----------------------------------------------------------------------------------------- */

struct machine *machine_new(const struct vmm_config *config, const struct machine_env *env,
			    struct err *err)
{
	struct machine *m = NEW(struct machine);
	gpa_t rsdp;

	m->config = config;
	m->env = *env;
	m->paused = true;
	m->power = (struct power){.event = end_from_device, .ctx = m};
	pthread_mutex_init(&m->end_lock, NULL);
	m->ports = bus_new("port", 0x10000);
	m->mmio = bus_new("MMIO", UINT64_MAX);

	m->mem = gmem_new(config->memory, err);
	if (!m->mem)
		goto fail;
	m->kvm = kvm_new(env->kvm, m->mem, err);
	if (!m->kvm || add_devices(m, err) < 0 || put_tables(m, &rsdp, err) < 0 ||
	    load_kernel(m, rsdp, err) < 0 || make_vcpus(m, err) < 0)
		goto fail;
	return m;
fail:
	machine_free(m);
	return NULL;
}

static void stop_threads(struct machine *m)
{
	if (m->vcpus) {
		vcpus_stop(m->vcpus);
		vcpus_join(m->vcpus);
	}
	for (unsigned i = 0; i < m->nvirtio; i++)
		if (m->virtio[i].loop) {
			loop_stop(m->virtio[i].loop);
			loop_thread_join(m->virtio[i].loop);
		}
}

int machine_sync(struct machine *m, struct err *err)
{
	stop_threads(m);
	for (unsigned i = 0; i < m->nvirtio; i++)
		if (virtio_sync(m->virtio[i].dev, err) < 0)
			return -1;
	return 0;
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	stop_threads(m);
	for (unsigned i = 0; i < m->nvirtio; i++) {
		virtio_pci_free(m->virtio[i].pci);
		loop_free(m->virtio[i].loop);
	}
	pci_bus_free(m->pci);
	pm_free(m->pm);
	rtc_free(m->rtc);
	serial_free(m->serial);
	vcpus_free(m->vcpus);
	kvm_free(m->kvm);
	gmem_free(m->mem);
	bus_free(m->ports);
	bus_free(m->mmio);
	pthread_mutex_destroy(&m->end_lock);
	free(m);
}

bool machine_press_power_button(struct machine *m)
{
	return pm_press_power_button(m->pm);
}

void machine_pause(struct machine *m)
{
	if (m->paused)
		return;
	m->paused = true;
	vcpus_pause(m->vcpus);
	for (unsigned i = 0; i < m->nvirtio; i++)
		virtio_pause(m->virtio[i].dev);
}

void machine_resume(struct machine *m)
{
	if (!m->paused)
		return;
	m->paused = false;
	for (unsigned i = 0; i < m->nvirtio; i++)
		virtio_resume(m->virtio[i].dev);
	vcpus_resume(m->vcpus);
}

void machine_stats(struct machine *m, struct machine_stats *out)
{
	memset(out, 0, sizeof(*out));
	vcpus_exits(m->vcpus, &out->exits_io, &out->exits_mmio);
	for (unsigned i = 0; i < m->nvirtio; i++) {
		struct virtio_dev *d = m->virtio[i].dev;
		char why[sizeof(d->broken_why)];

		/* Without the device's lock: a disk holds it while the host writes for it. */
		virtio_why_broken(d, why, sizeof(why));
		if (why[0])
			snprintf(out->last_broken, sizeof(out->last_broken), "%s: %s", d->id, why);
	}
}
