/* SPDX-License-Identifier: Apache-2.0
 *
 * PCI: the two ways to configuration space, write masks, BARs that move, INTx.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "tests/lib/vmm/vpci.h"

struct dev {
	struct pci_dev *pci;
	pthread_mutex_t lock;
	uint64_t last_off, last_val, moved_base;
	unsigned maps, unmaps;
	bool mapped;
};

static struct vpci p;
static struct dev dev;

static uint64_t dev_read(void *d, uint64_t off, unsigned size)
{
	struct dev *x = d;

	(void)size;
	x->last_off = off;
	return 0x1234567800000000 | off;
}

static void dev_write(void *d, uint64_t off, uint64_t val, unsigned size)
{
	struct dev *x = d;

	(void)size;
	x->last_off = off;
	x->last_val = val;
}

static const struct bus_ops dev_ops = {"test device", dev_read, dev_write};

static void dev_moved(void *owner, uint64_t base, bool mapped)
{
	struct dev *x = owner;

	assert_true(x->mapped != mapped);
	x->mapped = mapped;
	if (mapped)
		x->maps++;
	else
		x->unmaps++;
	x->moved_base = base;
}

static const struct pci_ids ids = {
	.vendor = 0x1af4,
	.device = 0x1044,
	.subvendor = 0x1af4,
	.subdevice = 0x1044,
	.class_code = 0x00ff00,
	.revision = 1,
};

static void init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t recursive;

	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(lock, &recursive);
	pthread_mutexattr_destroy(&recursive);
}

static int setup(void **state)
{
	(void)state;
	vpci_init(&p);
	memset(&dev, 0, sizeof(dev));
	init_lock(&dev.lock);
	dev.pci = pci_dev_new(p.pci, -1, "test", &ids, &dev, &dev.lock, NULL);
	assert_int_equal(pci_add_bar64(dev.pci, 0, 0x4000, &dev_ops, dev_moved, NULL), 0);
	pci_set_intx(dev.pci, &p.intx_hook);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pci_dev_free(dev.pci);
	assert_int_equal(dev.maps, dev.unmaps);
	pthread_mutex_destroy(&dev.lock);
	vpci_done(&p);
	return 0;
}

/* --- configuration space --- */

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(vpci_cfg_read(&p, 0, PCI_VENDOR_ID, 4), 0x29c08086);
	assert_int_equal(vpci_cfg_read(&p, 0, PCI_CLASS_REVISION, 4), 0x06000000);
	assert_int_equal(pci_dev_slot(dev.pci), 1);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_VENDOR_ID, 4), 0x10441af4);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_CLASS_REVISION, 4), 0x00ff0001);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x10441af4);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_COMMAND, 2), 0);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_DEVICE_ID + 1, 1), 0x10);
}

static void test_absent_functions_read_all_ones(void **state)
{
	(void)state;
	for (unsigned slot = 2; slot < 32; slot++)
		assert_int_equal(vpci_cfg_read(&p, slot, PCI_VENDOR_ID, 4), UINT32_MAX);
	/* Function 1 of a slot that has function 0. */
	assert_int_equal(vpci_read(&p, LAYOUT_ECAM + (1 << 15) + (1 << 12), 4), UINT32_MAX);
	vpci_write(&p, LAYOUT_ECAM + (1 << 15) + (1 << 12) + PCI_COMMAND, 2, 0xffff);
	/* Extended configuration space; accesses across a DWORD or of eight bytes. */
	assert_int_equal(vpci_cfg_read(&p, 1, 0x100, 4), UINT32_MAX);
	assert_int_equal(vpci_cfg_read(&p, 1, 0xffc, 4), UINT32_MAX);
	assert_int_equal(vpci_cfg_read(&p, 1, 3, 2), 0xffff);
	assert_int_equal(vpci_read(&p, LAYOUT_ECAM + (1 << 15), 8), UINT64_MAX);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_COMMAND, 2), 0);
}

static void test_read_only_stays(void **state)
{
	(void)state;
	for (unsigned off = 0; off < 0x100; off += 4) {
		if (off == PCI_COMMAND) /* decode moves BARs about: another test */
			continue;
		vpci_cfg_write(&p, 1, off, 4, 0xffffffff);
	}
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_VENDOR_ID, 4), 0x10441af4);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_CLASS_REVISION, 4), 0x00ff0001);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_INTERRUPT_LINE, 1), 0xff);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_ROM_ADDRESS, 4), 0);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_BASE_ADDRESS_5, 4), 0);
	vpci_cfg_write(&p, 1, PCI_COMMAND, 2, 0xffff);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_COMMAND, 2),
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
				 PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
}

