/* SPDX-License-Identifier: Apache-2.0
 *
 * The real-time clock of a PC: an MC146818 with CMOS memory behind an index and a data port.
 */
#ifndef VMM_DEV_RTC_H
#define VMM_DEV_RTC_H

#include <pthread.h>
#include <stdint.h>

#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"
#include "vmm/event/loop.h"

enum { RTC_PORTS = 2 };

struct rtc;
extern const struct bus_ops rtc_bus;

/* `now_ms` gives milliseconds since 1970 in UTC; NULL: the host's. The loop (borrowed) carries the alarm. */
struct rtc *rtc_new(const struct irq_line *, struct loop *, int64_t (*now_ms)(void));
void rtc_free(struct rtc *); /* on the loop's thread; NULL is fine */
pthread_mutex_t *rtc_lock(struct rtc *);

#endif
