/* SPDX-License-Identifier: Apache-2.0
 *
 * ext2, ext3 and ext4 through libext2fs. The library was written for the tools that make and repair
 * such file systems, checks much of what it reads, and is fuzzed by its own project; it still is
 * code over hostile bytes in the process of the user who runs croft. What stands around it: a
 * superblock whose numbers are checked against the partition before the library sizes memory by
 * them, a budget of requests, no writes, blocks mapped by its iterators but read and bounded by us.
 */
#include "images/inspect/fsys.h"

#include <string.h>

#include "base/mem.h"
#include "images/inspect/ext.h"

enum {
	MAX_GROUPS = 1 << 20,  /* 128 TiB at 4 KiB blocks */
	MAX_ENTRIES = 1 << 17, /* names looked at in one directory */
};

struct ext_fs {
	struct fsys base;
	struct ext_dev dev;
	struct jbd2_overlay *overlay;
	ext2_filsys fs;
};

static struct ext_fs *to_ext(struct fsys *base)
{
	return container_of(base, struct ext_fs, base);
}

static int ext_error(const struct ext_fs *x, errcode_t rc, struct err *err)
{
	if (rc == EXT2_ET_FILE_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND, "no such file");
	if (rc == EXT2_ET_UNSUPP_FEATURE || rc == EXT2_ET_RO_UNSUPP_FEATURE)
		return err_set(err, ERR_UNSUPPORTED,
			       "the file system has features that libext2fs %s", "does not know");
	if (!x->dev.budget)
		return err_set(err, ERR_CORRUPT, "the file system's structures run in circles");
	return err_set(err, ERR_CORRUPT, "the file system is damaged: %s", error_message(rc));
}

/* The numbers that libext2fs allocates memory by, against the partition they must fit in. */
static int check_superblock(struct ext_fs *x, struct err *err)
{
	uint8_t sb[1024];
	uint32_t log_size, per_group;
	uint64_t blocks, groups;

	if (ext_dev_read(&x->dev, 1024, sb, sizeof(sb)))
		return err_set(err, ERR_CORRUPT, "the superblock cannot be read");
	log_size = get_le32(sb + 0x18);
	if (log_size > 6)
		return err_set(err, ERR_CORRUPT, "the superblock has blocks of 2^%u bytes",
			       log_size + 10);
	x->dev.block_size = 1024u << log_size;
	blocks = get_le32(sb + 0x04);
	if (get_le32(sb + 0x60) & EXT4_FEATURE_INCOMPAT_64BIT)
		blocks |= (uint64_t)get_le32(sb + 0x150) << 32;
	if (!blocks || blocks > x->dev.size / x->dev.block_size)
		return err_set(
			err, ERR_CORRUPT,
			"the superblock has %llu blocks of %u bytes, the partition %llu bytes",
			(unsigned long long)blocks, x->dev.block_size,
			(unsigned long long)x->dev.size);
	per_group = get_le32(sb + 0x20);
	groups = per_group ? blocks / per_group + 1 : UINT64_MAX;
	if (groups > MAX_GROUPS)
		return err_set(err, ERR_CORRUPT, "the superblock has %llu groups",
			       (unsigned long long)groups);
	return 0;
}

/* Opens through the journal's overlay; on any trouble with the journal goes on without it. */
static void replay_journal(struct ext_fs *x, struct inspect_part *part)
{
	struct err why = {0};
	struct jbd2_stats stats;
	ext2_filsys replayed;

	x->overlay = jbd2_replay(x->fs, &x->dev, &stats, &why);
	if (!x->overlay) {
		snprintf(part->note, sizeof(part->note),
			 "not unmounted, read without its journal: %s", why.msg);
		return;
	}
	x->dev.overlay = x->overlay;
	if (check_superblock(x, &why) < 0 || ext_dev_open(&x->dev, &replayed)) {
		x->dev.overlay = NULL;
		x->dev.block_size = x->fs->blocksize;
		snprintf(part->note, sizeof(part->note),
			 "not unmounted, read without its journal: with it nothing can be read");
		return;
	}
	ext2fs_close(x->fs);
	x->fs = replayed;
	part->fs_replayed = !stats.fast_commits && !stats.damaged;
	snprintf(part->note, sizeof(part->note),
		 "not unmounted: read with %u transactions of its journal applied%s%s",
		 stats.transactions, stats.fast_commits ? ", without its fast commits" : "",
		 stats.damaged ? ", without damaged parts of it" : "");
}

