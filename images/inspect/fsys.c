/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths over the readers of single file systems. Symbolic links are resolved here and stay inside
 * the image whatever they say: there is no host path they could reach, only nodes of this file
 * system.
 */
#include "images/inspect/fsys.h"

#include <limits.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"

enum {
	MAX_DEPTH = 64,	 /* directories below each other */
	MAX_LINKS = 40,	 /* symbolic links on one path, as Linux */
	MAX_PATH = 4096, /* bytes, links included */
	COPY_CHUNK = 1 << 20,
};

static const struct fsys_class *const classes[] = {
	&fsys_ext,
	&fsys_fat,
};

struct fsys *fsys_open(struct blk *blk, struct inspect_part *part, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		for (size_t j = 0; j < ARRAY_LEN(classes[i]->names) && classes[i]->names[j]; j++)
			if (!strcmp(classes[i]->names[j], part->fs))
				return classes[i]->open(blk, part, err);
	if (part->fs[0])
		err_set(err, ERR_UNSUPPORTED, "croft does not read %s yet", part->fs);
	else
		err_set(err, ERR_UNSUPPORTED, "no file system that croft knows");
	return NULL;
}

void fsys_close(struct fsys *fs)
{
	if (fs)
		fs->class->close(fs);
}

/* A walk in progress: the directories down to here, and what is left of the path. */
struct walk {
	struct fnode dir[MAX_DEPTH];
	unsigned depth;	     /* dir[depth - 1] is where we are */
	char rest[MAX_PATH]; /* components still to go */
	unsigned links;
};

/* Puts a link's target in front of what is left of the path. */
static int follow(struct fsys *fs, struct walk *w, const struct fnode *link, struct err *err)
{
	char path[MAX_PATH];
	size_t n = link->size, left = strlen(w->rest);

	if (++w->links > MAX_LINKS)
		return err_set(err, ERR_CORRUPT, "more than %d symbolic links", MAX_LINKS);
	if (!n || n + 1 + left >= sizeof(path))
		return err_set(err, ERR_CORRUPT, "a symbolic link of %zu bytes", n);
	if (fs->class->read(fs, link, 0, path, n, err) < 0)
		return -1;
	path[n] = '/';
	memcpy(path + n + 1, w->rest, left + 1);
	if (path[0] == '/')
		w->depth = 1;
	/* A NUL inside the target ends the path, as it does for the guest's own kernel. */
	memcpy(w->rest, path, n + left + 2);
	return 0;
}

/* Takes the next component off the path; false when none is left. */
static bool next_name(struct walk *w, char name[NAME_MAX + 2])
{
	const char *p = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(p, "/");

	if (!n)
		return false;
	snprintf(name, NAME_MAX + 2, "%.*s", n > NAME_MAX ? NAME_MAX + 1 : (int)n, p);
	memmove(w->rest, p + n, strlen(p + n) + 1);
	return true;
}

static int step(struct fsys *fs, struct walk *w, const char *name, struct fnode *at,
		struct err *err)
{
	if (!strcmp(name, "."))
		return 0;
	if (at->kind != FNODE_DIR)
		return err_set(err, ERR_NOT_FOUND, "no such file");
	if (!strcmp(name, "..")) {
		if (w->depth > 1)
			w->depth--;
		*at = w->dir[w->depth - 1];
		return 0;
	}
	if (strlen(name) > NAME_MAX)
		return err_set(err, ERR_NOT_FOUND, "no such file");
	if (fs->class->lookup(fs, &w->dir[w->depth - 1], name, at, err) < 0)
		return -1;
	if (at->kind == FNODE_LINK) {
		if (follow(fs, w, at, err) < 0)
			return -1;
		*at = w->dir[w->depth - 1];
	} else if (at->kind == FNODE_DIR) {
		if (w->depth == MAX_DEPTH)
			return err_set(err, ERR_CORRUPT, "directories nest deeper than %d",
				       MAX_DEPTH);
		w->dir[w->depth++] = *at;
	}
	return 0;
}

