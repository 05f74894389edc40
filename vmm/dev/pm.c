/* SPDX-License-Identifier: Apache-2.0
 *
 * ACPI fixed hardware (ACPI 6.4, 4.8.3): see pm.h. ACPI mode is on from the start (there is no SMI
 * command), the timer raises no overflow event, and there is no sleep but S5.
 */
#include "vmm/dev/pm.h"

#include <time.h>

#include "base/mem.h"
#include "base/util.h"

enum {
	STATUS = 0, /* PM1 event: status, then enable, two bytes each (4.8.3.1) */
	ENABLE = 2,

	POWER_BUTTON = 1 << 8, /* in status and enable */
	EVENTS = POWER_BUTTON,
	ENABLES = 0x0721, /* timer, global, power and sleep button, RTC */

	SCI_ENABLED = 1 << 0, /* PM1 control (4.8.3.2.1) */
	SLEEP_TYPE = 7 << 10,
	SLEEP_TYPE_SHIFT = 10,
	SLEEP_ENABLE = 1 << 13,
};

#define TIMER_HZ UINT64_C(3579545)
#define NS_PER_S UINT64_C(1000000000)

struct pm {
	pthread_mutex_t lock;
	struct irq_line sci;
	struct power power;
	uint64_t (*now_ns)(void);
	uint64_t start_ns;
	uint16_t status, enable, control;
	bool level;
};

static uint64_t host_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static uint32_t timer(const struct pm *p)
{
	uint64_t ns = p->now_ns() - p->start_ns;

	/* Whole seconds apart, so that nothing overflows. */
	return (uint32_t)(ns / NS_PER_S * TIMER_HZ + ns % NS_PER_S * TIMER_HZ / NS_PER_S);
}

static void update_sci(struct pm *p)
{
	bool level = p->status & p->enable & EVENTS;

	if (level != p->level) {
		p->level = level;
		irq_set(&p->sci, level);
	}
}

static void write_control(struct pm *p, uint16_t v)
{
	p->control = (v & SLEEP_TYPE) | SCI_ENABLED;
	if (!(v & SLEEP_ENABLE))
		return;
	if ((v & SLEEP_TYPE) >> SLEEP_TYPE_SHIFT == PM_SLEEP_TYPE_S5)
		power_event(&p->power, POWER_OFF, "ACPI S5");
}

/* All registers as bytes, in their order: an access of any size is a part of it. */
static void image(const struct pm *p, uint8_t out[PM_PORTS])
{
	memset(out, 0, PM_PORTS);
	put_le16(out + STATUS, p->status);
	put_le16(out + ENABLE, p->enable);
	put_le16(out + PM_CONTROL, p->control);
	put_le32(out + PM_TIMER, timer(p));
}

static uint64_t pm_read(void *dev, uint64_t off, unsigned size)
{
	uint8_t regs[PM_PORTS];
	uint64_t v = 0;

	image(dev, regs);
	memcpy(&v, regs + off, size);
	return v;
}

static void pm_write(void *dev, uint64_t off, uint64_t val, unsigned size)
{
	struct pm *p = dev;
	uint8_t regs[PM_PORTS], cleared[PM_PORTS] = {0};

	image(p, regs);
	memcpy(regs + off, &val, size);
	memcpy(cleared + off, &val, size);
	p->status &= (uint16_t)~get_le16(cleared + STATUS); /* write one to clear */
	p->enable = get_le16(regs + ENABLE) & ENABLES;
	if (off < PM_CONTROL + PM_CONTROL_LEN && off + size > PM_CONTROL)
		write_control(p, get_le16(regs + PM_CONTROL));
	update_sci(p);
}

const struct bus_ops pm_bus = {.name = "ACPI PM", .read = pm_read, .write = pm_write};

bool pm_press_power_button(struct pm *p)
{
	bool listens;

	pthread_mutex_lock(&p->lock);
	listens = p->enable & POWER_BUTTON;
	if (listens)
		p->status |= POWER_BUTTON;
	update_sci(p);
	pthread_mutex_unlock(&p->lock);
	return listens;
}

struct pm *pm_new(const struct irq_line *sci, const struct power *power, uint64_t (*now_ns)(void))
{
	struct pm *p = NEW(struct pm);

	p->sci = *sci;
	p->power = *power;
	p->now_ns = now_ns ? now_ns : host_ns;
	p->start_ns = p->now_ns();
	p->control = SCI_ENABLED;
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void pm_free(struct pm *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

pthread_mutex_t *pm_lock(struct pm *p)
{
	return &p->lock;
}