static void port_out(uint64_t port, unsigned size, uint64_t val)
{
	bus_write(p.ports, port, size, val);
}

static uint64_t port_in(uint64_t port, unsigned size)
{
	uint64_t val;

	bus_read(p.ports, port, size, &val);
	return val;
}

static void test_cf8_cfc(void **state)
{
	(void)state;
	port_out(0xcf8, 4, 0x80000800);
	assert_int_equal(port_in(0xcf8, 4), 0x80000800);
	assert_int_equal(port_in(0xcfc, 4), 0x10441af4);
	assert_int_equal(port_in(0xcfe, 2), 0x1044);
	assert_int_equal(port_in(0xcff, 1), 0x10);
	assert_int_equal(port_in(0xcfe, 4), UINT32_MAX); /* leaves the register */

	/* Linux's probe (pci_check_type1): a byte write to 0xCFB is not an address. */
	port_out(0xcfb, 1, 1);
	port_out(0xcf8, 4, 0x80000000);
	assert_int_equal(port_in(0xcf8, 4), 0x80000000);

	port_out(0xcf8, 4, 0x00000800); /* not enabled */
	assert_int_equal(port_in(0xcfc, 4), UINT32_MAX);
	port_out(0xcf8, 4, 0x80010800); /* another bus */
	assert_int_equal(port_in(0xcfc, 4), UINT32_MAX);

	port_out(0xcf8, 4, 0x8000083c);
	port_out(0xcfc, 1, 0x55);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_INTERRUPT_LINE, 1), 0x55);
	port_out(0xcf8, 4, 0x80000804);
	port_out(0xcfc, 2, PCI_COMMAND_MEMORY);
	assert_true(dev.mapped);
}

static void test_cf9_is_somebody_elses(void **state)
{
	struct dev reset = {0};

	(void)state;
	assert_int_equal(port_in(0xcf9, 1), 0xff);
	pci_bus_set_cf9(p.pci, &dev_ops, &reset);
	port_out(0xcf9, 1, 6);
	assert_int_equal(reset.last_val, 6);
	assert_int_equal(reset.last_off, 0);
	assert_int_equal(port_in(0xcf9, 1), 0);
	port_out(0xcf8, 4, 0x80000e00); /* a DWORD is still an address */
	assert_int_equal(reset.last_val, 6);
}

static void test_without_ports(void **state)
{
	struct bus *mmio = bus_new("mmio", UINT64_C(1) << 46);
	const struct pci_windows w = {.mem32 = LAYOUT_PCI32, .mem32_size = LAYOUT_PCI32_SIZE};
	struct pci_bus *b = pci_bus_new(NULL, mmio, &w, NULL);
	uint64_t val;

	(void)state;
	assert_true(bus_read(mmio, LAYOUT_ECAM, 4, &val));
	assert_int_equal(val, 0x29c08086);
	pci_bus_free(b);
	bus_free(mmio);
}

static void test_slots(void **state)
{
	struct pci_dev *more[PCI_SLOTS];
	struct err err = {0};

	(void)state;
	assert_null(pci_dev_new(p.pci, 1, "taken", &ids, &dev, &dev.lock, &err));
	assert_int_equal(err.kind, ERR_FAILED);
	more[31] = pci_dev_new(p.pci, 31, "last", &ids, &dev, &dev.lock, NULL);
	assert_non_null(more[31]);
	for (unsigned i = 2; i < 31; i++)
		assert_non_null(more[i] = pci_dev_new(p.pci, -1, "x", &ids, &dev, &dev.lock, NULL));
	assert_null(pci_dev_new(p.pci, -1, "one too many", &ids, &dev, &dev.lock, NULL));
	for (unsigned i = 2; i < 32; i++)
		pci_dev_free(more[i]);
	assert_int_equal(vpci_cfg_read(&p, 2, 0, 4), UINT32_MAX);
}

/* --- BARs --- */