static void ext_close(struct fsys *base)
{
	struct ext_fs *x = to_ext(base);

	if (x->fs)
		ext2fs_close(x->fs);
	jbd2_overlay_free(x->overlay);
	free(x);
}

static struct fsys *ext_open(struct blk *blk, struct inspect_part *part, struct err *err)
{
	struct ext_fs *x = NEW(struct ext_fs);
	errcode_t rc;

	x->base.class = &fsys_ext;
	x->dev = (struct ext_dev){.blk = blk, .off = part->off, .size = part->size};
	initialize_ext2_error_table();
	if (check_superblock(x, err) < 0)
		goto fail;
	rc = ext_dev_open(&x->dev, &x->fs);
	if (rc) {
		ext_error(x, rc, err);
		goto fail;
	}
	if (part->fs_dirty)
		replay_journal(x, part);
	return &x->base;
fail:
	ext_close(&x->base);
	return NULL;
}

static int load_node(struct ext_fs *x, ext2_ino_t ino, struct fnode *out, struct err *err)
{
	struct ext2_inode inode;
	errcode_t rc = ext2fs_read_inode(x->fs, ino, &inode);

	if (rc)
		return ext_error(x, rc, err);
	if (inode.i_flags & EXT4_ENCRYPT_FL)
		return err_set(err, ERR_UNSUPPORTED, "inode %u is encrypted", ino);
	*out = (struct fnode){.id = {ino}, .size = EXT2_I_SIZE(&inode)};
	if (LINUX_S_ISREG(inode.i_mode))
		out->kind = FNODE_FILE;
	else if (LINUX_S_ISDIR(inode.i_mode))
		out->kind = FNODE_DIR;
	else if (LINUX_S_ISLNK(inode.i_mode))
		out->kind = FNODE_LINK;
	else
		out->kind = FNODE_OTHER;
	return 0;
}

static int ext_root(struct fsys *base, struct fnode *out, struct err *err)
{
	return load_node(to_ext(base), EXT2_ROOT_INO, out, err);
}

static int ext_lookup(struct fsys *base, const struct fnode *dir, const char *name,
		      struct fnode *out, struct err *err)
{
	struct ext_fs *x = to_ext(base);
	ext2_ino_t ino;
	errcode_t rc =
		ext2fs_lookup(x->fs, (ext2_ino_t)dir->id[0], name, (int)strlen(name), NULL, &ino);

	return rc ? ext_error(x, rc, err) : load_node(x, ino, out, err);
}

struct listing {
	fsys_visit *visit;
	void *ctx;
	unsigned left;
};

