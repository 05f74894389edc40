/* SPDX-License-Identifier: Apache-2.0
 *
 * ACPI fixed hardware under any sequence of accesses and presses of the button: the SCI follows status
 * and enable, ACPI mode stays on, and only S5 ends the machine.
 */
#include <stdlib.h>

#include "base/util.h"
#include "tests/lib/vmm/fakes.h"
#include "tests/lib/vmm/fuzzdev.h"
#include "vmm/dev/pm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pm *pm;
static uint64_t now;

static uint64_t test_ns(void)
{
	return now;
}

static void press(uint8_t n)
{
	now += (uint64_t)n << 40;
	if (n & 1)
		pm_press_power_button(pm);
}

static void on_event(void *ctx, enum power_event e, const char *detail)
{
	(void)ctx, (void)detail;
	if (e != POWER_OFF)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fake_irq irq;
	struct irq_line line = fake_irq_line(&irq, 9);
	const struct power power = {.event = on_event};
	uint64_t both;

	memset(&irq, 0, sizeof(irq));
	now = 5;
	pm = pm_new(&line, &power, test_ns);
	fuzz_device(&pm_bus, pm, PM_PORTS, press, data, size);
	both = pm_bus.read(pm, 0, 2) & pm_bus.read(pm, 2, 2) & 1 << 8;
	if (irq.level[9] != (both != 0) || !(pm_bus.read(pm, PM_CONTROL, 2) & 1))
		abort();
	pm_free(pm);
	return 0;
}
