/* SPDX-License-Identifier: Apache-2.0
 *
 * Drives a device that is a few registers with accesses from a fuzzer's input: each takes an offset
 * that lies inside, a size that the bus would pass on, and a value.
 */
#ifndef TESTS_LIB_VMM_FUZZDEV_H
#define TESTS_LIB_VMM_FUZZDEV_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/bus/bus.h"

/* `tick` (may be NULL) is called for an op of its own with a byte of input: time passes, somebody types. */
static inline void fuzz_device(const struct bus_ops *ops, void *dev, unsigned registers,
			       void (*tick)(uint8_t), const uint8_t *p, size_t n)
{
	/* Each op: what (1), offset (1), value (as many as the access). */
	while (n >= 2) {
		unsigned what = p[0], size = 1u << (what >> 1 & 3), off;
		uint64_t value = 0;

		if (what >> 6 == 3 && tick) {
			tick(p[1]);
			p += 2;
			n -= 2;
			continue;
		}
		while (size > registers)
			size /= 2;
		off = p[1] % (registers - size + 1);
		p += 2;
		n -= 2;
		if (what & 1) {
			for (unsigned i = 0; i < size && n; i++, p++, n--)
				value |= (uint64_t)*p << 8 * i;
			ops->write(dev, off, value, size);
		} else {
			ops->read(dev, off, size);
		}
	}
}

#endif