static int visit_entry(ext2_ino_t dir, int entry, struct ext2_dir_entry *e, int off, int blocksize,
		       char *buf, void *priv)
{
	struct listing *l = priv;
	size_t n = (size_t)ext2fs_dirent_name_len(e);
	char name[EXT2_NAME_LEN + 1];

	(void)dir, (void)entry, (void)off, (void)blocksize, (void)buf;
	if (!l->left)
		return DIRENT_ABORT;
	l->left--;
	memcpy(name, e->name, n);
	name[n] = 0;
	if (!e->inode || !n || strlen(name) != n || strchr(name, '/') || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return 0;
	return l->visit(l->ctx, name) ? DIRENT_ABORT : 0;
}

static int ext_list(struct fsys *base, const struct fnode *dir, fsys_visit *visit, void *ctx,
		    struct err *err)
{
	struct ext_fs *x = to_ext(base);
	struct listing l = {.visit = visit, .ctx = ctx, .left = MAX_ENTRIES};
	errcode_t rc = ext2fs_dir_iterate2(x->fs, (ext2_ino_t)dir->id[0], 0, NULL, visit_entry, &l);

	return rc ? ext_error(x, rc, err) : 0;
}

/* Small files and links that live inside the inode. */
static errcode_t read_inline(struct ext_fs *x, ext2_ino_t ino, uint64_t off, void *dst, size_t n)
{
	ext2_file_t file;
	unsigned got = 0;
	errcode_t rc = ext2fs_file_open(x->fs, ino, 0, &file);

	if (rc)
		return rc;
	rc = ext2fs_file_llseek(file, off, EXT2_SEEK_SET, NULL);
	if (!rc)
		rc = ext2fs_file_read(file, dst, (unsigned)n, &got);
	ext2fs_file_close(file);
	return !rc && got != n ? EXT2_ET_SHORT_READ : rc;
}

static errcode_t read_blocks(struct ext_fs *x, ext2_ino_t ino, struct ext2_inode *inode,
			     uint64_t off, uint8_t *dst, size_t n)
{
	uint32_t bs = x->fs->blocksize;
	uint64_t first = off / bs, end = (off + n - 1) / bs + 1;
	struct ext_runs runs;
	errcode_t rc = ext_map(x->fs, ino, inode, first, end - first, &runs);

	memset(dst, 0, n);
	for (size_t i = 0; !rc && i < runs.n; i++) {
		const struct ext_run *r = &runs.run[i];
		uint64_t from = max_u64(r->lblk * bs, off),
			 to = min_u64((r->lblk + r->len) * bs, off + n);
		uint64_t where;

		if (!checked_mul(r->pblk, bs, &where))
			rc = EXT2_ET_BAD_BLOCK_NUM;
		else
			rc = ext_dev_read(&x->dev, where + (from - r->lblk * bs),
					  dst + (from - off), to - from);
	}
	ext_runs_done(&runs);
	return rc;
}

static int ext_read(struct fsys *base, const struct fnode *node, uint64_t off, void *dst, size_t n,
		    struct err *err)
{
	struct ext_fs *x = to_ext(base);
	ext2_ino_t ino = (ext2_ino_t)node->id[0];
	struct ext2_inode inode;
	errcode_t rc = ext2fs_read_inode(x->fs, ino, &inode);

	assert(n && range_inside(off, n, node->size));
	if (rc)
		return ext_error(x, rc, err);
	/* The node's size was this inode's when it was looked up; blocks end at 2^32 in this
	 * format. */
	if (EXT2_I_SIZE(&inode) != node->size || off + n > (UINT64_C(1) << 32) * x->fs->blocksize)
		return ext_error(x, EXT2_ET_FILE_TOO_BIG, err);
	if (node->kind == FNODE_LINK && ext2fs_is_fast_symlink(&inode)) {
		if (!range_inside(off, n, sizeof(inode.i_block)))
			return ext_error(x, EXT2_ET_FILE_TOO_BIG, err);
		memcpy(dst, (const char *)inode.i_block + off, n);
		return 0;
	}
	rc = inode.i_flags & EXT4_INLINE_DATA_FL ? read_inline(x, ino, off, dst, n)
						 : read_blocks(x, ino, &inode, off, dst, n);
	return rc ? ext_error(x, rc, err) : 0;
}

/* Not what is newer in the journal, or lives in the inode. */
static int ext_locate(struct fsys *base, const struct fnode *node, uint64_t *off, struct err *err)
{
	struct ext_fs *x = to_ext(base);
	uint32_t bs = x->fs->blocksize;
	uint64_t count = (node->size - 1) / bs + 1, copy, at = 0;
	struct ext_runs runs = {0};
	struct ext2_inode inode;
	bool escaped, found;
	errcode_t rc = ext2fs_read_inode(x->fs, (ext2_ino_t)node->id[0], &inode);

	if (!rc && !(inode.i_flags & EXT4_INLINE_DATA_FL))
		rc = ext_map(x->fs, (ext2_ino_t)node->id[0], &inode, 0, count, &runs);
	found = !rc && runs.n == 1 && !runs.run[0].lblk && runs.run[0].len >= count &&
		checked_mul(runs.run[0].pblk, bs, &at) && range_inside(at, node->size, x->dev.size);
	for (uint64_t i = 0; found && x->overlay && i < count; i++)
		found = !jbd2_lookup(x->overlay, runs.run[0].pblk + i, &copy, &escaped);
	ext_runs_done(&runs);
	if (rc)
		return ext_error(x, rc, err);
	if (!found)
		return err_set(err, ERR_UNSUPPORTED, "not in one piece on the disk");
	*off = x->dev.off + at;
	return 0;
}

const struct fsys_class fsys_ext = {
	.names = {"ext4", "ext3", "ext2"},
	.open = ext_open,
	.root = ext_root,
	.lookup = ext_lookup,
	.list = ext_list,
	.read = ext_read,
	.locate = ext_locate,
	.close = ext_close,
};
