/* SPDX-License-Identifier: Apache-2.0
 *
 * See tail.h. An eventfd adds up what is written to it and gives the sum to the next reader, so the
 * writer never waits and no byte is announced twice; the two flags are bits that sums of file sizes
 * do not reach.
 */
#include "images/store/fetch/tail.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"

#define FLAG_STOP (UINT64_C(1) << 61)
#define FLAG_END  (UINT64_C(1) << 60)

int tail_open(struct tail *t, int fd)
{
	void *shared = mmap(NULL, sizeof(*t->read), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	*t = (struct tail){0};
	if (shared == MAP_FAILED)
		return -1;
	*t = (struct tail){.fd = fd, .bell = eventfd(0, EFD_CLOEXEC), .read = shared};
	if (t->bell < 0) {
		munmap(shared, sizeof(*t->read));
		*t = (struct tail){0};
		return -1;
	}
	return 0;
}

void tail_close(struct tail *t)
{
	if (!t->read)
		return;
	close(t->bell);
	munmap(t->read, sizeof(*t->read));
	*t = (struct tail){0};
}

static void ring(struct tail *t, uint64_t what)
{
	/* It could only fail by overflowing the counter, for which there are not enough disks. */
	if (t->read && what && eventfd_write(t->bell, what) < 0)
		abort();
}

void tail_add(struct tail *t, uint64_t bytes)
{
	ring(t, bytes);
}

void tail_end(struct tail *t)
{
	ring(t, FLAG_END);
}

void tail_stop(struct tail *t)
{
	ring(t, FLAG_STOP);
}

uint64_t tail_done(const struct tail *t)
{
	return t->read ? atomic_load_explicit(t->read, memory_order_relaxed) : 0;
}

/* Waits until there is something to read or to know. */
static int listen_to_bell(struct tail *t)
{
	uint64_t sum;

	while (read(t->bell, &sum, sizeof(sum)) < 0)
		if (errno != EINTR)
			return -1;
	if (sum >= FLAG_STOP) {
		errno = ECANCELED;
		return -1;
	}
	t->ended |= sum >= FLAG_END;
	t->have += sum & (FLAG_END - 1);
	return 0;
}

ssize_t tail_read(struct tail *t, void *dst, size_t n)
{
	ssize_t got;

	while (t->off == t->have) {
		if (t->ended)
			return 0;
		if (listen_to_bell(t) < 0)
			return -1;
	}
	n = min_u64(n, t->have - t->off);
	do {
		got = pread(t->fd, dst, n, (off_t)t->off);
	} while (got < 0 && errno == EINTR);
	if (got == 0) {
		errno = EIO; /* it was announced, and is not there: somebody shortened the file */
		return -1;
	}
	if (got > 0) {
		t->off += (uint64_t)got;
		atomic_store_explicit(t->read, t->off, memory_order_relaxed);
	}
	return got;
}

void tail_rewind(struct tail *t)
{
	t->off = 0;
}
