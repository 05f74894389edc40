/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: see file.h.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/util.h"

int file_read_fd(int fd, const char *what, struct buf *out, struct err *err)
{
	char block[16384];

	for (;;) {
		ssize_t n = read(fd, block, sizeof(block));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, ERR_FAILED, "cannot read '%s'", what);
		if (n == 0)
			return 0;
		buf_put(out, block, (size_t)n);
		if (out->overflow)
			return err_set(err, ERR_FAILED, "'%s' is larger than %zu bytes", what,
				       out->ceiling);
	}
}

int file_read(const char *path, struct buf *out, struct err *err)
{
	auto_close int fd = -1;

	if (!strcmp(path, "-"))
		return file_read_fd(STDIN_FILENO, "standard input", out, err);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED, "cannot open '%s'",
			       path);
	return file_read_fd(fd, path, out, err);
}

static int replace(const char *path, const void *data, size_t n, mode_t mode, bool durable,
		   struct err *err)
{
	auto_free char *dir = path_dir(path);
	auto_free char *tmp = xasprintf("%s/.%s.XXXXXX", dir, path_base(path));
	auto_close int fd = mkostemp(tmp, O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, ERR_HOST, "cannot create a file in '%s'", dir);
	if (fchmod(fd, mode) < 0 || write_all(fd, data, n) < 0 || (durable && fsync(fd) < 0)) {
		err_sys(err, ERR_HOST, "cannot write '%s'", path);
		goto fail;
	}
	if (rename(tmp, path) < 0) {
		err_sys(err, ERR_HOST, "cannot replace '%s'", path);
		goto fail;
	}
	return durable ? dir_sync(dir, err) : 0;
fail:
	unlink(tmp);
	return -1;
}

int file_replace(const char *path, const void *data, size_t n, mode_t mode, struct err *err)
{
	return replace(path, data, n, mode, true, err);
}

int file_put(const char *path, const void *data, size_t n, mode_t mode, struct err *err)
{
	return replace(path, data, n, mode, false, err);
}

int dir_make(const char *path, mode_t mode, struct err *err)
{
	auto_free char *part = xstrdup(path);
	struct stat st;

	for (char *p = part + 1;; p++) {
		char was = *p;

		if (was && was != '/')
			continue;
		*p = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return err_sys(err, ERR_HOST, "cannot create directory '%s'", part);
		if (!was)
			break;
		*p = was;
	}
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return err_sys(err, ERR_HOST, "'%s'", path);
	}
	return 0;
}

int dir_sync(const char *path, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Some file systems (9p, overlay on old kernels) cannot sync a directory: nothing to be done. */
	if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL && errno != EROFS))
		return err_sys(err, ERR_HOST, "cannot sync directory '%s'", path);
	return 0;
}

int file_remove(const char *path, struct err *err)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, ERR_HOST, "cannot remove '%s'", path);
	return 0;
}

static int remove_below(int fd, const char *path, dev_t dev, unsigned depth, struct err *err)
{
	auto_closedir DIR *d = fdopendir(fd);
	struct dirent *e;

	if (!d) {
		close(fd);
		return err_sys(err, ERR_HOST, "cannot read '%s'", path);
	}
	while ((e = readdir(d))) {
		auto_free char *child = path_join(path, e->d_name);
		struct stat st;
		int sub;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM)
			return err_sys(err, ERR_HOST, "cannot remove '%s'", child);
		sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			return err_sys(err, ERR_HOST, "cannot remove '%s'", child);
		if (fstat(sub, &st) < 0 || st.st_dev != dev || depth >= 64) {
			close(sub);
			return err_set(err, ERR_HOST, "'%s' is a mount point or too deep: not removed",
				       child);
		}
		if (remove_below(sub, child, dev, depth + 1, err) < 0)
			return -1;
		if (unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) < 0)
			return err_sys(err, ERR_HOST, "cannot remove '%s'", child);
	}
	return 0;
}

int dir_remove(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, ERR_HOST, "cannot open '%s'", path);
	if (fstat(fd, &st) < 0) {
		close(fd);
		return err_sys(err, ERR_HOST, "cannot stat '%s'", path);
	}
	if (remove_below(fd, path, st.st_dev, 0, err) < 0) /* takes fd */
		return -1;
	if (rmdir(path) < 0)
		return err_sys(err, ERR_HOST, "cannot remove '%s'", path);
	return 0;
}

int file_lock(const char *path, uint64_t timeout_ms, bool (*waiting)(void *ctx), void *ctx,
	      struct err *err)
{
	uint64_t start = now_ms(), told = start;
	auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(err, ERR_HOST, "cannot open lock '%s'", path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		uint64_t now = now_ms();

		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(err, ERR_HOST, "cannot lock '%s'", path);
		if (now - start >= timeout_ms)
			return err_set(err, ERR_CONFLICT, "'%s' is locked by another croft command",
				       path);
		if (waiting && now - told >= 500) {
			if (!waiting(ctx))
				return err_set(err, ERR_INTERRUPTED, "interrupted");
			told = now;
		}
		nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
	}
	return take_fd(&fd);
}

int pread_all(int fd, void *dst, size_t n, uint64_t off, size_t *got)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = pread(fd, (char *)dst + done, n - done, (off_t)(off + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	if (got) {
		*got = done;
	} else if (done < n) {
		errno = EIO;
		return -1;
	}
	return 0;
}

int pwrite_all(int fd, const void *src, size_t n, uint64_t off)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = pwrite(fd, (const char *)src + done, n - done, (off_t)(off + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		done += (size_t)r;
	}
	return 0;
}

int write_all(int fd, const void *src, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = write(fd, (const char *)src + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		done += (size_t)r;
	}
	return 0;
}

char *path_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);

	if (name[0] == '/' || !n)
		return xstrdup(name);
	return xasprintf("%s%s%s", dir, dir[n - 1] == '/' ? "" : "/", name);
}

char *path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *path_expand(const char *path, const char *dir)
{
	const char *home = getenv("HOME");

	if (path[0] == '~' && (path[1] == '/' || !path[1]) && home)
		return xasprintf("%s%s", home, path + 1);
	return dir ? path_join(dir, path) : xstrdup(path);
}
