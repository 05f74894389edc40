/* SPDX-License-Identifier: Apache-2.0
 *
 * The registers that reset the machine or tell of a panic: nothing but what they are for happens.
 */
#include <stdlib.h>

#include "tests/lib/vmm/fuzzdev.h"
#include "vmm/dev/reset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_event(void *ctx, enum power_event e, const char *detail)
{
	(void)ctx;
	if ((e != POWER_RESET && e != POWER_PANIC) || !detail)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct bus_ops *const devices[] = {&i8042_bus, &reset_bus, &pvpanic_bus};
	struct power power = {.event = on_event};

	if (size)
		fuzz_device(devices[data[0] % 3], &power, 1, NULL, data + 1, size - 1);
	return 0;
}
