/* SPDX-License-Identifier: Apache-2.0
 *
 * An MC146818 (Motorola's data sheet) with 128 bytes of CMOS, and the century at 0x32 as the FADT
 * says. Time is the host's UTC plus what the guest has set, in whole seconds. An update takes no time:
 * UIP always reads 0, so nobody polls for it (a PC without this clock costs Linux 40,000 exits). Update
 * and alarm interrupts work; the periodic one does not, Linux has better timers.
 */
#include "vmm/dev/rtc.h"

#include <time.h>

#include "base/mem.h"
#include "base/util.h"

enum {
	INDEX = 0,
	DATA = 1,

	SECONDS = 0x00,
	SECONDS_ALARM = 0x01,
	MINUTES = 0x02,
	MINUTES_ALARM = 0x03,
	HOURS = 0x04,
	HOURS_ALARM = 0x05,
	WEEKDAY = 0x06,
	DAY = 0x07,
	MONTH = 0x08,
	YEAR = 0x09,
	REG_A = 0x0a,
	REG_B = 0x0b,
	REG_C = 0x0c,
	REG_D = 0x0d,
	CENTURY = 0x32,
	CMOS_SIZE = 128,

	A_32KHZ_1024HZ = 0x26,
	B_24H = 1 << 1,
	B_BINARY = 1 << 2,
	B_UPDATE_INT = 1 << 4,
	B_ALARM_INT = 1 << 5,
	B_SET = 1 << 7,
	C_UPDATE = 1 << 4,
	C_ALARM = 1 << 5,
	C_IRQ = 1 << 7,
	D_VALID = 1 << 7, /* the battery is good */
	ALARM_ANY = 0xc0, /* both upper bits: matches always */
	PM = 0x80,	  /* in 12-hour mode */

	DAY_SECONDS = 24 * 60 * 60,
};

struct rtc {
	pthread_mutex_t lock;
	struct irq_line irq;
	struct loop_timer *second; /* the next one begins; runs while an interrupt may come */
	int64_t (*now_ms)(void);
	int64_t offset; /* guest's time less the host's, in seconds */
	time_t ticked;	/* the guest's second of the last update; while `second` runs */
	uint8_t index;
	uint8_t cmos[CMOS_SIZE]; /* the time registers only while B_SET freezes them */
};

static int64_t host_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static time_t guest_now(const struct rtc *r)
{
	return (time_t)(r->now_ms() / 1000 + r->offset);
}

