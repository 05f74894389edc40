/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal of ext3 and ext4 (linux/Documentation/filesystems/ext4/journal.rst), replayed into an
 * overlay. A guest that was killed, possibly in the middle of a kernel upgrade, leaves directories
 * and inodes whose newest contents are only in the journal; its own kernel will replay it when it
 * mounts, so what croft reads has to be what the kernel is about to see, not what is in place.
 * Nothing is written: for each block the overlay says where in the journal the newest committed
 * copy lies.
 *
 * As in the kernel there are three passes: find the last complete transaction, collect revocations,
 * then take the blocks. An external journal is not supported; fast commits are only noticed.
 */
#include "images/inspect/ext.h"

#include <string.h>

#include "base/mem.h"

enum {
	MAX_JOURNAL_BLOCKS = 1 << 20, /* 4 GiB at 4 KiB; mke2fs makes at most 1 GiB */
	MAX_REVOKED = 1 << 20,
	JOURNAL_INODE = 8,
};

enum block_type { DESCRIPTOR = 1, COMMIT = 2, SB_V1 = 3, SB_V2 = 4, REVOKE = 5 };

enum incompat {
	INCOMPAT_REVOKE = 1 << 0,
	INCOMPAT_64BIT = 1 << 1,
	INCOMPAT_ASYNC_COMMIT = 1 << 2,
	INCOMPAT_CSUM_V2 = 1 << 3,
	INCOMPAT_CSUM_V3 = 1 << 4,
	INCOMPAT_FAST_COMMIT = 1 << 5,
	INCOMPAT_KNOWN = (1 << 6) - 1,
};

enum tag_flag { TAG_ESCAPE = 1, TAG_SAME_UUID = 2, TAG_LAST = 8 };

enum { HEADER = 12 }; /* magic, type, sequence; big-endian as everything in the journal */

/* A block and a number: where its newest copy is, or the transaction that revoked it. */
struct mark {
	uint64_t block; /* of the file system, plus 1: 0 is a free slot */
	uint64_t value;
	bool escaped;
};

/* Open addressing; the number of marks is bounded by the size of the journal. */
struct marks {
	struct mark *slot;
	size_t n, cap; /* cap: a power of two, or 0 */
};

struct jbd2_overlay {
	struct marks copies;
};

struct journal {
	struct ext_dev *dev;
	uint32_t bs;
	uint64_t fs_blocks;
	uint64_t *map;	     /* journal block -> block of the file system; 0: none */
	uint32_t first, end; /* the ring of log blocks: [first, end) */
	uint32_t incompat, seed;
	uint32_t start_block, start_seq, end_seq;
	struct marks revoked;
	struct jbd2_overlay *overlay;
	struct jbd2_stats *stats;
	uint8_t *block; /* scratch, bs bytes */
	uint8_t *data;
};

/* --- marks --- */

static struct mark *find_slot(const struct marks *m, uint64_t block)
{
	size_t i = (size_t)((block + 1) * UINT64_C(0x9E3779B97F4A7C15) >> 20);

	for (;; i++) {
		struct mark *s = &m->slot[i & (m->cap - 1)];

		if (!s->block || s->block == block + 1)
			return s;
	}
}

static const struct mark *marks_get(const struct marks *m, uint64_t block)
{
	const struct mark *s = m->cap ? find_slot(m, block) : NULL;

	return s && s->block ? s : NULL;
}

/* `block` is below UINT64_MAX, which no file system has so many of. */
static struct mark *marks_put(struct marks *m, uint64_t block)
{
	struct mark *s;

	if (2 * (m->n + 1) > m->cap) {
		struct marks bigger = {.n = m->n, .cap = m->cap ? 2 * m->cap : 256};

		bigger.slot = xcalloc(bigger.cap, sizeof(*bigger.slot));
		for (size_t i = 0; i < m->cap; i++)
			if (m->slot[i].block)
				*find_slot(&bigger, m->slot[i].block - 1) = m->slot[i];
		free(m->slot);
		*m = bigger;
	}
	s = find_slot(m, block);
	if (!s->block) {
		s->block = block + 1;
		m->n++;
	}
	return s;
}

