// SPDX-License-Identifier: Apache-2.0
//
// Power cuts. Random operations run on an image while every write to its file is recorded; at
// random moments the power fails: of what was written since the last sync, any subset reaches the
// disk, torn at sectors. Each disk that may result must be free of corruption
// (tests/lib/disk/qcheck.h), and each sector of it must hold what the last acknowledged flush made
// durable or what was written since (tests/lib/disk/ledger.h). Some of them are then written to,
// and checked again.
//
//	cut [--seed N] [--count OPS] [--keep DIR] QCOW2 [FORMAT:BACKING]...
//
// The image is copied to memory first; its content must come from `fill`. Every so often a disk is
// left in DIR as N.qcow2, for qemu-img check.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "images/disk/node.h"
#include "tests/lib/disk/chain.h"
#include "tests/lib/disk/ledger.h"
#include "tests/lib/disk/qcheck.h"
#include "tests/lib/disk/rng.h"

enum {
	MAX_FILE = 256 << 20,
	MAX_PENDING = 1 << 16,
	MAX_SECTORS = 512, /* of one operation */
	LOG = 1 << 20,
	KEEP_EVERY = 100,
	BLOCK = 1 << 16,
};

/* A change of the file that no sync has made durable. */
struct change {
	enum host_op op;
	uint64_t off, len;
	uint8_t *data; /* of a write */
};

static struct rng rng;
static char **layers; /* of the chain, without the image */
static unsigned nlayers;
static int top_fd;
static struct blk *blk;
static struct ledger *ledger;
static const char *keep_dir;

static uint8_t *durable, *scratch; /* [MAX_FILE] */
static uint64_t durable_size;
static struct change pending[MAX_PENDING];
static unsigned npending;
static unsigned sync_covers = UINT32_MAX; /* changes that the next sync makes durable */
static unsigned trials, one_in = 8;
static bool in_trial;

static void die(const char *fmt, const char *what)
{
	fprintf(stderr, fmt, what);
	fputc('\n', stderr);
	exit(1);
}

/* --- the disk that never was ----------------------------------------------------------------- */

static void apply(uint8_t *disk, uint64_t *size, const struct change *c, bool torn)
{
	uint64_t end = c->off + c->len;

	if (end > MAX_FILE)
		die("%s: the image grows too large", "cut");
	switch (c->op) {
	case HOST_WRITE:
		for (uint64_t at = c->off; at < end;) {
			uint64_t n = min_u64(512 - at % 512, end - at);

			if (!torn || rng_below(&rng, 2)) {
				memcpy(disk + at, c->data + (at - c->off), n);
				*size = max_u64(*size, at + n);
			}
			at += n;
		}
		break;
	case HOST_ZERO:
	case HOST_DISCARD:
		if (c->off < *size)
			memset(disk + c->off, 0, min_u64(c->len, *size - c->off));
		break;
	case HOST_RESIZE:
		*size = max_u64(*size, c->len);
		break;
	case HOST_SYNC:
		break;
	}
}

static int memory_file(const uint8_t *bytes, uint64_t n)
{
	static const uint8_t zeroes[BLOCK];
	int fd = memfd_create("disk", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)n) < 0)
		die("%s: no memory", "cut");
	for (uint64_t at = 0; at < n; at += BLOCK) {
		uint64_t len = min_u64(BLOCK, n - at);

		if (memcmp(bytes + at, zeroes, len) && pwrite_all(fd, bytes + at, len, at) < 0)
			die("%s: no memory", "cut");
	}
	return fd;
}

static struct blk *open_chain(int fd, unsigned flags)
{
	struct blk_layer l[16] = {{.fd = fd, .format = BLK_QCOW2, .name = "image"}};
	struct err err = {0};
	struct blk *b;

	for (unsigned i = 0; i < nlayers; i++) {
		char *colon = strchr(layers[i], ':');

		l[i + 1].name = colon + 1;
		l[i + 1].format = layers[i][0] == 'r' ? BLK_RAW : BLK_QCOW2;
		l[i + 1].fd = open(colon + 1, O_RDONLY | O_CLOEXEC);
	}
	b = blk_open(l, nlayers + 1, flags, &err);
	if (!b)
		die("cannot open: %s", err.msg);
	return b;
}

static void save(const char *name, const uint8_t *bytes, uint64_t n)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || pwrite_all(fd, bytes, n, 0) < 0)
		die("cannot write %s", name);
	close(fd);
}

