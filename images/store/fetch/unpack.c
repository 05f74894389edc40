/* SPDX-License-Identifier: Apache-2.0
 *
 * See unpack.h. The formats are libarchive's; which file of an archive is the image, what an
 * archive may hold and how much may come out of it is decided here.
 */
#include "images/store/fetch/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/clean.h"
#include "base/mem.h"
#include "base/sparse.h"
#include "base/util.h"
#include "images/store/fetch/gunzip.h"

enum {
	READ_BYTES = 256 << 10,
	MAX_ENTRIES = 64,
	/*
	 * An image that is mostly empty shrinks a hundredfold, a bomb a thousandfold and more.
	 * Below the first gigabyte nobody is harmed, and headers distort the ratio.
	 */
	MAX_RATIO = 1000,
};
#define RATIO_FROM GIB

/* --- what it is --- */

static const struct {
	const char *name, *magic;
	size_t off, len;
	int (*filter)(struct archive *);
} packings[] = {
	[PACK_NONE] = {"not packed", NULL, 0, 0, NULL},
	[PACK_XZ] = {"xz", "\xfd\x37zXZ", 0, 6, archive_read_support_filter_xz},
	[PACK_GZIP] = {"gzip", "\x1f\x8b\x08", 0, 3, NULL}, /* RFC 1952, 2.3; gunzip.h */
	[PACK_BZIP2] = {"bzip2", "1AY&SY", 4, 6, archive_read_support_filter_bzip2},
	[PACK_ZSTD] = {"zstd", "\x28\xb5\x2f\xfd", 0, 4,
		       archive_read_support_filter_zstd}, /* RFC 8878, 3.1.1 */
	[PACK_TAR] = {"tar", "ustar", 257, 5,
		      NULL}, /* POSIX ustar, and GNU's with a blank after it */
	[PACK_ZIP] = {"zip", "PK\3\4", 0, 4, NULL}, /* APPNOTE, 4.3.7 */
};
static_assert(ARRAY_LEN(packings) == PACKINGS, "every packing has a row");

const char *packing_name(enum packing kind)
{
	return packings[kind].name;
}

enum packing packing_detect(const void *head, size_t n)
{
	for (int k = PACK_NONE + 1; k < PACKINGS; k++)
		if (range_inside(packings[k].off, packings[k].len, n) &&
		    !memcmp((const char *)head + packings[k].off, packings[k].magic,
			    packings[k].len))
			return (enum packing)k;
	return PACK_NONE;
}

/* --- what comes out --- */

struct unpacking {
	const struct unpack *what;
	struct archive *archive;
	struct gunzip *gunzip; /* for PACK_GZIP, between the file and libarchive */
	struct err *err;
	char *block; /* READ_BYTES */
	struct sparse out;
	uint64_t unpacked; /* bytes, of all entries */
	uint64_t size;	   /* of the image so far */
	struct buf names;  /* of the regular files: for messages */
	unsigned entries, files, images;
};

static la_ssize_t read_packed(struct archive *a, void *ctx, const void **data)
{
	struct unpacking *u = ctx;
	ssize_t n = u->gunzip ? gunzip_read(u->gunzip, u->block, READ_BYTES)
			      : tail_read(u->what->from, u->block, READ_BYTES);

	if (n < 0)
		archive_set_error(a, errno,
				  errno == EBADMSG ? "wrong data or checksum" : "cannot be read");
	*data = u->block;
	return n;
}

/* A failure of libarchive's: damaged bytes, unless it was the reading. */
static int archive_failed(struct unpacking *u)
{
	const char *text = archive_error_string(u->archive);
	int sys = archive_errno(u->archive);
	if (text && !strcmp(text, "cannot be read"))
		return err_set(u->err, ERR_HOST, "cannot be read at offset %" PRIu64 ": %s",
			       u->what->from->off, strerror(sys));
	if (sys == ENOMEM)
		return err_set(u->err, ERR_VERIFY,
			       "wants more memory to be unpacked than it may have");
	return err_set(u->err, ERR_CORRUPT, "the %s is damaged near byte %" PRIu64 ": %s",
		       packing_name(u->what->kind), u->what->from->off,
		       text ? text : "it ends too early");
}

