// SPDX-License-Identifier: Apache-2.0
//
// Random reads, writes, zeroes, discards and flushes on a chain of images, compared with a model in
// memory as they go and as a whole at the end:
//
//	ops [--aio] [--seed N] [--count N] [--model FILE] [--out FILE] [--script FILE]
//FORMAT:FILE...
//
// --model is what the chain holds at the start (raw; told by another implementation), --out
// receives what it must hold at the end, --script the same operations as qemu-io commands (writes
// are then patterns of one byte). --aio keeps many in flight. --vague-discard: a discarded cluster
// may also keep its data (version 2 has no other way over a backing file). --no-discard leaves them
// out.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "tests/lib/disk/chain.h"
#include "tests/lib/disk/rng.h"

enum { MAX_OP = 2 << 20, FLYING = 32, SEGMENTS = 9 };

static struct rng rng;
static uint8_t *model; /* what the guest must see */
static struct blk *blk;
static FILE *script;
static bool vague_discard, no_discard;

static void die(const char *what, uint64_t off, uint64_t len)
{
	fprintf(stderr, "ops: %s at %#llx, %#llx bytes\n", what, (unsigned long long)off,
		(unsigned long long)len);
	exit(1);
}

/* --- choosing an operation ------------------------------------------------------------------- */

struct op {
	enum blk_op op;
	uint64_t off, len;
	uint8_t pattern;
};

static uint64_t pick_len(void)
{
	switch (rng_below(&rng, 10)) {
	case 0 ... 4:
		return 512 * (1 + rng_below(&rng, 16));
	case 5 ... 6:
		return 4096 * (1 + rng_below(&rng, 32));
	case 7:
		return 1 + rng_below(&rng, 100000);
	case 8:
		return 65536 * (1 + rng_below(&rng, 8));
	}
	return 1 + rng_below(&rng, MAX_OP);
}

static struct op pick(void)
{
	static const enum blk_op ops[] = {BLK_READ,  BLK_READ,	BLK_READ,	BLK_READ,
					  BLK_WRITE, BLK_WRITE, BLK_WRITE,	BLK_WRITE,
					  BLK_WRITE, BLK_ZERO,	BLK_ZERO_UNMAP, BLK_DISCARD_OP,
					  BLK_WRITE, BLK_WRITE, BLK_DISCARD_OP, BLK_FLUSH};
	const uint64_t size = blk_size(blk);
	struct op o = {.op = ops[rng_below(&rng, ARRAY_LEN(ops))],
		       .pattern = (uint8_t)rng_next(&rng)};

	/* Many meet in the first sixteenth, so that states pile up on the same clusters. */
	o.off = rng_below(&rng, rng_below(&rng, 3) ? size / 16 : size);
	switch (rng_below(&rng, 4)) {
	case 0:
		break;
	case 1:
		o.off = align_down(o.off, blk_cluster_size(blk));
		break;
	default:
		o.off = align_down(o.off, 512);
	}
	o.len = min_u64(pick_len(), size - o.off);
	if (!rng_below(&rng, 50))
		o.len = min_u64(size - o.off, MAX_OP); /* often the disk's end */
	if ((o.op == BLK_FLUSH && rng_below(&rng, 8)) || (o.op == BLK_DISCARD_OP && no_discard))
		o.op = BLK_READ;
	return o;
}

static void print(const struct op *o)
{
	unsigned long long off = o->off, len = o->len;

	switch (o->op) {
	case BLK_READ:
		break;
	case BLK_WRITE:
		fprintf(script, "write -q -P %u %llu %llu\n", o->pattern, off, len);
		break;
	case BLK_ZERO:
		fprintf(script, "write -q -z %llu %llu\n", off, len);
		break;
	case BLK_ZERO_UNMAP:
		fprintf(script, "write -q -z -u %llu %llu\n", off, len);
		break;
	case BLK_DISCARD_OP:
		fprintf(script, "discard -q %llu %llu\n", off, len);
		break;
	case BLK_FLUSH:
		fprintf(script, "flush\n");
		break;
	}
}

/* --- the model ------------------------------------------------------------------------------- */

/* The whole clusters of a range; the disk's end counts as that of its last cluster. */
static void whole_clusters(const struct op *o, uint64_t *from, uint64_t *to)
{
	uint64_t cluster = blk_cluster_size(blk);

	*from = align_up(o->off, cluster);
	*to = o->off + o->len == blk_size(blk) ? o->off + o->len
					       : align_down(o->off + o->len, cluster);
	*to = max_u64(*from, *to);
}