static void must_be_sound(const uint8_t *disk, uint64_t size, const char *when)
{
	struct qcheck q = qcheck_image(disk, size);

	if (!q.corruptions)
		return;
	save("cut-corrupt.qcow2", disk, size);
	fprintf(stderr, "%s, trial %u: %u corruptions: %s (cut-corrupt.qcow2)\n", when, trials,
		q.corruptions, q.first);
	exit(1);
}

/* The machine is up again and goes on. */
static void live_on(int fd)
{
	uint8_t *sectors = xzalloc(8 * LEDGER_SECTOR);
	struct blk *b = open_chain(dup(fd), BLK_DISCARD);
	struct stat st;

	for (int i = 0; i < 8; i++) {
		uint64_t off = rng_below(&rng, blk_size(b) / LEDGER_SECTOR - 8) * LEDGER_SECTOR;

		if (blk_write(b, off, sectors, 8 * LEDGER_SECTOR) < 0 ||
		    blk_discard(b, rng_below(&rng, blk_size(b) / 2), blk_size(b) / 8) < 0)
			die("%s: cannot write after the cut", "cut");
	}
	free(sectors);
	if (blk_close(b) < 0)
		die("%s: cannot close after the cut", "cut");
	if (fstat(fd, &st) < 0 || st.st_size > MAX_FILE ||
	    pread_all(fd, scratch, (size_t)st.st_size, 0, NULL) < 0)
		die("%s: cannot read", "cut");
	must_be_sound(scratch, (uint64_t)st.st_size, "after living on");
}

static void cut_power(void)
{
	uint64_t size = durable_size;
	unsigned mode = (unsigned)rng_below(&rng, 4);
	unsigned chosen = npending ? (unsigned)rng_below(&rng, npending) : 0;
	struct blk *b;
	int fd;

	trials++;
	memcpy(scratch, durable, MAX_FILE < size + (64 << 10) ? MAX_FILE : size + (64 << 10));
	for (unsigned i = 0; i < npending; i++) {
		bool lands = mode == 0 ? rng_below(&rng, 2) : /* any half */
				     mode == 1 ? i != chosen
					       : /* all but one */
				     mode == 2 ? i == chosen
					       : /* one alone */
				     i < chosen; /* in order */

		if (lands)
			apply(scratch, &size, &pending[i], rng_below(&rng, 4) == 0);
	}
	must_be_sound(scratch, size, "after a power cut");
	if (keep_dir && trials % KEEP_EVERY == 0) {
		char name[256];

		snprintf(name, sizeof(name), "%s/%u.qcow2", keep_dir, trials);
		save(name, scratch, size);
	}
	fd = memory_file(scratch, size);
	b = open_chain(dup(fd), BLK_RDONLY);
	if (!ledger_verify(ledger, b)) {
		save("cut-lost.qcow2", scratch, size);
		die("after a power cut: %s (cut-lost.qcow2)", "data that was flushed is lost");
	}
	blk_close(b);
	if (rng_below(&rng, 8) == 0)
		live_on(fd);
	close(fd);
	memset(scratch, 0, size + (1 << 20) < MAX_FILE ? size + (1 << 20) : MAX_FILE);
}

/* --- recording ------------------------------------------------------------------------------- */

static void forget(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		apply(durable, &durable_size, &pending[i], false);
		free(pending[i].data);
	}
	npending -= n;
	memmove(pending, pending + n, npending * sizeof(*pending));
}

static int watch(void *ctx, enum host_op op, int fd, uint64_t off, uint64_t len,
		 const struct iov_pos *data)
{
	struct change *c = &pending[npending];

	(void)ctx;
	if (in_trial || fd != blk->top->host.fd)
		return 0;
	if (rng_below(&rng, one_in) == 0) {
		in_trial = true;
		cut_power();
		in_trial = false;
	}
	if (op == HOST_SYNC) {
		forget(sync_covers < npending ? sync_covers : npending);
		sync_covers = UINT32_MAX;
		return 0;
	}
	if (npending == MAX_PENDING - 1)
		die("%s: too much is pending", "cut");
	*c = (struct change){.op = op, .off = off, .len = len};
	if (data) {
		struct iov_pos pos = *data;

		c->data = xmalloc(len);
		iov_get(&pos, c->data, len);
	}
	npending++;
	return 0;
}

/* --- operations ------------------------------------------------------------------------------ */

