/* SPDX-License-Identifier: Apache-2.0
 *
 * The command port of an i8042 keyboard controller, as far as it resets the machine. There is no
 * keyboard, and the FADT says so; but reset code of every age ends here. Its buffers are empty at any
 * time, or Linux would wait for them 65,536 times before it resets.
 */
#include "vmm/dev/reset.h"

enum {
	STATUS_NOTHING = 0,
	PULSE_RESET = 0xfe, /* pulse output line 0: the CPU's reset */
};

static uint64_t i8042_read(void *dev, uint64_t off, unsigned size)
{
	(void)dev, (void)off, (void)size;
	return STATUS_NOTHING;
}

static void i8042_write(void *dev, uint64_t off, uint64_t val, unsigned size)
{
	(void)off, (void)size;
	if ((val & 0xff) == PULSE_RESET)
		power_event(dev, POWER_RESET, "keyboard controller");
}

const struct bus_ops i8042_bus = {.name = "i8042", .read = i8042_read, .write = i8042_write};