static void fill(const struct op *o, uint8_t *buf)
{
	if (script)
		memset(buf, o->pattern, o->len);
	else
		rng_fill(&rng, buf, o->len);
}

static void apply(const struct op *o, const uint8_t *data)
{
	uint64_t from, to;

	switch (o->op) {
	case BLK_WRITE:
		memcpy(model + o->off, data, o->len);
		break;
	case BLK_ZERO:
	case BLK_ZERO_UNMAP:
		memset(model + o->off, 0, o->len);
		break;
	case BLK_DISCARD_OP:
		whole_clusters(o, &from, &to);
		memset(model + from, 0, to - from);
		break;
	case BLK_READ:
	case BLK_FLUSH:
		break;
	}
}

/* Where a discard may or may not have zeroed, take over what it did, cluster by cluster. */
static void learn(const struct op *o)
{
	static uint8_t buf[MAX_OP], zeroes[MAX_OP];
	uint64_t from, to;

	whole_clusters(o, &from, &to);
	for (uint64_t at = from; at < to; at += blk_cluster_size(blk)) {
		uint64_t n = min_u64(blk_cluster_size(blk), to - at);

		if (blk_read(blk, at, buf, n) < 0)
			die("cannot read", at, n);
		if (memcmp(buf, model + at, n) && memcmp(buf, zeroes, n))
			die("a discard invented data", at, n);
		memcpy(model + at, buf, n);
	}
}

/* --- running them ---------------------------------------------------------------------------- */

/* One operation under way. */
struct flight {
	struct blk_req req;
	struct op op;
	bool busy;
	struct iovec iov[SEGMENTS];
	uint8_t *buf, *expect; /* [MAX_OP] */
};

static struct flight flights[FLYING];

/* Cuts the buffer into segments of random lengths. */
static void cut(struct flight *f)
{
	int n = 1 + (int)rng_below(&rng, SEGMENTS);
	uint64_t at = 0;

	for (int i = 0; i < n; i++) {
		uint64_t left = f->op.len - at;
		uint64_t len = i == n - 1 ? left : rng_below(&rng, left + 1);

		f->iov[i] = (struct iovec){.iov_base = f->buf + at, .iov_len = len};
		at += len;
	}
	f->req = (struct blk_req){
		.op = f->op.op, .off = f->op.off, .len = f->op.len, .iov = f->iov, .niov = n};
}

static void landed(struct blk_req *req, int result)
{
	struct flight *f = container_of(req, struct flight, req);

	if (result < 0) {
		fprintf(stderr, "ops: %s (%d)\n", strerror(-result), f->op.op);
		die("failed", f->op.off, f->op.len);
	}
	if (f->op.op == BLK_READ && memcmp(f->buf, f->expect, f->op.len))
		die("read something else", f->op.off, f->op.len);
	f->busy = false;
}

static void prepare(struct flight *f, const struct op *o)
{
	f->op = *o;
	f->busy = true;
	if (o->op == BLK_WRITE)
		fill(o, f->buf);
	if (o->op == BLK_READ)
		memcpy(f->expect, model + o->off, o->len);
	apply(o, f->buf);
	cut(f);
}

static int run_sync(struct flight *f)
{
	struct op *o = &f->op;

	switch (o->op) {
	case BLK_READ:
		return blk_readv(blk, o->off, f->req.iov, f->req.niov);
	case BLK_WRITE:
		return blk_writev(blk, o->off, f->req.iov, f->req.niov);
	case BLK_ZERO:
	case BLK_ZERO_UNMAP:
		return blk_zero(blk, o->off, o->len, o->op == BLK_ZERO_UNMAP);
	case BLK_DISCARD_OP:
		return blk_discard(blk, o->off, o->len);
	case BLK_FLUSH:
		return blk_flush(blk);
	}
	return -EINVAL;
}

static void run_one_sync(const struct op *o)
{
	if (o->op == BLK_DISCARD_OP && vague_discard) {
		/* The model keeps the old data until we see what happened. */
		int r = blk_discard(blk, o->off, o->len);

		if (r < 0)
			die("failed", o->off, o->len);
		learn(o);
		return;
	}
	prepare(&flights[0], o);
	landed(&flights[0].req, run_sync(&flights[0]));
}

static void wait_some(struct blk_aio *aio)
{
	struct pollfd p = {.fd = blk_aio_fd(aio), .events = POLLIN};

	blk_aio_kick(aio);
	if (!blk_aio_inflight(aio))
		return;
	if (poll(&p, 1, 10000) != 1)
		die("nothing completes in 10 s", 0, 0);
	blk_aio_reap(aio);
}

