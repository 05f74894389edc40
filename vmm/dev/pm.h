/* SPDX-License-Identifier: Apache-2.0
 *
 * ACPI fixed hardware: the PM1 event and control registers with the power button and S5, and the
 * power management timer.
 */
#ifndef VMM_DEV_PM_H
#define VMM_DEV_PM_H

#include <pthread.h>
#include <stdint.h>

#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"
#include "vmm/dev/power.h"

/* Register blocks, from the device's base; the FADT names them. */
enum {
	PM_EVENT = 0,
	PM_EVENT_LEN = 4,
	PM_CONTROL = 4,
	PM_CONTROL_LEN = 2,
	PM_TIMER = 8,
	PM_TIMER_LEN = 4,
	PM_PORTS = 12,
	PM_SLEEP_TYPE_S5 = 5, /* the DSDT's \_S5 says so too */
};

struct pm;
extern const struct bus_ops pm_bus;

/* sci: level-triggered. `now_ns` is a monotonic clock; NULL: the host's. */
struct pm *pm_new(const struct irq_line *sci, const struct power *, uint64_t (*now_ns)(void));
void pm_free(struct pm *); /* NULL is fine */
pthread_mutex_t *pm_lock(struct pm *);

/* Presses the button. Any thread. A guest that does not listen to it (yet) would lose the press when
 * it begins to: then nothing happens, and the answer is false. */
bool pm_press_power_button(struct pm *);

#endif
