/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: reading whole ones with a ceiling, replacing atomically, locking, and I/O that finishes.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends the file to `out` (with out's ceiling); longer than the ceiling is an error. "-" is stdin. */
int file_read(const char *path, struct buf *out, struct err *err);
int file_read_fd(int fd, const char *what, struct buf *out, struct err *err);

/*
 * Replaces `path`: a temporary file beside it, written, fsynced, renamed, directory fsynced. Readers
 * see the old bytes or the new ones, also after a power cut; nothing half-made stays behind.
 */
int file_replace(const char *path, const void *data, size_t n, mode_t mode, struct err *err);

/*
 * The same without waiting for the disk: readers see old or new, and after kill -9 the file is whole;
 * after a power cut it may be anything. For what can be made again, and for what is fsynced later.
 */
int file_put(const char *path, const void *data, size_t n, mode_t mode, struct err *err);

/* mkdir -p with `mode` for what it creates. */
int dir_make(const char *path, mode_t mode, struct err *err);
/* fsyncs a directory, so that names made or removed in it are on disk. */
int dir_sync(const char *path, struct err *err);
/* Removes a file; one that is not there is no error. */
int file_remove(const char *path, struct err *err);
/* Removes a directory and everything below; does not follow links, does not cross into other mounts. */
int dir_remove(const char *path, struct err *err);

/*
 * An exclusive flock on `path` (created when missing, mode 0600). Returns the descriptor whose close
 * releases it. Waits up to timeout_ms (0: does not wait); ERR_CONFLICT when somebody else holds it.
 * Every 500 ms of waiting calls waiting(ctx), if given, so that the wait can be shown; false ends it
 * with ERR_INTERRUPTED.
 */
int file_lock(const char *path, uint64_t timeout_ms, bool (*waiting)(void *ctx), void *ctx,
	      struct err *err);

/* Whole transfers: 0, or -1 with errno set. A short file reads as EIO unless `got` takes the count. */
int pread_all(int fd, void *dst, size_t n, uint64_t off, size_t *got);
int pwrite_all(int fd, const void *src, size_t n, uint64_t off);
int write_all(int fd, const void *src, size_t n);

/* "a/b" from "a" and "b"; the caller frees. An absolute `name` stands alone. */
char *path_join(const char *dir, const char *name);
char *path_dir(const char *path);	  /* the caller frees */
const char *path_base(const char *path);  /* points into path */
/* ~ and ~/x through $HOME; a relative path is taken from `dir` (NULL: as it is). The caller frees. */
char *path_expand(const char *path, const char *dir);

#endif