static struct flight *find_place(struct blk_aio *aio, const struct op *o)
{
	for (;;) {
		struct flight *idle = NULL;
		bool overlaps = false;

		for (unsigned i = 0; i < FLYING; i++) {
			struct flight *f = &flights[i];
			/* Discards and zeroes reach to cluster ends. */
			uint64_t slack = blk_cluster_size(blk);

			if (!f->busy)
				idle = f;
			else if (f->op.op != BLK_FLUSH && o->op != BLK_FLUSH &&
				 o->off < f->op.off + f->op.len + slack &&
				 f->op.off < o->off + o->len + slack)
				overlaps = true;
		}
		if (idle && !overlaps)
			return idle;
		wait_some(aio);
	}
}

static void run_aio(uint64_t count)
{
	struct err err = {0};
	struct blk_aio *aio = blk_aio_new(blk, FLYING, &err);

	while (count--) {
		struct op o = pick();
		struct flight *f;

		if (script)
			print(&o);
		if (o.op == BLK_DISCARD_OP && vague_discard) {
			blk_aio_drain(aio);
			run_one_sync(&o);
			continue;
		}
		f = find_place(aio, &o);
		prepare(f, &o);
		f->req.done = landed;
		blk_aio_submit(aio, &f->req);
		if (!rng_below(&rng, 8))
			blk_aio_kick(aio);
	}
	blk_aio_drain(aio);
	blk_aio_free(aio);
}

static void compare_all(void)
{
	uint8_t *buf = flights[0].buf;

	for (uint64_t off = 0; off < blk_size(blk); off += MAX_OP) {
		size_t n = min_u64(MAX_OP, blk_size(blk) - off);

		if (blk_read(blk, off, buf, n) < 0)
			die("cannot read", off, n);
		for (size_t i = 0; i < n; i++)
			if (buf[i] != model[off + i])
				die("differs from the model", off + i, 1);
	}
}

static void load_model(const char *path)
{
	if (!path) {
		if (blk_read(blk, 0, model, blk_size(blk)) < 0)
			die("cannot read", 0, blk_size(blk));
		return;
	}
	int fd = open(path, O_RDONLY);
	size_t got;

	if (fd < 0 || pread_all(fd, model, blk_size(blk), 0, &got) < 0 || got != blk_size(blk)) {
		fprintf(stderr, "ops: %s is not the model\n", path);
		exit(1);
	}
	close(fd);
	compare_all();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"aio", 0, 0, 'a'},	      {"seed", 1, 0, 's'},	 {"count", 1, 0, 'n'},
		{"model", 1, 0, 'm'},	      {"out", 1, 0, 'o'},	 {"script", 1, 0, 'c'},
		{"vague-discard", 0, 0, 'v'}, {"no-discard", 0, 0, 'd'}, {0}};
	const char *model_path = NULL, *out = NULL;
	uint64_t count = 1000, size;
	struct err err = {0};
	bool aio = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			aio = true;
			break;
		case 's':
			if (parse_u64(optarg, &rng.state, &err) < 0)
				die(err.msg, 0, 0);
			break;
		case 'n':
			if (parse_u64(optarg, &count, &err) < 0)
				die(err.msg, 0, 0);
			break;
		case 'm':
			model_path = optarg;
			break;
		case 'o':
			out = optarg;
			break;
		case 'c':
			script = fopen(optarg, "w");
			if (!script)
				die("cannot write the script", 0, 0);
			break;
		case 'd':
			no_discard = true;
			break;
		case 'v':
			vague_discard = true;
			break;
		default:
			return 2;
		}
	}
	blk = chain_open(argv + optind, (unsigned)(argc - optind), BLK_DISCARD, &err);
	if (!blk) {
		fprintf(stderr, "ops: %s\n", err.msg);
		return 1;
	}
	model = xcalloc(blk_size(blk), 1);
	for (unsigned i = 0; i < FLYING; i++) {
		flights[i].buf = xmalloc(MAX_OP);
		flights[i].expect = xmalloc(MAX_OP);
	}
	load_model(model_path);
	if (aio) {
		run_aio(count);
	} else {
		for (uint64_t i = 0; i < count; i++) {
			struct op o = pick();

			if (script)
				print(&o);
			run_one_sync(&o);
		}
	}
	compare_all();
	size = blk_size(blk);
	if (blk_close(blk) < 0)
		die("close failed", 0, 0);
	if (script)
		fclose(script);
	if (out) {
		int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		if (fd < 0 || pwrite_all(fd, model, size, 0) < 0)
			return 1;
		close(fd);
	}
	return 0;
}
