/* SPDX-License-Identifier: Apache-2.0
 *
 * The asynchronous engine. A request is walked through the image as in the synchronous path; what
 * the walk finds in place becomes transfers of io_uring, many a system call. Everything that
 * changes metadata (first writes, discards) is done inside submit, by the synchronous code: it is
 * memory and page cache, and so nobody ever sees half of it. Writes in place go to the page cache
 * in submit, too: file systems that cannot promise not to wait (ext4) would have io_uring hand each
 * to a worker thread, at more than twice the cost; only when the host begins to throttle writers
 * does the ring get them, so that reads do not wait behind. Flushes run the commit of node.h with
 * asynchronous syncs; those that arrive meanwhile share the next one.
 *
 * `done` is called only where nothing of ours is half-way: at the end of submit, reap and drain. A
 * `done` that submits again finds its request served and its own completion later in the same loop.
 *
 * The ring is made with the first request. Where the kernel or the sandbox has none for us,
 * requests are served inside submit, with the same results in the same places.
 */
#include <errno.h>
#include <sys/eventfd.h>

#include "base/mem.h"
#include "base/num.h"
#include "images/disk/node.h"
#include "images/disk/ring.h"

enum {
	MAX_ENTRIES = 128, /* of the ring; its completion queue holds twice as many */
	SEGMENTS = 64,	   /* iovecs of a transfer that is part of a request */
	BLOCKED_MS = 2,	   /* a write that took so long met a host that throttles its writers */
	DETOUR = 512,	   /* writes that leave to the ring after that */
};

/* A request that was submitted. */
struct slot {
	struct blk_aio *aio;
	struct blk_req *req;
	struct slot *next;
	unsigned pending; /* transfers under way, and one while the request is walked */
	int result;	  /* the first failure, or 0 */
};

/* A transfer on the ring: bytes [at, at + len) of a request. */
struct part {
	struct ring_op op;
	struct slot *slot;
	struct part *next;
	const struct host *host;
	uint64_t at, len, off; /* off: in the host file */
};

struct slots {
	struct slot *first, *last;
};

struct blk_aio {
	struct node *node;
	int efd;
	unsigned depth, inflight;
	struct slot *slots;
	struct slots idle;
	struct part *parts, *idle_parts;
	unsigned transfers; /* parts under way */
	unsigned detour;    /* writes that still go through the ring */
	enum { RING_UNTRIED, RING_READY, RING_REFUSED } ring_state;
	struct ring ring;

	struct slots finished; /* to be delivered */
	bool delivering;

	struct slots waiting, flushing; /* flushes of the next commit, and of the one in progress */
	struct ring_op sync;
	bool sync_flying, sync_landed; /* landed: its result waits for settle() */
	int sync_result;
	uint64_t commit_id;
};

static void push(struct slots *l, struct slot *s)
{
	s->next = NULL;
	if (l->first)
		l->last->next = s;
	else
		l->first = s;
	l->last = s;
}

static struct slot *pop(struct slots *l)
{
	struct slot *s = l->first;

	if (s)
		l->first = s->next;
	return s;
}

/* --- transfers ------------------------------------------------------------------------------- */

/* One thing that the request waited for has come to its end. */
static void settle_one(struct slot *s, int result)
{
	if (!s->result)
		s->result = result;
	if (--s->pending == 0)
		push(&s->aio->finished, s);
}

/* The kernel let go of an operation, which says nothing about the file: it can be made here. */
static bool abandoned(int result)
{
	return result == -EAGAIN || result == -EINTR || result == -ECANCELED;
}

/* Does the rest of a transfer that came back short, or that the kernel did not begin. */
static int finish_part(const struct part *p, uint64_t done)
{
	struct blk_req *req = p->slot->req;
	struct iov_pos pos = IOV_POS(req->iov, req->niov);

	iov_skip(&pos, p->at + done);
	if (req->op == BLK_READ)
		return host_readv(p->host, &pos, p->len - done, p->off + done);
	return host_writev(p->host, &pos, p->len - done, p->off + done);
}

static void part_done(struct ring_op *op, int result)
{
	struct part *p = container_of(op, struct part, op);
	struct slot *s = p->slot;
	struct blk_aio *a = s->aio;

	if (result >= 0 && (uint64_t)result == p->len)
		result = 0;
	else if (result >= 0 || abandoned(result))
		result = finish_part(p, result > 0 ? (uint64_t)result : 0);
	p->next = a->idle_parts;
	a->idle_parts = p;
	a->transfers--;
	settle_one(s, result);
}

static int write_now(struct blk_aio *a, const struct extent *e, struct iov_pos *pos)
{
	uint64_t start = now_ms();
	int r = host_writev(&e->node->host, pos, e->len, e->host);

	if (now_ms() - start >= BLOCKED_MS)
		a->detour = DETOUR;
	return r;
}

