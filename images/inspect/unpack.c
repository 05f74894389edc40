/* SPDX-License-Identifier: Apache-2.0
 *
 * Unpacking of kernels and initrds: see unpack.h. The decompressors are libarchive's.
 */
#include "images/inspect/unpack.h"

#include <archive.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/guard.h"
#include "base/mem.h"
#include "base/sparse.h"
#include "base/util.h"

enum {
	BLOCK = 256 << 10,
	SECTOR = 512,
	/* Documentation/arch/x86/boot.rst */
	SETUP_SECTS = 0x1f1,
	BOOT_FLAG = 0x1fe,
	MAGIC = 0x202,
	PAYLOAD_OFFSET = 0x248,
	PAYLOAD_LENGTH = 0x24c,
	/* Documentation/driver-api/early-userspace/buffer-format.rst */
	CPIO_HEADER = 110,
	CPIO_FILE_SIZE = 54,
	CPIO_NAME_SIZE = 94,
	CPIO_MAX_ENTRIES = 10000, /* of an archive that is there uncompressed: microcode */
};

struct unpack {
	int in;
	uint64_t size; /* of the input */
	struct sparse out;
	uint64_t written, most; /* bytes that are and may be in the output */
	uint8_t block[BLOCK];
};

/* Zeroes, which are a third of a kernel, become holes: the VMM need not read them into memory that is
 * zero already. */
static int put(struct unpack *u, const void *data, size_t n, struct err *err)
{
	if (n > u->most - u->written)
		return err_set(err, ERR_CORRUPT, "it unpacks to more than it may");
	if (sparse_put(&u->out, u->written, data, n) < 0)
		return err_sys(err, ERR_HOST, "cannot write what was unpacked");
	u->written += n;
	return 0;
}

/* A hole at the end is not there yet: its last byte gives the file its length. (The guard lets
 * nobody call ftruncate.) */
static int finish(struct unpack *u, struct err *err)
{
	static const uint8_t zero;
	off_t end = lseek(u->out.fd, 0, SEEK_END);

	if (end < 0 || ((uint64_t)end < u->written &&
			pwrite_all(u->out.fd, &zero, 1, u->written - 1) < 0))
		return err_sys(err, ERR_HOST, "cannot write what was unpacked");
	return 0;
}

/* As it is. */
static int copy(struct unpack *u, uint64_t off, uint64_t n, struct err *err)
{
	while (n) {
		size_t part = min_u64(n, BLOCK);

		if (pread_all(u->in, u->block, part, off, NULL) < 0)
			return err_set(err, ERR_CORRUPT, "the file ends early");
		if (put(u, u->block, part, err) < 0)
			return -1;
		off += part;
		n -= part;
	}
	return 0;
}

/* --- a compressed stream ------------------------------------------------------------------------ */

struct stream {
	struct unpack *u;
	uint64_t off, end; /* in the file */
};

static la_ssize_t on_read(struct archive *a, void *ctx, const void **data)
{
	struct stream *s = ctx;
	size_t got = 0;

	if (pread_all(s->u->in, s->u->block, min_u64(BLOCK, s->end - s->off), s->off, &got) < 0) {
		archive_set_error(a, EIO, "cannot read");
		return -1;
	}
	s->off += got;
	*data = s->u->block;
	return (la_ssize_t)got;
}

static int copy_out(struct unpack *u, struct archive *a, struct err *err)
{
	const void *data;
	la_int64_t off;
	size_t n;
	int rc;

	while ((rc = archive_read_data_block(a, &data, &n, &off)) == ARCHIVE_OK)
		if (put(u, data, n, err) < 0)
			return -1;
	return rc == ARCHIVE_EOF ? 0
				 : err_set(err, ERR_UNSUPPORTED, "%s", archive_error_string(a));
}

