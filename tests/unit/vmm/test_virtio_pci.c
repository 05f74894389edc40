/* SPDX-License-Identifier: Apache-2.0
 *
 * The virtio-pci transport, register by register, with the entropy device behind it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/virtio_config.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "base/util.h"
#include "tests/lib/vmm/gring.h"
#include "tests/lib/vmm/vpci.h"
#include "vmm/virtio/devices.h"

enum { SLOT = 1 };

static struct vpci p;
static struct gmem *mem;
static struct loop *loop;
static struct virtio_dev *dev;
static struct virtio_pci *transport;
static struct vpci_virtio v;
static struct gring ring;

/* A device with a configuration space and two queues. */
struct toy {
	struct virtio_dev vd;
	struct chain chain;
	uint8_t config[6];
};

static bool swallow(struct virtio_dev *vd, unsigned q, struct chain *c)
{
	virtio_push(vd, q, c->head, 7);
	return true;
}

static void toy_queue(struct virtio_dev *vd, unsigned q)
{
	virtio_serve(vd, q, &container_of(vd, struct toy, vd)->chain, swallow);
}

static void toy_cfg_read(struct virtio_dev *vd, unsigned off, void *dst, unsigned n)
{
	memcpy(dst, container_of(vd, struct toy, vd)->config + off, n);
}

static void toy_cfg_write(struct virtio_dev *vd, unsigned off, const void *src, unsigned n)
{
	memcpy(container_of(vd, struct toy, vd)->config + off, src, n);
}

static const struct virtio_class toy_class = {
	.name = "toy",
	.id = 42,
	.nqueues = 2,
	.queue_size = 64,
	.cfg_size = 6,
	.pci_class = 0x123456,
	.features = VIRTIO_FEATURE(0) | VIRTIO_FEATURE(63),
	.queue = toy_queue,
	.cfg_read = toy_cfg_read,
	.cfg_write = toy_cfg_write,
};

static int setup_with(bool msi, bool bells)
{
	struct toy *toy = NEW(struct toy);

	vpci_init(&p);
	mem = gmem_new(4 * MIB, NULL);
	loop = loop_new(NULL);
	virtio_init(&toy->vd, &toy_class, "toy0", mem, loop);
	dev = &toy->vd;
	transport = virtio_pci_new(p.pci, dev, msi ? &p.msi_hook : NULL,
				   bells ? &p.bell_hook : NULL, &p.intx_hook, NULL);
	assert_non_null(transport);
	vpci_virtio_find(&p, SLOT, &v);
	vpci_enable(&p, SLOT);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_with(true, true);
}

static int setup_plain(void **state)
{
	(void)state;
	return setup_with(false, false);
}

static int teardown(void **state)
{
	(void)state;
	virtio_pci_free(transport);
	vpci_done(&p);
	loop_free(loop);
	gmem_free(mem);
	return 0;
}

/* --- a driver --- */

static uint64_t rd(unsigned off, unsigned size)
{
	return vpci_common_read(&v, off, size);
}

static void wr(unsigned off, unsigned size, uint64_t val)
{
	vpci_common_write(&v, off, size, val);
}

