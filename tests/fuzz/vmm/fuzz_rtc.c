/* SPDX-License-Identifier: Apache-2.0
 *
 * The real-time clock under any sequence of accesses while time passes. Time registers stay within
 * what BCD or binary can say, and no update is ever in progress.
 */
#include <stdlib.h>

#include "base/util.h"
#include "tests/lib/vmm/fakes.h"
#include "tests/lib/vmm/fuzzdev.h"
#include "vmm/dev/rtc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static time_t now;

static int64_t test_now(void)
{
	return (int64_t)now * 1000;
}

static void pass(uint8_t n)
{
	now += (time_t)n * n * n * 77;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loop *loop;
	static struct fake_irq irq;
	struct irq_line line = fake_irq_line(&irq, 8);
	struct rtc *rtc;

	if (!loop)
		loop = loop_new(NULL);
	now = 1795392000;
	rtc = rtc_new(&line, loop, test_now);
	fuzz_device(&rtc_bus, rtc, RTC_PORTS, pass, data, size);
	rtc_bus.write(rtc, 0, 0x0a, 1);
	if (rtc_bus.read(rtc, 1, 1) & 0x80)
		abort();
	/* Whatever it was set to: running and in BCD again, it tells a time. */
	rtc_bus.write(rtc, 0, 0x0b, 1);
	rtc_bus.write(rtc, 1, 0x02, 1);
	rtc_bus.write(rtc, 0, 0x02, 1);
	if (rtc_bus.read(rtc, 1, 1) > 0x59)
		abort();
	rtc_free(rtc);
	return 0;
}
