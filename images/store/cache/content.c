/* SPDX-License-Identifier: Apache-2.0
 *
 * Content digests: see content.h.
 */
#include "images/store/cache/content.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/cache/chunks.h"
#include "images/store/cache/internal.h"

static const char prefix[] = "tree:";

struct tree {
	uint64_t size, nleaves;
	unsigned char (*leaves)[HASH_SHA256_BYTES];
	bool *known; /* the others are zeroes */
};

struct tree *tree_new(uint64_t size, struct err *err)
{
	struct tree *t = NEW(struct tree);

	t->size = size;
	t->nleaves = size / LEAF_BYTES + (size % LEAF_BYTES != 0);
	/* 33 MiB for a disk of 1 TiB. */
	t->leaves = calloc(t->nleaves + 1, sizeof(*t->leaves));
	t->known = calloc(t->nleaves + 1, sizeof(*t->known));
	if (t->leaves && t->known)
		return t;
	tree_free(t);
	err_set(err, ERR_HOST, "out of memory for the digest of %" PRIu64 " bytes", size);
	return NULL;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	free(t->leaves);
	free(t->known);
	free(t);
}

static size_t leaf_len(const struct tree *t, uint64_t index)
{
	return min_u64(LEAF_BYTES, t->size - index * LEAF_BYTES);
}

void tree_leaf(struct tree *t, uint64_t index, const void *data)
{
	hash_sha256(data, leaf_len(t, index), t->leaves[index]);
	t->known[index] = true;
}

void tree_final(const struct tree *t, char out[DIGEST_TEXT])
{
	auto_free unsigned char *zeroes = xzalloc(LEAF_BYTES);
	unsigned char whole[HASH_SHA256_BYTES], last[HASH_SHA256_BYTES], size[8];
	struct hash *h = hash_new(HASH_SHA256, NULL);

	if (!h)
		abort(); /* OpenSSL without SHA-256 computed no leaf either */
	hash_sha256(zeroes, LEAF_BYTES, whole);
	if (t->nleaves)
		hash_sha256(zeroes, leaf_len(t, t->nleaves - 1), last);
	put_be64(size, t->size);
	hash_update(h, size, sizeof(size));
	for (uint64_t i = 0; i < t->nleaves; i++)
		hash_update(h,
			    t->known[i]		 ? t->leaves[i]
			    : i + 1 < t->nleaves ? whole
						 : last,
			    HASH_SHA256_BYTES);
	hash_final(h, out);
	hash_free(h);
	/* "sha256:<hex>" to "tree:<hex>" */
	memmove(out + strlen(prefix), strchr(out, ':') + 1, 2 * HASH_SHA256_BYTES + 1);
	memcpy(out, prefix, strlen(prefix));
}

bool content_valid(const char *text)
{
	enum hash_kind kind;
	const char *hex;

	if (!text_starts(text, prefix))
		return digest_parse(text, &kind, &hex, NULL) == 0;
	hex = text + strlen(prefix);
	return strlen(hex) == 2 * HASH_SHA256_BYTES &&
	       strspn(hex, "0123456789abcdef") == strlen(hex);
}

/* --- of a file -------------------------------------------------------------------------------- */

struct file {
	int fd;
	struct tree *tree;
};

enum { CHUNK_LEAVES = 16 };

static void *own_buffer(void *ctx)
{
	(void)ctx;
	return malloc(LEAF_BYTES);
}

/* Holes, of which a kept image has many, are not read. lseek is only asked: we read with pread. */
static bool is_hole(int fd, uint64_t off, size_t len)
{
	off_t data = lseek(fd, (off_t)off, SEEK_DATA);

	return data < 0 ? errno == ENXIO : (uint64_t)data >= off + len;
}

static int hash_chunk(void *ctx, void *buffer, uint64_t off, size_t len, struct err *err)
{
	struct file *f = ctx;

	if (is_hole(f->fd, off, len))
		return 0;
	for (uint64_t at = off; at < off + len; at += LEAF_BYTES) {
		size_t n = min_u64(LEAF_BYTES, off + len - at);

		if (is_hole(f->fd, at, n))
			continue;
		if (pread_all(f->fd, buffer, n, at, NULL) < 0)
			return err_sys(err, ERR_HOST, "cannot read at offset %" PRIu64, at);
		tree_leaf(f->tree, at / LEAF_BYTES, buffer);
	}
	return 0;
}

static int file_size(int fd, uint64_t *size, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, ERR_HOST, "cannot stat");
	*size = (uint64_t)st.st_size;
	return 0;
}

int content_tree(int fd, const struct store_progress *progress, char out[DIGEST_TEXT],
		 struct err *err)
{
	struct file f = {.fd = fd};
	uint64_t size = 0;
	int rc;

	if (file_size(fd, &size, err) < 0)
		return -1;
	f.tree = tree_new(size, err);
	if (!f.tree)
		return -1;
	rc = chunks_run(&(struct chunks){.total = size,
					 .size = CHUNK_LEAVES * LEAF_BYTES,
					 .memory = LEAF_BYTES,
					 .begin = own_buffer,
					 .end = free,
					 .one = hash_chunk,
					 .ctx = &f},
			progress, err);
	if (rc == 0)
		tree_final(f.tree, out);
	tree_free(f.tree);
	return rc;
}

int content_digest(int fd, enum hash_kind kind, const struct store_progress *progress,
		   char out[DIGEST_TEXT], struct err *err)
{
	auto_free char *block = xmalloc(LEAF_BYTES);
	struct hash *h = hash_new(kind, err);
	uint64_t off = 0, size = 0;
	size_t got = h && file_size(fd, &size, err) == 0 ? LEAF_BYTES : 0;
	int rc = got ? 0 : -1;

	while (rc == 0 && got == LEAF_BYTES) {
		if (progress_interrupted(progress))
			rc = err_set(err, ERR_INTERRUPTED, "interrupted");
		else if (pread_all(fd, block, LEAF_BYTES, off, &got) < 0)
			rc = err_sys(err, ERR_HOST, "cannot read at offset %" PRIu64, off);
		if (rc < 0)
			break;
		hash_update(h, block, got);
		off += got;
		progress_bytes(progress, off, size);
	}
	if (rc == 0)
		hash_final(h, out);
	hash_free(h);
	return rc;
}

int content_check(int fd, const char *content, const struct store_progress *progress,
		  struct err *err)
{
	char found[DIGEST_TEXT];
	enum hash_kind kind;
	const char *hex;
	int rc;

	if (text_starts(content, prefix))
		rc = content_tree(fd, progress, found, err);
	else if (digest_parse(content, &kind, &hex, err) == 0)
		rc = content_digest(fd, kind, progress, found, err);
	else
		rc = -1;
	return rc < 0 ? -1 : !strcmp(found, content);
}
