/* SPDX-License-Identifier: Apache-2.0
 *
 * io_uring: see ring.h.
 */
#include "images/disk/ring.h"

#include <errno.h>

#include "base/mem.h"
#include "base/util.h"

int ring_open(struct ring *ring, unsigned entries, int efd)
{
	struct io_uring_params params = {.flags = IORING_SETUP_CLAMP};
	int r;

	*ring = (struct ring){0};
	r = io_uring_queue_init_params(entries, &ring->uring, &params);
	if (r < 0)
		return r;
	/* Without it the iovec arrays would have to live as long as the transfers (Linux 5.5). */
	r = params.features & IORING_FEAT_SUBMIT_STABLE ? 0 : -ENOSYS;
	if (r == 0)
		r = io_uring_register_eventfd(&ring->uring, efd);
	if (r < 0) {
		io_uring_queue_exit(&ring->uring);
		return r;
	}
	ring->segments = xcalloc(RING_SEGMENTS, sizeof(*ring->segments));
	ring->open = true;
	return 0;
}

void ring_close(struct ring *ring)
{
	if (ring->open)
		io_uring_queue_exit(&ring->uring);
	free(ring->segments);
	*ring = (struct ring){0};
}

static struct io_uring_sqe *next_sqe(struct ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	while (!sqe) {
		ring_kick(ring);
		sqe = io_uring_get_sqe(&ring->uring);
	}
	ring->queued++;
	ring->flying++;
	return sqe;
}

void ring_transfer(struct ring *ring, struct ring_op *op, bool write, int fd,
		   const struct iovec *iov, int n, uint64_t off)
{
	struct io_uring_sqe *sqe;
	struct iovec *copy;

	assert(n > 0 && n <= RING_SEGMENTS);
	if (ring->nsegments + (unsigned)n > RING_SEGMENTS)
		ring_kick(ring);
	sqe = next_sqe(ring);
	if (n == 1 && iov->iov_len <= INT32_MAX) {
		if (write)
			io_uring_prep_write(sqe, fd, iov->iov_base, (unsigned)iov->iov_len, off);
		else
			io_uring_prep_read(sqe, fd, iov->iov_base, (unsigned)iov->iov_len, off);
	} else {
		copy = ring->segments + ring->nsegments;
		memcpy(copy, iov, (size_t)n * sizeof(*iov));
		ring->nsegments += (unsigned)n;
		if (write)
			io_uring_prep_writev(sqe, fd, copy, (unsigned)n, off);
		else
			io_uring_prep_readv(sqe, fd, copy, (unsigned)n, off);
	}
	io_uring_sqe_set_data(sqe, op);
}

void ring_datasync(struct ring *ring, struct ring_op *op, int fd)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
	io_uring_sqe_set_data(sqe, op);
}

void ring_kick(struct ring *ring)
{
	while (ring->queued) {
		int r = io_uring_submit(&ring->uring);

		if (r == -EAGAIN || r == -EBUSY) {
			ring_reap(ring, ring->flying > ring->queued);
			continue;
		}
		/* Else: a sandbox that gave us a ring and forbids to use it, which is ours. */
		assert(r > 0 || r == -EINTR);
		ring->queued -= r > 0 ? (unsigned)r : 0;
	}
	ring->nsegments = 0;
}

void ring_reap(struct ring *ring, bool wait)
{
	struct io_uring_cqe *cqe;

	while (ring->flying) {
		struct ring_op *op;
		int result;
		int r = wait ? io_uring_wait_cqe(&ring->uring, &cqe)
			     : io_uring_peek_cqe(&ring->uring, &cqe);

		if (r == -EINTR)
			continue;
		if (r < 0)
			return;
		op = io_uring_cqe_get_data(cqe);
		result = cqe->res;
		io_uring_cqe_seen(&ring->uring, cqe);
		ring->flying--;
		wait = false;
		op->done(op, result);
	}
}
