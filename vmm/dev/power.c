/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of how a machine's life ended: what the exit report and the log say.
 */
#include "vmm/dev/power.h"

#include "base/util.h"

static const char *const names[] = {
	[POWER_OFF] = "poweroff",
	[POWER_RESET] = "reboot",
	[POWER_PANIC] = "panic",
	[POWER_TRIPLE_FAULT] = "triple-fault",
	[POWER_KILLED] = "killed",
	[POWER_FAILED] = "error",
};
static_assert(ARRAY_LEN(names) == POWER_EVENTS, "every event has a name");

const char *power_event_name(enum power_event e)
{
	return names[e];
}