/* Two digits: what a nonsensical time has beyond them is lost, as in the real one. */
static uint8_t encode(const struct rtc *r, int v)
{
	v = (v % 100 + 100) % 100;
	return (uint8_t)(r->cmos[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}

static int decode(const struct rtc *r, uint8_t v)
{
	return r->cmos[REG_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t encode_hour(const struct rtc *r, int hour)
{
	if (r->cmos[REG_B] & B_24H)
		return encode(r, hour);
	return encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? PM : 0);
}

static int decode_hour(const struct rtc *r, uint8_t v)
{
	if (r->cmos[REG_B] & B_24H)
		return decode(r, v);
	return decode(r, v & (uint8_t)~PM) % 12 + (v & PM ? 12 : 0);
}

/* Fills the time registers from a time. */
static void put_time(struct rtc *r, time_t t)
{
	struct tm tm = {0};

	gmtime_r(&t, &tm);
	r->cmos[SECONDS] = encode(r, tm.tm_sec);
	r->cmos[MINUTES] = encode(r, tm.tm_min);
	r->cmos[HOURS] = encode_hour(r, tm.tm_hour);
	r->cmos[WEEKDAY] = encode(r, tm.tm_wday + 1);
	r->cmos[DAY] = encode(r, tm.tm_mday);
	r->cmos[MONTH] = encode(r, tm.tm_mon + 1);
	r->cmos[YEAR] = encode(r, tm.tm_year % 100);
	r->cmos[CENTURY] = encode(r, (tm.tm_year + 1900) / 100);
}

/* The other way; nonsense in the registers becomes some time, as in the real one. */
static time_t get_time(const struct rtc *r)
{
	struct tm tm = {
		.tm_sec = decode(r, r->cmos[SECONDS]),
		.tm_min = decode(r, r->cmos[MINUTES]),
		.tm_hour = decode_hour(r, r->cmos[HOURS]),
		.tm_mday = decode(r, r->cmos[DAY]),
		.tm_mon = decode(r, r->cmos[MONTH]) - 1,
		.tm_year = decode(r, r->cmos[CENTURY]) * 100 + decode(r, r->cmos[YEAR]) - 1900,
	};

	return timegm(&tm);
}

static bool is_time(uint8_t index)
{
	switch (index) {
	case SECONDS:
	case MINUTES:
	case HOURS:
	case WEEKDAY:
	case DAY:
	case MONTH:
	case YEAR:
	case CENTURY:
		return true;
	default:
		return false;
	}
}

/* --- interrupts --------------------------------------------------------------------------------------- */

static bool alarm_matches(const struct rtc *r)
{
	static const uint8_t pairs[][2] = {
		{SECONDS, SECONDS_ALARM}, {MINUTES, MINUTES_ALARM}, {HOURS, HOURS_ALARM}};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		uint8_t alarm = r->cmos[pairs[i][1]];

		if ((alarm & ALARM_ANY) != ALARM_ANY && alarm != r->cmos[pairs[i][0]])
			return false;
	}
	return true;
}

/* Did the alarm's time come after the last update, up to now? Seconds may have passed unnoticed, when
 * the host was busy or its clock was stepped. */
static bool alarm_came(struct rtc *r, time_t now)
{
	time_t t = r->ticked < now ? r->ticked + 1 : now; /* else it was stepped back */

	if (t <= now - DAY_SECONDS) /* once a day every alarm comes */
		t = now - DAY_SECONDS + 1;
	for (; t <= now; t++) {
		put_time(r, t);
		if (alarm_matches(r))
			return true;
	}
	return false;
}

static void update(struct rtc *r, uint8_t enabled)
{
	time_t now = guest_now(r);

	if (now == r->ticked)
		return;
	r->cmos[REG_C] |= C_UPDATE | (alarm_came(r, now) ? C_ALARM : 0);
	r->ticked = now;
	if (r->cmos[REG_C] & enabled) { /* the bits correspond */
		r->cmos[REG_C] |= C_IRQ;
		irq_set(&r->irq, true);
	}
}

/* The guest's seconds begin with the host's, whatever the offset. */
static void wait_for_second(struct rtc *r)
{
	loop_timer_set(r->second, (uint64_t)(1000 - r->now_ms() % 1000));
}

static void on_second(void *ctx)
{
	struct rtc *r = ctx;
	uint8_t enabled;

	pthread_mutex_lock(&r->lock);
	enabled = r->cmos[REG_B] & (B_UPDATE_INT | B_ALARM_INT);
	if (enabled && !(r->cmos[REG_B] & B_SET))
		update(r, enabled);
	if (enabled)
		wait_for_second(r);
	pthread_mutex_unlock(&r->lock);
}

/* From here on the guest's time is what the registers say; what it skips so was no time. */
static void set_time(struct rtc *r)
{
	r->ticked = get_time(r);
	r->offset = (int64_t)r->ticked - r->now_ms() / 1000;
}

/* --- registers --------------------------------------------------------------------------------------- */

static void write_b(struct rtc *r, uint8_t v)
{
	uint8_t was = r->cmos[REG_B];
	const uint8_t interrupts = B_UPDATE_INT | B_ALARM_INT;

	if (v & B_SET) {
		v &= (uint8_t)~B_UPDATE_INT; /* as the data sheet says */
		if (!(was & B_SET))
			put_time(r, guest_now(r));
	}
	r->cmos[REG_B] = v;
	if (was & B_SET && !(v & B_SET))
		set_time(r);
	if (v & interrupts && !(was & interrupts)) {
		r->ticked = guest_now(r);
		wait_for_second(r);
	}
}

static uint8_t read_data(struct rtc *r)
{
	uint8_t v;

	if (is_time(r->index) && !(r->cmos[REG_B] & B_SET))
		put_time(r, guest_now(r));
	v = r->cmos[r->index];
	if (r->index == REG_C && v) {
		r->cmos[REG_C] = 0;
		irq_set(&r->irq, false);
	}
	return v;
}

static void write_data(struct rtc *r, uint8_t v)
{
	switch (r->index) {
	case REG_A:
		r->cmos[REG_A] = v & 0x7f; /* UIP is for reading */
		break;
	case REG_B:
		write_b(r, v);
		break;
	case REG_C:
	case REG_D:
		break;
	default:
		/* A time register that is written while the clock runs sets the clock as well. */
		if (is_time(r->index) && !(r->cmos[REG_B] & B_SET)) {
			put_time(r, guest_now(r));
			r->cmos[r->index] = v;
			set_time(r);
		} else {
			r->cmos[r->index] = v;
		}
		break;
	}
}

static uint64_t rtc_read(void *dev, uint64_t off, unsigned size)
{
	struct rtc *r = dev;

	if (size != 1)
		return UINT64_MAX;
	return off == DATA ? read_data(r) : 0xff; /* the index cannot be read */
}

static void rtc_write(void *dev, uint64_t off, uint64_t val, unsigned size)
{
	struct rtc *r = dev;

	if (size != 1)
		return;
	if (off == INDEX)
		r->index = val & (CMOS_SIZE - 1); /* the upper bit masks NMIs, of which there are none */
	else
		write_data(r, (uint8_t)val);
}

const struct bus_ops rtc_bus = {.name = "real-time clock", .read = rtc_read, .write = rtc_write};

struct rtc *rtc_new(const struct irq_line *irq, struct loop *loop, int64_t (*now_ms)(void))
{
	struct rtc *r = NEW(struct rtc);

	r->irq = *irq;
	r->now_ms = now_ms ? now_ms : host_now_ms;
	r->second = loop_timer_new(loop, on_second, r);
	r->cmos[REG_A] = A_32KHZ_1024HZ;
	r->cmos[REG_B] = B_24H;
	r->cmos[REG_D] = D_VALID;
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

void rtc_free(struct rtc *r)
{
	if (!r)
		return;
	loop_timer_free(r->second);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

pthread_mutex_t *rtc_lock(struct rtc *r)
{
	return &r->lock;
}
