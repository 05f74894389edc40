/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk image file as a block device. Format and range are checked here, once, around every
 * backend (raw.c, qcow2*.c): a backend is called with ranges that lie inside the device and never
 * overflow.
 *
 * Nothing is opened by path: the caller opens the image and, if it allows one, every file of its
 * backing chain, and hands over descriptors. The format of each comes from the caller's own
 * records, never from probing (blk_probe is for `image inspect` and for what enters the cache). So
 * an image, however hostile, names no other file.
 *
 * Threads: a struct blk is used by one thread at a time; the caller serialises. Durability: a flush
 * that returned 0 means that every write completed before it survives `kill -9` and a power cut;
 * metadata is ordered such that a crash at any moment leaves an image that `qemu-img check` finds
 * free of corruption (leaked clusters are allowed).
 *
 * Errors: setting up reports through struct err with the offset in the file; serving returns 0 or
 * -errno (-EIO for anything the image itself got wrong, -EROFS, -ENOSPC, -EINVAL for a range
 * outside).
 */
#ifndef IMAGES_DISK_BLOCK_H
#define IMAGES_DISK_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/util.h"

enum blk_format { BLK_RAW, BLK_QCOW2, BLK_FORMATS };

const char *blk_format_name(enum blk_format);
int blk_format_parse(const char *name, enum blk_format *out, struct err *);

enum {
	BLK_RDONLY = 1 << 0,
	BLK_DISCARD = 1 << 1, /* discarding frees space; without it blk_discard does nothing */
};

/* One file of a backing chain. */
struct blk_layer {
	int fd; /* ownership passes to blk_open, also when it fails */
	enum blk_format format;
	const char *name; /* borrowed during the call; for messages */
};

struct blk;

/*
 * Opens a chain, top layer first; every layer but the first is read-only. The chain must be exact:
 * a qcow2 layer that names a backing file needs a next layer, one that names none must be the last.
 *
 * Every file is locked for as long as its descriptor, or a copy, is open: one writer, or any number
 * of readers, among croft and QEMU's tools alike; else ERR_CONFLICT. What a qcow2 image carries
 * beside its disk is kept (snapshots) or marked stale as the format wants (bitmaps) when it is
 * written to; an image that is corrupt, or whose refcounts are stale, opens for reading only.
 */
struct blk *blk_open(const struct blk_layer layers[], unsigned n, unsigned flags, struct err *);
/* Flushes and closes; NULL is fine. Returns what the flush did. */
int blk_close(struct blk *);

uint64_t blk_size(const struct blk *);	       /* bytes the guest sees */
uint32_t blk_cluster_size(const struct blk *); /* allocation unit; 1 for raw */
bool blk_rdonly(const struct blk *);

int blk_readv(struct blk *, uint64_t off, const struct iovec *, int n);
int blk_writev(struct blk *, uint64_t off, const struct iovec *, int n);
int blk_flush(struct blk *);
/*
 * Whole clusters of the range read as zeroes afterwards, never as what lies below; the rest of it,
 * and what the format or the host cannot do (version 2 over a backing file), keeps its data.
 */
int blk_discard(struct blk *, uint64_t off, uint64_t len);
/* The range reads as zeroes. may_unmap (with BLK_DISCARD): its space may be freed. */
int blk_zero(struct blk *, uint64_t off, uint64_t len, bool may_unmap);
/* One buffer instead of an iovec. */
int blk_read(struct blk *, uint64_t off, void *, size_t n);
int blk_write(struct blk *, uint64_t off, const void *, size_t n);

/*
 * The asynchronous twin. Requests are submitted by one thread, which also calls blk_aio_reap when
 * blk_aio_fd() is readable; `done` is called from blk_aio_reap or blk_aio_submit on that thread,
 * once for each request, in any order. A flush covers every write that completed before it was
 * submitted. The request, its iovec and what that points to stay unchanged until `done`. A `done`
 * may submit; transfers that it starts wait for the next kick.
 *
 * The io_uring is made at the first submit (a sandbox has to allow io_uring_setup,
 * io_uring_register, mmap and io_uring_enter, or answer the first with an errno: then requests are
 * served inside submit).
 */
enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD_OP, BLK_ZERO, BLK_ZERO_UNMAP };

struct blk_req {
	enum blk_op op;
	uint64_t off, len; /* len: discard and zero; reads and writes take the iovec's */
	const struct iovec *iov;
	int niov;
	void (*done)(struct blk_req *, int result); /* 0 or -errno */
	void *user;				    /* the caller's */
};