static void test_bar_sizing(void **state)
{
	uint64_t at = vpci_bar(&p, 1, 0);

	(void)state;
	assert_true(at >= LAYOUT_PCI32 && at < LAYOUT_PCI32 + LAYOUT_PCI32_SIZE);
	assert_int_equal(at % 0x4000, 0);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_BASE_ADDRESS_0, 4) & 0xf,
			 PCI_BASE_ADDRESS_MEM_TYPE_64);
	vpci_cfg_write(&p, 1, PCI_BASE_ADDRESS_0, 4, UINT32_MAX);
	vpci_cfg_write(&p, 1, PCI_BASE_ADDRESS_1, 4, UINT32_MAX);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_BASE_ADDRESS_0, 4), 0xffffc004);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_BASE_ADDRESS_1, 4), UINT32_MAX);
	assert_int_equal(dev.maps, 0);
}

static void test_bar_maps_with_decode(void **state)
{
	uint64_t at = vpci_bar(&p, 1, 0), val;

	(void)state;
	assert_false(bus_read(p.mmio, at, 4, &val));
	vpci_enable(&p, 1);
	assert_int_equal(dev.moved_base, at);
	assert_int_equal(vpci_read(&p, at + 0x3ff8, 8), 0x1234567800003ff8);
	vpci_write(&p, at + 8, 4, 77);
	assert_int_equal(dev.last_val, 77);
	vpci_cfg_write(&p, 1, PCI_COMMAND, 1, 0);
	assert_false(dev.mapped);
	assert_false(bus_read(p.mmio, at, 4, &val));
	vpci_enable(&p, 1);
	vpci_enable(&p, 1); /* again changes nothing */
	assert_int_equal(dev.maps, 2);
}

static void test_bar_moves_while_mapped(void **state)
{
	uint64_t first = vpci_bar(&p, 1, 0), val;

	(void)state;
	vpci_enable(&p, 1);
	vpci_cfg_write(&p, 1, PCI_BASE_ADDRESS_1, 4, 2); /* above 8 GiB, keeping the low half */
	assert_false(bus_read(p.mmio, first, 4, &val));
	assert_true(bus_read(p.mmio, first + (UINT64_C(2) << 32), 4, &val));
	vpci_cfg_write(&p, 1, PCI_BASE_ADDRESS_1, 4, 0);
	assert_true(bus_read(p.mmio, first, 4, &val));
	/* Single bytes move it too. */
	vpci_cfg_write(&p, 1, PCI_BASE_ADDRESS_0 + 1, 1, 0x80);
	assert_true(bus_read(p.mmio, (first & ~UINT64_C(0xff00)) | 0x8000, 4, &val));
}

static void test_bar_where_it_cannot_be(void **state)
{
	uint64_t val;

	(void)state;
	vpci_enable(&p, 1);
	vpci_cfg_write(&p, 1, PCI_BASE_ADDRESS_0, 4, LAYOUT_ECAM); /* on top of ECAM */
	assert_false(dev.mapped);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_VENDOR_ID, 4), 0x10441af4);
	vpci_cfg_write(&p, 1, PCI_BASE_ADDRESS_1, 4, UINT32_MAX); /* outside the address space */
	assert_false(dev.mapped);
	vpci_cfg_write(&p, 1, PCI_BASE_ADDRESS_1, 4, 0);
	vpci_cfg_write(&p, 1, PCI_BASE_ADDRESS_0, 4, LAYOUT_PCI32);
	assert_true(dev.mapped);
	assert_true(bus_read(p.mmio, LAYOUT_PCI32, 4, &val));
}

static void test_two_bars_at_one_address(void **state)
{
	struct dev other = {0};
	uint64_t at = vpci_bar(&p, 1, 0);

	(void)state;
	init_lock(&other.lock);
	other.pci = pci_dev_new(p.pci, -1, "other", &ids, &other, &other.lock, NULL);
	assert_int_equal(pci_add_bar64(other.pci, 0, 0x4000, &dev_ops, dev_moved, NULL), 0);
	assert_int_not_equal(vpci_bar(&p, 2, 0), at);
	vpci_cfg_write(&p, 2, PCI_BASE_ADDRESS_0, 4, (uint32_t)at);
	vpci_enable(&p, 1);
	vpci_enable(&p, 2);
	assert_true(dev.mapped);
	assert_false(other.mapped);
	vpci_write(&p, at, 4, 5);
	assert_int_equal(dev.last_val, 5);
	/* When the first goes, a write to the second's registers brings it in. */
	vpci_cfg_write(&p, 1, PCI_COMMAND, 2, 0);
	vpci_enable(&p, 2);
	assert_true(other.mapped);
	pci_dev_free(other.pci);
	pthread_mutex_destroy(&other.lock);
}