/* Starts the transfer of an extent in place, or makes it now when nothing more can fly. */
static int transfer(struct slot *s, const struct extent *e, uint64_t at, struct iov_pos *pos)
{
	struct blk_aio *a = s->aio;
	struct blk_req *req = s->req;
	const struct host *host = &e->node->host;
	bool write = req->op == BLK_WRITE;

	if (write && !a->detour)
		return write_now(a, e, pos);
	a->detour -= write;
	for (uint64_t done = 0; done < e->len;) {
		struct iovec iov[SEGMENTS];
		struct part *p = a->idle_parts;
		struct iov_pos from = *pos;
		uint64_t len = e->len - done;
		int n = SEGMENTS, r = 0;

		if (!p || a->ring_state != RING_READY)
			return write ? host_writev(host, pos, len, e->host + done)
				     : host_readv(host, pos, len, e->host + done);
		len = iov_take(pos, min_u64(len, INT32_MAX & ~4095u), iov, &n);
		if (write)
			r = host_will(host, HOST_WRITE, e->host + done, len, &from);
		if (r < 0)
			return r;
		a->idle_parts = p->next;
		*p = (struct part){.op.done = part_done,
				   .slot = s,
				   .host = host,
				   .at = at + done,
				   .len = len,
				   .off = e->host + done};
		a->transfers++;
		s->pending++;
		ring_transfer(&a->ring, &p->op, write, host->fd, iov, n, p->off);
		done += len;
	}
	return 0;
}

static int walk_read(struct slot *s, uint64_t off, uint64_t len)
{
	struct iov_pos pos = IOV_POS(s->req->iov, s->req->niov);

	for (uint64_t at = 0; at < len;) {
		struct extent e;
		int r = node_resolve(s->aio->node, off + at, len - at, &e);

		if (r < 0)
			return r;
		r = e.kind == EXT_DATA ? transfer(s, &e, at, &pos)
				       : node_read_extent(&e, off + at, &pos);
		if (r < 0)
			return r;
		at += e.len;
	}
	return 0;
}

static int walk_write(struct slot *s, uint64_t off, uint64_t len)
{
	struct node *node = s->aio->node;
	struct iov_pos pos = IOV_POS(s->req->iov, s->req->niov);

	for (uint64_t at = 0; at < len;) {
		struct extent e;
		int r = node->class->map_write(node, off + at, len - at, &e);

		if (r < 0)
			return r;
		r = e.kind == EXT_DATA ? transfer(s, &e, at, &pos)
				       : node->class->write(node, off + at, e.len, &pos);
		if (r < 0)
			return r;
		at += e.len;
	}
	return 0;
}

/* --- flushes --------------------------------------------------------------------------------- */

static void sync_landed(struct ring_op *op, int result)
{
	struct blk_aio *a = container_of(op, struct blk_aio, sync);

	/* Only noted: we may be in the middle of a change that is waiting for transfers. */
	a->sync_flying = false;
	a->sync_landed = true;
	a->sync_result = result;
}

static void start_sync(struct blk_aio *a)
{
	int r = host_will(&a->node->host, HOST_SYNC, 0, 0, NULL);

	a->sync_flying = true;
	if (r < 0) {
		sync_landed(&a->sync, r);
		return;
	}
	a->sync.done = sync_landed;
	ring_datasync(&a->ring, &a->sync, a->node->host.fd);
	ring_kick(&a->ring);
}

static void flushed(struct blk_aio *a, int result)
{
	for (struct slot *s; (s = pop(&a->flushing));)
		settle_one(s, result);
}

static void take_turn(struct blk_aio *a)
{
	a->flushing = a->waiting;
	a->waiting.first = NULL;
}

/* Moves the commit on with the sync that has landed, and begins one if somebody waits for it. */
static void run_flushes(struct blk_aio *a)
{
	while (!a->sync_flying && (a->sync_landed || a->waiting.first)) {
		int r;

		if (a->sync_landed) {
			a->sync_landed = false;
			r = abandoned(a->sync_result) ? host_sync(&a->node->host)
						      : host_synced(&a->node->host, a->sync_result);
			if (r == 0 && (a->node->commit == COMMIT_IDLE ||
				       a->node->commit_id != a->commit_id)) {
				/* A synchronous flush finished our commit for us, or failed to. */
				r = node_flush(a->node);
			} else if (r == 0) {
				r = node_commit_advance(a->node, 0);
			} else if (a->node->commit != COMMIT_IDLE) {
				r = node_commit_advance(a->node, r);
			}
		} else {
			take_turn(a);
			r = node_commit_start(a->node);
			a->commit_id = a->node->commit_id;
			if (r == 0)
				r = 1;
		}
		if (r == 1)
			start_sync(a);
		else
			flushed(a, r);
	}
}

