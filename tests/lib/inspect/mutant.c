/* SPDX-License-Identifier: Apache-2.0
 *
 * See mutant.h.
 */
#include "tests/lib/inspect/mutant.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "images/inspect/fsys.h"
#include "images/inspect/probe.h"

enum { CHUNK = 16, MAX_CHANGES = 64, MAX_NODES = 200, MAX_SIZE = 64 << 20 };

void mutant_tree(struct fixture *f)
{
	char name[80], big[40000];

	fixture_text(f, "t", "etc/os-release", "ID=x\n");
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "d/a-file-with-a-long-name-%d", i);
		fixture_text(f, "t", name, name);
	}
	memset(big, 'b', sizeof(big));
	fixture_file(f, "t", "d/big", big, sizeof(big));
}

void mutant_load(struct mutant *m, struct fixture *f, const char *name)
{
	static const uint8_t zero[CHUNK];
	auto_buf struct buf data = BUF_INIT(MAX_SIZE);

	if (file_read(fixture_path(f, name), &data, NULL) < 0)
		abort();
	file_remove(fixture_path(f, name), NULL);
	m->size = data.len;
	m->original = xmalloc(data.len);
	memcpy(m->original, data.data, data.len);
	m->chunk = xcalloc(data.len / CHUNK, sizeof(*m->chunk));
	m->ram = ramdisk_new(m->size);
	for (uint32_t off = 0; off + CHUNK <= data.len; off += CHUNK) {
		if (!memcmp(m->original + off, zero, CHUNK))
			continue;
		m->chunk[m->nchunks++] = off;
		ramdisk_put(&m->ram, off, m->original + off, CHUNK);
	}
}

struct names {
	char name[64][256];
	unsigned n;
};

static bool collect(void *ctx, const char *name)
{
	struct names *l = ctx;

	snprintf(l->name[l->n++], sizeof(l->name[0]), "%s", name);
	return l->n == ARRAY_LEN(l->name);
}

static void read_node(struct fsys *fs, const struct fnode *node)
{
	static uint8_t data[64 * 1024];
	size_t n = min_u64(node->size, sizeof(data));

	if (n && (node->kind == FNODE_FILE || node->kind == FNODE_LINK))
		fs->class->read(fs, node, 0, data, n, NULL);
	/* And the end, which a false size puts far away. */
	if (node->kind == FNODE_FILE && node->size > 100)
		fs->class->read(fs, node, node->size - 100, data, 100, NULL);
}

static void walk(struct fsys *fs, const struct fnode *dir, unsigned depth, unsigned *left)
{
	struct names *l = NEW(struct names);

	fs->class->list(fs, dir, collect, l, NULL);
	for (unsigned i = 0; i < l->n && *left; i++) {
		struct fnode node;

		--*left;
		if (fs->class->lookup(fs, dir, l->name[i], &node, NULL) < 0)
			continue;
		read_node(fs, &node);
		if (node.kind == FNODE_DIR && depth < 4)
			walk(fs, &node, depth + 1, left);
	}
	free(l);
}

void mutant_try(struct mutant *m, const uint8_t *data, size_t n)
{
	struct inspect_part part = {.size = m->size};
	uint32_t changed[MAX_CHANGES];
	unsigned nchanged = 0, left = MAX_NODES;
	struct fnode root;
	struct fsys *fs;

	for (; n >= 5 && nchanged < MAX_CHANGES; data += 5, n -= 5) {
		uint32_t where = get_le32(data) % (m->nchunks * CHUNK);
		uint32_t off = m->chunk[where / CHUNK] + where % CHUNK;

		ramdisk_put(&m->ram, off, data + 4, 1);
		changed[nchanged++] = off;
	}
	probe_part(m->ram.blk, &part);
	fs = fsys_open(m->ram.blk, &part, NULL);
	if (fs) {
		fsys_find(fs, "/link", &root, NULL);
		fsys_find(fs, "/long", &root, NULL);
		if (fs->class->root(fs, &root, NULL) == 0)
			walk(fs, &root, 0, &left);
		fsys_close(fs);
	}
	while (nchanged--)
		ramdisk_put(&m->ram, changed[nchanged], m->original + changed[nchanged], 1);
}
