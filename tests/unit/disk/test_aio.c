// SPDX-License-Identifier: Apache-2.0
//
// The asynchronous engine, with io_uring and in a process that may not have it: the same results.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/mem.h"
#include "images/disk/host.h"
#include "tests/lib/disk/image.h"

enum { SIZE = 8 << 20, CLUSTER = 65536, DEPTH = 8 };

struct call {
	struct blk_req req;
	struct iovec iov;
	uint8_t *buf;
	unsigned done;
	int result;
	struct call *then; /* submitted by done */
	struct blk_aio *aio;
};

static void done(struct blk_req *req, int result)
{
	struct call *c = req->user;

	c->done++;
	c->result = result;
	if (c->then) {
		struct call *then = c->then;

		c->then = NULL;
		blk_aio_submit(c->aio, &then->req);
		/* Its own completion comes later, never from inside this one. */
		assert_int_equal(then->done, 0);
	}
}

static struct call *call(enum blk_op op, uint64_t off, size_t n, uint8_t fill)
{
	struct call *c = NEW(struct call);

	c->buf = xmalloc(n + 1);
	memset(c->buf, fill, n + 1);
	c->iov = (struct iovec){.iov_base = c->buf, .iov_len = n};
	c->req = (struct blk_req){
		.op = op, .off = off, .len = n, .iov = &c->iov, .niov = 1, .done = done, .user = c};
	return c;
}

static void call_free(struct call *c)
{
	free(c->buf);
	free(c);
}

static void wait_for(struct blk_aio *aio, const struct call *c)
{
	struct pollfd p = {.fd = blk_aio_fd(aio), .events = POLLIN};

	blk_aio_kick(aio);
	while (!c->done) {
		assert_int_equal(poll(&p, 1, 10000), 1);
		blk_aio_reap(aio);
	}
	assert_int_equal(c->done, 1);
}

static int once(struct blk_aio *aio, enum blk_op op, uint64_t off, size_t n, uint8_t fill)
{
	struct call *c = call(op, off, n, fill);
	int result;

	blk_aio_submit(aio, &c->req);
	wait_for(aio, c);
	result = c->result;
	call_free(c);
	return result;
}

static void expect(struct blk_aio *aio, uint64_t off, size_t n, uint8_t value)
{
	struct call *c = call(BLK_READ, off, n, (uint8_t)~value);

	blk_aio_submit(aio, &c->req);
	wait_for(aio, c);
	assert_int_equal(c->result, 0);
	for (size_t i = 0; i < n; i++)
		if (c->buf[i] != value)
			fail_msg("%#llx: %u, not %u", (unsigned long long)off + i, c->buf[i],
				 value);
	assert_int_equal(c->buf[n], (uint8_t)~value);
	call_free(c);
}

struct disk {
	int fd, below;
	struct blk *blk;
	struct blk_aio *aio;
};

static struct disk disk_new(unsigned flags)
{
	struct disk d;
	struct err err = {0};
	uint8_t *content = xmalloc(SIZE / 2);

	memset(content, 0xbb, SIZE / 2);
	d.below = mem_file(content, SIZE / 2);
	free(content);
	d.fd = mem_overlay(SIZE, CLUSTER, false, BLK_RAW, SIZE / 2);
	d.blk = mem_open(d.fd, BLK_QCOW2, d.below, BLK_RAW, flags, &err);
	assert_non_null(d.blk);
	d.aio = blk_aio_new(d.blk, DEPTH, &err);
	assert_non_null(d.aio);
	return d;
}

static void disk_free(struct disk *d)
{
	assert_int_equal(blk_aio_inflight(d->aio), 0);
	blk_aio_free(d->aio);
	assert_int_equal(blk_close(d->blk), 0);
	assert_int_equal(mem_corruptions(d->fd) + mem_leaks(d->fd), 0);
	close(d->fd);
	close(d->below);
}

static void requests_do_what_they_say(void **state)
{
	struct disk d = disk_new(BLK_DISCARD);

	(void)state;
	expect(d.aio, 0, SIZE / 2, 0xbb);
	expect(d.aio, SIZE / 2, SIZE / 2, 0);
	assert_int_equal(once(d.aio, BLK_WRITE, 1000, 200000, 1), 0);
	assert_int_equal(once(d.aio, BLK_WRITE, 5000, 100, 2), 0);
	expect(d.aio, 0, 1000, 0xbb);
	expect(d.aio, 1000, 4000, 1);
	expect(d.aio, 5000, 100, 2);
	expect(d.aio, 5100, 195900, 1);
	expect(d.aio, 201000, 60000, 0xbb);
	assert_int_equal(once(d.aio, BLK_ZERO, 1000, 1000, 0), 0);
	expect(d.aio, 1000, 1000, 0);
	assert_int_equal(once(d.aio, BLK_DISCARD_OP, CLUSTER, CLUSTER, 0), 0);
	expect(d.aio, CLUSTER, CLUSTER, 0);
	assert_int_equal(once(d.aio, BLK_ZERO_UNMAP, 0, CLUSTER, 0), 0);
	expect(d.aio, 0, 2 * CLUSTER, 0);
	assert_int_equal(once(d.aio, BLK_FLUSH, 0, 0, 0), 0);
	assert_int_equal(once(d.aio, BLK_READ, SIZE - 10, 11, 0), -EINVAL);
	assert_int_equal(once(d.aio, BLK_WRITE, UINT64_MAX, 2, 0), -EINVAL);
	assert_int_equal(once(d.aio, BLK_DISCARD_OP, SIZE, 1, 0), -EINVAL);
	assert_int_equal(once(d.aio, BLK_READ, SIZE, 0, 0), 0);
	assert_int_equal(once(d.aio, (enum blk_op)99, 0, 10, 0), -EINVAL);
	disk_free(&d);
}