/* --- the interface --------------------------------------------------------------------------- */

/* Nothing of ours is half-way now: tell what is finished, which may make more. */
static void settle(struct blk_aio *a)
{
	if (a->delivering)
		return;
	a->delivering = true;
	run_flushes(a);
	for (struct slot *s; (s = pop(&a->finished));) {
		struct blk_req *req = s->req;
		int result = s->result;

		push(&a->idle, s);
		a->inflight--;
		req->done(req, result);
		run_flushes(a);
	}
	a->delivering = false;
}

static void quiesce(void *ctx)
{
	struct blk_aio *a = ctx;

	while (a->transfers) {
		ring_kick(&a->ring);
		ring_reap(&a->ring, true);
	}
}

static void open_ring(struct blk_aio *a)
{
	unsigned entries = (unsigned)min_u64(a->depth, MAX_ENTRIES), nparts = 2 * entries - 1;

	a->ring_state = ring_open(&a->ring, entries, a->efd) < 0 ? RING_REFUSED : RING_READY;
	if (a->ring_state == RING_REFUSED)
		return;
	/* One completion is the sync's: the queue can never overflow. */
	a->parts = xcalloc(nparts, sizeof(*a->parts));
	for (unsigned i = 0; i < nparts; i++) {
		a->parts[i].next = a->idle_parts;
		a->idle_parts = &a->parts[i];
	}
}

struct blk_aio *blk_aio_new(struct blk *blk, unsigned depth, struct err *err)
{
	struct blk_aio *a;
	int efd;

	assert(depth && !blk->top->quiesce);
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (efd < 0) {
		err_sys(err, ERR_HOST, "cannot make an eventfd");
		return NULL;
	}
	a = NEW(struct blk_aio);
	a->node = blk->top;
	a->efd = efd;
	a->depth = depth;
	a->slots = xcalloc(depth, sizeof(*a->slots));
	for (unsigned i = 0; i < depth; i++) {
		a->slots[i].aio = a;
		push(&a->idle, &a->slots[i]);
	}
	a->node->quiesce = quiesce;
	a->node->quiesce_ctx = a;
	return a;
}

void blk_aio_free(struct blk_aio *a)
{
	if (!a)
		return;
	assert(!a->inflight);
	a->node->quiesce = NULL;
	ring_close(&a->ring);
	close(a->efd);
	free(a->slots);
	free(a->parts);
	free(a);
}

int blk_aio_fd(const struct blk_aio *a)
{
	return a->efd;
}

unsigned blk_aio_inflight(const struct blk_aio *a)
{
	return a->inflight;
}

/* Starts a request; what is under way afterwards is counted in s->pending. */
static int start(struct slot *s)
{
	struct blk_aio *a = s->aio;
	struct blk_req *req = s->req;
	struct node *node = a->node;
	uint64_t len = req->len;
	int r;

	if ((req->op == BLK_READ || req->op == BLK_WRITE) && !iov_total(req->iov, req->niov, &len))
		return -EINVAL;
	if (req->op == BLK_FLUSH) {
		if (!node->writable)
			return 0;
		if (a->ring_state != RING_READY)
			return node_flush(node);
		s->pending++;
		push(&a->waiting, s);
		return 0;
	}
	r = node_check(node, req->off, len, req->op != BLK_READ);
	if (r < 0 || !len)
		return r;
	switch (req->op) {
	case BLK_READ:
		return walk_read(s, req->off, len);
	case BLK_WRITE:
		return walk_write(s, req->off, len);
	case BLK_DISCARD_OP:
		return node_discard(node, req->off, len);
	case BLK_ZERO:
	case BLK_ZERO_UNMAP:
		return node_zero(node, req->off, len, req->op == BLK_ZERO_UNMAP);
	case BLK_FLUSH:
		break;
	}
	return -EINVAL;
}

void blk_aio_submit(struct blk_aio *a, struct blk_req *req)
{
	struct slot *s = pop(&a->idle);

	if (!s) {
		req->done(req, -EBUSY);
		return;
	}
	if (a->ring_state == RING_UNTRIED)
		open_ring(a);
	a->inflight++;
	s->req = req;
	s->result = 0;
	s->pending = 1;
	settle_one(s, start(s));
	settle(a);
}

void blk_aio_kick(struct blk_aio *a)
{
	if (a->ring_state == RING_READY)
		ring_kick(&a->ring);
}

void blk_aio_reap(struct blk_aio *a)
{
	eventfd_t count;

	(void)!eventfd_read(a->efd, &count);
	if (a->ring_state == RING_READY)
		ring_reap(&a->ring, false);
	settle(a);
}

void blk_aio_drain(struct blk_aio *a)
{
	settle(a);
	while (a->inflight) {
		ring_kick(&a->ring);
		ring_reap(&a->ring, true);
		settle(a);
	}
}