struct blk_aio;
/* At most one for a blk, which outlives it. depth: the most requests at once (more get -EBUSY). */
struct blk_aio *blk_aio_new(struct blk *, unsigned depth, struct err *);
int blk_aio_fd(const struct blk_aio *); /* an eventfd: readable when there is something to reap */
void blk_aio_submit(struct blk_aio *, struct blk_req *); /* queues */
void blk_aio_kick(struct blk_aio *);			 /* hands what was queued to the kernel */
void blk_aio_reap(struct blk_aio *);
unsigned blk_aio_inflight(const struct blk_aio *);
void blk_aio_drain(struct blk_aio *); /* waits until nothing is in flight; calls done */
void blk_aio_free(struct blk_aio *);  /* nothing may be in flight */

/* --- whole images, from several threads -------------------------------------------------------- */

enum blk_extent_kind {
	BLK_EXT_ZERO,	/* reads as zeroes */
	BLK_EXT_DATA,	/* in a file of the chain, as it is */
	BLK_EXT_PACKED, /* compressed; never more than one cluster */
};

struct blk_extent {
	enum blk_extent_kind kind;
	uint64_t off, len; /* in the disk */
	uint64_t stored;   /* bytes that it takes in its file, rounded up to sectors when packed */
	uint64_t at;	   /* the format's own */
	struct node *node; /* borrowed from the blk */
};

/* What holds from `off` on, for at most `len` bytes and at least one. 0 or -errno. */
int blk_map(struct blk *, uint64_t off, uint64_t len, struct blk_extent *);

/*
 * What one thread needs to read extents. Any number of threads may call blk_read_extent at once,
 * each with a reader of its own, while another calls blk_map, as long as nobody writes to the blk.
 * Fills the x->len bytes at dst; 0 or -errno.
 */
struct blk_reader;
struct blk_reader *blk_reader_new(void); /* NULL: no memory */
void blk_reader_free(struct blk_reader *);
int blk_read_extent(struct blk_reader *, const struct blk_extent *x, void *dst);

/* --- making and describing images ------------------------------------------------------------ */

struct blk_create {
	uint64_t size;		  /* virtual bytes; 0 with backing: the backing's size */
	uint32_t cluster_size;	  /* 0: 128 KiB with subclusters for overlays, else 64 KiB */
	bool extended_l2;	  /* subclusters (incompatible bit 4; QEMU 5.2) */
	const char *backing_name; /* stored in the header, or NULL; never opened by us from there */
	enum blk_format backing_format;
	uint64_t backing_size; /* bytes the backing file presents */
};

/* Writes a new, empty qcow2 v3 image into an empty file that is open for both. No fsync. */
int qcow2_create(int fd, const struct blk_create *, struct err *);

/*
 * Grows the virtual size; shrinking is ERR_UNSUPPORTED with both numbers. So is growing a version 2
 * image with snapshots: these would forget their size. The image must not be open. What is new
 * reads as zeroes, so an overlay must not be smaller than its backing file, which presents
 * `backing_size` bytes (0: there is none).
 */
int blk_grow(int fd, enum blk_format, uint64_t size, uint64_t backing_size, struct err *);

/* What a file says it is, for images that enter the cache and for `image inspect`. */
struct blk_info {
	enum blk_format format;
	uint64_t virtual_size, file_size, allocated; /* bytes; allocated: blocks on the host */
	unsigned qcow2_version;			     /* 2, 3; 0 for raw */
	uint32_t cluster_size;
	bool dirty, corrupt, compressed_zstd, extended_l2, encrypted, external_data;
	char backing[1024];	    /* to be shown (base/clean.h); empty: none */
	char unknown_features[256]; /* names of incompatible features we refuse; empty: none */
};
int blk_probe(int fd, struct blk_info *, struct err *);

/*
 * As blk_probe, and refuses (ERR_VERIFY, naming the reason) what may not enter from outside: a
 * backing file, an external data file, encryption, unknown incompatible features, a corrupt bit, a
 * virtual size above max_size.
 */
int blk_check_foreign(int fd, uint64_t max_size, struct blk_info *, struct err *);

DEFINE_AUTO(blk, struct blk, (void)blk_close)
#define auto_blk __attribute__((cleanup(auto_blk_fn)))

#endif
