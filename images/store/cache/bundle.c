/* SPDX-License-Identifier: Apache-2.0
 *
 * Bundles: see bundle.h. The tar format is libarchive's: pax, with its map of holes.
 */
#include "images/store/cache/bundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/sparse.h"
#include "base/util.h"
#include "images/store/cache/internal.h"

static const char record_name[] = "croft-image.json", image_name[] = "image";

enum { BLOCK_BYTES = 1 << 20, TAR_BLOCK = 512, TAR_MAGIC_AT = 257 };

/* POSIX.1-1988 ustar: a name at 0, "ustar" at 257. */
bool bundle_detect(int fd)
{
	char head[TAR_BLOCK];

	return pread_all(fd, head, sizeof(head), 0, NULL) == 0 && !strcmp(head, record_name) &&
	       !memcmp(head + TAR_MAGIC_AT, "ustar", 5);
}

/* --- writing ---------------------------------------------------------------------------------- */

static int tar_error(struct archive *a, const char *what, struct err *err)
{
	const char *why = archive_error_string(a);

	return err_set(err, ERR_HOST, "%s: %s", what, why ? why : "libarchive gives no reason");
}

static struct archive_entry *new_entry(const char *name, uint64_t size)
{
	struct archive_entry *e = archive_entry_new();

	if (!e)
		abort(); /* a few hundred bytes of our own: see base/mem.h */
	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0444);
	archive_entry_set_size(e, (la_int64_t)size);
	return e;
}

/* The parts of the file that are not holes. */
static void map_holes(struct archive_entry *e, int fd, uint64_t size)
{
	off_t at = 0, data;

	while ((uint64_t)at < size && (data = lseek(fd, at, SEEK_DATA)) >= 0) {
		at = lseek(fd, data, SEEK_HOLE);
		if (at <= data)
			return;
		archive_entry_sparse_add_entry(e, data, at - data);
	}
	/* A file that is one hole still has a map. */
	if (!archive_entry_sparse_count(e))
		archive_entry_sparse_add_entry(e, 0, 0);
}

static int write_image(struct archive *a, int fd, uint64_t size,
		       const struct store_progress *progress, struct err *err)
{
	auto_free char *block = xmalloc(BLOCK_BYTES);

	for (uint64_t off = 0; off < size;) {
		size_t n = min_u64(BLOCK_BYTES, size - off);

		if (progress_interrupted(progress))
			return err_set(err, ERR_INTERRUPTED, "interrupted");
		if (pread_all(fd, block, n, off, NULL) < 0)
			return err_sys(err, ERR_HOST, "cannot read the image at offset %" PRIu64,
				       off);
		if (archive_write_data(a, block, n) != (la_ssize_t)n)
			return tar_error(a, "cannot write the bundle", err);
		off += n;
		progress_bytes(progress, off, size);
	}
	return 0;
}

int bundle_write(int out, const char *record, int image, uint64_t size,
		 const struct store_progress *progress, struct err *err)
{
	struct archive_entry *about = new_entry(record_name, strlen(record)),
			     *file = new_entry(image_name, size);
	struct archive *a = archive_write_new();
	int rc = 0;

	map_holes(file, image, size);
	if (!a || archive_write_set_format_pax_restricted(a) != ARCHIVE_OK ||
	    archive_write_open_fd(a, out) != ARCHIVE_OK ||
	    archive_write_header(a, about) != ARCHIVE_OK ||
	    archive_write_data(a, record, strlen(record)) != (la_ssize_t)strlen(record) ||
	    archive_write_header(a, file) != ARCHIVE_OK)
		rc = tar_error(a, "cannot write the bundle", err);
	if (rc == 0)
		rc = write_image(a, image, size, progress, err);
	if (rc == 0 && archive_write_close(a) != ARCHIVE_OK)
		rc = tar_error(a, "cannot write the bundle", err);
	archive_write_free(a);
	archive_entry_free(about);
	archive_entry_free(file);
	return rc;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct reader {
	const struct bundle_read *from;
	struct archive *archive;
	uint64_t off;
	char block[64 << 10];
};

static la_ssize_t on_read(struct archive *a, void *ctx, const void **data)
{
	struct reader *r = ctx;
	size_t got;

	if (pread_all(r->from->fd, r->block, sizeof(r->block), r->off, &got) < 0) {
		archive_set_error(a, errno, "cannot read at offset %" PRIu64, r->off);
		return -1;
	}
	r->off += got;
	*data = r->block;
	return (la_ssize_t)got;
}

static int corrupt(struct reader *r, struct err *err)
{
	const char *why = archive_error_string(r->archive);

	return err_set(err, ERR_CORRUPT, "the bundle is damaged near offset %" PRIu64 ": %s",
		       r->off, why ? why : "libarchive gives no reason");
}

/* The next member must be this one, and no longer than max. */
static int expect(struct reader *r, const char *name, uint64_t max, uint64_t *size, struct err *err)
{
	struct archive_entry *e;
	const char *found;
	int rc = archive_read_next_header(r->archive, &e);

	if (rc == ARCHIVE_EOF)
		return err_set(err, ERR_CORRUPT, "the bundle has no member '%s'", name);
	if (rc != ARCHIVE_OK)
		return corrupt(r, err);
	found = archive_entry_pathname(e);
	if (!found || strcmp(found, name))
		return err_set(err, ERR_CORRUPT,
			       "the bundle has a member '%.200s' where '%s' belongs",
			       found ? found : "", name);
	if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e) ||
	    archive_entry_symlink(e) || !archive_entry_size_is_set(e) || archive_entry_size(e) < 0)
		return err_set(err, ERR_CORRUPT, "the bundle's '%s' is not a regular file", name);
	*size = (uint64_t)archive_entry_size(e);
	if (*size > max)
		return err_set(err, ERR_CORRUPT,
			       "the bundle's '%s' has %" PRIu64 " bytes, more than %" PRIu64, name,
			       *size, max);
	return 0;
}

