/* SPDX-License-Identifier: Apache-2.0
 *
 * The ways in which a PC's software asks for a reset or tells of its death: the keyboard controller's
 * reset line, the chip set's reset control register, and pvpanic. They share what they do, so each is
 * a bus_ops over the same `struct power` (borrowed) as its device.
 */
#ifndef VMM_DEV_RESET_H
#define VMM_DEV_RESET_H

#include "vmm/bus/bus.h"
#include "vmm/dev/power.h"

extern const struct bus_ops i8042_bus;	 /* port 0x64 */
extern const struct bus_ops reset_bus;	 /* port 0xcf9 */
extern const struct bus_ops pvpanic_bus; /* port 0x505 */

enum { RESET_VALUE = 0x06 }; /* to port 0xcf9: what the FADT tells the guest to write */

#endif
