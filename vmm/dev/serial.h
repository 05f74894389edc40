/* SPDX-License-Identifier: Apache-2.0
 *
 * The serial port, a 16550A: eight registers on any bus, one interrupt line, one character stream.
 */
#ifndef VMM_DEV_SERIAL_H
#define VMM_DEV_SERIAL_H

#include <pthread.h>

#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"
#include "vmm/dev/chardev.h"

enum { SERIAL_PORTS = 8 };

struct serial;
extern const struct bus_ops serial_bus;

struct serial *serial_new(struct chardev *, const struct irq_line *); /* the stream is borrowed */
void serial_free(struct serial *); /* on the loop's thread, the vCPUs stopped; NULL is fine */
pthread_mutex_t *serial_lock(struct serial *);

#endif