static void more_than_the_depth_is_busy(void **state)
{
	struct disk d = disk_new(0);
	struct call *calls[DEPTH + 1];

	(void)state;
	for (unsigned i = 0; i <= DEPTH; i++)
		calls[i] = call(BLK_READ, 0, 4096, 0);
	/* Each is submitted by the one before: slots fill up while the first is delivered. */
	for (unsigned i = 0; i <= DEPTH; i++)
		blk_aio_submit(d.aio, &calls[i]->req);
	blk_aio_drain(d.aio);
	for (unsigned i = 0; i <= DEPTH; i++) {
		assert_int_equal(calls[i]->done, 1);
		assert_true(calls[i]->result == 0 || (i == DEPTH && calls[i]->result == -EBUSY));
		call_free(calls[i]);
	}
	disk_free(&d);
}

static void a_done_may_submit(void **state)
{
	struct disk d = disk_new(0);
	struct call *calls[1000];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
		calls[i] = call(i % 3 == 0   ? BLK_WRITE
				: i % 3 == 1 ? BLK_READ
					     : BLK_FLUSH,
				(i * 7919) % (SIZE - 4096), 4096, 1);
		calls[i]->aio = d.aio;
		if (i)
			calls[i - 1]->then = calls[i];
	}
	blk_aio_submit(d.aio, &calls[0]->req);
	blk_aio_drain(d.aio);
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
		assert_int_equal(calls[i]->done, 1);
		assert_int_equal(calls[i]->result, 0);
		call_free(calls[i]);
	}
	disk_free(&d);
}

static unsigned syncs;

static int count_syncs(void *ctx, enum host_op op, int fd, uint64_t off, uint64_t len,
		       const struct iov_pos *data)
{
	(void)ctx;
	(void)fd;
	(void)off;
	(void)len;
	(void)data;
	syncs += op == HOST_SYNC;
	return 0;
}

static void flushes_share_a_commit(void **state)
{
	static const struct host_watch watch = {.op = count_syncs};
	struct disk d = disk_new(0);
	struct call *calls[DEPTH];

	(void)state;
	assert_int_equal(once(d.aio, BLK_WRITE, 0, 4096, 1), 0);
	host_set_watch(&watch);
	syncs = 0;
	for (unsigned i = 0; i < DEPTH; i++) {
		calls[i] = call(BLK_FLUSH, 0, 0, 0);
		blk_aio_submit(d.aio, &calls[i]->req);
	}
	blk_aio_drain(d.aio);
	/*
	 * The first needs two syncs; those that came meanwhile share the next commit, of one.
	 * Without io_uring each is served as it comes.
	 */
	assert_true(syncs == 3 || syncs == DEPTH + 1);
	host_set_watch(NULL);
	for (unsigned i = 0; i < DEPTH; i++) {
		assert_int_equal(calls[i]->done, 1);
		assert_int_equal(calls[i]->result, 0);
		call_free(calls[i]);
	}
	disk_free(&d);
}

/* Synchronous changes and flushes in the middle of an asynchronous one. */
static void a_flush_may_be_overtaken(void **state)
{
	struct disk d = disk_new(BLK_DISCARD);
	struct call *flush = call(BLK_FLUSH, 0, 0, 0), *again = call(BLK_FLUSH, 0, 0, 0);
	char data[4096] = {3};

	(void)state;
	assert_int_equal(once(d.aio, BLK_WRITE, 0, 3 * CLUSTER, 1), 0);
	blk_aio_submit(d.aio, &flush->req);
	assert_int_equal(blk_discard(d.blk, CLUSTER, CLUSTER), 0);
	assert_int_equal(blk_write(d.blk, 5 * CLUSTER, data, sizeof(data)), 0);
	assert_int_equal(blk_flush(d.blk), 0);
	assert_int_equal(blk_write(d.blk, 6 * CLUSTER, data, sizeof(data)), 0);
	blk_aio_submit(d.aio, &again->req);
	blk_aio_drain(d.aio);
	assert_int_equal(flush->result + again->result, 0);
	assert_int_equal(flush->done + again->done, 2);
	expect(d.aio, CLUSTER, CLUSTER, 0);
	call_free(flush);
	call_free(again);
	disk_free(&d);
}