int fsys_find(struct fsys *fs, const char *path, struct fnode *out, struct err *err)
{
	struct walk w = {.depth = 1};
	char name[NAME_MAX + 2];
	struct fnode at;

	if ((size_t)snprintf(w.rest, sizeof(w.rest), "%s", path) >= sizeof(w.rest))
		return err_set(err, ERR_NOT_FOUND, "a path of %zu bytes", strlen(path));
	if (fs->class->root(fs, &w.dir[0], err) < 0)
		return err_wrap(err, "/");
	at = w.dir[0];
	while (next_name(&w, name))
		if (step(fs, &w, name, &at, err) < 0)
			return err_wrap(err, "'%s'", path);
	*out = at;
	return 0;
}

static bool is_kind(struct fsys *fs, const char *path, enum fnode_kind kind)
{
	struct fnode node;

	return fsys_find(fs, path, &node, NULL) == 0 && node.kind == kind;
}

bool fsys_is_file(struct fsys *fs, const char *path)
{
	return is_kind(fs, path, FNODE_FILE);
}

bool fsys_is_dir(struct fsys *fs, const char *path)
{
	return is_kind(fs, path, FNODE_DIR);
}

int fsys_list(struct fsys *fs, const char *path, fsys_visit *visit, void *ctx, struct err *err)
{
	struct fnode node;

	if (fsys_find(fs, path, &node, err) < 0)
		return -1;
	if (node.kind != FNODE_DIR)
		return err_set(err, ERR_NOT_FOUND, "'%s': not a directory", path);
	if (fs->class->list(fs, &node, visit, ctx, err) < 0)
		return err_wrap(err, "'%s'", path);
	return 0;
}

/* A regular file of at most `max` bytes. */
static int find_file(struct fsys *fs, const char *path, uint64_t max, struct fnode *node,
		     struct err *err)
{
	char have[SIZE_TEXT], limit[SIZE_TEXT];

	if (fsys_find(fs, path, node, err) < 0)
		return -1;
	if (node->kind != FNODE_FILE)
		return err_set(err, ERR_NOT_FOUND, "'%s': not a regular file", path);
	if (node->size > max)
		return err_set(err, ERR_CORRUPT, "'%s': %s is more than the %s it may have", path,
			       format_size(node->size, have, sizeof(have)),
			       format_size(max, limit, sizeof(limit)));
	return 0;
}

int fsys_read_file(struct fsys *fs, const char *path, struct buf *out, struct err *err)
{
	struct fnode node;
	auto_free char *data = NULL;

	if (find_file(fs, path, out->ceiling - out->len, &node, err) < 0)
		return -1;
	if (!node.size)
		return 0;
	data = xmalloc(node.size); /* at most the ceiling, which the caller chose */
	if (fs->class->read(fs, &node, 0, data, node.size, err) < 0)
		return err_wrap(err, "'%s'", path);
	buf_put(out, data, node.size);
	return 0;
}

int fsys_locate(struct fsys *fs, const char *path, uint64_t *off, uint64_t *size, struct err *err)
{
	struct fnode node;

	if (find_file(fs, path, UINT64_MAX, &node, err) < 0)
		return -1;
	if (!node.size || !fs->class->locate)
		return err_set(err, ERR_UNSUPPORTED, "'%s': no place on the disk", path);
	if (fs->class->locate(fs, &node, off, err) < 0)
		return err_wrap(err, "'%s'", path);
	*size = node.size;
	return 0;
}

int fsys_copy(struct fsys *fs, const char *path, int out_fd, uint64_t max_bytes, struct err *err)
{
	auto_free char *chunk = NULL;
	struct fnode node;

	if (find_file(fs, path, max_bytes, &node, err) < 0)
		return -1;
	chunk = xmalloc(COPY_CHUNK);
	for (uint64_t off = 0; off < node.size;) {
		size_t n = min_u64(COPY_CHUNK, node.size - off);

		if (fs->class->read(fs, &node, off, chunk, n, err) < 0)
			return err_wrap(err, "'%s'", path);
		if (write_all(out_fd, chunk, n) < 0)
			return err_sys(err, ERR_FAILED, "'%s': cannot write the copy", path);
		off += n;
	}
	return 0;
}
