/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the ext2/3/4 reader: the device libext2fs reads from, the map from a file's blocks
 * to the device's, and the journal that a crash left behind, replayed in memory.
 */
#ifndef IMAGES_INSPECT_EXT_H
#define IMAGES_INSPECT_EXT_H

#include <ext2fs/ext2fs.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "images/disk/block.h"

/* --- ext_io.c: a partition as libext2fs's I/O channel --- */

struct jbd2_overlay;

struct ext_dev {
	struct blk *blk;     /* borrowed */
	uint64_t off, size;  /* the partition, bytes */
	uint32_t block_size; /* the file system's */
	uint32_t budget;     /* requests libext2fs may still make: what ends a walk in circles */
	const struct jbd2_overlay *overlay; /* newer blocks, in the journal; or NULL */
};

/* Exactly n bytes at off in the partition, the overlay applied. 0, or an EXT2_ET code. */
errcode_t ext_dev_read(struct ext_dev *, uint64_t off, void *dst, size_t n);

/*
 * Opens the file system for reading; dev is borrowed until ext2fs_close. Nothing is ever
 * written.
 */
errcode_t ext_dev_open(struct ext_dev *, ext2_filsys *out);

/* --- ext_map.c: where a file's blocks are --- */

struct ext_run {
	uint64_t lblk, pblk; /* blocks of the file, of the file system */
	uint64_t len;
};

struct ext_runs {
	struct ext_run
		*run; /* owned; ascending, not overlapping; holes and unwritten blocks left out */
	size_t n, cap;
};

/* The runs that touch blocks [first, first + count) of a file. 0, or an EXT2_ET code. */
errcode_t ext_map(ext2_filsys, ext2_ino_t, struct ext2_inode *, uint64_t first, uint64_t count,
		  struct ext_runs *out);
void ext_runs_done(struct ext_runs *);

/* --- jbd2.c: the journal --- */

struct jbd2_stats {
	uint32_t transactions, blocks;
	uint32_t damaged;  /* copies that their checksums contradict: left out */
	bool fast_commits; /* there may be newer changes in fast commits, which are not applied */
};

/*
 * Reads the journal of a file system that was not unmounted and finds, for each block that a
 * committed transaction wrote, its newest copy. The result holds no data, only the places. NULL
 * with ERR_CORRUPT or ERR_UNSUPPORTED; an empty overlay when the journal has nothing to replay.
 */
struct jbd2_overlay *jbd2_replay(ext2_filsys, struct ext_dev *, struct jbd2_stats *, struct err *);
void jbd2_overlay_free(struct jbd2_overlay *);

/* Where the newest copy of a block is: false when it is the block itself. */
bool jbd2_lookup(const struct jbd2_overlay *, uint64_t block, uint64_t *copy, bool *escaped);

#define JBD2_MAGIC UINT32_C(0xC03B3998)

#endif