/* Counts what came out, in bytes; `end` is where it lies in its file. */
static int account(struct unpacking *u, uint64_t n, uint64_t end)
{
	u->unpacked += n;
	if (end > u->what->max_bytes || u->unpacked > u->what->max_bytes)
		return err_set(u->err, ERR_VERIFY,
			       "unpacks to more than the limit of %" PRIu64 " bytes",
			       u->what->max_bytes);
	if (u->unpacked > RATIO_FROM && u->unpacked / MAX_RATIO > u->what->from->off)
		return err_set(u->err, ERR_VERIFY,
			       "unpacks to more than %d times its size: that is no disk image, it "
			       "is a bomb",
			       MAX_RATIO);
	return 0;
}

static int write_failed(struct unpacking *u, uint64_t off)
{
	int sys = errno;

	err_sys(u->err, ERR_HOST, "cannot write '%s' at offset %" PRIu64, u->what->out_path, off);
	return err_hint(u->err, "%swhat came is kept",
			sys == ENOSPC || sys == EDQUOT
				? "it unpacks to more than there is room for; make room: "
				: "");
}

/* Reads the data of an entry to its end; keeps it as the image, or only counts it. */
static int read_data(struct unpacking *u, bool keep)
{
	const void *data;
	size_t n;
	la_int64_t off;
	int rc;

	while ((rc = archive_read_data_block(u->archive, &data, &n, &off)) != ARCHIVE_EOF) {
		uint64_t end;

		if (rc != ARCHIVE_OK) /* a wrong checksum of a zip is but a warning to libarchive */
			return archive_failed(u);
		if (off < 0 || !checked_add((uint64_t)off, n, &end))
			return err_set(u->err, ERR_CORRUPT,
				       "the %s is damaged: data at no possible offset",
				       packing_name(u->what->kind));
		if (account(u, n, end) < 0)
			return -1;
		if (!keep)
			continue;
		if (sparse_put(&u->out, (uint64_t)off, data, n) < 0)
			return write_failed(u, (uint64_t)off);
		u->size = max_u64(u->size, end);
	}
	return 0;
}

/* --- which file --- */

static bool named_like_image(const char *name)
{
	static const char *const ends[] = {".qcow2", ".raw", ".img"};
	size_t n = strlen(name);

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (n > strlen(ends[i]) && !strcasecmp(name + n - strlen(ends[i]), ends[i]))
			return true;
	return false;
}

static bool escapes(const char *name)
{
	if (name[0] == '/')
		return true;
	for (const char *p = name; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (p[0] == '.' && p[1] == '.' && (!p[2] || p[2] == '/'))
			return true;
	}
	return false;
}

/* Nothing would come of any of these here; but an archive that has them is not what it says. */
static int check_entry(struct unpacking *u, struct archive_entry *e, const char *name)
{
	unsigned type = archive_entry_filetype(e);

	if (++u->entries > MAX_ENTRIES)
		return err_set(u->err, ERR_VERIFY,
			       "holds more than %d files: not an archive of one disk image",
			       MAX_ENTRIES);
	if (archive_entry_is_encrypted(e) > 0)
		return err_set(u->err, ERR_VERIFY, "'%s' is encrypted", name);
	if (escapes(name))
		return err_set(u->err, ERR_VERIFY, "holds '%s', a path that leads out of it", name);
	if (archive_entry_hardlink(e) || archive_entry_symlink(e) ||
	    (type != AE_IFREG && type != AE_IFDIR))
		return err_set(u->err, ERR_VERIFY, "holds '%s', a link or special file", name);
	return 0;
}

/*
 * The image is the one file whose name says so, or the only file. The first file is kept until a
 * better one comes: sparse_put overwrites it, and the length is set at the end.
 */
static int read_entry(struct unpacking *u, struct archive_entry *e)
{
	const char *raw = archive_entry_pathname(e);
	char name[200];
	bool image;
	int64_t size = archive_entry_size_is_set(e) ? archive_entry_size(e) : 0;

	clean_str(name, sizeof(name), raw ? raw : "?");
	if (check_entry(u, e, name) < 0)
		return -1;
	if (archive_entry_filetype(e) == AE_IFDIR)
		return 0;
	if (size < 0 || (uint64_t)size > u->what->max_bytes)
		return account(u, 0, UINT64_MAX);
	image = named_like_image(name);
	buf_printf(&u->names, "%s%s", u->files++ ? ", " : "", name);
	u->images += image;
	if (image ? u->images > 1 : u->files > 1)
		return read_data(u, false);
	u->size = (uint64_t)size; /* it may end with a hole, of which no data comes */
	return read_data(u, true);
}