static void change_something(void)
{
	static uint8_t buf[MAX_SECTORS * LEDGER_SECTOR];
	uint32_t max = rng_below(&rng, 3) ? 16 : MAX_SECTORS;
	uint32_t n = 1 + (uint32_t)rng_below(&rng, min_u64(max, ledger->sectors));
	uint32_t sector = (uint32_t)rng_below(&rng, ledger->sectors - n + 1);
	uint32_t id = ledger->next_id, cluster = blk_cluster_size(blk) / LEDGER_SECTOR;
	uint64_t off = (uint64_t)sector * LEDGER_SECTOR, len = (uint64_t)n * LEDGER_SECTOR;
	int r;

	switch (rng_below(&rng, 6)) {
	default:
		ledger->next_id++;
		for (uint32_t i = 0; i < n; i++)
			ledger_make(sector + i, id, buf + i * LEDGER_SECTOR);
		ledger_log(ledger, sector, n, id);
		r = blk_write(blk, off, buf, len);
		break;
	case 0:
		ledger_log(ledger, sector, n, LEDGER_ZERO);
		r = blk_zero(blk, off, len, rng_below(&rng, 2));
		break;
	case 1:
		/* Whole clusters, so that we know what it does. */
		sector -= sector % cluster;
		n = (uint32_t)min_u64(align_up(n, cluster), ledger->sectors - sector);
		ledger_log(ledger, sector, n, LEDGER_ZERO);
		r = blk_discard(blk, (uint64_t)sector * LEDGER_SECTOR, (uint64_t)n * LEDGER_SECTOR);
		break;
	}
	if (r < 0)
		die("a change failed: %s", strerror(-r));
}

static void flush(void)
{
	ledger_flush_begins(ledger);
	if (blk_flush(blk) < 0)
		die("%s failed", "flush");
	ledger_flushed(ledger);
}

/* A flush whose syncs take a while: changes go on meanwhile, and its syncs do not cover them. */
static void slow_flush(void)
{
	struct node *node = blk->top;
	uint64_t id;
	int r;

	ledger_flush_begins(ledger);
	if (node_commit_start(node) < 0)
		die("%s failed", "commit");
	id = node->commit_id;
	do {
		unsigned covers = npending;

		for (uint64_t n = rng_below(&rng, 8); n; n--)
			change_something();
		if (node->commit == COMMIT_IDLE || node->commit_id != id)
			break; /* a change needed a flush of its own, which covers ours */
		sync_covers = covers;
		r = node_commit_advance(node, host_sync(&node->host));
		if (r < 0)
			die("commit: %s", strerror(-r));
	} while (r == 1);
	ledger_flushed(ledger);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seed", 1, 0, 's'}, {"count", 1, 0, 'n'}, {"keep", 1, 0, 'k'}, {0}};
	static const struct host_watch watcher = {.op = watch};
	uint64_t count = 1000;
	struct err err = {0};
	struct stat st;
	int c, fd;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's'   ? parse_u64(optarg, &rng.state, &err) < 0
		    : c == 'n' ? parse_u64(optarg, &count, &err) < 0
			       : c != 'k')
			return 2;
		if (c == 'k')
			keep_dir = optarg;
	}
	durable = xcalloc(MAX_FILE, 1);
	scratch = xcalloc(MAX_FILE, 1);
	fd = open(argv[optind], O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > MAX_FILE ||
	    pread_all(fd, durable, (size_t)st.st_size, 0, NULL) < 0)
		die("cannot read %s", argv[optind]);
	durable_size = (uint64_t)st.st_size;
	layers = argv + optind + 1;
	nlayers = (unsigned)(argc - optind - 1);
	top_fd = memory_file(durable, durable_size);
	blk = open_chain(top_fd, BLK_DISCARD);
	ledger = ledger_new((uint32_t)(blk_size(blk) / LEDGER_SECTOR), LOG, false);
	ledger_adopt(ledger, blk);
	ledger->next_id = 1000;

	host_set_watch(&watcher);
	for (uint64_t i = 0; i < count; i++) {
		if (ledger_full(ledger, LOG / 2)) {
			flush();
			ledger->first = ledger->mark = ledger->end = 0;
		}
		if (rng_below(&rng, 12))
			change_something();
		else if (rng_below(&rng, 2))
			flush();
		else
			slow_flush();
	}
	flush();
	host_set_watch(NULL);
	blk_close(blk);
	printf("%llu operations, %u power cuts\n", (unsigned long long)count, trials);
	return 0;
}
