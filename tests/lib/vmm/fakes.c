/* SPDX-License-Identifier: Apache-2.0
 *
 * Stand-ins for vmm/kvm: see fakes.h.
 */
#include "tests/lib/vmm/fakes.h"

#include <sys/eventfd.h>

#include "base/util.h"

static void irq_level(void *ctx, unsigned gsi, bool level)
{
	struct fake_irq *f = ctx;

	assert(gsi < ARRAY_LEN(f->level));
	if (level && !f->level[gsi])
		f->raised[gsi]++;
	if (!level && f->level[gsi])
		f->lowered[gsi]++;
	f->level[gsi] = level;
}

struct irq_line fake_irq_line(struct fake_irq *f, unsigned gsi)
{
	return (struct irq_line){.set = irq_level, .ctx = f, .gsi = gsi};
}

static int msi_alloc(void *ctx, int *fd, struct err *err)
{
	struct fake_msi *f = ctx;

	if (++f->allocs == f->fail_alloc_at)
		return err_set(err, ERR_HOST, "no vector, as the test wants");
	for (int id = 0; id < FAKE_MSI; id++)
		if (!f->v[id].used) {
			f->v[id].used = true;
			f->v[id].routed = false;
			f->v[id].fd = *fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
			return id;
		}
	return err_set(err, ERR_HOST, "no vector left");
}

static void msi_release(void *ctx, int id)
{
	struct fake_msi *f = ctx;

	assert(f->v[id].used);
	close(f->v[id].fd);
	f->v[id].used = f->v[id].routed = false;
}

static int msi_route(void *ctx, int id, uint64_t addr, uint32_t data)
{
	struct fake_msi *f = ctx;

	assert(f->v[id].used);
	if (f->fail_route)
		return -1;
	f->v[id].routed = true;
	f->v[id].addr = addr;
	f->v[id].data = data;
	f->routes++;
	return 0;
}

static void msi_unroute(void *ctx, int id)
{
	struct fake_msi *f = ctx;

	assert(f->v[id].used);
	f->v[id].routed = false;
	f->unroutes++;
}

struct msi fake_msi(struct fake_msi *f)
{
	static const struct msi_ops ops = {msi_alloc, msi_release, msi_route, msi_unroute};

	return (struct msi){.ops = &ops, .ctx = f};
}

uint64_t fake_msi_signals(struct fake_msi *f, int id)
{
	uint64_t n;

	assert(f->v[id].used);
	return read(f->v[id].fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static int bell_attach(void *ctx, uint64_t addr, unsigned len, int fd, struct err *err)
{
	struct fake_bells *f = ctx;

	if (f->fail)
		return err_set(err, ERR_HOST, "no doorbell, as the test wants");
	for (int i = 0; i < FAKE_BELLS; i++)
		assert(!f->b[i].used || f->b[i].addr != addr);
	for (int i = 0; i < FAKE_BELLS; i++)
		if (!f->b[i].used) {
			f->b[i].used = true;
			f->b[i].addr = addr;
			f->b[i].len = len;
			f->b[i].fd = fd;
			f->n++;
			return 0;
		}
	return err_set(err, ERR_HOST, "no doorbell left");
}

static void bell_detach(void *ctx, uint64_t addr, unsigned len, int fd)
{
	struct fake_bells *f = ctx;

	for (int i = 0; i < FAKE_BELLS; i++)
		if (f->b[i].used && f->b[i].addr == addr) {
			assert(f->b[i].len == len && f->b[i].fd == fd);
			f->b[i].used = false;
			f->n--;
			return;
		}
	assert(!"a doorbell that was never attached");
}

struct doorbell fake_doorbell(struct fake_bells *f)
{
	static const struct doorbell_ops ops = {bell_attach, bell_detach};

	return (struct doorbell){.ops = &ops, .ctx = f};
}

bool fake_bells_ring(struct fake_bells *f, uint64_t addr)
{
	uint64_t one = 1;

	for (int i = 0; i < FAKE_BELLS; i++)
		if (f->b[i].used && f->b[i].addr == addr)
			return write(f->b[i].fd, &one, sizeof(one)) == sizeof(one);
	return false;
}

static void stop(void *ctx)
{
	loop_stop(ctx);
}

void loop_settle(struct loop *l)
{
	for (int round = 0; round < 4; round++) {
		loop_post(l, stop, l);
		loop_run(l);
	}
}
