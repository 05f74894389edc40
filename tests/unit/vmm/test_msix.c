/* SPDX-License-Identifier: Apache-2.0
 *
 * MSI-X: table, masks, pending bits, routes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "tests/lib/vmm/vpci.h"

enum { VECTORS = 4 };

static struct vpci p;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct pci_dev *dev;
static unsigned cap;
static uint64_t table, pba;

static const struct pci_ids ids = {.vendor = 0x1af4, .device = 0x1044};

static int setup(void **state)
{
	(void)state;
	vpci_init(&p);
	dev = pci_dev_new(p.pci, -1, "test", &ids, NULL, &lock, NULL);
	assert_int_equal(pci_add_msix(dev, 2, VECTORS, &p.msi_hook, NULL), 0);
	cap = vpci_find_cap(&p, 1, PCI_CAP_ID_MSIX, 0);
	table = vpci_bar(&p, 1, 2) +
		(vpci_cfg_read(&p, 1, cap + PCI_MSIX_TABLE, 4) & PCI_MSIX_TABLE_OFFSET);
	pba = vpci_bar(&p, 1, 2) +
	      (vpci_cfg_read(&p, 1, cap + PCI_MSIX_PBA, 4) & PCI_MSIX_PBA_OFFSET);
	vpci_enable(&p, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pci_dev_free(dev);
	vpci_done(&p);
	return 0;
}

static void control(uint16_t flags)
{
	vpci_cfg_write(&p, 1, cap + PCI_MSIX_FLAGS, 2, flags);
}

static void entry(unsigned v, uint64_t addr, uint32_t data, uint32_t ctrl)
{
	vpci_write(&p, table + 16 * v, 4, (uint32_t)addr);
	vpci_write(&p, table + 16 * v + 4, 4, addr >> 32);
	vpci_write(&p, table + 16 * v + 8, 4, data);
	vpci_write(&p, table + 16 * v + 12, 4, ctrl);
}

static void test_capability(void **state)
{
	(void)state;
	assert_true(cap != 0);
	assert_int_equal(vpci_cfg_read(&p, 1, cap + PCI_MSIX_FLAGS, 2), VECTORS - 1);
	assert_int_equal(vpci_cfg_read(&p, 1, cap + PCI_MSIX_TABLE, 4) & PCI_MSIX_TABLE_BIR, 2);
	assert_int_equal(vpci_cfg_read(&p, 1, cap + PCI_MSIX_PBA, 4) & PCI_MSIX_PBA_BIR, 2);
	control(0xffff);
	assert_int_equal(vpci_cfg_read(&p, 1, cap + PCI_MSIX_FLAGS, 2),
			 (VECTORS - 1) | PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	/* Every vector is masked after power-on. */
	for (unsigned v = 0; v < VECTORS; v++)
		assert_int_equal(vpci_read(&p, table + 16 * v + 12, 4), 1);
}

static void test_delivery(void **state)
{
	(void)state;
	assert_false(pci_msix_enabled(dev));
	entry(1, 0x1fee00000, 0x41, 0);
	pci_msix_notify(dev, 1); /* not enabled: nothing, and nothing pending */
	control(PCI_MSIX_FLAGS_ENABLE);
	assert_true(pci_msix_enabled(dev));
	assert_int_equal(fake_msi_signals(&p.msi, 1), 0);
	assert_true(p.msi.v[1].routed);
	assert_int_equal(p.msi.v[1].addr, 0x1fee00000);
	assert_int_equal(p.msi.v[1].data, 0x41);
	assert_false(p.msi.v[0].routed);

	pci_msix_notify(dev, 1);
	assert_int_equal(fake_msi_signals(&p.msi, 1), 1);
	pci_msix_notify(dev, VECTORS); /* beyond the table */
	assert_int_equal(fake_msi_signals(&p.msi, 0), 0);
}

static void test_masked_is_pending_until_unmasked(void **state)
{
	(void)state;
	control(PCI_MSIX_FLAGS_ENABLE);
	entry(2, 0xfee00000, 0x42, 1);
	pci_msix_notify(dev, 2);
	pci_msix_notify(dev, 2);
	assert_int_equal(fake_msi_signals(&p.msi, 2), 0);
	assert_int_equal(vpci_read(&p, pba, 4), 1 << 2);
	assert_int_equal(vpci_read(&p, pba, 8), 1 << 2);
	vpci_write(&p, pba, 4, 0); /* read-only */
	assert_int_equal(vpci_read(&p, pba, 4), 1 << 2);
	vpci_write(&p, table + 16 * 2 + 12, 4, 0);
	assert_int_equal(vpci_read(&p, pba, 4), 0);
	assert_int_equal(fake_msi_signals(&p.msi, 2), 1);

	vpci_write(&p, table + 16 * 2 + 12, 4, 1);
	pci_msix_notify(dev, 2);
	assert_int_equal(fake_msi_signals(&p.msi, 2), 0);
}