bool jbd2_lookup(const struct jbd2_overlay *o, uint64_t block, uint64_t *copy, bool *escaped)
{
	const struct mark *s = marks_get(&o->copies, block);

	if (!s)
		return false;
	*copy = s->value;
	*escaped = s->escaped;
	return true;
}

void jbd2_overlay_free(struct jbd2_overlay *o)
{
	if (!o)
		return;
	free(o->copies.slot);
	free(o);
}

/* --- reading the log --- */

static bool has_csum(const struct journal *j)
{
	return j->incompat & (INCOMPAT_CSUM_V2 | INCOMPAT_CSUM_V3);
}

static uint32_t csum(uint32_t seed, const void *data, size_t n)
{
	return ext2fs_crc32c_le(seed, data, n);
}

/* The journal itself is never in the overlay: it is read as it is in place. */
static bool read_log(struct journal *j, uint32_t at, uint8_t *dst)
{
	uint64_t block = j->map[at], off;

	return block && checked_mul(block, j->bs, &off) && range_inside(off, j->bs, j->dev->size) &&
	       blk_read(j->dev->blk, j->dev->off + off, dst, j->bs) == 0;
}

static uint32_t next(const struct journal *j, uint32_t at, uint32_t by)
{
	return j->first + (at - j->first + by) % (j->end - j->first);
}

/*
 * A checksum that lies inside the block it covers counts as zero there: it is taken out, the block
 * is summed, and it is put back.
 */
static bool good_csum(uint32_t seed, uint8_t *block, size_t n, size_t field)
{
	uint32_t want = get_be32(block + field), have;

	put_be32(block + field, 0);
	have = csum(seed, block, n);
	put_be32(block + field, want);
	return have == want;
}

/* One tag of a descriptor block. */
struct tag {
	uint64_t block;
	uint32_t flags, checksum;
	bool wide; /* the checksum has 32 bits, not 16 */
};

static size_t tag_size(const struct journal *j)
{
	if (j->incompat & INCOMPAT_CSUM_V3)
		return 16;
	/* The 14 bytes of checksum v2 with 64-bit numbers are an accident that the format kept. */
	return (j->incompat & INCOMPAT_64BIT ? 12 : 8) + (j->incompat & INCOMPAT_CSUM_V2 ? 2 : 0);
}

/* The tag at *pos, which moves behind it; false behind the last one. */
static bool next_tag(const struct journal *j, size_t *pos, struct tag *t)
{
	size_t size = tag_size(j), end = j->bs - (has_csum(j) ? 4 : 0);
	const uint8_t *p = j->block + *pos;

	if (*pos + size > end)
		return false;
	t->block = get_be32(p);
	t->wide = j->incompat & INCOMPAT_CSUM_V3;
	if (t->wide) {
		t->flags = get_be32(p + 4);
		t->checksum = get_be32(p + 12);
	} else {
		t->checksum = get_be16(p + 4);
		t->flags = get_be16(p + 6);
	}
	if (j->incompat & INCOMPAT_64BIT)
		t->block |= (uint64_t)get_be32(p + 8) << 32;
	*pos += size + (t->flags & TAG_SAME_UUID ? 0 : 16);
	return true;
}

/* --- the passes --- */

enum pass { PASS_SCAN, PASS_REVOKE, PASS_REPLAY };

/* Transaction numbers wrap around. */
static bool is_before(uint32_t seq, uint32_t other)
{
	return (int32_t)(seq - other) < 0;
}

/* Copies of these blocks that this transaction or an earlier one wrote are not to be replayed. */
static void take_revocations(struct journal *j, uint32_t seq)
{
	size_t width = j->incompat & INCOMPAT_64BIT ? 8 : 4;
	size_t end = j->bs - (has_csum(j) ? 4 : 0), used = get_be32(j->block + HEADER);

	for (size_t at = HEADER + 4; at + width <= min_u64(used, end); at += width) {
		const uint8_t *p = j->block + at;
		uint64_t block = width == 8 ? get_be64(p) : get_be32(p);
		const struct mark *old = marks_get(&j->revoked, block);

		if (block >= j->fs_blocks || (!old && j->revoked.n == MAX_REVOKED) ||
		    (old && is_before(seq, (uint32_t)old->value)))
			continue;
		marks_put(&j->revoked, block)->value = seq;
	}
}

