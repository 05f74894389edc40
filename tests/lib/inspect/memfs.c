/* SPDX-License-Identifier: Apache-2.0
 *
 * See memfs.h. A node is the index of a file plus one, or for a directory the length of its path in
 * the path of such a file.
 */
#include "tests/lib/inspect/memfs.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

struct memfs {
	struct fsys base;
	const struct mem_file *file;
	size_t n;
};

static struct memfs *to_mem(struct fsys *base)
{
	return container_of(base, struct memfs, base);
}

/* id[0]: the file's index; id[1]: how much of its path the node is ("" is the root). */
static struct fnode dir_node(size_t i, size_t len)
{
	return (struct fnode){.id = {i, len}, .kind = FNODE_DIR};
}

static int mem_root(struct fsys *base, struct fnode *out, struct err *err)
{
	(void)base, (void)err;
	*out = dir_node(0, 0);
	return 0;
}

static size_t size_of(const struct mem_file *f)
{
	return f->size ? f->size : strlen(f->content);
}

static int mem_lookup(struct fsys *base, const struct fnode *dir, const char *name,
		      struct fnode *out, struct err *err)
{
	struct memfs *m = to_mem(base);
	char path[4200];
	size_t len;

	if (!m->n)
		return err_set(err, ERR_NOT_FOUND, "no such file");
	snprintf(path, sizeof(path), "%.*s/%s", (int)dir->id[1], m->file[dir->id[0]].path, name);
	len = strlen(path);
	for (size_t i = 0; i < m->n; i++) {
		const struct mem_file *f = &m->file[i];

		if (!strcmp(f->path, path)) {
			bool link = text_starts(f->content, "-> ");

			*out = (struct fnode){.id = {i, len},
					      .kind = link ? FNODE_LINK : FNODE_FILE,
					      .size = size_of(f) - (link ? 3 : 0)};
			return 0;
		}
		if (text_starts(f->path, path) && f->path[len] == '/') {
			*out = dir_node(i, len);
			return 0;
		}
	}
	return err_set(err, ERR_NOT_FOUND, "no such file");
}

static int mem_list(struct fsys *base, const struct fnode *dir, fsys_visit *visit, void *ctx,
		    struct err *err)
{
	struct memfs *m = to_mem(base);
	char seen[64][256];
	size_t nseen = 0;

	(void)err;
	for (size_t i = 0; i < m->n; i++) {
		const char *path = m->file[i].path, *rest = path + dir->id[1] + 1;
		char name[256];
		size_t k = 0;

		if (strlen(path) <= dir->id[1] ||
		    strncmp(path, m->file[dir->id[0]].path, dir->id[1]) || rest[-1] != '/')
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(rest, "/"), rest);
		while (k < nseen && strcmp(seen[k], name))
			k++;
		if (k < nseen || nseen == ARRAY_LEN(seen))
			continue;
		snprintf(seen[nseen++], sizeof(seen[0]), "%s", name);
		if (visit(ctx, name))
			break;
	}
	return 0;
}

static int mem_read(struct fsys *base, const struct fnode *node, uint64_t off, void *dst, size_t n,
		    struct err *err)
{
	const struct mem_file *f = &to_mem(base)->file[node->id[0]];

	(void)err;
	assert(range_inside(off, n, node->size));
	memcpy(dst, f->content + (node->kind == FNODE_LINK ? 3 : 0) + off, n);
	return 0;
}

static int mem_locate(struct fsys *base, const struct fnode *node, uint64_t *off, struct err *err)
{
	(void)base, (void)err;
	*off = (node->id[0] + 1) * MEM_FILE_BYTES;
	return 0;
}

static void mem_close(struct fsys *base)
{
	free(to_mem(base));
}

static const struct fsys_class fsys_mem = {
	.names = {"mem"},
	.root = mem_root,
	.lookup = mem_lookup,
	.list = mem_list,
	.read = mem_read,
	.locate = mem_locate,
	.close = mem_close,
};

void mem_disk_init(struct mem_disk *d, const char *table)
{
	memset(d, 0, sizeof(*d));
	snprintf(d->in.table, sizeof(d->in.table), "%s", table);
	d->v = (struct volumes){.in = &d->in, .trail = BUF_INIT(64 * KIB)};
}

void mem_disk_done(struct mem_disk *d)
{
	volumes_done(&d->v);
}

int mem_disk_add(struct mem_disk *d, unsigned number, const char *type_name, const char *label,
		 const char *uuid, const struct mem_file *files, size_t n)
{
	int i = (int)d->in.nparts++;
	struct inspect_part *p = &d->in.part[i];
	struct memfs *m = NEW(struct memfs);

	*p = (struct inspect_part){.number = number, .fs = "mem"};
	snprintf(p->type_name, sizeof(p->type_name), "%s", type_name);
	snprintf(p->fs_label, sizeof(p->fs_label), "%s", label);
	snprintf(p->fs_uuid, sizeof(p->fs_uuid), "%s", uuid);
	*m = (struct memfs){.base = {&fsys_mem}, .file = files, .n = n};
	d->v.fs[i] = &m->base;
	return i;
}

void mem_split(const uint8_t *data, size_t n, char *text[], unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *end = n ? memchr(data, 0, n) : NULL;
		size_t len = end ? (size_t)(end - data) : n, used = end ? len + 1 : len;

		text[i] = xstrndup((const char *)data, len);
		data += used;
		n -= used;
	}
}