static uint64_t offered(void)
{
	uint64_t f;

	wr(VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	f = rd(VIRTIO_PCI_COMMON_DF, 4) << 32;
	wr(VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	return f | rd(VIRTIO_PCI_COMMON_DF, 4);
}

static void accept(uint64_t f)
{
	wr(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	wr(VIRTIO_PCI_COMMON_STATUS, 1, 3);
	wr(VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	wr(VIRTIO_PCI_COMMON_GF, 4, (uint32_t)f);
	wr(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	wr(VIRTIO_PCI_COMMON_GF, 4, f >> 32);
	wr(VIRTIO_PCI_COMMON_STATUS, 1, 0xb);
}

static void place(unsigned q, uint16_t size)
{
	gring_place(&ring, mem, size, 0x10000);
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, q);
	wr(VIRTIO_PCI_COMMON_Q_SIZE, 2, size);
	wr(VIRTIO_PCI_COMMON_Q_DESCLO, 4, ring.desc);
	wr(VIRTIO_PCI_COMMON_Q_DESCHI, 4, 0);
	wr(VIRTIO_PCI_COMMON_Q_AVAILLO, 4, ring.avail);
	wr(VIRTIO_PCI_COMMON_Q_AVAILHI, 4, 0);
	wr(VIRTIO_PCI_COMMON_Q_USEDLO, 4, ring.used);
	wr(VIRTIO_PCI_COMMON_Q_USEDHI, 4, 0);
	wr(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

static void up(unsigned q)
{
	accept(offered());
	place(q, 8);
	wr(VIRTIO_PCI_COMMON_STATUS, 1, 0xf);
	loop_settle(loop);
}

static void offer(void)
{
	gring_put_desc(&ring, 0, 0x100000, 16, VRING_DESC_F_WRITE, 0);
	gring_offer(&ring, 0);
}

static uint64_t bell(unsigned q)
{
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, q);
	return v.notify + rd(VIRTIO_PCI_COMMON_Q_NOFF, 2) * v.notify_multiplier;
}

static void kick(unsigned q)
{
	vpci_write(&p, bell(q), 2, q);
	loop_settle(loop);
}

static bool used(void)
{
	uint32_t head, len;

	return gring_take_used(&ring, &head, &len);
}

static void msix(unsigned vector, uint32_t data)
{
	unsigned cap = vpci_find_cap(&p, SLOT, PCI_CAP_ID_MSIX, 0);
	uint64_t table = vpci_bar(&p, SLOT, vpci_cfg_read(&p, SLOT, cap + PCI_MSIX_TABLE, 4) & 7);

	vpci_cfg_write(&p, SLOT, cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	vpci_write(&p, table + 16 * vector, 4, 0xfee00000);
	vpci_write(&p, table + 16 * vector + 8, 4, data);
	vpci_write(&p, table + 16 * vector + 12, 4, 0);
}

/* --- what is there (4.1.2, 4.1.4) --- */

static void test_identity_and_capabilities(void **state)
{
	unsigned types = 0, cap;

	(void)state;
	assert_int_equal(vpci_cfg_read(&p, SLOT, PCI_VENDOR_ID, 4), 0x106a1af4);
	assert_int_equal(vpci_cfg_read(&p, SLOT, PCI_CLASS_REVISION, 4), 0x12345601);
	for (unsigned n = 0; (cap = vpci_find_cap(&p, SLOT, PCI_CAP_ID_VNDR, n)); n++) {
		uint32_t off = vpci_cfg_read(&p, SLOT, cap + VIRTIO_PCI_CAP_OFFSET, 4);
		uint32_t len = vpci_cfg_read(&p, SLOT, cap + VIRTIO_PCI_CAP_LENGTH, 4);

		types |= 1u << vpci_cfg_read(&p, SLOT, cap + VIRTIO_PCI_CAP_CFG_TYPE, 1);
		assert_int_equal(vpci_cfg_read(&p, SLOT, cap + VIRTIO_PCI_CAP_BAR, 1), 0);
		assert_true(vpci_cfg_read(&p, SLOT, cap + VIRTIO_PCI_CAP_LEN, 1) >= 16);
		assert_int_equal(off % 4, 0);
		assert_true(off + len <= 4096);
	}
	assert_int_equal(types, 0x3e);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	assert_true(v.notify_multiplier >= 2);
	/* One more vector than queues. */
	cap = vpci_find_cap(&p, SLOT, PCI_CAP_ID_MSIX, 0);
	assert_int_equal(vpci_cfg_read(&p, SLOT, cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE,
			 2);
}

static void test_features_by_halves(void **state)
{
	(void)state;
	assert_int_equal(offered(), dev->features);
	wr(VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_DF, 4), 0);
	wr(VIRTIO_PCI_COMMON_DFSELECT, 4, UINT32_MAX);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_DF, 4), 0);

	accept(offered());
	assert_int_equal(rd(VIRTIO_PCI_COMMON_STATUS, 1), 0xb);
	wr(VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_GF, 4), (uint32_t)dev->features);
	wr(VIRTIO_PCI_COMMON_GFSELECT, 4, 7);
	wr(VIRTIO_PCI_COMMON_GF, 4, UINT32_MAX);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_GF, 4), 0);
	assert_int_equal(dev->negotiated, dev->features);

	accept(offered() | VIRTIO_FEATURE(1));
	assert_int_equal(rd(VIRTIO_PCI_COMMON_STATUS, 1), 3);
}

static void test_widths(void **state)
{
	(void)state;
	/* 4.1.3.1: only the field's own width. */
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 1, 0);
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 4, 0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_SELECT, 2), 1);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_SELECT, 4), 0);
	wr(VIRTIO_PCI_COMMON_STATUS, 2, 1);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_STATUS, 1), 0);
	/* Eight bytes are two registers of four. */
	wr(VIRTIO_PCI_COMMON_Q_DESCLO, 8, 0x1122334455667788);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_DESCHI, 4), 0x11223344);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0x1122334455667788);
	/* Between and behind the registers there is nothing. */
	for (unsigned off = 0x40; off < 0x100; off += 4) {
		wr(off, 4, UINT32_MAX);
		assert_int_equal(rd(off, 4), 0);
	}
	for (unsigned off = 0; off < 0x40; off++) {
		rd(off, 1);
		rd(off, 2);
		rd(off, 8);
	}
}