static bool is_revoked(const struct journal *j, uint64_t block, uint32_t seq)
{
	const struct mark *m = marks_get(&j->revoked, block);

	return m && !is_before((uint32_t)m->value, seq);
}

static bool good_copy(struct journal *j, const struct tag *t, uint32_t seq, const uint8_t *data)
{
	uint8_t seq_be[4];
	uint32_t sum;

	if (!has_csum(j))
		return true;
	put_be32(seq_be, seq);
	sum = csum(csum(j->seed, seq_be, 4), data, j->bs);
	return t->wide ? sum == t->checksum : (sum & 0xFFFF) == t->checksum;
}

static void take_copy(struct journal *j, const struct tag *t, uint32_t where, uint32_t seq)
{
	struct mark *m;

	if (is_revoked(j, t->block, seq))
		return;
	if (t->block >= j->fs_blocks || !read_log(j, where, j->data) ||
	    !good_copy(j, t, seq, j->data)) {
		j->stats->damaged++;
		return;
	}
	m = marks_put(&j->overlay->copies, t->block);
	m->value = j->map[where];
	m->escaped = t->flags & TAG_ESCAPE;
	j->stats->blocks++;
}

/* The data blocks behind a descriptor: counted, or taken. Returns how many; -1: it is broken. */
static int64_t take_blocks(struct journal *j, enum pass pass, uint32_t at, uint32_t seq)
{
	uint32_t ring = j->end - j->first, count = 0;
	size_t pos = HEADER;
	struct tag t;

	while (next_tag(j, &pos, &t)) {
		uint32_t where = next(j, at, count + 1);

		if (++count >= ring)
			return -1;
		if (pass == PASS_REPLAY)
			take_copy(j, &t, where, seq);
		if (t.flags & TAG_LAST)
			break;
	}
	return count;
}

/*
 * Walks the log from its start. Every step takes at least one block of the ring and no more than
 * the ring has are taken, so a pass ends whatever the blocks say.
 */
static void walk(struct journal *j, enum pass pass)
{
	uint32_t at = j->start_block, seq = j->start_seq, left = j->end - j->first;

	while (left && (pass == PASS_SCAN || seq != j->end_seq)) {
		int64_t extra = 0;

		if (!read_log(j, at, j->block) || get_be32(j->block) != JBD2_MAGIC ||
		    get_be32(j->block + 8) != seq)
			break;
		switch (get_be32(j->block + 4)) {
		case DESCRIPTOR:
			if (has_csum(j) && !good_csum(j->seed, j->block, j->bs, j->bs - 4))
				goto end;
			extra = take_blocks(j, pass, at, seq);
			break;
		case REVOKE:
			if (has_csum(j) && !good_csum(j->seed, j->block, j->bs, j->bs - 4))
				goto end;
			if (pass == PASS_REVOKE)
				take_revocations(j, seq);
			break;
		case COMMIT:
			if (has_csum(j) && !good_csum(j->seed, j->block, j->bs, 16))
				goto end;
			seq++;
			if (pass == PASS_SCAN) {
				j->end_seq = seq;
				j->stats->transactions++;
			}
			break;
		default:
			goto end;
		}
		if (extra < 0 || extra + 1 > left)
			break;
		left -= (uint32_t)extra + 1;
		at = next(j, at, (uint32_t)extra + 1);
	}
end:
	if (pass == PASS_SCAN && !j->stats->transactions)
		j->end_seq = j->start_seq;
}

/* --- set-up --- */

