/* SPDX-License-Identifier: Apache-2.0
 *
 * See tree.h.
 */
#include "tests/lib/inspect/tree.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/file.h"
#include "base/mem.h"

enum { MAX_FILE = 256 << 20, MAX_NODES = 20000, MAX_DEPTH = 20 };

struct line {
	char *text;
};

struct tree {
	struct line *line;
	size_t n, cap;
	unsigned failed;
	struct fsys *fs;
};

static void add(struct tree *t, const char *path, char kind, uint64_t size, uint32_t sum)
{
	t->line = xgrow(t->line, &t->cap, t->n + 1, sizeof(*t->line));
	t->line[t->n++].text =
		xasprintf("%s %c %llu %08x\n", path, kind, (unsigned long long)size, sum);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->text, ((const struct line *)b)->text);
}

static void finish(struct tree *t, struct buf *out)
{
	if (t->n)
		qsort(t->line, t->n, sizeof(*t->line), by_text);
	for (size_t i = 0; i < t->n; i++) {
		buf_puts(out, t->line[i].text);
		free(t->line[i].text);
	}
	free(t->line);
}

/* --- inside an image --- */

struct names {
	struct line *name;
	size_t n, cap;
};

static bool collect(void *ctx, const char *name)
{
	struct names *l = ctx;

	l->name = xgrow(l->name, &l->cap, l->n + 1, sizeof(*l->name));
	l->name[l->n++].text = xstrdup(name);
	return l->n == MAX_NODES;
}

static void walk_fsys(struct tree *t, const struct fnode *dir, const char *path, unsigned depth)
{
	struct names l = {0};

	if (t->fs->class->list(t->fs, dir, collect, &l, NULL) < 0)
		t->failed++;
	for (size_t i = 0; i < l.n; i++) {
		auto_free char *whole = xasprintf("%s/%s", path, l.name[i].text);
		auto_free char *data = NULL;
		struct fnode node;

		if (strcmp(l.name[i].text, "lost+found") == 0) {
			free(l.name[i].text);
			continue;
		}
		if (t->fs->class->lookup(t->fs, dir, l.name[i].text, &node, NULL) < 0) {
			t->failed++;
		} else if (node.kind == FNODE_DIR) {
			add(t, whole, 'd', 0, 0);
			if (depth < MAX_DEPTH && t->n < MAX_NODES)
				walk_fsys(t, &node, whole, depth + 1);
		} else if (node.kind != FNODE_OTHER) {
			if (node.size < MAX_FILE)
				data = xzalloc(node.size + 1);
			if (!data || (node.size && t->fs->class->read(t->fs, &node, 0, data,
								      node.size, NULL) < 0))
				t->failed++;
			else
				add(t, whole, node.kind == FNODE_FILE ? 'f' : 'l', node.size,
				    (uint32_t)crc32(0, (void *)data, (uInt)node.size));
		}
		free(l.name[i].text);
	}
	free(l.name);
}

unsigned tree_of_fsys(struct fsys *fs, struct buf *out)
{
	struct tree t = {.fs = fs};
	struct fnode root;

	if (fs->class->root(fs, &root, NULL) < 0)
		return 1;
	walk_fsys(&t, &root, "", 0);
	finish(&t, out);
	return t.failed;
}

/* --- on the host --- */

static void walk_host(struct tree *t, const char *dir, const char *path)
{
	auto_closedir DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		auto_free char *from = xasprintf("%s/%s", dir, e->d_name);
		auto_free char *whole = xasprintf("%s/%s", path, e->d_name);
		auto_buf struct buf data = BUF_INIT(MAX_FILE);
		char target[4096];
		struct stat st;
		ssize_t n;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    !strcmp(e->d_name, "lost+found") || lstat(from, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode)) {
			add(t, whole, 'd', 0, 0);
			walk_host(t, from, whole);
		} else if (S_ISLNK(st.st_mode)) {
			n = readlink(from, target, sizeof(target));
			if (n >= 0)
				add(t, whole, 'l', (uint64_t)n,
				    (uint32_t)crc32(0, (void *)target, (uInt)n));
		} else if (S_ISREG(st.st_mode) && file_read(from, &data, NULL) == 0) {
			add(t, whole, 'f', data.len,
			    (uint32_t)crc32(0, (const void *)buf_str(&data), (uInt)data.len));
		}
	}
}

void tree_of_host(const char *dir, struct buf *out)
{
	struct tree t = {0};

	walk_host(&t, dir, "");
	finish(&t, out);
}

const char *tree_difference(const char *here, const char *there)
{
	static char text[1200];

	if (!strcmp(here, there))
		return NULL;
	for (;;) {
		size_t n = strcspn(here, "\n"), k = strcspn(there, "\n");

		if (n != k || memcmp(here, there, n) || !here[n] || !there[k]) {
			snprintf(text, sizeof(text), "'%.*s' and '%.*s'", (int)n, here, (int)k,
				 there);
			return text;
		}
		here += n + 1;
		there += k + 1;
	}
}
