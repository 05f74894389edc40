// SPDX-License-Identifier: Apache-2.0
//
// Requests of one size at a depth, through the asynchronous engine, as `qemu-img bench` makes them:
//
//	iobench [--write] [--depth N] [--size BYTES] [--step BYTES] [--count N] [--flush]
//FORMAT:FILE...
//
// Offsets advance by step (0: random, in a fixed sequence). Prints requests a second.
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "base/num.h"
#include "tests/lib/disk/chain.h"
#include "tests/lib/disk/rng.h"

enum { MAX_DEPTH = 256 };

static struct blk_req reqs[MAX_DEPTH];
static struct iovec iovs[MAX_DEPTH];
static unsigned idle[MAX_DEPTH], nidle;
static uint64_t failed;

static void landed(struct blk_req *req, int result)
{
	failed += result < 0;
	idle[nidle++] = (unsigned)(req - reqs);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"write", 0, 0, 'w'},
						{"depth", 1, 0, 'd'},
						{"size", 1, 0, 's'},
						{"step", 1, 0, 't'},
						{"count", 1, 0, 'n'},
						{"flush", 0, 0, 'f'},
						{0}};
	uint64_t depth = 32, size = 4096, step = 4096, count = 100000, off = 0, *to;
	bool write = false, flush = false;
	struct rng rng = {.state = 1};
	struct err err = {0};
	struct pollfd p = {.events = POLLIN};
	struct blk_aio *aio;
	struct blk *blk;
	double start;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		to = c == 'd' ? &depth : c == 's' ? &size : c == 't' ? &step : &count;
		if (c == 'w')
			write = true;
		else if (c == 'f')
			flush = true;
		else if (c == '?' || parse_u64(optarg, to, &err) < 0)
			return 2;
	}
	blk = chain_open(argv + optind, (unsigned)(argc - optind), write ? 0 : BLK_RDONLY, &err);
	if (!blk || !depth || depth > MAX_DEPTH || !size || blk_size(blk) < size) {
		fprintf(stderr, "iobench: %s\n", err.msg);
		return 1;
	}
	aio = blk_aio_new(blk, (unsigned)depth, &err);
	p.fd = blk_aio_fd(aio);
	for (unsigned i = 0; i < depth; i++) {
		iovs[i] = (struct iovec){.iov_base = xzalloc(size), .iov_len = size};
		memset(iovs[i].iov_base, 0x5a, size);
		idle[nidle++] = i;
	}
	start = now();
	for (uint64_t left = count; left || blk_aio_inflight(aio);) {
		while (nidle && left) {
			unsigned i = idle[--nidle];

			if (!step)
				off = rng_below(&rng, blk_size(blk) / size) * size;
			reqs[i] = (struct blk_req){.op = write ? BLK_WRITE : BLK_READ,
						   .off = off,
						   .iov = &iovs[i],
						   .niov = 1,
						   .done = landed};
			off = (off + step) % (blk_size(blk) - size + 1);
			left--;
			blk_aio_submit(aio, &reqs[i]);
		}
		blk_aio_kick(aio);
		if (blk_aio_inflight(aio) && poll(&p, 1, -1) == 1)
			blk_aio_reap(aio);
	}
	if (flush)
		failed += blk_flush(blk) < 0;
	printf("%.0f\n", (double)count / (now() - start));
	blk_aio_free(aio);
	return blk_close(blk) < 0 || failed;
}
