/* SPDX-License-Identifier: Apache-2.0
 *
 * ACPI fixed hardware, and the other ways to reset and to die.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "tests/lib/vmm/fakes.h"
#include "vmm/dev/pm.h"
#include "vmm/dev/reset.h"
#include "vmm/mem/layout.h"

static struct fake_irq irq;
static struct pm *pm;
static uint64_t now;
static int event;

static void on_event(void *ctx, enum power_event e, const char *detail)
{
	assert_ptr_equal(ctx, &event);
	assert_non_null(detail);
	event = (int)e;
}

static struct power power = {.event = on_event, .ctx = &event};

static uint64_t test_ns(void)
{
	return now;
}

static int setup(void **state)
{
	struct irq_line sci = fake_irq_line(&irq, GSI_SCI);

	(void)state;
	memset(&irq, 0, sizeof(irq));
	event = -1;
	now = 1000;
	pm = pm_new(&sci, &power, test_ns);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pm_free(pm);
	return 0;
}

static void test_button(void **state)
{
	(void)state;
	assert_false(pm_press_power_button(pm));
	assert_int_equal(pm_bus.read(pm, 0, 2), 0);
	pm_bus.write(pm, 2, 1 << 8, 2);
	assert_false(irq.level[GSI_SCI]); /* the press of before is gone */
	assert_true(pm_press_power_button(pm));
	assert_true(irq.level[GSI_SCI]);
	assert_int_equal(pm_bus.read(pm, 0, 4), 1 << 8 | 1 << 24);
	pm_bus.write(pm, 0, 0x00ff, 2); /* other bits' ones clear other bits */
	assert_true(irq.level[GSI_SCI]);
	pm_bus.write(pm, 1, 1, 1); /* a byte of it will do */
	assert_false(irq.level[GSI_SCI]);
	assert_int_equal(pm_bus.read(pm, 0, 2), 0);
	assert_int_equal(pm_bus.read(pm, 2, 2), 1 << 8);
}

static void test_disabling_lowers_the_line(void **state)
{
	(void)state;
	pm_bus.write(pm, 2, 1 << 8, 2);
	pm_press_power_button(pm);
	pm_bus.write(pm, 2, 0, 2);
	assert_false(irq.level[GSI_SCI]);
	pm_bus.write(pm, 2, 0xffff, 2);
	assert_true(irq.level[GSI_SCI]); /* the status was still there */
	assert_int_equal(pm_bus.read(pm, 2, 2), 0x0721); /* only bits that exist */
}

static void test_sleep(void **state)
{
	(void)state;
	assert_int_equal(pm_bus.read(pm, PM_CONTROL, 2), 1); /* ACPI mode from the start */
	pm_bus.write(pm, PM_CONTROL, 5 << 10, 2);
	assert_int_equal(event, -1); /* SLP_EN makes it happen */
	pm_bus.write(pm, PM_CONTROL, 3 << 10 | 1 << 13, 2);
	assert_int_equal(event, -1); /* S3 is not offered */
	pm_bus.write(pm, PM_CONTROL, 5 << 10 | 1 << 13, 2);
	assert_int_equal(event, POWER_OFF);
	assert_int_equal(pm_bus.read(pm, PM_CONTROL, 2), 5 << 10 | 1); /* SLP_EN reads zero */
}

static void test_timer(void **state)
{
	(void)state;
	assert_int_equal(pm_bus.read(pm, PM_TIMER, 4), 0);
	now += UINT64_C(1000000000);
	assert_int_equal(pm_bus.read(pm, PM_TIMER, 4), 3579545);
	now += UINT64_C(3600) * 1000000000 * 24 * 365; /* a year: wraps, does not overflow */
	assert_int_equal(pm_bus.read(pm, PM_TIMER, 4),
			 (uint32_t)(UINT64_C(3579545) * (1 + 3600 * 24 * 365)));
	pm_bus.write(pm, PM_TIMER, 0, 4);
	assert_int_not_equal(pm_bus.read(pm, PM_TIMER, 4), 0); /* for reading */
	assert_int_equal(event, -1);
}

static void test_every_offset_and_size(void **state)
{
	(void)state;
	for (unsigned size = 1; size <= 8; size *= 2)
		for (unsigned off = 0; off + size <= PM_PORTS; off++) {
			pm_bus.read(pm, off, size);
			pm_bus.write(pm, off, UINT64_MAX, size);
		}
	assert_int_equal(event, -1); /* all ones is SLP_TYP 7 */
}

static void test_resets(void **state)
{
	(void)state;
	assert_int_equal(i8042_bus.read(&power, 0, 1), 0); /* nothing to wait for */
	i8042_bus.write(&power, 0, 0xd1, 1);
	reset_bus.write(&power, 0, 0x02, 1);
	assert_int_equal(event, -1);
	i8042_bus.write(&power, 0, 0xfe, 1);
	assert_int_equal(event, POWER_RESET);
	event = -1;
	reset_bus.write(&power, 0, RESET_VALUE, 1);
	assert_int_equal(event, POWER_RESET);
	assert_int_equal(reset_bus.read(&power, 0, 1), 0);
}

static void test_pvpanic(void **state)
{
	(void)state;
	assert_int_equal(pvpanic_bus.read(&power, 0, 1), 3);
	pvpanic_bus.write(&power, 0, 2, 1); /* its crash kernel will do */
	assert_int_equal(event, -1);
	pvpanic_bus.write(&power, 0, 1, 1);
	assert_int_equal(event, POWER_PANIC);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(power_event_name(POWER_OFF), "poweroff");
	assert_string_equal(power_event_name(POWER_TRIPLE_FAULT), "triple-fault");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_button), T(test_disabling_lowers_the_line), T(test_sleep), T(test_timer),
		T(test_every_offset_and_size), T(test_resets), T(test_pvpanic), T(test_names),
	};

	return cmocka_run_group_tests_name("pm", tests, NULL, NULL);
}
