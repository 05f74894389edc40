/* SPDX-License-Identifier: Apache-2.0
 *
 * pvpanic (QEMU's docs/specs/pvpanic): a byte with which the guest's kernel says that it panicked.
 * Linux finds it by its ACPI id QEMU0001. A guest with a crash kernel says so and goes on by itself.
 */
#include "vmm/dev/reset.h"

enum { PANICKED = 1 << 0, CRASH_KERNEL_LOADED = 1 << 1 };

static uint64_t pvpanic_read(void *dev, uint64_t off, unsigned size)
{
	(void)dev, (void)off, (void)size;
	return PANICKED | CRASH_KERNEL_LOADED; /* the events we know */
}

static void pvpanic_write(void *dev, uint64_t off, uint64_t val, unsigned size)
{
	(void)off, (void)size;
	if (val & PANICKED)
		power_event(dev, POWER_PANIC, "the guest's kernel reports a panic");
}

const struct bus_ops pvpanic_bus = {.name = "pvpanic", .read = pvpanic_read, .write = pvpanic_write};