/* A member's data as libarchive finds it, holes left out; `put` gets each piece once, in order. */
static int each_block(struct reader *r, uint64_t size,
		      int (*put)(void *ctx, uint64_t off, const void *data, size_t n), void *ctx,
		      struct err *err)
{
	const void *data;
	la_int64_t off;
	uint64_t end = 0;
	size_t n;
	int rc;

	while ((rc = archive_read_data_block(r->archive, &data, &n, &off)) == ARCHIVE_OK) {
		if (off < 0 || (uint64_t)off < end || !range_inside((uint64_t)off, n, size))
			return err_set(err, ERR_CORRUPT,
				       "the bundle's map of holes contradicts itself");
		end = (uint64_t)off + n;
		if (n && put(ctx, (uint64_t)off, data, n) < 0)
			return err_sys(err, ERR_HOST, "cannot write the image");
	}
	return rc == ARCHIVE_EOF ? 0 : corrupt(r, err);
}

static int to_text(void *ctx, uint64_t off, const void *data, size_t n)
{
	struct buf *text = ctx;

	(void)off; /* a text has no holes: what is missing makes it too short to be JSON */
	buf_put(text, data, n);
	return 0;
}

static int to_file(void *ctx, uint64_t off, const void *data, size_t n)
{
	return sparse_put(ctx, off, data, n);
}

static int read_members(struct reader *r, struct buf *result, struct err *err)
{
	struct sparse out = {.fd = r->from->out_fd};
	auto_buf struct buf record = BUF_INIT(IMAGE_RECORD_MAX + 1);
	struct archive_entry *more;
	uint64_t size;

	if (expect(r, record_name, IMAGE_RECORD_MAX, &size, err) < 0 ||
	    each_block(r, size, to_text, &record, err) < 0 ||
	    expect(r, image_name, r->from->max_bytes, &size, err) < 0 ||
	    each_block(r, size, to_file, &out, err) < 0)
		return -1;
	switch (archive_read_next_header(r->archive, &more)) {
	case ARCHIVE_EOF:
		break;
	case ARCHIVE_OK:
		return err_set(err, ERR_CORRUPT, "the bundle has more than a record and an image");
	default:
		return corrupt(r, err);
	}
	buf_put(result, &size, sizeof(size));
	buf_put(result, record.data, record.len);
	return 0;
}

int bundle_read_work(void *ctx, struct buf *result, struct err *err)
{
	struct reader *r = NEW(struct reader);
	int rc;

	r->from = ctx;
	r->archive = archive_read_new();
	if (!r->archive || archive_read_support_format_tar(r->archive) != ARCHIVE_OK ||
	    archive_read_open(r->archive, r, NULL, on_read, NULL) != ARCHIVE_OK)
		rc = r->archive ? corrupt(r, err) : err_set(err, ERR_HOST, "out of memory");
	else
		rc = read_members(r, result, err);
	archive_read_free(r->archive);
	free(r);
	return rc;
}