static void test_device_configuration(void **state)
{
	(void)state;
	vpci_write(&p, v.device, 4, 0x64636261);
	vpci_write(&p, v.device + 4, 2, 0x6665);
	assert_int_equal(vpci_read(&p, v.device, 8), 0x666564636261);
	assert_int_equal(vpci_read(&p, v.device + 5, 1), 'f');
	assert_int_equal(vpci_read(&p, v.device + 6, 2), 0);
	vpci_write(&p, v.device + 4, 4, UINT32_MAX); /* across the end */
	assert_int_equal(vpci_read(&p, v.device + 4, 2), 0x6665);
	/* To the end of the BAR. */
	assert_int_equal(vpci_read(&p, v.device + (4096 - 0x400 - 8), 8), 0);
}

static void test_config_generation(void **state)
{
	uint64_t before = rd(VIRTIO_PCI_COMMON_CFGGENERATION, 1);

	(void)state;
	virtio_lock(dev);
	virtio_config_changed(dev);
	virtio_unlock(dev);
	assert_int_not_equal(rd(VIRTIO_PCI_COMMON_CFGGENERATION, 1), before);
	wr(VIRTIO_PCI_COMMON_CFGGENERATION, 1, 0x77); /* read-only */
	assert_int_equal(rd(VIRTIO_PCI_COMMON_CFGGENERATION, 1), before + 1);
}

/* --- queues (4.1.4.3) --- */

static void test_queue_registers(void **state)
{
	(void)state;
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_NOFF, 2), 1);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_RESET, 2), 0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_NDATA, 2), 0);
	/* A queue that is not there has size 0 and takes nothing. */
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	wr(VIRTIO_PCI_COMMON_Q_SIZE, 2, 8);
	wr(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	wr(VIRTIO_PCI_COMMON_Q_RESET, 2, 1);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0xffff);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_STATUS, 1), 0);
}

static void test_a_running_queue_is_not_rewritten(void **state)
{
	(void)state;
	up(0);
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	wr(VIRTIO_PCI_COMMON_Q_SIZE, 2, 0x8000);
	wr(VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0xfffffff0);
	wr(VIRTIO_PCI_COMMON_Q_USEDHI, 4, 0xffffffff);
	wr(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	wr(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_SIZE, 2), 8);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_DESCLO, 4), ring.desc);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_USEDHI, 4), 0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	offer();
	kick(0);
	assert_true(used());
}

static void test_enable_wants_exactly_one(void **state)
{
	(void)state;
	accept(offered());
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	wr(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 2);
	wr(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0xfffe);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_STATUS, 1), 0xb);
}