static void test_windows(void **state)
{
	struct bus *mmio = bus_new("mmio", UINT64_C(1) << 46);
	const struct pci_windows w = {0xc0001000, 0x5000, 0x200001000, 0x8000};
	struct pci_bus *b = pci_bus_new(NULL, mmio, &w, NULL);
	struct pci_dev *d = pci_dev_new(b, -1, "test", &ids, &dev, &dev.lock, NULL);
	struct err err = {0};

	(void)state;
	/* 0x4000 fits at 0xc0004000? no: aligned, it would end outside; so it goes above. */
	assert_int_equal(pci_add_bar64(d, 0, 0x4000, &dev_ops, NULL, NULL), 0);
	assert_int_equal(pci_config_get(d, PCI_BASE_ADDRESS_1, 4), 2);
	assert_int_equal(pci_config_get(d, PCI_BASE_ADDRESS_0, 4), 0x4004);
	assert_int_equal(pci_add_bar64(d, 2, 0x1000, &dev_ops, NULL, NULL), 0);
	assert_int_equal(pci_config_get(d, PCI_BASE_ADDRESS_2, 4), 0xc0001004);
	assert_int_equal(pci_add_bar64(d, 4, 0x100000, &dev_ops, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "no room"));
	pci_dev_free(d);
	pci_bus_free(b);
	bus_free(mmio);
}

/* --- capabilities and hook --- */

static void test_capabilities(void **state)
{
	unsigned a, b;

	(void)state;
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST, 0);
	a = pci_add_cap(dev.pci, PCI_CAP_ID_VNDR,
			"\x05"
			"abc",
			4);
	b = pci_add_cap(dev.pci, PCI_CAP_ID_PM, "xy", 2);
	assert_int_equal(a, 0x40);
	assert_int_equal(b, 0x48);
	assert_int_equal(vpci_find_cap(&p, 1, PCI_CAP_ID_VNDR, 0), a);
	assert_int_equal(vpci_find_cap(&p, 1, PCI_CAP_ID_PM, 0), b);
	assert_int_equal(vpci_find_cap(&p, 1, PCI_CAP_ID_MSIX, 0), 0);
	assert_int_equal(vpci_cfg_read(&p, 1, a + 3, 1), 'a');
	pci_set_wmask(dev.pci, a + 4, 1, 0x0f);
	vpci_cfg_write(&p, 1, a + 4, 1, 0xff);
	assert_int_equal(vpci_cfg_read(&p, 1, a + 4, 1), ('b' & 0xf0) | 0x0f);
}

static uint32_t hook_val;

static bool hook_read(void *owner, unsigned off, unsigned size, uint32_t *val)
{
	assert_ptr_equal(owner, &dev);
	*val = 0xabcd0000 | off << 8 | size;
	return off >= 0x44;
}

static bool hook_write(void *owner, unsigned off, unsigned size, uint32_t val)
{
	(void)owner;
	(void)size;
	hook_val = val;
	return off >= 0x44;
}

static void test_hook(void **state)
{
	static const struct pci_config_hook hook = {0x44, 4, hook_read, hook_write};

	(void)state;
	pci_set_config_hook(dev.pci, &hook);
	assert_int_equal(vpci_cfg_read(&p, 1, 0x44, 4), 0xabcd4404);
	assert_int_equal(vpci_cfg_read(&p, 1, 0x47, 1), 0x01);
	assert_int_equal(vpci_cfg_read(&p, 1, 0x48, 4), 0);
	vpci_cfg_write(&p, 1, 0x44, 2, 0x1122);
	assert_int_equal(hook_val, 0x1122);
	vpci_cfg_write(&p, 1, 0x48, 2, 0x3344);
	assert_int_equal(hook_val, 0x1122);
}

/* --- INTx and reset --- */