static int map_journal(ext2_filsys fs, struct journal *j, uint32_t *blocks, struct err *err)
{
	struct ext2_inode inode;
	struct ext_runs runs;
	errcode_t rc = ext2fs_read_inode(fs, JOURNAL_INODE, &inode);
	uint64_t n;

	if (rc)
		return err_set(err, ERR_CORRUPT, "the journal's inode: %s", error_message(rc));
	n = EXT2_I_SIZE(&inode) / fs->blocksize;
	if (n < 4 || n > MAX_JOURNAL_BLOCKS)
		return err_set(err, ERR_CORRUPT, "a journal of %llu blocks", (unsigned long long)n);
	rc = ext_map(fs, JOURNAL_INODE, &inode, 0, n, &runs);
	if (rc) {
		ext_runs_done(&runs);
		return err_set(err, ERR_CORRUPT, "the journal's blocks: %s", error_message(rc));
	}
	j->map = xcalloc(n, sizeof(*j->map));
	for (size_t i = 0; i < runs.n; i++)
		for (uint64_t k = 0; k < runs.run[i].len; k++)
			j->map[runs.run[i].lblk + k] = runs.run[i].pblk + k;
	ext_runs_done(&runs);
	*blocks = (uint32_t)n;
	return 0;
}

static int read_superblock(struct journal *j, uint32_t blocks, struct err *err)
{
	const uint8_t *sb = j->block;
	uint32_t maxlen, fast = 0, type;

	if (!read_log(j, 0, j->block))
		return err_set(err, ERR_CORRUPT, "the journal's superblock cannot be read");
	type = get_be32(sb + 4);
	if (get_be32(sb) != JBD2_MAGIC || (type != SB_V1 && type != SB_V2))
		return err_set(err, ERR_CORRUPT, "the journal has no superblock");
	if (get_be32(sb + 12) != j->bs)
		return err_set(err, ERR_CORRUPT, "the journal has blocks of %u bytes",
			       get_be32(sb + 12));

	maxlen = get_be32(sb + 16);
	j->first = get_be32(sb + 20);
	j->start_seq = get_be32(sb + 24);
	j->start_block = get_be32(sb + 28);
	if (type == SB_V2) {
		j->incompat = get_be32(sb + 40);
		j->seed = csum(~UINT32_C(0), sb + 48, 16);
	}
	if (j->incompat & ~(uint32_t)INCOMPAT_KNOWN)
		return err_set(err, ERR_UNSUPPORTED, "the journal has features 0x%x",
			       j->incompat & ~(uint32_t)INCOMPAT_KNOWN);
	/* Unlike all others, the superblock's is not seeded with the journal's UUID. */
	if (has_csum(j) && !good_csum(~UINT32_C(0), j->block, 1024, 0xFC))
		return err_set(err, ERR_CORRUPT, "the journal superblock's checksum is wrong");
	if (j->incompat & INCOMPAT_FAST_COMMIT) {
		fast = get_be32(sb + 84) ? get_be32(sb + 84) : 256;
		j->stats->fast_commits = true;
	}
	if (maxlen > blocks || fast >= maxlen || j->first < 1 || j->first + 1 >= maxlen - fast ||
	    (j->start_block && (j->start_block < j->first || j->start_block >= maxlen - fast)))
		return err_set(err, ERR_CORRUPT, "the journal's bounds are wrong");
	j->end = maxlen - fast;
	return 0;
}

struct jbd2_overlay *jbd2_replay(ext2_filsys fs, struct ext_dev *dev, struct jbd2_stats *stats,
				 struct err *err)
{
	struct journal j = {.dev = dev, .bs = fs->blocksize, .stats = stats};
	struct jbd2_overlay *result = NULL;
	uint32_t blocks = 0;

	*stats = (struct jbd2_stats){0};
	j.fs_blocks = ext2fs_blocks_count(fs->super);
	if (fs->super->s_journal_inum != JOURNAL_INODE) {
		err_set(err, ERR_UNSUPPORTED, "the journal is on another device");
		return NULL;
	}
	j.block = xmalloc(j.bs);
	j.data = xmalloc(j.bs);
	if (map_journal(fs, &j, &blocks, err) == 0 && read_superblock(&j, blocks, err) == 0) {
		j.overlay = NEW(struct jbd2_overlay);
		if (j.start_block) {
			walk(&j, PASS_SCAN);
			walk(&j, PASS_REVOKE);
			walk(&j, PASS_REPLAY);
		}
		result = take_ptr(j.overlay);
	}
	free(j.map);
	free(j.block);
	free(j.data);
	free(j.revoked.slot);
	return result;
}
