/* SPDX-License-Identifier: Apache-2.0
 *
 * See pipeline.h.
 */
#include "images/store/fetch/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "images/store/cache/internal.h"

enum {
	HASH_BYTES = 256 << 10,
	WAIT_MS = 100,		/* between two looks at Ctrl-C */
	CPU_SECONDS = 6 * 3600, /* a terabyte of xz; what keeps it short is the limit on bytes */
};
#define UNPACK_MEMORY (512 * MIB) /* xz -9 wants 65 MiB, zstd --ultra 128 */

/* --- the hash --- */

static void *hash_all(void *arg)
{
	struct pipeline *p = arg;
	/* Not allocated: the other thread forks, and some allocators are not safe then. */
	char block[HASH_BYTES];
	ssize_t n;

	while ((n = tail_read(&p->hash_tail, block, sizeof(block))) > 0)
		hash_update(p->hash, block, (size_t)n);
	p->hash_errno = n < 0 ? errno : 0;
	eventfd_write(p->hash_done, 1);
	return NULL;
}

static int start_hash(struct pipeline *p, struct err *err)
{
	int rc;

	p->hash = hash_new(p->kind, err);
	if (!p->hash)
		return -1;
	p->hash_done = eventfd(0, EFD_CLOEXEC);
	if (p->hash_done < 0 || tail_open(&p->hash_tail, p->fd) < 0)
		return err_sys(err, ERR_HOST, "cannot start hashing");
	rc = pthread_create(&p->hasher, NULL, hash_all, p);
	if (rc) {
		errno = rc;
		return err_sys(err, ERR_HOST, "cannot start a thread");
	}
	p->hashing = true;
	return 0;
}

static void stop_hash(struct pipeline *p)
{
	tail_stop(&p->hash_tail);
	if (p->hashing)
		pthread_join(p->hasher, NULL);
	p->hashing = false;
	tail_close(&p->hash_tail);
	auto_close_fn(&p->hash_done);
	p->hash_done = -1;
	hash_free(take_ptr(p->hash));
}

/* --- the image --- */

static int start_unpack(struct pipeline *p, struct err *err)
{
	struct guard_limits limits = {
		.out_max = p->max_bytes, .memory = UNPACK_MEMORY, .cpu_s = CPU_SECONDS};

	unlink(p->image);
	p->image_fd = open(p->image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->image_fd < 0)
		return err_sys(err, ERR_HOST, "cannot create '%s'", p->image);
	if (tail_open(&p->unpack_tail, p->fd) < 0)
		return err_sys(err, ERR_HOST, "cannot start unpacking");
	p->unpack =
		(struct unpack){p->packing, &p->unpack_tail, p->image_fd, p->image, p->max_bytes};
	limits.out_fd = p->image_fd;
	return guard_start(unpack_work, &p->unpack, &limits, sizeof(uint64_t), &p->guard, err);
}

static void stop_unpack(struct pipeline *p)
{
	guard_kill(&p->guard);
	tail_close(&p->unpack_tail);
	if (p->image_fd >= 0) {
		unlink(p->image);
		close(take_fd(&p->image_fd));
	}
}

/* Takes the child's answer, which it has. */
static void collect(struct pipeline *p)
{
	auto_buf struct buf result = BUF_INIT(sizeof(p->unpacked));

	if (guard_finish(&p->guard, &result, &p->unpack_err) < 0)
		return;
	if (result.len == sizeof(p->unpacked))
		memcpy(&p->unpacked, result.data, sizeof(p->unpacked));
	if (!p->unpacked || p->unpacked > p->max_bytes) {
		p->unpacked = 0;
		err_set(&p->unpack_err, ERR_CORRUPT, "unpacking it gave an answer that cannot be");
	}
}

bool pipeline_failed(struct pipeline *p)
{
	if (p->guard.pid && guard_answered(&p->guard))
		collect(p);
	return p->unpack_err.kind != ERR_NONE;
}

/* Looks at the first bytes, as soon as they or all are there. */
static int recognise(struct pipeline *p, bool all, struct err *err)
{
	char head[PACKING_HEAD];
	size_t got;

	if (p->known || (p->have < sizeof(head) && !all))
		return 0;
	if (pread_all(p->fd, head, sizeof(head), 0, &got) < 0)
		return err_sys(err, ERR_HOST, "cannot read what came, at offset 0");
	p->known = true;
	p->packing = packing_detect(head, min_u64(got, p->have));
	if (p->packing == PACK_NONE)
		return 0;
	if (start_unpack(p, err) < 0)
		return -1;
	tail_add(&p->unpack_tail, p->have);
	return 0;
}

/* --- both --- */

int pipeline_start(struct pipeline *p, int fd, const char *image, enum hash_kind kind,
		   uint64_t max_bytes, struct err *err)
{
	*p = (struct pipeline){.fd = fd,
			       .image = image,
			       .kind = kind,
			       .max_bytes = max_bytes,
			       .hash_done = -1,
			       .image_fd = -1};
	if (start_hash(p, err) == 0)
		return 0;
	pipeline_stop(p);
	return -1;
}

int pipeline_add(struct pipeline *p, uint64_t bytes, struct err *err)
{
	bool running = p->known;

	p->have += bytes;
	tail_add(&p->hash_tail, bytes);
	if (running)
		tail_add(&p->unpack_tail, bytes);
	return recognise(p, false, err);
}

/* Waits until fd can be read, showing how far its reader is. */
static int wait_for(int fd, const struct tail *t, uint64_t total,
		    const struct store_progress *progress, struct err *err)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (poll(&p, 1, WAIT_MS) <= 0) {
		progress_bytes(progress, min_u64(tail_done(t), total), total);
		if (progress_interrupted(progress))
			return err_set(
				err, ERR_INTERRUPTED,
				"interrupted when all was there (the same again goes on from it)");
	}
	return 0;
}

int pipeline_digest(struct pipeline *p, const struct store_progress *progress,
		    char out[DIGEST_TEXT], struct err *err)
{
	if (recognise(p, true, err) < 0)
		return -1;
	tail_end(&p->hash_tail);
	tail_end(&p->unpack_tail);
	if (wait_for(p->hash_done, &p->hash_tail, p->have, progress, err) < 0)
		return -1;
	pthread_join(p->hasher, NULL);
	p->hashing = false;
	errno = p->hash_errno;
	if (errno)
		return err_sys(err, ERR_HOST, "cannot read what came, at offset %" PRIu64,
			       p->hash_tail.off);
	hash_final(p->hash, out);
	return 0;
}

int pipeline_image(struct pipeline *p, const struct store_progress *progress, struct err *err)
{
	if (p->packing == PACK_NONE)
		return 0;
	if (p->guard.pid) {
		progress_stage(progress, "unpacking");
		if (wait_for(p->guard.result_fd, &p->unpack_tail, p->have, progress, err) < 0)
			return -1;
	}
	if (pipeline_failed(p)) {
		*err = p->unpack_err;
		return -1;
	}
	if (ftruncate(p->image_fd, (off_t)p->unpacked) < 0)
		return err_sys(err, ERR_HOST, "cannot write '%s'", p->image);
	close(take_fd(&p->image_fd));
	return 0;
}

void pipeline_stop(struct pipeline *p)
{
	stop_hash(p);
	stop_unpack(p);
}
