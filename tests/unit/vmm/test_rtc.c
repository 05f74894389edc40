/* SPDX-License-Identifier: Apache-2.0
 *
 * The real-time clock, on a clock of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "tests/lib/vmm/fakes.h"
#include "vmm/dev/rtc.h"
#include "vmm/mem/layout.h"

static struct loop *loop;
static struct fake_irq irq;
static struct rtc *rtc;
static time_t now_is;
static int millis; /* of that second */

static int64_t test_now(void)
{
	return (int64_t)now_is * 1000 + millis;
}

static int setup(void **state)
{
	struct irq_line line = fake_irq_line(&irq, GSI_RTC);

	(void)state;
	memset(&irq, 0, sizeof(irq));
	now_is = 1795392000 + 13 * 3600 + 7 * 60 + 59; /* Monday, 2026-11-23 13:07:59 */
	millis = 900;
	loop = loop_new(NULL);
	rtc = rtc_new(&line, loop, test_now);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rtc_free(rtc);
	loop_free(loop);
	return 0;
}

static uint8_t get(uint8_t reg)
{
	rtc_bus.write(rtc, 0, reg, 1);
	return (uint8_t)rtc_bus.read(rtc, 1, 1);
}

static void set(uint8_t reg, uint8_t v)
{
	rtc_bus.write(rtc, 0, reg, 1);
	rtc_bus.write(rtc, 1, v, 1);
}

static void test_time_as_bcd(void **state)
{
	(void)state;
	assert_int_equal(get(0x0a) & 0x80, 0); /* no update in progress, ever */
	assert_int_equal(get(0x0d), 0x80);
	assert_int_equal(get(0x00), 0x59);
	assert_int_equal(get(0x02), 0x07);
	assert_int_equal(get(0x04), 0x13);
	assert_int_equal(get(0x06), 2); /* Monday */
	assert_int_equal(get(0x07), 0x23);
	assert_int_equal(get(0x08), 0x11);
	assert_int_equal(get(0x09), 0x26);
	assert_int_equal(get(0x32), 0x20);
	now_is++;
	assert_int_equal(get(0x00), 0x00);
	assert_int_equal(get(0x02), 0x08);
}

static void test_binary_and_twelve_hours(void **state)
{
	(void)state;
	set(0x0b, 1 << 2); /* binary, 12-hour */
	assert_int_equal(get(0x04), 0x80 | 1);
	assert_int_equal(get(0x00), 59);
	now_is -= 13 * 3600;
	assert_int_equal(get(0x04), 12); /* midnight */
	now_is += 12 * 3600;
	assert_int_equal(get(0x04), 0x80 | 12); /* noon */
}

static void test_setting(void **state)
{
	(void)state;
	set(0x0b, 0x82);
	set(0x00, 0x30);
	set(0x02, 0x45);
	set(0x04, 0x23);
	set(0x07, 0x31);
	set(0x08, 0x12);
	set(0x09, 0x99);
	set(0x32, 0x19);
	now_is += 100; /* the clock stands while it is being set */
	assert_int_equal(get(0x00), 0x30);
	set(0x0b, 0x02);
	now_is += 15 * 60;
	assert_int_equal(get(0x02), 0x00);
	assert_int_equal(get(0x04), 0x00);
	assert_int_equal(get(0x07), 0x01);
	assert_int_equal(get(0x09), 0x00);
	assert_int_equal(get(0x32), 0x20);
}

static void test_nonsense_is_survived(void **state)
{
	(void)state;
	set(0x0b, 0x80);
	for (uint8_t reg = 0; reg < 0x80; reg++)
		if (reg != 0x0b)
			set(reg, 0xff);
	set(0x0b, 0x02);
	for (uint8_t reg = 0; reg < 0x80; reg++)
		get(reg);
	for (unsigned reg = 0; reg < 0x80; reg++)
		set((uint8_t)reg, 0xff);
}

static void test_nvram(void **state)
{
	(void)state;
	set(0x40, 0xab);
	set(0xc1, 0xcd); /* the upper bit of the index masks NMIs */
	assert_int_equal(get(0x40), 0xab);
	assert_int_equal(get(0x41), 0xcd);
	assert_int_equal(rtc_bus.read(rtc, 0, 1), 0xff);
	assert_int_equal(rtc_bus.read(rtc, 0, 2), UINT64_MAX); /* bytes only */
}

struct stopper {
	int seconds;
	struct loop_timer *timer;
};

static void stop_loop(void *ctx)
{
	(void)ctx;
	loop_stop(loop);
}

static void run_for(uint64_t ms)
{
	struct loop_timer *t = loop_timer_new(loop, stop_loop, NULL);

	loop_timer_set(t, ms);
	loop_run(loop);
	loop_timer_free(t);
}

/* The host's clock goes on, and the time until its next second passes. */
static void pass(time_t seconds)
{
	now_is += seconds;
	run_for(300);
}

static void test_alarm_and_update(void **state)
{
	(void)state;
	set(0x01, 0x00); /* at the next second, any hour */
	set(0x03, 0x08);
	set(0x05, 0xff);
	set(0x0b, 0x02 | 0x20); /* alarm interrupt */
	assert_int_equal(irq.raised[GSI_RTC], 0);
	pass(1);
	assert_true(irq.level[GSI_RTC]);
	assert_int_equal(get(0x0c), 0x80 | 0x20 | 0x10);
	assert_false(irq.level[GSI_RTC]); /* reading C ends it */
	assert_int_equal(get(0x0c), 0);
	pass(1);
	assert_false(irq.level[GSI_RTC]); /* no match: only the update flag */
	assert_int_equal(get(0x0c), 0x10);
	set(0x0b, 0x02 | 0x10);
	pass(1);
	assert_true(irq.level[GSI_RTC]);
	set(0x0b, 0x02);
}

static void test_an_update_is_a_new_second(void **state)
{
	(void)state;
	set(0x0b, 0x02 | 0x10);
	pass(0); /* early: it is still the same second */
	assert_int_equal(get(0x0c), 0);
	pass(1);
	assert_int_equal(get(0x0c), 0x80 | 0x10);
	now_is -= 3600;
	pass(0); /* stepped back */
	assert_int_equal(get(0x0c), 0x80 | 0x10);
}

static void test_an_alarm_in_a_second_that_was_missed(void **state)
{
	(void)state;
	set(0x01, 0x05);
	set(0x03, 0x08);
	set(0x05, 0x13);
	set(0x0b, 0x02 | 0x20);
	pass(5); /* 13:08:04 */
	assert_int_equal(get(0x0c), 0x10);
	pass(100);
	assert_int_equal(get(0x0c), 0x80 | 0x20 | 0x10);
	pass(86300); /* a second before it is the next day's */
	assert_int_equal(get(0x0c), 0x10);
	pass(10 * 86400);
	assert_int_equal(get(0x0c), 0x80 | 0x20 | 0x10);
	/* What the guest skips when it sets the clock does not count. */
	set(0x00, 0x03);
	set(0x02, 0x08);
	set(0x00, 0x10);
	pass(1);
	assert_int_equal(get(0x0c), 0x10);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_time_as_bcd), T(test_binary_and_twelve_hours), T(test_setting),
		T(test_nonsense_is_survived), T(test_nvram), T(test_alarm_and_update),
		T(test_an_update_is_a_new_second), T(test_an_alarm_in_a_second_that_was_missed),
	};

	return cmocka_run_group_tests_name("rtc", tests, NULL, NULL);
}
