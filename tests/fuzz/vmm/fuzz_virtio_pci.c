/* SPDX-License-Identifier: Apache-2.0
 *
 * Sequences of register accesses to a virtio-pci function: bring-up steps in the order a driver
 * takes them, with others thrown in between. After each the queues must be what was checked when
 * they were enabled, whatever their registers say by now (the class of CVE-2026-5747).
 */
#include <linux/virtio_config.h>
#include <fcntl.h>

#include "base/mem.h"
#include "base/util.h"
#include "tests/lib/vmm/fuzzin.h"
#include "tests/lib/vmm/gring.h"
#include "tests/lib/vmm/guarded.h"
#include "tests/lib/vmm/vpci.h"
#include "vmm/virtio/devices.h"

#define RAM  (1 * MIB)
#define DATA UINT64_C(0x80000)

enum { SLOT = 1, QUEUES = 3, QUEUE_SIZE = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vpci p;
static struct gmem *mem;
static struct loop *loop;
static struct virtio_dev *dev;
static struct vpci_virtio v;
static struct gring rings[QUEUES];
static struct virtq enabled[QUEUES]; /* as it was when it was enabled */

/* --- the device: answers every buffer, has writable configuration --- */

struct toy {
	struct virtio_dev vd;
	struct chain chain;
	uint8_t config[20];
};

static bool echo(struct virtio_dev *vd, unsigned q, struct chain *c)
{
	for (unsigned i = 0; i < c->nout + c->nin; i++)
		guarded_check(mem, c->iov[i].iov_base, c->iov[i].iov_len);
	chain_write(c, 0, "answer", 6);
	virtio_push(vd, q, c->head, (uint32_t)min_u64(6, c->in_len));
	return true;
}

static void toy_queue(struct virtio_dev *vd, unsigned q)
{
	virtio_serve(vd, q, &container_of(vd, struct toy, vd)->chain, echo);
}

static void toy_cfg_read(struct virtio_dev *vd, unsigned off, void *dst, unsigned n)
{
	memcpy(dst, container_of(vd, struct toy, vd)->config + off, n);
}

static void toy_cfg_write(struct virtio_dev *vd, unsigned off, const void *src, unsigned n)
{
	memcpy(container_of(vd, struct toy, vd)->config + off, src, n);
	virtio_config_changed(vd);
}

static const struct virtio_class toy_class = {
	.name = "toy",
	.id = 42,
	.nqueues = QUEUES,
	.queue_size = QUEUE_SIZE,
	.cfg_size = 20,
	.features = VIRTIO_FEATURE(0) | VIRTIO_FEATURE(5),
	.queue = toy_queue,
	.cfg_read = toy_cfg_read,
	.cfg_write = toy_cfg_write,
};

static void setup(void)
{
	struct toy *toy = NEW(struct toy);

	log_setup(open("/dev/null", O_WRONLY), LOG_ERROR);
	vpci_init(&p);
	mem = guarded_gmem(RAM);
	loop = loop_new(NULL);
	virtio_init(&toy->vd, &toy_class, "toy0", mem, loop);
	dev = &toy->vd;
	if (!virtio_pci_new(p.pci, dev, &p.msi_hook, &p.bell_hook, &p.intx_hook, NULL))
		abort();
}

/* --- what must hold after every access --- */

static void check(void)
{
	unsigned attached = 0;

	for (unsigned i = 0; i < QUEUES; i++) {
		const struct virtq *q = &dev->vq[i];

		if (!q->enabled) {
			enabled[i].enabled = false;
			continue;
		}
		if (!enabled[i].enabled)
			enabled[i] = *q;
		if (q->size != enabled[i].size || q->desc != enabled[i].desc ||
		    q->avail != enabled[i].avail || q->used != enabled[i].used ||
		    q->size > QUEUE_SIZE || !is_pow2(q->size))
			abort();
		guarded_check(mem, q->desc, 16 * (uint64_t)q->size);
		guarded_check(mem, q->avail, 6 + 2 * (uint64_t)q->size);
		guarded_check(mem, q->used, 6 + 8 * (uint64_t)q->size);
		attached++;
	}
	if (p.bells.n > attached)
		abort();
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK && !(dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
		abort();
	if (dev->status & VIRTIO_CONFIG_S_FEATURES_OK && dev->negotiated & ~dev->features)
		abort();
}

/* --- the driver --- */

static void wr(unsigned off, unsigned size, uint64_t val)
{
	vpci_common_write(&v, off, size, val);
	check();
}

static void negotiate(struct fuzzin *f)
{
	uint64_t want = dev->features & ~fuzz_uint(f, 1);

	if (fuzz_rare(f))
		want ^= fuzz_edge(f);
	wr(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	wr(VIRTIO_PCI_COMMON_STATUS, 1, 3);
	wr(VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	wr(VIRTIO_PCI_COMMON_GF, 4, (uint32_t)want);
	wr(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	wr(VIRTIO_PCI_COMMON_GF, 4, want >> 32);
	wr(VIRTIO_PCI_COMMON_STATUS, 1, 0xb);
}

/* All of a queue's registers, one of them perhaps wrong. */
static void place(struct fuzzin *f)
{
	unsigned i = fuzz_pick(f, QUEUES), broken = fuzz_rare(f) ? fuzz_pick(f, 8) : 8;
	uint16_t size = (uint16_t)(1u << fuzz_pick(f, 9));
	struct gring *r = &rings[i];
	uint64_t regs[8];

	gring_place(r, mem, size, 0x1000 + i * 0x4000);
	regs[0] = size;
	for (unsigned n = 0; n < 6; n++)
		regs[1 + n] = n % 2 ? 0 : (n / 2 == 0 ? r->desc : n / 2 == 1 ? r->avail : r->used);
	regs[7] = 1;
	if (broken < 8)
		regs[broken] = fuzz_edge(f);
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
	wr(VIRTIO_PCI_COMMON_Q_SIZE, 2, regs[0]);
	for (unsigned n = 0; n < 6; n++)
		wr(VIRTIO_PCI_COMMON_Q_DESCLO + 4 * n, 4, regs[1 + n]);
	wr(VIRTIO_PCI_COMMON_Q_ENABLE, 2, regs[7]);
}

static void offer(struct fuzzin *f)
{
	struct gring *r = &rings[fuzz_pick(f, QUEUES)];

	if (!r->mem)
		return;
	gring_put_desc(r, 0, DATA, 1 + fuzz_u8(f), VRING_DESC_F_WRITE, 0);
	gring_offer(r, fuzz_rare(f) ? (uint16_t)fuzz_edge(f) : 0);
}

static void access_anything(struct fuzzin *f)
{
	unsigned size = 1u << fuzz_pick(f, 4);
	uint64_t addr = vpci_bar(&p, SLOT, 2 * fuzz_pick(f, 2)) + fuzz_uint(f, 2) % 4096;

	if (fuzz_u8(f) & 1)
		vpci_write(&p, addr, size, fuzz_edge(f));
	else
		vpci_read(&p, addr, size);
}

static void access_configuration(struct fuzzin *f)
{
	unsigned size = 1u << fuzz_pick(f, 3), off = fuzz_u8(f) & ~(size - 1);

	if (fuzz_u8(f) & 1)
		vpci_cfg_write(&p, SLOT, off, size, (uint32_t)fuzz_edge(f));
	else
		vpci_cfg_read(&p, SLOT, off, size);
}

/* Through the window of the PCI cfg capability. */
static void access_window(struct fuzzin *f)
{
	uint8_t bar = fuzz_rare(f) ? fuzz_u8(f) : 0;
	uint32_t off = fuzz_rare(f) ? (uint32_t)fuzz_edge(f) : fuzz_u8(f);
	uint32_t len = fuzz_rare(f) ? (uint32_t)fuzz_edge(f) : 1u << fuzz_pick(f, 3);

	vpci_cfg_write(&p, SLOT, v.window + VIRTIO_PCI_CAP_BAR, 1, bar);
	vpci_cfg_write(&p, SLOT, v.window + VIRTIO_PCI_CAP_OFFSET, 4, off);
	vpci_cfg_write(&p, SLOT, v.window + VIRTIO_PCI_CAP_LENGTH, 4, len);
	if (fuzz_u8(f) & 1)
		vpci_cfg_write(&p, SLOT, v.window + 16, len & 7 ? len & 7 : 4,
			       (uint32_t)fuzz_edge(f));
	else
		vpci_cfg_read(&p, SLOT, v.window + 16, 4);
}

static void step(struct fuzzin *f)
{
	static const uint8_t registers[][2] = {
		{VIRTIO_PCI_COMMON_Q_SELECT, 2}, {VIRTIO_PCI_COMMON_Q_SIZE, 2},
		{VIRTIO_PCI_COMMON_Q_MSIX, 2},	 {VIRTIO_PCI_COMMON_Q_ENABLE, 2},
		{VIRTIO_PCI_COMMON_Q_RESET, 2},	 {VIRTIO_PCI_COMMON_Q_DESCLO, 4},
		{VIRTIO_PCI_COMMON_Q_DESCHI, 4}, {VIRTIO_PCI_COMMON_Q_AVAILLO, 4},
		{VIRTIO_PCI_COMMON_Q_USEDLO, 4}, {VIRTIO_PCI_COMMON_Q_USEDHI, 4},
		{VIRTIO_PCI_COMMON_MSIX, 2},	 {VIRTIO_PCI_COMMON_STATUS, 1},
		{VIRTIO_PCI_COMMON_GF, 4},	 {VIRTIO_PCI_COMMON_GFSELECT, 4},
		{VIRTIO_PCI_COMMON_DFSELECT, 4}, {VIRTIO_PCI_COMMON_Q_DESCLO, 8},
	};
	const uint8_t *r;

	switch (fuzz_pick(f, 14)) {
	case 0:
		negotiate(f);
		break;
	case 1:
	case 2:
		place(f);
		break;
	case 3:
		wr(VIRTIO_PCI_COMMON_STATUS, 1, 0xf);
		break;
	case 4:
	case 5:
		offer(f);
		break;
	case 6:
	case 7: {
		unsigned q = fuzz_rare(f) ? fuzz_u8(f) : fuzz_pick(f, QUEUES);

		vpci_write(&p, v.notify + q * (uint64_t)v.notify_multiplier, 2, q);
		if (fuzz_u8(f) & 1)
			loop_settle(loop);
		break;
	}
	case 8:
	case 9:
		r = registers[fuzz_pick(f, ARRAY_LEN(registers))];
		wr(r[0], r[1], fuzz_edge(f));
		break;
	case 10:
		access_anything(f);
		break;
	case 11:
		access_configuration(f);
		break;
	case 12:
		access_window(f);
		break;
	case 13:
		if (fuzz_u8(f) & 1)
			virtio_pause(dev);
		else
			virtio_resume(dev);
		break;
	}
	check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzzin f = {data, size};

	if (!mem)
		setup();
	virtio_resume(dev);
	virtio_reset(dev);
	pci_bus_reset(p.pci);
	memset(rings, 0, sizeof(rings));
	memset(enabled, 0, sizeof(enabled));
	vpci_virtio_find(&p, SLOT, &v);
	vpci_enable(&p, SLOT);
	for (int i = 0; i < 200 && fuzz_more(&f); i++)
		step(&f);
	loop_settle(loop);
	check();
	return 0;
}
