/* SPDX-License-Identifier: Apache-2.0
 *
 * A file's blocks as runs of the device, so that a kernel is read in a few large pieces and not
 * block by block. libext2fs walks the extents (ext4) or the indirect blocks (ext2, ext3).
 */
#include "images/inspect/ext.h"

#include "base/mem.h"

enum { MAX_RUNS = 1 << 20 }; /* 4 GiB of single 4 KiB blocks */

void ext_runs_done(struct ext_runs *r)
{
	free(r->run);
	*r = (struct ext_runs){0};
}

static errcode_t add_run(struct ext_runs *r, uint64_t lblk, uint64_t pblk, uint64_t len)
{
	struct ext_run *last = r->n ? &r->run[r->n - 1] : NULL;

	/* Blocks that go backwards or overlap would let a small file ask for endless reads. */
	if (last && lblk < last->lblk + last->len)
		return EXT2_ET_EXTENT_HEADER_BAD;
	if (last && lblk == last->lblk + last->len && pblk == last->pblk + last->len) {
		last->len += len;
		return 0;
	}
	if (r->n == MAX_RUNS)
		return EXT2_ET_FILE_TOO_BIG;
	r->run = xgrow(r->run, &r->cap, r->n + 1, sizeof(*r->run));
	r->run[r->n++] = (struct ext_run){lblk, pblk, len};
	return 0;
}

static errcode_t map_extents(ext2_filsys fs, ext2_ino_t ino, struct ext2_inode *inode,
			     uint64_t first, uint64_t end, struct ext_runs *out)
{
	ext2_extent_handle_t handle;
	struct ext2fs_extent e;
	errcode_t rc = ext2fs_extent_open2(fs, ino, inode, &handle);

	if (rc)
		return rc;
	for (rc = ext2fs_extent_get(handle, EXT2_EXTENT_ROOT, &e); !rc;
	     rc = ext2fs_extent_get(handle, EXT2_EXTENT_NEXT, &e)) {
		uint64_t from, to;

		if (!(e.e_flags & EXT2_EXTENT_FLAGS_LEAF) ||
		    (e.e_flags & EXT2_EXTENT_FLAGS_SECOND_VISIT))
			continue;
		if (e.e_lblk >= end)
			break;
		from = max_u64(e.e_lblk, first);
		to = min_u64((uint64_t)e.e_lblk + e.e_len, end);
		if (from >= to || (e.e_flags & EXT2_EXTENT_FLAGS_UNINIT))
			continue;
		rc = add_run(out, from, e.e_pblk + (from - e.e_lblk), to - from);
		if (rc)
			break;
	}
	ext2fs_extent_free(handle);
	return rc == EXT2_ET_EXTENT_NO_NEXT || rc == EXT2_ET_EXTENT_NOT_FOUND ? 0 : rc;
}

struct collect {
	uint64_t first, end;
	struct ext_runs *out;
	errcode_t rc;
};

static int collect_block(ext2_filsys fs, blk64_t *pblk, e2_blkcnt_t lblk, blk64_t ref, int ref_off,
			 void *ctx)
{
	struct collect *c = ctx;

	(void)fs, (void)ref, (void)ref_off;
	if (lblk < 0 || (uint64_t)lblk < c->first)
		return 0;
	if ((uint64_t)lblk >= c->end)
		return BLOCK_ABORT;
	c->rc = add_run(c->out, (uint64_t)lblk, *pblk, 1);
	return c->rc ? BLOCK_ABORT : 0;
}

errcode_t ext_map(ext2_filsys fs, ext2_ino_t ino, struct ext2_inode *inode, uint64_t first,
		  uint64_t count, struct ext_runs *out)
{
	struct collect c = {.first = first, .end = first + count, .out = out};
	errcode_t rc;

	*out = (struct ext_runs){0};
	if (inode->i_flags & EXT4_EXTENTS_FL)
		return map_extents(fs, ino, inode, first, first + count, out);
	rc = ext2fs_block_iterate3(fs, ino, BLOCK_FLAG_READ_ONLY | BLOCK_FLAG_DATA_ONLY, NULL,
				   collect_block, &c);
	return c.rc ? c.rc : rc;
}