static int refuse_syncs(void *ctx, enum host_op op, int fd, uint64_t off, uint64_t len,
			const struct iov_pos *data)
{
	(void)ctx;
	(void)fd;
	(void)off;
	(void)len;
	(void)data;
	return op == HOST_SYNC ? -EIO : 0;
}

static void a_sync_that_failed_stays_failed(void **state)
{
	static const struct host_watch watch = {.op = refuse_syncs};
	struct disk d = disk_new(0);

	(void)state;
	assert_int_equal(once(d.aio, BLK_WRITE, 0, 4096, 1), 0);
	host_set_watch(&watch);
	assert_int_equal(once(d.aio, BLK_FLUSH, 0, 0, 0), -EIO);
	host_set_watch(NULL);
	assert_int_equal(once(d.aio, BLK_FLUSH, 0, 0, 0), -EIO);
	assert_int_equal(once(d.aio, BLK_WRITE, 0, 4096, 1), -EIO);
	expect(d.aio, 0, 4096, 1);
	blk_aio_free(d.aio);
	assert_int_equal(blk_close(d.blk), -EIO);
	assert_int_equal(mem_corruptions(d.fd), 0);
	close(d.fd);
	close(d.below);
}

static int interrupt_a_sync(void *ctx, enum host_op op, int fd, uint64_t off, uint64_t len,
			    const struct iov_pos *data)
{
	bool *interrupted = ctx;

	(void)fd;
	(void)off;
	(void)len;
	(void)data;
	if (op != HOST_SYNC || *interrupted)
		return 0;
	*interrupted = true;
	return -EINTR;
}

/* One that was only not made is made, and is no failure. */
static void a_sync_that_was_interrupted_is_made(void **state)
{
	bool interrupted = false;
	const struct host_watch watch = {.op = interrupt_a_sync, .ctx = &interrupted};
	struct disk d = disk_new(0);

	(void)state;
	assert_int_equal(once(d.aio, BLK_WRITE, 0, 4096, 1), 0);
	host_set_watch(&watch);
	assert_int_equal(once(d.aio, BLK_FLUSH, 0, 0, 0), 0);
	host_set_watch(NULL);
	assert_true(interrupted);
	assert_int_equal(once(d.aio, BLK_WRITE, CLUSTER, 4096, 2), 0);
	expect(d.aio, CLUSTER, 4096, 2);
	disk_free(&d);
}

/* Transfers larger and more scattered than one operation of the ring takes. */
static void long_lists_are_cut(void **state)
{
	enum { N = 3000, PIECE = 700 };
	struct disk d = disk_new(0);
	struct iovec *iov = xcalloc(N, sizeof(*iov));
	uint8_t *buf = xmalloc(N * PIECE);
	struct call *c = call(BLK_READ, 512, 1, 0);

	(void)state;
	assert_int_equal(once(d.aio, BLK_WRITE, 0, SIZE, 1), 0);
	memset(buf, 0, N * PIECE);
	for (unsigned i = 0; i < N; i++)
		iov[i] = (struct iovec){.iov_base = buf + i * PIECE, .iov_len = PIECE};
	c->req.iov = iov;
	c->req.niov = N;
	blk_aio_submit(d.aio, &c->req);
	wait_for(d.aio, c);
	assert_int_equal(c->result, 0);
	for (unsigned i = 0; i < N * PIECE; i++)
		assert_int_equal(buf[i], 1);
	call_free(c);
	free(buf);
	free(iov);
	disk_free(&d);
}

static void read_only_disks_answer(void **state)
{
	int fd = mem_qcow2(SIZE, CLUSTER, false);
	struct blk *blk = mem_must_open(fd, BLK_RDONLY);
	struct err err = {0};
	struct blk_aio *aio = blk_aio_new(blk, 1, &err);

	(void)state;
	assert_int_equal(once(aio, BLK_WRITE, 0, 512, 0), -EROFS);
	assert_int_equal(once(aio, BLK_DISCARD_OP, 0, 512, 0), -EROFS);
	assert_int_equal(once(aio, BLK_FLUSH, 0, 0, 0), 0);
	expect(aio, 0, 4096, 0);
	blk_aio_free(aio);
	blk_close(blk);
	close(fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(requests_do_what_they_say),
	cmocka_unit_test(more_than_the_depth_is_busy),
	cmocka_unit_test(a_done_may_submit),
	cmocka_unit_test(flushes_share_a_commit),
	cmocka_unit_test(a_flush_may_be_overtaken),
	cmocka_unit_test(a_sync_that_failed_stays_failed),
	cmocka_unit_test(a_sync_that_was_interrupted_is_made),
	cmocka_unit_test(long_lists_are_cut),
	cmocka_unit_test(read_only_disks_answer),
};

/* As container runtimes do: io_uring_setup is EPERM from now on. */
static void forbid_io_uring(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = ARRAY_LEN(code), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		abort();
}

int main(void)
{
	int failed = cmocka_run_group_tests_name("with io_uring", tests, NULL, NULL);

	forbid_io_uring();
	return failed + cmocka_run_group_tests_name("without io_uring", tests, NULL, NULL);
}
