/* SPDX-License-Identifier: Apache-2.0
 *
 * One layer of a backing chain, and what a format has to offer. The core (block.c, node.c, aio.c)
 * walks the chain, moves guest data and runs syncs; a format only says where bytes are and keeps
 * its metadata. So the synchronous and the asynchronous path share every decision of a format.
 *
 * Functions return 0 or -errno. Ranges given to a class lie inside the node and are not empty.
 */
#ifndef IMAGES_DISK_NODE_H
#define IMAGES_DISK_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "images/disk/block.h"
#include "images/disk/host.h"
#include "images/disk/inflate.h"
#include "images/disk/iov.h"

enum extent_kind {
	EXT_DATA,    /* in this node's file, at `host` */
	EXT_ZERO,    /* reads as zeroes */
	EXT_BACKING, /* not in this node: what the layer below has there */
	EXT_PACKED,  /* compressed: read_packed produces it */
};

/* What holds for the `len` bytes from the offset that was asked about. */
struct extent {
	enum extent_kind kind;
	uint64_t len;
	uint64_t host; /* EXT_DATA: offset in the file; EXT_PACKED: the format's own */
	struct node *node;
};

/*
 * A commit makes metadata durable in an order that no crash can turn into corruption (the reasons
 * are at the top of qcow2_commit.c). The core runs it, because the syncs between may be
 * asynchronous:
 *
 *   COMMIT_IDLE    stage() writes what nothing must wait for, and remembers what is dirty now
 *   COMMIT_STAGED  after a sync: link() writes what relies on that; with nothing to write,
 * release() COMMIT_LINKED  after another sync: release() lets go of what the image no longer refers
 * to
 */
enum commit_state { COMMIT_IDLE, COMMIT_STAGED, COMMIT_LINKED };

struct node {
	const struct node_class *class;
	struct host host;
	struct node *backing; /* owned; NULL: zeroes */
	uint64_t size;	      /* bytes it presents */
	uint32_t cluster_size;
	bool writable;
	bool discard; /* free the space of what is discarded */
	enum commit_state commit;
	uint64_t commit_id; /* counts commits: tells one that was overtaken */
	void *format;	    /* the class's own */
	/*
	 * Returns when no asynchronous transfer is under way. Called before clusters are given up,
	 * so that nothing still reads or writes them when they serve another purpose. NULL: there
	 * are none.
	 */
	void (*quiesce)(void *ctx);
	void *quiesce_ctx;
};

struct node_class {
	enum blk_format id;
	/* host is open, writable and discard are set; fills size, cluster_size, format. */
	int (*open)(struct node *, bool has_backing, struct err *);
	void (*close)(struct node *);
	/* Where the bytes are for a reader. */
	int (*map)(struct node *, uint64_t off, uint64_t len, struct extent *);
	/* The same for a writer: EXT_DATA only if the bytes may be overwritten in place. */
	int (*map_write)(struct node *, uint64_t off, uint64_t len, struct extent *);
	int (*read_packed)(struct node *, const struct extent *, uint64_t off, struct iov_pos *);
	/* Of an EXT_PACKED: its bytes in the file; and the cluster it is in, from any thread. */
	uint64_t (*packed_bytes)(const struct node *, const struct extent *);
	int (*unpack)(const struct node *, const struct extent *, struct inflater *, uint8_t *out);
	/* Writes wherever the bytes are, or makes room for them. */
	int (*write)(struct node *, uint64_t off, uint64_t len, struct iov_pos *);
	int (*zero)(struct node *, uint64_t off, uint64_t len, bool may_unmap);
	int (*discard)(struct node *, uint64_t off, uint64_t len);
	/* NULL for a format without metadata. link returns 1 when it wrote something. */
	int (*stage)(struct node *);
	int (*link)(struct node *);
	void (*release)(struct node *);
};

/* The public handle: the chain, top layer first. */
struct blk {
	struct node *top;
};

extern const struct node_class raw_class, qcow2_class;

/* Opens one layer; takes fd and, when it succeeds, `backing`. NULL and an error otherwise. */
struct node *node_open(int fd, enum blk_format, struct node *backing, unsigned flags, bool writable,
		       struct err *);
/* Closes the node and what is below it, without a flush. */
void node_close(struct node *);

/* Where bytes are in the chain that begins at `node` (NULL: zeroes). Never EXT_BACKING. */
int node_resolve(struct node *, uint64_t off, uint64_t len, struct extent *);
/* Reads through the chain; past the end of the node is zero. */
int node_readv(struct node *, uint64_t off, uint64_t len, struct iov_pos *);
int node_read(struct node *, uint64_t off, void *dst, size_t n);
/* Reads one extent that node_resolve gave. */
int node_read_extent(const struct extent *, uint64_t off, struct iov_pos *);

/* Every request passes this before a class sees it: 0, -EINVAL outside, -EROFS, an earlier -EIO. */
int node_check(const struct node *, uint64_t off, uint64_t len, bool change);
/* As the flags of the image allow. */
int node_discard(struct node *, uint64_t off, uint64_t len);
int node_zero(struct node *, uint64_t off, uint64_t len, bool may_unmap);

/* Makes everything durable, finishing a commit that is under way first. */
int node_flush(struct node *);
/* Its steps, for who makes the syncs: start, then advance with each sync's result while it says 1. */
int node_commit_start(struct node *);
int node_commit_advance(struct node *, int sync_result);

#endif
