/* SPDX-License-Identifier: Apache-2.0
 *
 * The block device (virtio 1.2, 5.2) on top of the asynchronous engine of images/disk. Data moves
 * between the image and guest memory by iovec, without a copy. One queue.
 *
 *   queue:      pop -> header copied, checked -> a free slot -> blk_aio_submit ...  -> blk_aio_kick
 *   aio's fd:   blk_aio_reap -> done() of each slot -> status byte, used ring       -> interrupt
 *
 * A slot carries the generation in which it was filled; what completes after a reset touches
 * neither ring nor status. With no slot free the queue waits for a completion.
 *
 * Cache mode (5.2.5, 5.2.6.2): write-back when the driver can flush and has not chosen otherwise;
 * else every write is followed by a flush before it is reported.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "base/mem.h"
#include "base/util.h"
#include "vmm/virtio/devices.h"

enum {
	QUEUE_SIZE = 256,
	SEG_MAX = QUEUE_SIZE - 2, /* header and status take two descriptors */
	SLOTS = 128,		  /* requests in flight */
	SECTOR = 512,
	PHYSICAL_EXP = 3, /* 4 KiB: what the host's page cache and file systems like */
	/* A discard or write-zeroes is one call into the image: not too long a one. */
	MAX_RANGE_SECTORS = 1 << 21, /* 1 GiB */
};

struct slot {
	struct blk_req req;
	struct slot *next_free;
	struct blkdev *b;
	uint32_t generation;
	uint32_t written; /* what the used ring says after success, the status byte included */
	uint16_t head;
	uint8_t *status;   /* in guest memory */
	struct iovec *iov; /* [SEG_MAX], apart, so that what was never used is never touched */
};

struct blkdev {
	struct virtio_dev vd;
	struct blk *blk;
	struct blk_aio *aio;
	struct loop_fd *watch;
	struct virtio_blk_config config;
	uint8_t serial[VIRTIO_BLK_ID_BYTES];
	bool stalled; /* the queue waits for a slot */
	struct slot *slots, *free;
	struct iovec *iovs;
	struct chain chain;
};

static struct blkdev *blkdev_of(struct virtio_dev *vd)
{
	return container_of(vd, struct blkdev, vd);
}

/* --- completion ------------------------------------------------------------------------------- */

static void release(struct slot *s)
{
	s->next_free = s->b->free;
	s->b->free = s;
}

static void answer(struct slot *s, uint8_t status)
{
	struct virtio_dev *vd = &s->b->vd;

	if (s->generation == vd->generation) {
		*s->status = status;
		/* 2.7.8.2: bytes from the buffer's start; a failed read promises none. */
		virtio_push(vd, 0, s->head,
			    status == VIRTIO_BLK_S_OK ? s->written : s->written == 1);
	}
	release(s);
}

static const char *op_name(enum blk_op op)
{
	static const char *const names[] = {
		[BLK_READ] = "read",
		[BLK_WRITE] = "write",
		[BLK_FLUSH] = "flush",
		[BLK_DISCARD_OP] = "discard",
		[BLK_ZERO] = "write of zeroes",
		[BLK_ZERO_UNMAP] = "write of zeroes",
	};

	return names[op];
}

static bool write_through(const struct blkdev *b)
{
	if (virtio_has(&b->vd, VIRTIO_BLK_F_CONFIG_WCE))
		return !b->config.wce;
	return !virtio_has(&b->vd, VIRTIO_BLK_F_FLUSH);
}

