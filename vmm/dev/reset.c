/* SPDX-License-Identifier: Apache-2.0
 *
 * The reset control register at port 0xCF9 (Intel's PIIX and ICH data sheets, "RST_CNT"): a write
 * with bit 2 set resets; bits 1 and 3 choose how thoroughly, which here is always the same.
 */
#include "vmm/dev/reset.h"

enum { RESET_CPU = 1 << 2 };

static uint64_t reset_read(void *dev, uint64_t off, unsigned size)
{
	(void)dev, (void)off, (void)size;
	return 0;
}

static void reset_write(void *dev, uint64_t off, uint64_t val, unsigned size)
{
	(void)off, (void)size;
	if (val & RESET_CPU)
		power_event(dev, POWER_RESET, "reset register");
}

const struct bus_ops reset_bus = {.name = "reset control", .read = reset_read, .write = reset_write};