/* One stream of any compression, in [off, end). *used: how much of that it was. */
static int inflate(struct unpack *u, uint64_t off, uint64_t end, uint64_t *used, struct err *err)
{
	struct stream s = {.u = u, .off = off, .end = end};
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	int rc = -1;

	if (!a)
		return err_set(err, ERR_HOST, "libarchive cannot be started");
	archive_read_support_filter_all(a);
	archive_read_support_format_raw(a);
	if (archive_read_open(a, &s, NULL, on_read, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(a, &entry) != ARCHIVE_OK)
		err_set(err, ERR_UNSUPPORTED, "%s", archive_error_string(a));
	else if (archive_filter_count(a) < 2) /* the last one is the file itself */
		err_set(err, ERR_UNSUPPORTED, "no compression that is known here");
	else
		rc = copy_out(u, a, err);
	if (rc == 0)
		*used = (uint64_t)archive_filter_bytes(a, -1);
	archive_read_free(a);
	return rc;
}

/* --- the kernel ----------------------------------------------------------------------------------- */

/* The build appends the unpacked size to every stream that does not end with it itself, as gzip's
 * does (kernel: scripts/Makefile.lib, size_append). */
static uint64_t stream_length(const uint8_t magic[2], uint64_t payload)
{
	bool gzip = magic[0] == 0x1f && (magic[1] == 0x8b || magic[1] == 0x9e);

	return gzip || payload < 4 ? payload : payload - 4;
}

/* After the payload is there: the setup header says where, and how long it is. */
static int patch_header(struct unpack *u, uint64_t setup, uint64_t payload, struct err *err)
{
	uint8_t sector[2 * SECTOR], magic[SELFMAG];

	if (payload > UINT32_MAX || pread_all(u->out.fd, magic, SELFMAG, setup, NULL) < 0 ||
	    memcmp(magic, ELFMAG, SELFMAG))
		return err_set(err, ERR_CORRUPT, "what was unpacked is no ELF image");
	if (pread_all(u->out.fd, sector, sizeof(sector), 0, NULL) < 0)
		return err_sys(err, ERR_HOST, "cannot read what was unpacked");
	put_le32(sector + PAYLOAD_OFFSET, 0);
	put_le32(sector + PAYLOAD_LENGTH, (uint32_t)payload);
	if (pwrite_all(u->out.fd, sector, sizeof(sector), 0) < 0)
		return err_sys(err, ERR_HOST, "cannot write what was unpacked");
	return 0;
}

static int kernel_work(void *ctx, struct buf *result, struct err *err)
{
	struct unpack *u = ctx;
	uint64_t setup, off, n, used;
	uint8_t h[2 * SECTOR], magic[2];

	(void)result;
	if (pread_all(u->in, h, sizeof(h), 0, NULL) < 0 || get_le16(h + BOOT_FLAG) != 0xaa55 ||
	    memcmp(h + MAGIC, "HdrS", 4))
		return err_set(err, ERR_UNSUPPORTED, "no bzImage");
	setup = (uint64_t)((h[SETUP_SECTS] ? h[SETUP_SECTS] : 4) + 1) * SECTOR;
	off = setup + get_le32(h + PAYLOAD_OFFSET);
	n = get_le32(h + PAYLOAD_LENGTH);
	if (setup < sizeof(h) || !range_inside(off, n, u->size) ||
	    pread_all(u->in, magic, sizeof(magic), off, NULL) < 0)
		return err_set(err, ERR_CORRUPT, "its payload is outside of the file");
	if (copy(u, 0, setup, err) < 0 ||
	    inflate(u, off, off + stream_length(magic, n), &used, err) < 0)
		return -1;
	if (finish(u, err) < 0)
		return -1;
	return patch_header(u, setup, u->written - setup, err);
}

/* --- the initrd ----------------------------------------------------------------------------------- */

/* The hexadecimal number of eight digits in a cpio header. */
static bool cpio_number(const uint8_t *h, size_t at, uint64_t *out)
{
	char text[9] = "", *end;

	memcpy(text, h + at, 8);
	*out = strtoul(text, &end, 16);
	return end == text + 8;
}

/* The first byte from `off` on that is not zero. */
static int skip_zeroes(struct unpack *u, uint64_t *off, struct err *err)
{
	for (;;) {
		size_t got, i = 0;

		if (pread_all(u->in, u->block, BLOCK, *off, &got) < 0)
			return err_sys(err, ERR_HOST, "cannot read");
		while (i < got && !u->block[i])
			i++;
		*off += i;
		if (i < got || got < BLOCK)
			return 0;
	}
}

/* What follows the cpio archives, and the zeroes, that begin at `off`. */
static int skip_archives(struct unpack *u, uint64_t *off, struct err *err)
{
	for (unsigned i = 0; i < CPIO_MAX_ENTRIES; i++) {
		uint64_t file, name;
		uint8_t h[CPIO_HEADER];

		if (skip_zeroes(u, off, err) < 0)
			return -1;
		if (pread_all(u->in, h, sizeof(h), *off, NULL) < 0 ||
		    (memcmp(h, "070701", 6) && memcmp(h, "070702", 6)))
			return 0;
		if (!cpio_number(h, CPIO_FILE_SIZE, &file) || !cpio_number(h, CPIO_NAME_SIZE, &name))
			return err_set(err, ERR_UNSUPPORTED, "a cpio header that is none");
		*off = align_up(align_up(*off + CPIO_HEADER + name, 4) + file, 4);
		if (*off > u->size)
			return err_set(err, ERR_UNSUPPORTED, "a cpio archive that is cut off");
	}
	return err_set(err, ERR_UNSUPPORTED, "an archive that is not compressed");
}

/* Archives, compressed and not, follow each other in any order, each on a 4-byte boundary. */
static int initrd_work(void *ctx, struct buf *result, struct err *err)
{
	struct unpack *u = ctx;
	uint64_t off = 0, start, used = 0;
	static const uint8_t padding[4];
	bool any = false;

	(void)result;
	for (;;) {
		start = off;
		if (skip_archives(u, &off, err) < 0 || copy(u, start, off - start, err) < 0)
			return -1;
		if (off >= u->size)
			break;
		if (inflate(u, off, u->size, &used, err) < 0 ||
		    put(u, padding, -u->written & 3, err) < 0)
			return -1;
		if (!used)
			return err_set(err, ERR_UNSUPPORTED, "no compression that is known here");
		off += used;
		any = true;
	}
	return any ? finish(u, err)
		   : err_set(err, ERR_UNSUPPORTED, "nothing in it is compressed");
}

/* --- both ----------------------------------------------------------------------------------------- */

static int run(guard_work *work, bool guarded, int in_fd, int out_fd, uint64_t max_bytes,
	       struct err *err)
{
	auto_free struct unpack *u = NEW(struct unpack);
	struct buf nothing = BUF_INIT(0);
	struct stat st;

	if (fstat(in_fd, &st) < 0)
		return err_sys(err, ERR_HOST, "cannot stat");
	u->in = in_fd;
	u->size = (uint64_t)st.st_size;
	u->out.fd = out_fd;
	u->out.granule = 4096; /* a page that the VMM need not touch may be a huge one of the host's */
	u->most = max_bytes;
	return guarded ? guard_run(work, u, out_fd, max_bytes, &nothing, err)
		       : work(u, &nothing, err);
}

int kernel_unpack(int in_fd, int out_fd, uint64_t max_bytes, struct err *err)
{
	return run(kernel_work, true, in_fd, out_fd, max_bytes, err);
}

int initrd_unpack(int in_fd, int out_fd, uint64_t max_bytes, struct err *err)
{
	return run(initrd_work, true, in_fd, out_fd, max_bytes, err);
}

int kernel_unpack_here(int in_fd, int out_fd, uint64_t max_bytes, struct err *err)
{
	return run(kernel_work, false, in_fd, out_fd, max_bytes, err);
}

int initrd_unpack_here(int in_fd, int out_fd, uint64_t max_bytes, struct err *err)
{
	return run(initrd_work, false, in_fd, out_fd, max_bytes, err);
}
