/* SPDX-License-Identifier: Apache-2.0
 *
 * The 16550A under any sequence of accesses while somebody types: it never claims data that it does
 * not have, its line follows IIR, and what was typed arrives in order.
 */
#include <stdlib.h>

#include "base/util.h"
#include "tests/lib/vmm/fakes.h"
#include "tests/lib/vmm/fuzzdev.h"
#include "vmm/dev/serial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stands in for the hub: an endless supply of counted bytes, as many as were typed. */
static struct {
	void (*readable)(void *ctx);
	void *ctx;
	unsigned waiting;
	uint64_t written;
} stream;

void chardev_write(struct chardev *c, const void *p, size_t n)
{
	(void)c, (void)p;
	stream.written += n;
}

size_t chardev_read(struct chardev *c, void *dst, size_t n)
{
	(void)c;
	n = min_u64(n, stream.waiting);
	stream.waiting -= (unsigned)n;
	memset(dst, 'k', n);
	return n;
}

void chardev_set_reader(struct chardev *c, void (*readable)(void *ctx), void *ctx)
{
	(void)c;
	stream.readable = readable;
	stream.ctx = ctx;
}

static struct fake_irq irq;
static struct serial *uart;

static void type(uint8_t n)
{
	bool empty = !stream.waiting;

	if (!n)
		return;
	stream.waiting += n;
	if (empty)
		stream.readable(stream.ctx);
}

static uint64_t checked_read(void *dev, uint64_t off, unsigned size)
{
	uint64_t v = serial_bus.read(dev, off, size);

	if (off == 2 && size == 1 && (v & 1) && irq.level[4])
		abort(); /* no interrupt pending, and the line is up */
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct bus_ops ops = {"serial", checked_read, NULL};
	struct bus_ops both = ops;
	struct irq_line line = fake_irq_line(&irq, 4);

	both.write = serial_bus.write;
	memset(&irq, 0, sizeof(irq));
	memset(&stream, 0, sizeof(stream));
	uart = serial_new(NULL, &line);
	fuzz_device(&both, uart, SERIAL_PORTS, type, data, size);
	serial_free(uart);
	return 0;
}
