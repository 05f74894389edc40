// SPDX-License-Identifier: Apache-2.0
//
// kill -9. A child writes, zeroes, discards and flushes on an image as fast as it can, through the
// asynchronous engine; after a random time it is killed. What its flushes had acknowledged must be
// there, and each sector must hold one of the things that were written to it
// (tests/lib/disk/ledger.h). The next child goes on with the same image.
//
//	kill [--seed N] [--rounds N] [--limit BYTES] FORMAT:FILE...
//
// The content must come from `fill`. After each round a line says so on standard output, and the
// program waits for one on standard input if it is no terminal: time for qemu-img check. --limit
// caps the size of files (RLIMIT_FSIZE): writes then fail as on a full disk, and nothing else may.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "tests/lib/disk/chain.h"
#include "tests/lib/disk/ledger.h"
#include "tests/lib/disk/rng.h"

enum { FLYING = 16, MAX_SECTORS = 256, LOG = 1 << 22 };

static struct rng rng;
static struct ledger *ledger;
static bool may_fail;

struct flight {
	struct blk_req req;
	struct iovec iov;
	uint32_t sector, n;
	bool busy;
	uint8_t data[MAX_SECTORS * LEDGER_SECTOR];
};

static struct flight flights[FLYING];
static bool flushing;
static unsigned failures;

static void landed(struct blk_req *req, int result)
{
	struct flight *f = container_of(req, struct flight, req);

	f->busy = false;
	if (req->op == BLK_FLUSH)
		flushing = false;
	if (result == 0 && req->op == BLK_FLUSH)
		ledger_flushed(ledger);
	if (result < 0)
		failures++;
	if (result < 0 && !may_fail) {
		fprintf(stderr, "kill: request %d: %s\n", req->op, strerror(-result));
		_exit(1);
	}
}

static bool overlaps(uint32_t sector, uint32_t n)
{
	for (unsigned i = 0; i < FLYING; i++)
		if (flights[i].busy && flights[i].req.op != BLK_FLUSH &&
		    sector < flights[i].sector + flights[i].n && flights[i].sector < sector + n)
			return true;
	return false;
}

/* Fills in a change that meets none under way. */
static bool choose(struct flight *f, struct blk *blk)
{
	uint32_t cluster = blk_cluster_size(blk) / LEDGER_SECTOR, id = LEDGER_ZERO;
	unsigned kind = (unsigned)rng_below(&rng, 8);

	f->n = 1 + (uint32_t)rng_below(&rng, MAX_SECTORS);
	f->sector = (uint32_t)rng_below(&rng, ledger->sectors - f->n + 1);
	if (kind == 0) {
		f->sector -= f->sector % cluster;
		f->n = (uint32_t)min_u64(align_up(f->n, cluster), ledger->sectors - f->sector);
	}
	if (overlaps(f->sector, f->n))
		return false;
	if (kind > 1) {
		id = ledger->next_id++;
		for (uint32_t i = 0; i < f->n; i++)
			ledger_make(f->sector + i, id, f->data + i * LEDGER_SECTOR);
	}
	f->iov = (struct iovec){.iov_base = f->data, .iov_len = f->n * LEDGER_SECTOR};
	f->req = (struct blk_req){.op = kind == 0   ? BLK_DISCARD_OP
					: kind == 1 ? BLK_ZERO_UNMAP
						    : BLK_WRITE,
				  .off = (uint64_t)f->sector * LEDGER_SECTOR,
				  .len = f->iov.iov_len,
				  .iov = &f->iov,
				  .niov = 1};
	ledger_log(ledger, f->sector, f->n, id);
	return true;
}

/* A flush covers what completed before it: what flies is not covered, so wait for it first. */
static void start_flush(struct blk_aio *aio, struct flight *f)
{
	blk_aio_drain(aio);
	ledger_flush_begins(ledger);
	flushing = true;
	f->req = (struct blk_req){.op = BLK_FLUSH};
}

static void write_until_killed(struct blk *blk)
{
	struct err err = {0};
	struct blk_aio *aio = blk_aio_new(blk, FLYING, &err);
	struct pollfd p = {.events = POLLIN};

	if (!aio)
		_exit(1);
	p.fd = blk_aio_fd(aio);
	/* The parent kills us before long; a full log would only idle. */
	while (!ledger_full(ledger, FLYING * MAX_SECTORS + 8192) && failures < 1000) {
		struct flight *f = NULL;

		for (unsigned i = 0; i < FLYING; i++)
			if (!flights[i].busy)
				f = &flights[i];
		if (!f || rng_below(&rng, 16) == 0) {
			blk_aio_kick(aio);
			poll(&p, 1, f ? 0 : 1000);
			blk_aio_reap(aio);
			continue;
		}
		/* A sector whose write failed holds either: no flush would settle that. */
		if (!flushing && !failures && rng_below(&rng, 100) == 0)
			start_flush(aio, f);
		else if (!choose(f, blk))
			continue;
		f->req.done = landed;
		f->busy = true;
		blk_aio_submit(aio, &f->req);
	}
	pause();
}

static void round_of(char **names, unsigned n, uint64_t limit)
{
	struct err err = {0};
	struct blk *blk;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct rlimit l = {.rlim_cur = limit, .rlim_max = limit};

		if (limit) {
			signal(SIGXFSZ, SIG_IGN);
			setrlimit(RLIMIT_FSIZE, &l);
		}
		blk = chain_open(names, n, BLK_DISCARD, &err);
		if (!blk) {
			fprintf(stderr, "kill: %s\n", err.msg);
			_exit(1);
		}
		write_until_killed(blk);
		_exit(0);
	}
	usleep((useconds_t)(5000 + rng_below(&rng, 150000)));
	if (waitpid(pid, &status, WNOHANG) == 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	if (!WIFSIGNALED(status)) {
		fprintf(stderr, "kill: the writer ended by itself\n");
		exit(1);
	}
	blk = chain_open(names, n, BLK_RDONLY, &err);
	if (!blk || !ledger_verify(ledger, blk)) {
		fprintf(stderr, "kill: %s\n", blk ? "flushed data is lost" : err.msg);
		exit(1);
	}
	ledger_adopt(ledger, blk);
	blk_close(blk);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seed", 1, 0, 's'}, {"rounds", 1, 0, 'r'}, {"limit", 1, 0, 'l'}, {0}};
	uint64_t rounds = 10, limit = 0;
	struct err err = {0};
	struct blk *blk;
	unsigned n;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (c == 's'   ? parse_u64(optarg, &rng.state, &err) < 0
		    : c == 'r' ? parse_u64(optarg, &rounds, &err) < 0
		    : c == 'l' ? parse_u64(optarg, &limit, &err) < 0
			       : true)
			return 2;
	may_fail = limit != 0;
	n = (unsigned)(argc - optind);
	blk = chain_open(argv + optind, n, BLK_RDONLY, &err);
	if (!blk) {
		fprintf(stderr, "kill: %s\n", err.msg);
		return 1;
	}
	ledger = ledger_new((uint32_t)(blk_size(blk) / LEDGER_SECTOR), LOG, true);
	ledger_adopt(ledger, blk);
	ledger->next_id = 1000;
	blk_close(blk);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (uint64_t i = 0; i < rounds; i++) {
		char line[16];
		uint32_t before = ledger->next_id;

		round_of(argv + optind, n, limit);
		rng_next(&rng);
		printf("round %llu: %u writes\n", (unsigned long long)i, ledger->next_id - before);
		if (!isatty(STDIN_FILENO) && !fgets(line, sizeof(line), stdin))
			break;
	}
	return 0;
}
