/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks on all cores: see chunks.h.
 */
#include "images/store/cache/chunks.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include "base/util.h"
#include "images/store/cache/internal.h"

enum { MAX_THREADS = 16, MEMORY = 32 << 20, TELL_MS = 100 };

struct crew {
	const struct chunks *chunks;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t next, done; /* bytes handed out; bytes finished */
	unsigned running;
	bool stop;
	struct err err; /* the first */
};

static void fail(struct crew *crew, const struct err *why)
{
	if (!crew->stop)
		crew->err = *why;
	crew->stop = true;
}

static void *work(void *arg)
{
	struct crew *crew = arg;
	const struct chunks *c = crew->chunks;
	void *own = c->begin ? c->begin(c->ctx) : NULL;
	struct err err = {0};

	pthread_mutex_lock(&crew->lock);
	if (c->begin && !own) {
		err_set(&err, ERR_HOST, "out of memory");
		fail(crew, &err);
	}
	while (!crew->stop && crew->next < c->total) {
		uint64_t off = crew->next;
		size_t len = min_u64(c->size, c->total - off);
		int rc;

		crew->next += len;
		pthread_mutex_unlock(&crew->lock);
		rc = c->one(c->ctx, own, off, len, &err);
		pthread_mutex_lock(&crew->lock);
		crew->done += len;
		if (rc < 0)
			fail(crew, &err);
	}
	crew->running--;
	pthread_cond_signal(&crew->changed);
	pthread_mutex_unlock(&crew->lock);
	if (own)
		c->end(own);
	return NULL;
}

/* Twice the cores: reads that miss the page cache and writes that the kernel slows down leave a
 * core idle. */
static unsigned thread_count(const struct chunks *c)
{
	uint64_t n = MAX_THREADS, chunks = c->total / c->size + 1;
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		n = min_u64(n, 2u * (unsigned)CPU_COUNT(&cpus));
	if (c->memory)
		n = min_u64(n, MEMORY / c->memory);
	return (unsigned)max_u64(min_u64(n, chunks), 1);
}

/* Until nobody works any more. Signals come to this thread, not to the workers. */
static void wait_for(struct crew *crew, const struct store_progress *progress)
{
	pthread_mutex_lock(&crew->lock);
	while (crew->running) {
		struct timespec until;
		uint64_t done = crew->done;

		pthread_mutex_unlock(&crew->lock);
		progress_bytes(progress, done, crew->chunks->total);
		bool interrupted = progress_interrupted(progress);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += TELL_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_mutex_lock(&crew->lock);
		if (interrupted && !crew->stop) {
			err_set(&crew->err, ERR_INTERRUPTED, "interrupted");
			crew->stop = true;
		}
		if (crew->running)
			pthread_cond_timedwait(&crew->changed, &crew->lock, &until);
	}
	pthread_mutex_unlock(&crew->lock);
}

int chunks_run(const struct chunks *c, const struct store_progress *progress, struct err *err)
{
	struct crew crew = {.chunks = c};
	pthread_t threads[MAX_THREADS];
	unsigned n = thread_count(c), started = 0;
	sigset_t all, before;

	pthread_mutex_init(&crew.lock, NULL);
	pthread_cond_init(&crew.changed, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	crew.running = n;
	while (started < n && pthread_create(&threads[started], NULL, work, &crew) == 0)
		started++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);

	pthread_mutex_lock(&crew.lock);
	crew.running -= n - started;
	pthread_mutex_unlock(&crew.lock);
	/* No thread at all: then here, without a progress. */
	if (!started) {
		crew.running = 1;
		work(&crew);
	}
	wait_for(&crew, progress);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	pthread_cond_destroy(&crew.changed);
	pthread_mutex_destroy(&crew.lock);
	if (!crew.stop)
		return 0;
	if (err)
		*err = crew.err;
	return -1;
}
