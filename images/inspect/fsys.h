/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a file system inside an image. A file system is one file with a `static const struct
 * fsys_class` and one line in the table of fsys.c; paths, symbolic links and size limits are
 * handled here, once, for all of them. Everything is read-only and nothing is trusted.
 */
#ifndef IMAGES_INSPECT_FSYS_H
#define IMAGES_INSPECT_FSYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "images/disk/block.h"
#include "images/inspect/inspect.h"

enum fnode_kind { FNODE_FILE, FNODE_DIR, FNODE_LINK, FNODE_OTHER };

struct fnode {
	uint64_t id[2]; /* the class's own: inode number, and a tree where there are several */
	enum fnode_kind kind;
	uint64_t size; /* bytes, as the file system claims */
};

struct fsys;

/* Called for each name in a directory, without "." and ".."; true ends the listing. */
typedef bool fsys_visit(void *ctx, const char *name);

struct fsys_class {
	const char *names[4]; /* inspect_part.fs it reads, NULL-terminated */
	/* Failing with ERR_UNSUPPORTED or ERR_CORRUPT becomes the partition's note. */
	struct fsys *(*open)(struct blk *, struct inspect_part *, struct err *);
	int (*root)(struct fsys *, struct fnode *out, struct err *);
	/* ERR_NOT_FOUND when there is no such name. `name` is one component, never "." or "..". */
	int (*lookup)(struct fsys *, const struct fnode *dir, const char *name, struct fnode *out,
		      struct err *);
	int (*list)(struct fsys *, const struct fnode *dir, fsys_visit *, void *ctx, struct err *);
	/* Exactly n bytes, inside the node's size. Reading a link gives its target. */
	int (*read)(struct fsys *, const struct fnode *, uint64_t off, void *dst, size_t n,
		    struct err *);
	/* Where on the disk the data of a file lies in one piece; NULL: cannot tell for any. */
	int (*locate)(struct fsys *, const struct fnode *, uint64_t *off, struct err *);
	void (*close)(struct fsys *);
};

/* The first member of a class's own structure. */
struct fsys {
	const struct fsys_class *class;
};

/* The reader for part->fs; borrows blk. May write part->note (a journal that was replayed). */
struct fsys *fsys_open(struct blk *, struct inspect_part *, struct err *);
void fsys_close(struct fsys *);

/*
 * Finds a path from the root, with or without a leading '/', following symbolic links inside the
 * file system. ERR_NOT_FOUND, or ERR_CORRUPT when links run in circles or the file system is
 * broken.
 */
int fsys_find(struct fsys *, const char *path, struct fnode *out, struct err *err);
bool fsys_is_file(struct fsys *, const char *path);
bool fsys_is_dir(struct fsys *, const char *path);

int fsys_list(struct fsys *, const char *path, fsys_visit *, void *ctx, struct err *err);

/* Appends a regular file to `out`; longer than out's ceiling is an error. */
int fsys_read_file(struct fsys *, const char *path, struct buf *out, struct err *err);

/* Writes a regular file of at most max_bytes to a descriptor, from its current offset. */
int fsys_copy(struct fsys *, const char *path, int out_fd, uint64_t max_bytes, struct err *err);

/* Where on the disk a regular file lies; ERR_UNSUPPORTED when not as it is and in one piece. */
int fsys_locate(struct fsys *, const char *path, uint64_t *off, uint64_t *size, struct err *err);

extern const struct fsys_class fsys_ext, fsys_fat;

#endif