static void test_a_queue_with_bad_addresses(void **state)
{
	(void)state;
	accept(offered());
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	wr(VIRTIO_PCI_COMMON_Q_DESCHI, 4, 0xffffffff);
	wr(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_true(rd(VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_NEEDS_RESET);
	/* Mended by a reset. */
	up(0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_STATUS, 1), 0xf);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
}

static void test_queue_reset(void **state)
{
	(void)state;
	up(0);
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	wr(VIRTIO_PCI_COMMON_Q_RESET, 2, 1);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_RESET, 2), 0); /* it is over */
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
	assert_int_equal(p.bells.n, 0);
	place(0, 16);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	offer();
	kick(0);
	assert_true(used());

	/* Not negotiated: the register means nothing. */
	accept(VIRTIO_FEATURE(VIRTIO_F_VERSION_1));
	place(0, 8);
	wr(VIRTIO_PCI_COMMON_Q_RESET, 2, 1);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
}

static void test_reset_forgets_everything(void **state)
{
	(void)state;
	up(1);
	msix(2, 0x42);
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	wr(VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	wr(VIRTIO_PCI_COMMON_MSIX, 2, 1);
	wr(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_STATUS, 1), 0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_SELECT, 2), 0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_GF, 4), 0);
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_AVAILLO, 4), 0);
	assert_int_equal(p.bells.n, 0);
	/* The machine's reset does the same. */
	up(0);
	virtio_reset(dev);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(p.bells.n, 0);
}

/* --- doorbells --- */

static void test_doorbell_follows_queue_and_bar(void **state)
{
	uint64_t first;

	(void)state;
	assert_int_equal(p.bells.n, 0);
	up(1);
	assert_int_equal(p.bells.n, 1);
	assert_int_equal(p.bells.b[0].addr, bell(1));
	assert_int_equal(p.bells.b[0].len, 0);
	offer();
	kick(1);
	assert_true(used());

	first = vpci_bar(&p, SLOT, 0);
	vpci_cfg_write(&p, SLOT, PCI_BASE_ADDRESS_0, 4, (uint32_t)first + 0x100000);
	assert_int_equal(p.bells.n, 1);
	vpci_virtio_find(&p, SLOT, &v);
	assert_int_equal(p.bells.b[0].addr, bell(1));
	offer();
	kick(1);
	assert_true(used());

	vpci_cfg_write(&p, SLOT, PCI_COMMAND, 2, 0);
	assert_int_equal(p.bells.n, 0);
	vpci_enable(&p, SLOT);
	assert_int_equal(p.bells.n, 1);
}

static void test_without_doorbells(void **state)
{
	(void)state;
	up(0);
	offer();
	kick(0);
	assert_true(used());
	vpci_write(&p, v.notify + 2 * v.notify_multiplier, 2, 2); /* a queue that is not there */
	vpci_write(&p, v.notify + 1, 2, 0);
	vpci_write(&p, v.notify + 0x1f8, 8, 0);
	loop_settle(loop);
	assert_int_equal(vpci_read(&p, v.notify, 2), 0);
}

static void test_a_doorbell_that_cannot_be_had(void **state)
{
	(void)state;
	p.bells.fail = true;
	up(0);
	offer();
	kick(0);
	assert_true(used());
}

/* --- interrupts (4.1.4.5, 4.1.5.1) --- */

static void test_intx(void **state)
{
	unsigned gsi = PCI_INTX_GSI(SLOT);

	(void)state;
	up(0);
	offer();
	kick(0);
	assert_true(p.irq.level[gsi]);
	assert_int_equal(vpci_read(&p, v.isr, 1), 1);
	assert_false(p.irq.level[gsi]);
	assert_int_equal(vpci_read(&p, v.isr, 1), 0);

	virtio_lock(dev);
	virtio_config_changed(dev);
	virtio_unlock(dev);
	assert_true(p.irq.level[gsi]);
	assert_int_equal(vpci_read(&p, v.isr, 1), 2);

	offer();
	gring_set_used_event(&ring, 1);
	kick(0);
	assert_true(p.irq.level[gsi]);
	wr(VIRTIO_PCI_COMMON_STATUS, 1, 0); /* a reset lowers it */
	assert_false(p.irq.level[gsi]);
	assert_int_equal(vpci_read(&p, v.isr, 1), 0);
}

