/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may do what in the cache: reader-writer locks by key, and the files in tmp/ that belong to
 * them. See internal.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/cache/internal.h"

enum { KEY_HEX = 2 * HASH_SHA256_BYTES, RETRY_MS = 20, SAY_MS = 500 };

/* 1: held by another; 0 and *out; -1. The lock file may be removed by `prune` while it is free. */
static int try(const char *path, enum lock_mode mode, int *out, struct err *err)
{
	for (;;) {
		auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		struct stat held, named;

		if (fd < 0)
			return err_sys(err, ERR_HOST, "cannot open lock '%s'", path);
		if (flock(fd, (mode == LOCK_MAKE ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0) {
			if (errno == EINTR)
				continue;
			return errno == EWOULDBLOCK
				       ? 1
				       : err_sys(err, ERR_HOST, "cannot lock '%s'", path);
		}
		/* A file that was removed between open and flock guards nothing. */
		if (fstat(fd, &held) == 0 && stat(path, &named) == 0 &&
		    held.st_ino == named.st_ino && held.st_dev == named.st_dev) {
			*out = take_fd(&fd);
			return 0;
		}
	}
}

static char *lock_path(const struct store *s, const char *key)
{
	char hex[KEY_HEX + 1];

	hash_text(key, hex);
	return xasprintf("%s/locks/%s", s->dir, hex);
}

int cache_lock(const struct store *s, const char *key, enum lock_mode mode,
	       const struct store_progress *progress, struct err *err)
{
	auto_free char *path = lock_path(s, key);
	uint64_t start = now_ms();
	bool said = false;
	int fd, r;

	while ((r = try(path, mode, &fd, err)) == 1) {
		if (progress_interrupted(progress))
			return err_set(err, ERR_INTERRUPTED,
				       "interrupted while another croft is at work on "
				       "this image");
		if (!said && now_ms() - start >= SAY_MS) {
			progress_stage(progress,
				       mode == LOCK_MAKE
					       ? "waiting for another croft that fetches this image"
					       : "waiting for another croft at work on this image");
			said = true;
		}
		nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000}, NULL);
	}
	return r < 0 ? -1 : fd;
}

void cache_lock_share(int lock)
{
	flock(lock, LOCK_SH | LOCK_NB);
}

int cache_trylock_name(const struct store *s, const char *name, enum lock_mode mode,
		       struct err *err)
{
	auto_free char *path = xasprintf("%s/locks/%s", s->dir, name);
	int fd, r = try(path, mode, &fd, err);

	if (r == 1)
		return err_set(err, ERR_CONFLICT, "another croft is at work on this image");
	return r < 0 ? -1 : fd;
}

int cache_trylock(const struct store *s, const char *key, enum lock_mode mode, struct err *err)
{
	char hex[KEY_HEX + 1];

	hash_text(key, hex);
	return cache_trylock_name(s, hex, mode, err);
}

/* --- tmp/ ------------------------------------------------------------------------------------- */

char *cache_tmp(const struct store *s, const char *key, const char *suffix)
{
	char hex[KEY_HEX + 1];

	hash_text(key, hex);
	return xasprintf("%s/tmp/%s%s", s->dir, hex, suffix);
}

static bool is_ours(const char *name)
{
	return strspn(name, "0123456789abcdef") == KEY_HEX && name[KEY_HEX] == '.';
}

/* A part may still be gone on from; everything else is of use only to who made it. */
static bool is_leftover(const char *name, const struct stat *st, int64_t part_age_s)
{
	bool keeps = text_ends(name, ".part") || text_ends(name, ".part.json") || !is_ours(name);

	return !keeps || time(NULL) - st->st_mtim.tv_sec > part_age_s;
}

void cache_sweep(const struct store *s, int64_t part_age_s)
{
	auto_free char *tmp = path_join(s->dir, "tmp");
	auto_closedir DIR *d = opendir(tmp);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char name[KEY_HEX + 1] = "";
		auto_close int lock = -1;
		struct stat st;

		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    S_ISDIR(st.st_mode) || !is_leftover(e->d_name, &st, part_age_s))
			continue;
		if (is_ours(e->d_name)) {
			memcpy(name, e->d_name, KEY_HEX);
			lock = cache_trylock_name(s, name, LOCK_MAKE, NULL);
			if (lock < 0)
				continue; /* somebody is at work on it */
		}
		unlinkat(dirfd(d), e->d_name, 0);
	}
}
