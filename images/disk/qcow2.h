/* SPDX-License-Identifier: Apache-2.0
 *
 * The insides of the qcow2 format, shared by the qcow2_*.c files and nobody else:
 *
 *   qcow2.c             opening, closing, the class table
 *   qcow2_header.c      the header
 *   qcow2_cache.c       metadata slices in memory
 *   qcow2_map.c         guest offset to host offset: L1, L2, subclusters
 *   qcow2_compressed.c  compressed clusters (inflate.c decompresses)
 *   qcow2_refcount.c    refcounts of every width, finding free clusters, growing the refcount table
 *   qcow2_overlap.c     which host clusters hold metadata
 *   qcow2_uncounted.c   what no refcount block counts must not be in use
 *   qcow2_write.c       writes that need new clusters, copy-on-write
 *   qcow2_zero.c        zeroing and discarding
 *   qcow2_commit.c      what may reach the disk before what; the theory of operation is there
 *   qcow2_create.c, qcow2_grow.c
 */
#ifndef IMAGES_DISK_QCOW2_H
#define IMAGES_DISK_QCOW2_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "images/disk/node.h"
#include "images/disk/qcow2_header.h"

#define L1_COPIED     (UINT64_C(1) << 63)
#define L2_COPIED     (UINT64_C(1) << 63)
#define L2_COMPRESSED (UINT64_C(1) << 62)
#define L2_ZERO	      (UINT64_C(1) << 0)
#define L2_RESERVED   UINT64_C(0x3f000000000001fe) /* of standard descriptors */

/* --- the metadata cache (qcow2_cache.c) ------------------------------------------------------ */

/* A piece of an L2 table or of a refcount block: 4 KiB, or a cluster where that is smaller. */
struct slice {
	uint64_t off;	 /* in the file; the key */
	uint8_t *data;	 /* as on disk */
	uint8_t *frozen; /* while `linking` and changed since: what the commit in progress writes */
	struct slice *next; /* in the hash chain */
	bool dirty;	    /* differs from the file, and no commit has it yet */
	bool linking;	    /* a commit in progress will write it */
	bool recent;	    /* looked up since the eviction hand passed */
};

struct slice_cache {
	size_t slice_size;
	unsigned limit, used; /* slices */
	unsigned busy;	      /* dirty or linking */
	unsigned hand;
	struct slice *slices; /* [limit]; data is allocated when first used */
	struct slice **buckets;
	unsigned nbuckets; /* a power of two */
	struct slice *last;
};

void cache_init(struct slice_cache *, size_t slice_size, unsigned limit);
void cache_done(struct slice_cache *);
/* The slice at `off`, which begins one; valid until the next cache_get. -EIO, -ENOMEM, -EBUSY. */
int cache_get(struct slice_cache *, const struct host *, uint64_t off, struct slice **out);
/* Call before changing data. */
int cache_touch(struct slice_cache *, struct slice *);
/* Forgets what is cached of a range that will hold something else. */
void cache_forget(struct slice_cache *, uint64_t off, uint64_t len);
/* Writes every dirty slice now. */
int cache_write(struct slice_cache *, const struct host *);
/*
 * The same in two steps: what is dirty at the freeze is what the thaw writes. Returns 1 if it
 * wrote. Without a host it only takes the freeze back.
 */
void cache_freeze(struct slice_cache *);
int cache_thaw(struct slice_cache *, const struct host *);

/* --- which clusters hold metadata (qcow2_overlap.c) ------------------------------------------ */

/* A set of host cluster numbers. */
struct cluster_set {
	uint64_t *slots; /* cluster + 1; 0: empty */
	size_t nslots, used;
};

void cluster_set_done(struct cluster_set *);
bool cluster_set_has(const struct cluster_set *, uint64_t cluster);
/* Makes room for n more; false when there is no memory. */
bool cluster_set_reserve(struct cluster_set *, size_t n);
/* Into reserved room. False: it was there. */
bool cluster_set_add(struct cluster_set *, uint64_t cluster);
void cluster_set_remove(struct cluster_set *, uint64_t cluster);