static void test_msix(void **state)
{
	(void)state;
	msix(0, 0x40);
	msix(2, 0x42);
	up(1);
	wr(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	wr(VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_MSIX, 2), 2);
	wr(VIRTIO_PCI_COMMON_MSIX, 2, 0);
	offer();
	kick(1);
	assert_int_equal(fake_msi_signals(&p.msi, 2), 1);
	assert_int_equal(fake_msi_signals(&p.msi, 0), 0);
	assert_int_equal(p.irq.raised[PCI_INTX_GSI(SLOT)], 0);
	assert_int_equal(vpci_read(&p, v.isr, 1), 0);

	virtio_lock(dev);
	virtio_config_changed(dev);
	virtio_unlock(dev);
	assert_int_equal(fake_msi_signals(&p.msi, 0), 1);

	/* No vector: no interrupt, and no pin either. */
	wr(VIRTIO_PCI_COMMON_Q_MSIX, 2, VIRTIO_MSI_NO_VECTOR);
	gring_set_used_event(&ring, 1);
	offer();
	kick(1);
	assert_int_equal(fake_msi_signals(&p.msi, 2), 0);
	assert_int_equal(p.irq.raised[PCI_INTX_GSI(SLOT)], 0);
}

static void test_vectors_that_are_not_there(void **state)
{
	(void)state;
	wr(VIRTIO_PCI_COMMON_MSIX, 2, 3);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	wr(VIRTIO_PCI_COMMON_MSIX, 2, 2);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_MSIX, 2), 2);
	wr(VIRTIO_PCI_COMMON_Q_MSIX, 2, 0xfffe);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
}