static void test_intx(void **state)
{
	unsigned gsi = PCI_INTX_GSI(1);

	(void)state;
	assert_int_equal(gsi, 17);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_INTERRUPT_LINE, 1), gsi);
	pci_intx(dev.pci, true);
	assert_true(p.irq.level[gsi]);
	assert_true(vpci_cfg_read(&p, 1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	assert_true(vpci_cfg_read(&p, 1, PCI_COMMAND, 4) & PCI_STATUS_INTERRUPT << 16);
	assert_true(vpci_cfg_read(&p, 1, PCI_STATUS, 1) & PCI_STATUS_INTERRUPT);
	vpci_cfg_write(&p, 1, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	assert_false(p.irq.level[gsi]);
	assert_true(vpci_cfg_read(&p, 1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	vpci_cfg_write(&p, 1, PCI_COMMAND, 2, 0);
	assert_true(p.irq.level[gsi]);
	pci_intx(dev.pci, false);
	assert_false(p.irq.level[gsi]);
	assert_false(vpci_cfg_read(&p, 1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
}

static void test_intx_is_wired_together(void **state)
{
	struct pci_dev *other = pci_dev_new(p.pci, 9, "other", &ids, &dev, &dev.lock, NULL);
	unsigned gsi = PCI_INTX_GSI(9);

	(void)state;
	pci_set_intx(other, &p.intx_hook);
	assert_int_equal(gsi, PCI_INTX_GSI(1));
	pci_intx(dev.pci, true);
	pci_intx(other, true);
	pci_intx(dev.pci, false);
	assert_true(p.irq.level[gsi]);
	assert_int_equal(p.irq.raised[gsi], 1);
	pci_intx(other, false);
	assert_false(p.irq.level[gsi]);
	pci_dev_free(other);
}

static void test_reset_restores_power_on(void **state)
{
	uint64_t at = vpci_bar(&p, 1, 0);

	(void)state;
	vpci_cfg_write(&p, 1, PCI_BASE_ADDRESS_0, 4, 0xc8000000);
	vpci_cfg_write(&p, 1, PCI_INTERRUPT_LINE, 1, 3);
	vpci_enable(&p, 1);
	pci_intx(dev.pci, true);
	port_out(0xcf8, 4, 0x80000800);
	pci_bus_reset(p.pci);
	assert_false(dev.mapped);
	assert_false(p.irq.level[17]);
	assert_int_equal(vpci_bar(&p, 1, 0), at);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_COMMAND, 2), 0);
	assert_int_equal(vpci_cfg_read(&p, 1, PCI_INTERRUPT_LINE, 1), 17);
	assert_int_equal(port_in(0xcf8, 4), 0);
}

/* --- vCPUs at once --- */

static unsigned stop;

static void *toucher(void *arg)
{
	uint64_t at = *(uint64_t *)arg, val;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		if (bus_read(p.mmio, at + 16, 4, &val))
			assert(val == 16);
	return NULL;
}

static void test_moving_while_others_access(void **state)
{
	uint64_t at = vpci_bar(&p, 1, 0);
	pthread_t threads[2];

	(void)state;
	stop = 0;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, toucher, &at);
	for (int i = 0; i < 2000; i++) {
		vpci_enable(&p, 1);
		vpci_cfg_write(&p, 1, PCI_BASE_ADDRESS_1, 4, i & 1);
		vpci_cfg_write(&p, 1, PCI_COMMAND, 2, 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
#define PCI_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		PCI_TEST(test_identity),
		PCI_TEST(test_absent_functions_read_all_ones),
		PCI_TEST(test_read_only_stays),
		PCI_TEST(test_cf8_cfc),
		PCI_TEST(test_cf9_is_somebody_elses),
		PCI_TEST(test_without_ports),
		PCI_TEST(test_slots),
		PCI_TEST(test_bar_sizing),
		PCI_TEST(test_bar_maps_with_decode),
		PCI_TEST(test_bar_moves_while_mapped),
		PCI_TEST(test_bar_where_it_cannot_be),
		PCI_TEST(test_two_bars_at_one_address),
		PCI_TEST(test_windows),
		PCI_TEST(test_capabilities),
		PCI_TEST(test_hook),
		PCI_TEST(test_intx),
		PCI_TEST(test_intx_is_wired_together),
		PCI_TEST(test_reset_restores_power_on),
		PCI_TEST(test_moving_while_others_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