static void done(struct blk_req *req, int result)
{
	struct slot *s = req->user;
	struct blkdev *b = s->b;

	if (result < 0)
		log_limited(&b->vd.log, LOG_ERROR, "%s: %s at byte %llu: %s", b->vd.id,
			    op_name(req->op), (unsigned long long)req->off, strerror(-result));
	if (result == 0 && req->op != BLK_READ && req->op != BLK_FLUSH && write_through(b)) {
		req->op = BLK_FLUSH;
		blk_aio_submit(b->aio, req);
		return;
	}
	answer(s, result < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
}

/* --- requests --------------------------------------------------------------------------------- */

static void submit(struct slot *s, enum blk_op op)
{
	s->req.op = op;
	s->req.done = done;
	s->req.user = s;
	blk_aio_submit(s->b->aio, &s->req);
}

/* Sectors become bytes inside the disk, or the request fails. */
static bool in_range(const struct blkdev *b, uint64_t sector, uint64_t bytes, uint64_t *off)
{
	return checked_mul(sector, SECTOR, off) &&
	       range_inside(*off, bytes, b->config.capacity * SECTOR);
}

static void transfer(struct slot *s, const struct chain *c, uint64_t sector, enum blk_op op)
{
	bool out = op == BLK_WRITE;
	uint64_t skip = out ? sizeof(struct virtio_blk_outhdr) : 0;
	uint64_t len = out ? c->out_len - skip : c->in_len - 1;
	int n = out ? chain_out_iov(c, skip, len, s->iov, SEG_MAX)
		    : chain_in_iov(c, skip, len, s->iov, SEG_MAX);

	if (n < 0 || len % SECTOR || !in_range(s->b, sector, len, &s->req.off)) {
		answer(s, VIRTIO_BLK_S_IOERR);
		return;
	}
	s->req.iov = s->iov;
	s->req.niov = n;
	submit(s, op);
}

/* Discard and write zeroes: one range (we say max_*_seg 1), copied before it is looked at. */
static void range(struct slot *s, const struct chain *c, bool zero)
{
	uint64_t skip = sizeof(struct virtio_blk_outhdr);
	struct virtio_blk_discard_write_zeroes r;
	uint32_t flags, sectors;

	if (c->out_len - skip != sizeof(r)) {
		answer(s, VIRTIO_BLK_S_IOERR);
		return;
	}
	chain_read(c, skip, &r, sizeof(r));
	flags = le32toh(r.flags);
	sectors = le32toh(r.num_sectors);
	if (flags & ~(zero ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0u)) { /* 5.2.6.2 */
		answer(s, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	s->req.len = (uint64_t)sectors * SECTOR;
	if (sectors > MAX_RANGE_SECTORS ||
	    !in_range(s->b, le64toh(r.sector), s->req.len, &s->req.off)) {
		answer(s, VIRTIO_BLK_S_IOERR);
		return;
	}
	submit(s, !zero ? BLK_DISCARD_OP : flags ? BLK_ZERO_UNMAP : BLK_ZERO);
}

static void get_id(struct slot *s, const struct chain *c)
{
	const struct blkdev *b = s->b;

	chain_write(c, 0, b->serial, min_u64(sizeof(b->serial), c->in_len - 1));
	answer(s, VIRTIO_BLK_S_OK);
}

static void dispatch(struct slot *s, const struct chain *c, uint32_t type, uint64_t sector)
{
	const struct virtio_dev *vd = &s->b->vd;
	bool writes = type == VIRTIO_BLK_T_OUT || type == VIRTIO_BLK_T_DISCARD ||
		      type == VIRTIO_BLK_T_WRITE_ZEROES;

	if (writes && blk_rdonly(s->b->blk)) {
		answer(s, VIRTIO_BLK_S_IOERR); /* 5.2.6.2 */
	} else if (type == VIRTIO_BLK_T_IN) {
		transfer(s, c, sector, BLK_READ);
	} else if (type == VIRTIO_BLK_T_OUT) {
		transfer(s, c, sector, BLK_WRITE);
	} else if (type == VIRTIO_BLK_T_FLUSH) {
		submit(s, BLK_FLUSH);
	} else if (type == VIRTIO_BLK_T_GET_ID) {
		get_id(s, c);
	} else if (type == VIRTIO_BLK_T_DISCARD && virtio_has(vd, VIRTIO_BLK_F_DISCARD)) {
		range(s, c, false);
	} else if (type == VIRTIO_BLK_T_WRITE_ZEROES && virtio_has(vd, VIRTIO_BLK_F_WRITE_ZEROES)) {
		range(s, c, true);
	} else {
		answer(s, VIRTIO_BLK_S_UNSUPP);
	}
}

static bool request(struct virtio_dev *vd, unsigned q, struct chain *c)
{
	struct blkdev *b = blkdev_of(vd);
	struct slot *s = b->free;
	struct virtio_blk_outhdr header;
	struct iovec status;

	(void)q;
	if (!s) {
		b->stalled = true;
		return false;
	}
	if (chain_read(c, 0, &header, sizeof(header)) != sizeof(header)) {
		virtio_broken(vd, "a request of %llu bytes has no room for its header",
			      (unsigned long long)c->out_len);
		return false;
	}
	if (!c->in_len || chain_in_iov(c, c->in_len - 1, 1, &status, 1) != 1) {
		virtio_broken(vd, "a request has no room for its status");
		return false;
	}
	b->free = s->next_free;
	s->generation = vd->generation;
	s->head = c->head;
	s->written = (uint32_t)c->in_len;
	s->status = status.iov_base;
	s->req.off = 0;
	dispatch(s, c, le32toh(header.type), le64toh(header.sector));
	return true;
}

static void blk_queue(struct virtio_dev *vd, unsigned q)
{
	struct blkdev *b = blkdev_of(vd);

	b->stalled = false;
	virtio_serve(vd, q, &b->chain, request);
	blk_aio_kick(b->aio);
}

static void on_aio(void *ctx, uint32_t events)
{
	struct blkdev *b = ctx;

	(void)events;
	virtio_lock(&b->vd);
	blk_aio_reap(b->aio);
	if (b->stalled && virtio_running(&b->vd))
		blk_queue(&b->vd, 0);
	else
		virtio_interrupt(&b->vd, 0);
	virtio_unlock(&b->vd);
}

/* --- reset, pause, configuration -------------------------------------------------------------- */

static void blk_reset(struct virtio_dev *vd)
{
	struct blkdev *b = blkdev_of(vd);

	blk_aio_drain(b->aio);
	b->stalled = false;
	b->config.wce = 1;
}

static void blk_queue_reset(struct virtio_dev *vd, unsigned q)
{
	(void)q;
	blk_aio_drain(blkdev_of(vd)->aio);
}

static void blk_pause(struct virtio_dev *vd)
{
	blk_aio_drain(blkdev_of(vd)->aio);
	virtio_interrupt(vd, 0);
}

static int blk_sync(struct virtio_dev *vd, struct err *err)
{
	struct blkdev *b = blkdev_of(vd);
	int r;

	blk_aio_drain(b->aio);
	r = blk_rdonly(b->blk) ? 0 : blk_flush(b->blk);
	if (r == 0)
		return 0;
	errno = -r;
	return err_sys(err, ERR_HOST, "disk '%s': the last flush", vd->id);
}

static void blk_negotiated(struct virtio_dev *vd)
{
	/* 5.2.5.2; from here on the driver may choose. */
	blkdev_of(vd)->config.wce = virtio_has(vd, VIRTIO_BLK_F_FLUSH);
}

static void blk_cfg_read(struct virtio_dev *vd, unsigned off, void *dst, unsigned n)
{
	memcpy(dst, (const uint8_t *)&blkdev_of(vd)->config + off, n);
}

static void blk_cfg_write(struct virtio_dev *vd, unsigned off, const void *src, unsigned n)
{
	const uint8_t *value = src;

	if (off == offsetof(struct virtio_blk_config, wce) && n == 1 &&
	    virtio_has(vd, VIRTIO_BLK_F_CONFIG_WCE))
		blkdev_of(vd)->config.wce = *value & 1;
}

static void fill_config(struct blkdev *b)
{
	uint32_t cluster = (uint32_t)max_u64(blk_cluster_size(b->blk), SECTOR << PHYSICAL_EXP);
	bool clusters = blk_cluster_size(b->blk) > 1;

	b->config = (struct virtio_blk_config){
		.capacity = blk_size(b->blk) / SECTOR,
		.seg_max = SEG_MAX,
		.blk_size = SECTOR,
		.physical_block_exp = PHYSICAL_EXP,
		.min_io_size = 1 << PHYSICAL_EXP,
		.opt_io_size = clusters ? cluster / SECTOR : 0,
		.wce = 1,
		.max_discard_sectors = MAX_RANGE_SECTORS,
		.max_discard_seg = 1,
		.discard_sector_alignment = cluster / SECTOR,
		.max_write_zeroes_sectors = MAX_RANGE_SECTORS,
		.max_write_zeroes_seg = 1,
		.write_zeroes_may_unmap = 1,
	};
}

static void blk_free(struct virtio_dev *vd)
{
	struct blkdev *b = blkdev_of(vd);
	int r;

	loop_fd_remove(b->watch);
	if (b->aio)
		blk_aio_drain(b->aio);
	blk_aio_free(b->aio);
	r = blk_close(b->blk);
	if (r < 0)
		log_error("%s: the last flush: %s", vd->id, strerror(-r));
	free(b->slots);
	free(b->iovs);
}

static const struct virtio_class blk_class = {
	.name = "blk",
	.id = VIRTIO_ID_BLOCK,
	.nqueues = 1,
	.queue_size = QUEUE_SIZE,
	.cfg_size = offsetof(struct virtio_blk_config, max_secure_erase_sectors),
	.pci_class = 0x010000,
	.features = VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
		    VIRTIO_FEATURE(VIRTIO_BLK_F_TOPOLOGY) | VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH),
	.queue = blk_queue,
	.negotiated = blk_negotiated,
	.reset = blk_reset,
	.queue_reset = blk_queue_reset,
	.cfg_read = blk_cfg_read,
	.cfg_write = blk_cfg_write,
	.sync = blk_sync,
	.pause = blk_pause,
	.free = blk_free,
};

#define WRITABLE_FEATURES                                                                          \
	(VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE) | VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD) |          \
	 VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES))