static void test_a_function_without_msix(void **state)
{
	(void)state;
	assert_int_equal(vpci_find_cap(&p, SLOT, PCI_CAP_ID_MSIX, 0), 0);
	wr(VIRTIO_PCI_COMMON_MSIX, 2, 0);
	assert_int_equal(rd(VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
}

/* --- the window in configuration space (4.1.4.9) --- */

static void set_window(uint8_t bar, uint32_t off, uint32_t len)
{
	vpci_cfg_write(&p, SLOT, v.window + VIRTIO_PCI_CAP_BAR, 1, bar);
	vpci_cfg_write(&p, SLOT, v.window + VIRTIO_PCI_CAP_OFFSET, 4, off);
	vpci_cfg_write(&p, SLOT, v.window + VIRTIO_PCI_CAP_LENGTH, 4, len);
}

static void test_window(void **state)
{
	unsigned data = v.window + 16;

	(void)state;
	vpci_cfg_write(&p, SLOT, PCI_COMMAND, 2, 0); /* that is what it is for */
	set_window(0, VIRTIO_PCI_COMMON_NUMQ, 2);
	assert_int_equal(vpci_cfg_read(&p, SLOT, data, 2), 2);
	assert_int_equal(vpci_cfg_read(&p, SLOT, data, 4), 2);
	set_window(0, VIRTIO_PCI_COMMON_STATUS, 1);
	vpci_cfg_write(&p, SLOT, data, 1, 3);
	assert_int_equal(dev->status, 3);
	set_window(0, VIRTIO_PCI_COMMON_GFSELECT, 4);
	vpci_cfg_write(&p, SLOT, data, 4, 0x12345678);
	assert_int_equal(vpci_cfg_read(&p, SLOT, data, 4), 0x12345678);
}

static void test_window_that_is_not_open(void **state)
{
	unsigned data = v.window + 16;
	static const struct {
		uint8_t bar;
		uint32_t off, len;
	} cases[] = {
		{1, 0, 4},	    {2, 0, 4},		{5, 0, 4},    {0xff, 0, 4},
		{0, 0, 0},	    {0, 0, 3},		{0, 0, 8},    {0, 2, 4},
		{0, 1, 2},	    {0, 4096, 4},	{0, 4096, 1}, {0, UINT32_MAX, 1},
		{0, 0xfffffffc, 4}, {0, 0, UINT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		set_window(cases[i].bar, cases[i].off, cases[i].len);
		assert_int_equal(vpci_cfg_read(&p, SLOT, data, 4), UINT32_MAX);
		vpci_cfg_write(&p, SLOT, data, 4, 0xffffffff);
	}
	set_window(0, 0, 4);
	assert_int_equal(vpci_cfg_read(&p, SLOT, data + 1, 1), 0xff);
	assert_int_equal(vpci_cfg_read(&p, SLOT, data, 2), 0xffff);
	vpci_cfg_write(&p, SLOT, data, 2, 0x1111);
	assert_int_equal(rd(0, 4), 0);
	set_window(0, 4092, 4);
	assert_int_equal(vpci_cfg_read(&p, SLOT, data, 4), 0);
}

/* --- making one fails --- */

static void test_construction_that_fails(void **state)
{
	struct toy *toy = NEW(struct toy);
	struct err err = {0};

	(void)state;
	virtio_init(&toy->vd, &toy_class, "toy1", mem, loop);
	p.msi.fail_alloc_at = p.msi.allocs + 2;
	assert_null(virtio_pci_new(p.pci, &toy->vd, &p.msi_hook, &p.bell_hook, &p.intx_hook, &err));
	assert_non_null(strstr(err.msg, "toy1"));
	assert_int_equal(vpci_cfg_read(&p, 2, 0, 4), UINT32_MAX);
	virtio_pci_free(NULL);
}

static void test_no_descriptor_for_a_doorbell(void **state)
{
	struct toy *toy = NEW(struct toy);
	struct rlimit old, none;
	struct err err = {0};

	(void)state;
	virtio_init(&toy->vd, &toy_class, "toy1", mem, loop);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_null(virtio_pci_new(p.pci, &toy->vd, &p.msi_hook, NULL, &p.intx_hook, &err));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_non_null(strstr(err.msg, "toy1: doorbell of queue 0"));
}

static void test_no_room_for_a_bar(void **state)
{
	struct bus *mmio = bus_new("mmio", UINT64_C(1) << 46);
	const struct pci_windows none = {0};
	struct pci_bus *b = pci_bus_new(NULL, mmio, &none, NULL);
	struct toy *toy = NEW(struct toy);
	struct err err = {0};

	(void)state;
	virtio_init(&toy->vd, &toy_class, "toy1", mem, loop);
	assert_null(virtio_pci_new(b, &toy->vd, &p.msi_hook, NULL, NULL, &err));
	assert_non_null(strstr(err.msg, "toy1: no room for a BAR"));
	pci_bus_free(b);
	bus_free(mmio);
}

int main(void)
{
#define VP_TEST(f)    cmocka_unit_test_setup_teardown(f, setup, teardown)
#define PLAIN_TEST(f) cmocka_unit_test_setup_teardown(f, setup_plain, teardown)
	const struct CMUnitTest tests[] = {
		VP_TEST(test_identity_and_capabilities),
		VP_TEST(test_features_by_halves),
		VP_TEST(test_widths),
		VP_TEST(test_device_configuration),
		VP_TEST(test_config_generation),
		VP_TEST(test_queue_registers),
		VP_TEST(test_a_running_queue_is_not_rewritten),
		VP_TEST(test_enable_wants_exactly_one),
		VP_TEST(test_a_queue_with_bad_addresses),
		VP_TEST(test_queue_reset),
		VP_TEST(test_reset_forgets_everything),
		VP_TEST(test_doorbell_follows_queue_and_bar),
		PLAIN_TEST(test_without_doorbells),
		VP_TEST(test_a_doorbell_that_cannot_be_had),
		VP_TEST(test_intx),
		VP_TEST(test_msix),
		VP_TEST(test_vectors_that_are_not_there),
		PLAIN_TEST(test_a_function_without_msix),
		VP_TEST(test_window),
		VP_TEST(test_window_that_is_not_open),
		VP_TEST(test_construction_that_fails),
		VP_TEST(test_no_descriptor_for_a_doorbell),
		VP_TEST(test_no_room_for_a_bar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