/* --- the image ------------------------------------------------------------------------------- */

/* A run of host clusters that loses one reference each. */
struct unref {
	uint64_t cluster, n;
};
struct unref_list {
	struct unref *runs;
	size_t n, cap;
};

/* A change of the active L1 table that is not on disk yet. */
struct l1_change {
	uint32_t index;
	uint64_t entry;
};

struct qcow2 {
	struct node *node;
	struct host *host;
	struct qcow2_header h;

	unsigned cluster_bits;
	uint64_t cluster_size;
	unsigned entry_size; /* of an L2 table: 8, or 16 with subclusters */
	unsigned l2_bits;    /* log2 of the entries of an L2 table */
	unsigned subs;	     /* subclusters in a cluster: 32 or 1 */
	unsigned sub_bits;   /* log2 of a subcluster's bytes */

	uint64_t *l1; /* [h.l1_size], host order */
	struct slice_cache l2;

	/* Only of an image that is open for writing: */
	uint64_t *reftable; /* host order */
	uint64_t reftable_size;
	struct slice_cache refblocks;
	uint64_t next_free; /* no cluster before this one is free */
	uint64_t file_end;  /* clusters from here on were never written: they read as zeroes */
	struct cluster_set metadata;
	struct unref_list unrefs;	  /* given up since the last commit began */
	struct unref_list linking_unrefs; /* given up before it: safe to reuse when it is durable */
	struct l1_change *l1_changes;
	size_t nl1_changes, l1_changes_cap, linking_l1_changes;
	uint8_t *bounce; /* [2 * cluster_size], made at first need; for copy-on-write */
	bool corrupt;	 /* found to contradict itself: nothing is written any more */

	/* Compressed clusters. */
	struct packed *packed;
};

static inline struct qcow2 *qcow2_of(const struct node *node)
{
	return node->format;
}

static inline uint64_t in_cluster(const struct qcow2 *q, uint64_t off)
{
	return off & (q->cluster_size - 1);
}

/* True for an offset that a table may hold: a cluster's, below 2^56, inside the file. */
bool qcow2_valid_cluster(const struct qcow2 *, uint64_t off);

/* --- mapping (qcow2_map.c) ------------------------------------------------------------------- */

/* An L2 entry; subs is the subcluster bitmap, 0 in images without. */
struct l2_entry {
	uint64_t desc;
	uint64_t subs;
};

enum sub_state { SUB_UNALLOCATED, SUB_ZERO, SUB_DATA, SUB_PACKED };

/* The state of one subcluster (0 in images without). */
enum sub_state l2_sub_state(const struct qcow2 *, const struct l2_entry *, unsigned sub);
static inline bool l2_is_packed(const struct l2_entry *e)
{
	return e->desc & L2_COMPRESSED;
}
/* Offset of the host cluster of a standard entry; 0: none. */
static inline uint64_t l2_host(const struct l2_entry *e)
{
	return l2_is_packed(e) ? 0 : e->desc & QCOW2_OFFSET_MASK;
}
/* There is a host cluster, and it is this entry's alone. */
static inline bool l2_is_own(const struct l2_entry *e)
{
	return l2_host(e) && (e->desc & L2_COPIED);
}

/* The entry for a guest offset, empty where there is no L2 table. -EIO if it breaks the format. */
int l2_get(struct qcow2 *, uint64_t off, struct l2_entry *);
/* Replaces it, in memory, in a table that may be changed (l2_make_table). */
int l2_set(struct qcow2 *, uint64_t off, const struct l2_entry *);
/* Makes the table for a guest offset exist and be ours alone. */
int l2_make_table(struct qcow2 *, uint64_t off);