static void test_function_mask(void **state)
{
	(void)state;
	control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	entry(0, 0xfee00000, 0x40, 0);
	entry(1, 0xfee00000, 0x41, 1);
	assert_int_equal(p.msi.routes, 0); /* nothing to set up before it is needed */
	pci_msix_notify(dev, 0);
	pci_msix_notify(dev, 1);
	assert_int_equal(vpci_read(&p, pba, 4), 3);
	control(PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(fake_msi_signals(&p.msi, 0), 1);
	assert_int_equal(fake_msi_signals(&p.msi, 1), 0);
	assert_int_equal(vpci_read(&p, pba, 4), 2);
}

static void test_a_new_message_while_masked(void **state)
{
	(void)state;
	control(PCI_MSIX_FLAGS_ENABLE);
	entry(0, 0xfee00000, 0x40, 0);
	assert_int_equal(p.msi.routes, 1);
	/* As Linux moves an interrupt to another CPU. */
	vpci_write(&p, table + 12, 4, 1);
	vpci_write(&p, table, 4, 0xfee01000);
	vpci_write(&p, table + 8, 4, 0x99);
	pci_msix_notify(dev, 0);
	assert_int_equal(p.msi.routes, 1);
	assert_int_equal(p.msi.unroutes, 0);
	vpci_write(&p, table + 12, 4, 0);
	assert_int_equal(p.msi.routes, 2);
	assert_int_equal(p.msi.v[0].addr, 0xfee01000);
	assert_int_equal(p.msi.v[0].data, 0x99);
	assert_int_equal(fake_msi_signals(&p.msi, 0), 1);
	/* Masking and unmasking without a change costs no route. */
	vpci_write(&p, table + 12, 4, 1);
	vpci_write(&p, table + 12, 4, 0);
	assert_int_equal(p.msi.routes, 2);
}

static void test_a_new_message_while_unmasked(void **state)
{
	(void)state;
	control(PCI_MSIX_FLAGS_ENABLE);
	entry(0, 0xfee00000, 0x40, 0);
	vpci_write(&p, table + 8, 4, 0x50);
	assert_int_equal(p.msi.v[0].data, 0x50);
	pci_msix_notify(dev, 0);
	assert_int_equal(fake_msi_signals(&p.msi, 0), 1);
}

static void test_disabling_takes_routes_away(void **state)
{
	(void)state;
	control(PCI_MSIX_FLAGS_ENABLE);
	entry(0, 0xfee00000, 0x40, 0);
	control(0);
	assert_false(p.msi.v[0].routed);
	pci_msix_notify(dev, 0);
	assert_int_equal(fake_msi_signals(&p.msi, 0), 0);
	control(PCI_MSIX_FLAGS_ENABLE);
	assert_true(p.msi.v[0].routed);
	assert_int_equal(fake_msi_signals(&p.msi, 0), 0);
}

/* PCI 3.0, 6.8.2: while MSI-X is enabled the pin is silent. */
static void test_the_pin_is_silent_while_enabled(void **state)
{
	const bool *level = &p.irq.level[PCI_INTX_GSI(1)];

	(void)state;
	pci_set_intx(dev, &p.intx_hook);
	pci_intx(dev, true);
	assert_true(*level);
	control(PCI_MSIX_FLAGS_ENABLE);
	assert_false(*level);
	control(0);
	assert_true(*level);
	control(PCI_MSIX_FLAGS_ENABLE);
	pci_bus_reset(p.pci);
	assert_false(*level);
	pci_intx(dev, true);
	assert_true(*level);
	pci_intx(dev, false);
}

static void test_disabling_forgets_what_is_pending(void **state)
{
	(void)state;
	control(PCI_MSIX_FLAGS_ENABLE);
	entry(0, 0xfee00000, 0x40, 1);
	pci_msix_notify(dev, 0);
	assert_int_equal(vpci_read(&p, pba, 4), 1);
	control(0);
	assert_int_equal(vpci_read(&p, pba, 4), 0);
	control(PCI_MSIX_FLAGS_ENABLE);
	vpci_write(&p, table + 12, 4, 0);
	assert_int_equal(fake_msi_signals(&p.msi, 0), 0);
}

static void test_access_widths(void **state)
{
	(void)state;
	vpci_write(&p, table + 16, 8, 0x1122334455667788);
	assert_int_equal(vpci_read(&p, table + 16, 4), 0x55667788);
	assert_int_equal(vpci_read(&p, table + 20, 4), 0x11223344);
	assert_int_equal(vpci_read(&p, table + 16, 8), 0x1122334455667788);
	/* Undefined widths and alignments do nothing. */
	vpci_write(&p, table + 16, 2, 0xffff);
	vpci_write(&p, table + 16, 1, 0xff);
	vpci_write(&p, table + 18, 4, 0);
	vpci_write(&p, table + 20, 8, 0);
	assert_int_equal(vpci_read(&p, table + 16, 8), 0x1122334455667788);
	assert_int_equal(vpci_read(&p, table + 16, 2), 0xffff);
	/* Reserved bits of the vector control are not kept. */
	vpci_write(&p, table + 12, 4, 0xfffffffe);
	assert_int_equal(vpci_read(&p, table + 12, 4), 0);
	/* Behind the table, up to the BAR's last bytes. */
	for (uint64_t off = 16 * VECTORS; off < 4096; off += 4) {
		vpci_write(&p, table + off, 4, UINT32_MAX);
		assert_int_equal(vpci_read(&p, table + off, 4), 0);
	}
	assert_int_equal(vpci_read(&p, table + 4088, 8), 0);
}

static void test_reset(void **state)
{
	(void)state;
	control(PCI_MSIX_FLAGS_ENABLE);
	entry(0, 0xfee00000, 0x40, 0);
	entry(1, 0xfee00000, 0x41, 1);
	pci_msix_notify(dev, 1);
	pci_bus_reset(p.pci);
	assert_false(pci_msix_enabled(dev));
	assert_false(p.msi.v[0].routed);
	vpci_enable(&p, 1);
	assert_int_equal(vpci_cfg_read(&p, 1, cap + PCI_MSIX_FLAGS, 2), VECTORS - 1);
	assert_int_equal(vpci_read(&p, table, 8), 0);
	assert_int_equal(vpci_read(&p, table + 8, 8), UINT64_C(1) << 32);
	assert_int_equal(vpci_read(&p, pba, 4), 0);
}

static void test_a_route_that_fails(void **state)
{
	(void)state;
	control(PCI_MSIX_FLAGS_ENABLE);
	p.msi.fail_route = true;
	entry(0, 0xfee00000, 0x40, 0);
	pci_msix_notify(dev, 0);
	assert_int_equal(fake_msi_signals(&p.msi, 0), 0);
	/* The next chance delivers it. */
	p.msi.fail_route = false;
	vpci_write(&p, table + 12, 4, 0);
	assert_int_equal(fake_msi_signals(&p.msi, 0), 1);
}

static void test_a_new_message_that_cannot_be_routed(void **state)
{
	(void)state;
	control(PCI_MSIX_FLAGS_ENABLE);
	entry(0, 0xfee00000, 0x40, 0);
	p.msi.fail_route = true;
	vpci_write(&p, table + 4, 4, 1);
	assert_false(p.msi.v[0].routed); /* to the old message neither */
	pci_msix_notify(dev, 0);
	assert_int_equal(fake_msi_signals(&p.msi, 0), 0);
	assert_int_equal(vpci_read(&p, pba, 4), 1);
	p.msi.fail_route = false;
	vpci_write(&p, table + 4, 4, 0);
	assert_true(p.msi.v[0].routed);
	assert_int_equal(fake_msi_signals(&p.msi, 0), 1);
}

static void test_vectors_that_cannot_be_had(void **state)
{
	struct pci_dev *other = pci_dev_new(p.pci, -1, "greedy", &ids, NULL, &lock, NULL);
	struct err err = {0};

	(void)state;
	p.msi.fail_alloc_at = VECTORS + 3;
	assert_int_equal(pci_add_msix(other, 2, VECTORS, &p.msi_hook, &err), -1);
	assert_non_null(strstr(err.msg, "greedy: MSI-X vector 2"));
	pci_dev_free(other); /* and teardown finds every vector released */
}

int main(void)
{
#define MSIX_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		MSIX_TEST(test_capability),
		MSIX_TEST(test_delivery),
		MSIX_TEST(test_masked_is_pending_until_unmasked),
		MSIX_TEST(test_function_mask),
		MSIX_TEST(test_a_new_message_while_masked),
		MSIX_TEST(test_a_new_message_while_unmasked),
		MSIX_TEST(test_disabling_takes_routes_away),
		MSIX_TEST(test_the_pin_is_silent_while_enabled),
		MSIX_TEST(test_disabling_forgets_what_is_pending),
		MSIX_TEST(test_access_widths),
		MSIX_TEST(test_reset),
		MSIX_TEST(test_a_route_that_fails),
		MSIX_TEST(test_a_new_message_that_cannot_be_routed),
		MSIX_TEST(test_vectors_that_cannot_be_had),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
