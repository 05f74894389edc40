/* SPDX-License-Identifier: Apache-2.0
 *
 * Expanding: see expand.h. The tables are walked under a lock, which costs little; reading,
 * inflating, hashing and writing, which cost all of the time, are not.
 */
#include "images/store/cache/expand.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/sparse.h"
#include "base/util.h"
#include "images/store/cache/chunks.h"
#include "images/store/cache/content.h"
#include "images/store/cache/internal.h"

static int damaged(int r, uint64_t off, struct err *err)
{
	errno = -r;
	return r == -ENOMEM
		       ? err_set(err, ERR_HOST, "out of memory")
		       : err_sys(err, ERR_CORRUPT,
				 "the image is damaged at offset %" PRIu64 " of its disk", off);
}

/* --- survey ----------------------------------------------------------------------------------- */

/*
 * Every cluster of an image is referred to once by its active table, and compressed ones share a
 * sector with each neighbour at most. So the references together are about as long as the file;
 * twice that is generous.
 */
static int check_references(const struct survey *s, uint64_t file_size, struct err *err)
{
	if (s->stored / 2 <= file_size)
		return 0;
	return err_set(err, ERR_VERIFY,
		       "the image has %" PRIu64
		       " bytes, and its tables refer to more than twice as many: "
		       "they make one cluster appear many times, which no tool writes",
		       file_size);
}

int image_survey(struct blk *src, uint64_t file_size, const struct store_progress *progress,
		 struct survey *out, struct err *err)
{
	uint64_t size = blk_size(src), off = 0;
	struct survey s = {0};
	struct blk_extent x;

	for (unsigned i = 0; off < size; off += x.len, i++) {
		int r = blk_map(src, off, size - off, &x);

		if (r < 0)
			return damaged(r, off, err);
		if (x.kind != BLK_EXT_ZERO)
			s.expanded += x.len;
		if (x.kind == BLK_EXT_PACKED)
			s.packed += x.stored;
		s.stored += x.stored;
		if (check_references(&s, file_size, err) < 0)
			return -1;
		if (i % 4096 == 0 && progress_interrupted(progress))
			return err_set(err, ERR_INTERRUPTED, "interrupted");
	}
	*out = s;
	return 0;
}

/* --- expanding -------------------------------------------------------------------------------- */

struct job {
	struct blk *src;
	pthread_mutex_t map_lock;
	uint64_t chunk; /* bytes; whole clusters, whole leaves */
	unsigned max_extents;
	int out;
	const char *name;
	struct tree *tree;
};

struct worker {
	struct blk_reader *reader;
	uint8_t *data; /* a chunk */
	struct blk_extent *extents;
};

static void worker_free(void *own)
{
	struct worker *w = own;

	blk_reader_free(w->reader);
	free(w->data);
	free(w->extents);
	free(w);
}

static void *worker_new(void *ctx)
{
	const struct job *job = ctx;
	struct worker *w = NEW(struct worker);

	w->reader = blk_reader_new();
	w->data = malloc(job->chunk);
	w->extents = malloc(job->max_extents * sizeof(*w->extents));
	if (w->reader && w->data && w->extents)
		return w;
	worker_free(w);
	return NULL;
}

/* The extents of a chunk; returns how many, 0 when all of it is zero, or -errno. */
static int map_chunk(struct job *job, struct worker *w, uint64_t off, size_t len, uint64_t *at)
{
	uint64_t end = off + len;
	bool data = false;
	int n = 0, r = 0;

	pthread_mutex_lock(&job->map_lock);
	for (*at = off; *at < end && r == 0; n++) {
		assert((unsigned)n < job->max_extents);
		r = blk_map(job->src, *at, end - *at, &w->extents[n]);
		if (r == 0) {
			*at += w->extents[n].len;
			data |= w->extents[n].kind != BLK_EXT_ZERO;
		}
	}
	pthread_mutex_unlock(&job->map_lock);
	return r < 0 ? r : data ? n : 0;
}

static int expand_chunk(void *ctx, void *own, uint64_t off, size_t len, struct err *err)
{
	struct job *job = ctx;
	struct worker *w = own;
	uint64_t at;
	int n = map_chunk(job, w, off, len, &at);

	if (n < 0)
		return damaged(n, at, err);
	for (int i = 0; i < n; i++) {
		const struct blk_extent *x = &w->extents[i];
		int r = blk_read_extent(w->reader, x, w->data + (x->off - off));

		if (r < 0)
			return damaged(r, x->off, err);
	}
	if (!n)
		return 0;
	for (size_t leaf = 0; leaf < len; leaf += LEAF_BYTES)
		tree_leaf(job->tree, (off + leaf) / LEAF_BYTES, w->data + leaf);
	if (sparse_put(&(struct sparse){.fd = job->out}, off, w->data, len) < 0)
		return err_sys(err, ERR_HOST, "cannot write '%s' at offset %" PRIu64, job->name,
			       off);
	return 0;
}

int image_expand(struct blk *src, int out, const char *name, const struct store_progress *progress,
		 char content[DIGEST_TEXT], struct err *err)
{
	uint64_t size = blk_size(src), cluster = blk_cluster_size(src);
	struct job job = {
		.src = src,
		.chunk = max_u64(LEAF_BYTES, cluster),
		/* An extent is a sector at the least: subclusters and clusters are no smaller. */
		.max_extents = (unsigned)(max_u64(LEAF_BYTES, cluster) / 512),
		.out = out,
		.name = name,
	};
	int rc;

	if (ftruncate(out, (off_t)size) < 0)
		return err_sys(err, ERR_HOST, "cannot size '%s'", name);
	job.tree = tree_new(size, err);
	if (!job.tree)
		return -1;
	pthread_mutex_init(&job.map_lock, NULL);
	rc = chunks_run(&(struct chunks){.total = size,
					 .size = job.chunk,
					 /* the chunk, its extents, and what a reader holds */
					 .memory = job.chunk +
						   job.max_extents * sizeof(struct blk_extent) +
						   3 * cluster,
					 .begin = worker_new,
					 .end = worker_free,
					 .one = expand_chunk,
					 .ctx = &job},
			progress, err);
	pthread_mutex_destroy(&job.map_lock);
	if (rc == 0)
		tree_final(job.tree, content);
	tree_free(job.tree);
	return rc;
}