static int read_archive(struct unpacking *u, struct buf *result)
{
	struct archive_entry *e;
	int rc;

	while ((rc = archive_read_next_header(u->archive, &e)) != ARCHIVE_EOF) {
		if (rc < ARCHIVE_WARN)
			return archive_failed(u);
		if (read_entry(u, e) < 0)
			return -1;
	}
	if (!u->files)
		return err_set(u->err, ERR_VERIFY, "holds no file");
	if (u->images > 1 || (!u->images && u->files > 1))
		return err_set(u->err, ERR_VERIFY,
			       "holds %s disk image%s (%s): unpack it yourself and name one",
			       u->images ? "more than one" : "no", u->images ? "" : " by its name",
			       buf_str(&u->names));
	if (!u->size)
		return err_set(u->err, ERR_VERIFY, "holds an empty file");
	buf_put(result, &u->size, sizeof(u->size));
	return 0;
}

/*
 * Opens the archive as one format behind the filter that was recognised. libarchive would choose
 * among several itself, and takes a disk that begins with zeroes for the end of a tar.
 */
static int open_as(struct unpacking *u, int (*format)(struct archive *))
{
	int (*filter)(struct archive *) = packings[u->what->kind].filter;

	tail_rewind(u->what->from);
	if (u->what->kind == PACK_GZIP && !(u->gunzip = gunzip_new(u->what->from)))
		return err_set(u->err, ERR_HOST, "zlib cannot be started");
	u->archive = archive_read_new();
	if (!u->archive || (filter && filter(u->archive) != ARCHIVE_OK) ||
	    format(u->archive) != ARCHIVE_OK)
		return err_set(u->err, ERR_HOST, "this libarchive does not read %s",
			       packing_name(u->what->kind));
	if (archive_read_open(u->archive, u, NULL, read_packed, NULL) != ARCHIVE_OK)
		return archive_failed(u);
	return 0;
}

static void close_archive(struct unpacking *u)
{
	archive_read_free(take_ptr(u->archive));
	gunzip_free(take_ptr(u->gunzip));
}

/* What is under the compression: an image, or a tar? */
static int look_inside(struct unpacking *u, bool *is_tar)
{
	struct archive_entry *e;
	char head[PACKING_HEAD];
	la_ssize_t n;
	int filters;

	if (open_as(u, archive_read_support_format_raw) < 0)
		return -1;
	if (archive_read_next_header(u->archive, &e) < ARCHIVE_WARN ||
	    (n = archive_read_data(u->archive, head, sizeof(head))) < 0)
		return archive_failed(u);
	/*
	 * libarchive applies a filter as often as it recognises it: never, when its idea of the
	 * head is stricter than ours, and then the packed bytes would pass for the image.
	 */
	filters = archive_filter_count(u->archive) - 1;
	if (packings[u->what->kind].filter && filters < 1)
		return err_set(u->err, ERR_CORRUPT, "the %s is damaged: it has no whole head",
			       packing_name(u->what->kind));
	if (filters > 1)
		return err_set(u->err, ERR_VERIFY, "is packed more than once");
	*is_tar = packing_detect(head, (size_t)n) == PACK_TAR;
	close_archive(u);
	return 0;
}

static int open_archive(struct unpacking *u)
{
	bool is_tar = false;

	if (u->what->kind == PACK_ZIP)
		return open_as(u, archive_read_support_format_zip_streamable);
	if (u->what->kind == PACK_TAR)
		return open_as(u, archive_read_support_format_tar);
	if (look_inside(u, &is_tar) < 0)
		return -1;
	return open_as(u,
		       is_tar ? archive_read_support_format_tar : archive_read_support_format_raw);
}

int unpack_work(void *ctx, struct buf *result, struct err *err)
{
	const struct unpack *what = ctx;
	struct unpacking u = {
		.what = what,
		.err = err,
		.block = xmalloc(READ_BYTES),
		.out = {.fd = what->out_fd},
		.names = BUF_INIT(240),
	};
	int rc = open_archive(&u) < 0 ? -1 : read_archive(&u, result);

	close_archive(&u);
	buf_done(&u.names);
	free(u.block);
	return rc;
}