struct virtio_dev *blk_new(const char *id, struct blk *blk, const char *serial, struct gmem *mem,
			   struct loop *loop, struct err *err)
{
	struct blkdev *b = NEW(struct blkdev);

	virtio_init(&b->vd, &blk_class, id, mem, loop);
	b->vd.features |= blk_rdonly(blk) ? VIRTIO_FEATURE(VIRTIO_BLK_F_RO) : WRITABLE_FEATURES;
	b->blk = blk;
	memcpy(b->serial, serial, strnlen(serial, sizeof(b->serial)));
	fill_config(b);
	b->slots = xcalloc(SLOTS, sizeof(b->slots[0]));
	b->iovs = xcalloc((size_t)SLOTS * SEG_MAX, sizeof(b->iovs[0]));
	for (unsigned i = SLOTS; i-- > 0;) {
		b->slots[i].b = b;
		b->slots[i].iov = b->iovs + (size_t)i * SEG_MAX;
		release(&b->slots[i]);
	}
	b->aio = blk_aio_new(blk, SLOTS, err);
	if (b->aio)
		b->watch = loop_add(loop, blk_aio_fd(b->aio), EPOLLIN, on_aio, b, err);
	if (!b->watch) {
		err_wrap(err, "%s", id);
		virtio_free(&b->vd);
		return NULL;
	}
	return &b->vd;
}