int qcow2_map(struct node *, uint64_t off, uint64_t len, struct extent *);
int qcow2_map_write(struct node *, uint64_t off, uint64_t len, struct extent *);

/* --- allocation (qcow2_refcount.c) ----------------------------------------------------------- */

struct cluster_run {
	uint64_t first, n;
	bool fresh; /* never written: reads as zeroes */
};

/* How many refcounts fit. */
uint64_t qcow2_refcounts_in(const struct qcow2 *, uint64_t bytes);
/* One to `want` adjacent clusters, counted as used once. */
int qcow2_alloc(struct qcow2 *, uint64_t want, struct cluster_run *);
/* Exactly n adjacent ones, for a table. */
int qcow2_alloc_table(struct qcow2 *, uint64_t n, struct cluster_run *);
/* Makes clusters that were just allocated read as zeroes and part of the file. */
int qcow2_zero_clusters(struct qcow2 *, uint64_t first, uint64_t n, bool fresh);
/* Frees what was allocated and never referred to. */
void qcow2_give_back(struct qcow2 *, uint64_t first, uint64_t n);
/* Takes one reference from each cluster, once nothing on disk refers to them any more. */
void qcow2_unref(struct qcow2 *, uint64_t first, uint64_t n);
/* That moment: for the commit. */
void qcow2_release_run(struct qcow2 *, const struct unref *);

/* --- the rest -------------------------------------------------------------------------------- */

/*
 * Fills q->metadata and refuses an image whose tables overlap, or refer to what is not counted
 * (qcow2_overlap.c).
 */
int qcow2_load_metadata_set(struct qcow2 *, struct err *);
/* Whether there is a refcount block for every cluster of the file (qcow2_uncounted.c). */
bool qcow2_all_counted(const struct qcow2 *);
/* If not: refuses an L1 table that leads to such clusters. `seen`: the L2 tables so far. */
int qcow2_check_counted(const struct qcow2 *, const uint64_t *l1, uint64_t n,
			struct cluster_set *seen, struct err *);
/* Sets the corrupt bit, so that nobody writes before a repair. Returns -EIO (qcow2_commit.c). */
int qcow2_mark_corrupt(struct qcow2 *);

int qcow2_stage(struct node *);
int qcow2_link(struct node *);
void qcow2_release(struct node *);
/* Before each change: 0 when it may be made and there is room to remember it. */
int qcow2_begin_change(struct qcow2 *);

int qcow2_write(struct node *, uint64_t off, uint64_t len, struct iov_pos *);
/* True when the range reads as zeroes whatever is written elsewhere; false when in doubt. */
bool qcow2_reads_zero(struct qcow2 *, uint64_t off, uint64_t len);
/* Takes the references of an entry that was replaced. */
void qcow2_unref_entry(struct qcow2 *, const struct l2_entry *);
int qcow2_zero(struct node *, uint64_t off, uint64_t len, bool may_unmap);
int qcow2_discard(struct node *, uint64_t off, uint64_t len);

/* A table of big-endian offsets, of a size that was checked; the caller frees it (qcow2.c). */
int qcow2_load_table(const struct qcow2 *, uint64_t off, uint64_t n, uint64_t **out, struct err *);
/* Opens an image whose backing file does not matter, for growing it. */
int qcow2_open_alone(struct node *, struct err *);

/* --- compressed clusters (qcow2_compressed.c) ------------------------------------------------ */

int qcow2_read_packed(struct node *, const struct extent *, uint64_t off, struct iov_pos *);
uint64_t qcow2_packed_bytes(const struct node *, const struct extent *);
int qcow2_unpack(const struct node *, const struct extent *, struct inflater *, uint8_t *out);
/* Host clusters that the descriptor refers to: first, and how many (1 to 3). */
void packed_clusters(const struct qcow2 *, uint64_t desc, uint64_t *first, uint64_t *n);
void packed_free(struct packed *);

#endif
