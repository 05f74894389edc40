/* SPDX-License-Identifier: Apache-2.0
 *
 * Host files: see host.h.
 */
#include "images/disk/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/util.h"

enum {
	SEGMENTS = 64,	    /* iovecs a system call */
	ZERO_CHUNK = 65536, /* bytes of zeroes written at once where the host has no better way */
};

static const struct host_watch *watch;

void host_set_watch(const struct host_watch *w)
{
	watch = w;
}

int host_will(const struct host *h, enum host_op op, uint64_t off, uint64_t len,
	      const struct iov_pos *data)
{
	return watch ? watch->op(watch->ctx, op, h->fd, off, len, data) : 0;
}

int host_open(struct host *h, int fd, struct err *err)
{
	struct stat st;

	*h = (struct host){.fd = fd};
	if (fstat(fd, &st) < 0) {
		err_sys(err, ERR_HOST, "cannot stat");
	} else if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) {
		h->is_blockdev = S_ISBLK(st.st_mode);
		return 0;
	} else {
		err_set(err, ERR_HOST, "neither a regular file nor a block device");
	}
	host_close(h);
	return -1;
}

void host_close(struct host *h)
{
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
}

int host_size(const struct host *h, uint64_t *size)
{
	struct stat st;

	if (h->is_blockdev)
		return ioctl(h->fd, BLKGETSIZE64, size) < 0 ? -errno : 0;
	if (fstat(h->fd, &st) < 0)
		return -errno;
	*size = (uint64_t)st.st_size;
	return 0;
}

/* --- transfers ------------------------------------------------------------------------------- */

static void drop(struct iovec **iov, int *n, size_t bytes)
{
	while (*n && bytes >= (*iov)->iov_len) {
		bytes -= (*iov)->iov_len;
		(*iov)++;
		(*n)--;
	}
	if (*n && bytes) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + bytes;
		(*iov)->iov_len -= bytes;
	}
}

/* One batch of segments, wholly. */
static int transfer(const struct host *h, struct iovec *iov, int n, uint64_t off, bool write)
{
	while (n) {
		ssize_t r = write ? pwritev(h->fd, iov, n, (off_t)off)
				  : preadv(h->fd, iov, n, (off_t)off);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0 && (write || !h->sparse_end))
			return -EIO;
		if (r == 0) {
			for (int i = 0; i < n; i++)
				memset(iov[i].iov_base, 0, iov[i].iov_len);
			return 0;
		}
		drop(&iov, &n, (size_t)r);
		off += (uint64_t)r;
	}
	return 0;
}

static int transfer_all(const struct host *h, struct iov_pos *pos, size_t len, uint64_t off,
			bool write)
{
	if (len > INT64_MAX || off > INT64_MAX - len)
		return -EIO;
	while (len) {
		struct iovec iov[SEGMENTS];
		int n = SEGMENTS, r;
		size_t bytes = iov_take(pos, len, iov, &n);

		assert(bytes);
		r = transfer(h, iov, n, off, write);
		if (r < 0)
			return r;
		len -= bytes;
		off += bytes;
	}
	return 0;
}

int host_readv(const struct host *h, struct iov_pos *pos, size_t n, uint64_t off)
{
	return transfer_all(h, pos, n, off, false);
}

int host_writev(const struct host *h, struct iov_pos *pos, size_t n, uint64_t off)
{
	int r = host_will(h, HOST_WRITE, off, n, pos);

	return r < 0 ? r : transfer_all(h, pos, n, off, true);
}

int host_read(const struct host *h, void *dst, size_t n, uint64_t off)
{
	struct iovec iov = {.iov_base = dst, .iov_len = n};

	return host_readv(h, &IOV_POS(&iov, 1), n, off);
}

int host_write(const struct host *h, const void *src, size_t n, uint64_t off)
{
	struct iovec iov = {.iov_base = (void *)src, .iov_len = n};

	return host_writev(h, &IOV_POS(&iov, 1), n, off);
}

int host_synced(struct host *h, int result)
{
	if (result < 0 && !h->sync_failed)
		h->sync_failed = result;
	return h->sync_failed;
}

int host_sync(struct host *h)
{
	int r;

	do {
		r = host_will(h, HOST_SYNC, 0, 0, NULL);
		if (r == 0)
			r = fdatasync(h->fd) < 0 ? -errno : 0;
	} while (r == -EINTR);
	return host_synced(h, r);
}

/* --- space ----------------------------------------------------------------------------------- */

/* Where the file ends. A device has its length; asking for it takes an ioctl, which may not be. */
static int reach(const struct host *h, uint64_t *end)
{
	*end = UINT64_MAX;
	return h->is_blockdev ? 0 : host_size(h, end);
}

static int write_zeroes(const struct host *h, uint64_t off, uint64_t len)
{
	static const char zeroes[ZERO_CHUNK];
	uint64_t end;
	int r = reach(h, &end);

	/* fallocate would not let the file grow either. */
	end = min_u64(end, off + len);
	while (off < end && r == 0) {
		size_t n = min_u64(end - off, ZERO_CHUNK);
		struct iovec iov = {.iov_base = (void *)zeroes, .iov_len = n};

		r = transfer(h, &iov, 1, off, true);
		off += n;
	}
	return r;
}

int host_zero(const struct host *h, uint64_t off, uint64_t len, bool punch)
{
	/* On block devices fallocate zeroes too, and frees only when that reads as zeroes. */
	const int modes[] = {
		FALLOC_FL_KEEP_SIZE | (punch ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE),
		FALLOC_FL_KEEP_SIZE | (punch ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE),
	};
	int r = host_will(h, HOST_ZERO, off, len, NULL);

	if (r < 0 || !len)
		return r;
	for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
		/* A request to keep the space is not worth less space than it had. */
		if (!punch && i > 0)
			break;
		do
			r = fallocate(h->fd, modes[i], (off_t)off, (off_t)len) < 0 ? -errno : 0;
		while (r == -EINTR);
		if (r != -EOPNOTSUPP && r != -ENOSYS && r != -EINVAL)
			return r;
	}
	return write_zeroes(h, off, len);
}

void host_discard(const struct host *h, uint64_t off, uint64_t len)
{
	if (len && host_will(h, HOST_DISCARD, off, len, NULL) == 0)
		(void)!fallocate(h->fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, (off_t)off,
				 (off_t)len);
}

int host_resize(const struct host *h, uint64_t size)
{
	int r = host_will(h, HOST_RESIZE, 0, size, NULL);

	if (r < 0)
		return r;
	if (h->is_blockdev)
		return -ENOSPC;
	if (size > INT64_MAX)
		return -EFBIG;
	return ftruncate(h->fd, (off_t)size) < 0 ? -errno : 0;
}

int host_reach(const struct host *h, uint64_t size)
{
	uint64_t end;
	int r = reach(h, &end);

	return r < 0 || end >= size ? r : host_resize(h, size);
}
