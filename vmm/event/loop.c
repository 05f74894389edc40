/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop: see loop.h. Descriptors sit in epoll, all timers share one timerfd that is set to
 * the nearest deadline, and posted work lies in a list behind one eventfd. The mutex guards the
 * lists only and is never held during a callback.
 */
#include "vmm/event/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/mem.h"
#include "base/util.h"

enum {
	EVENTS_AT_ONCE = 32,
	STACK_BYTES = 512 << 10, /* reserved, not touched */
};

struct loop_fd {
	struct loop *loop;
	int fd;
	void (*cb)(void *ctx, uint32_t events);
	void *ctx;
	bool removed;
	struct loop_fd *next_removed;
};

struct loop_timer {
	struct loop *loop;
	void (*cb)(void *ctx);
	void *ctx;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: not set */
	struct loop_timer *next;
};

struct post {
	void (*fn)(void *ctx);
	void *ctx;
	struct post *next;
};

struct loop {
	int epoll, timerfd, wakefd;
	pthread_mutex_t lock; /* guards everything below */
	struct post *posts, **posts_end;
	struct loop_timer *timers;
	struct loop_fd *removed; /* freed when the current round of events is done */
	bool running, stop;
	pthread_t runner; /* valid while running */
	bool has_thread;
	pthread_t thread;
	char name[16]; /* the thread's */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void wake(struct loop *l)
{
	uint64_t one = 1;

	/* EAGAIN means that the counter is full: then the loop wakes anyway. */
	if (write(l->wakefd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
}

static void forget(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		assert(errno == EAGAIN);
}

static int watch(struct loop *l, int fd, void *mark)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = mark};

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev);
}

struct loop *loop_new(struct err *err)
{
	struct loop *l = NEW(struct loop);

	l->posts_end = &l->posts;
	pthread_mutex_init(&l->lock, NULL);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	l->wakefd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->epoll < 0 || l->timerfd < 0 || l->wakefd < 0 ||
	    watch(l, l->timerfd, &l->timerfd) < 0 || watch(l, l->wakefd, &l->wakefd) < 0) {
		err_sys(err, ERR_HOST, "cannot make an event loop");
		loop_free(l);
		return NULL;
	}
	return l;
}

static void free_removed(struct loop *l)
{
	struct loop_fd *f;

	pthread_mutex_lock(&l->lock);
	f = l->removed;
	l->removed = NULL;
	pthread_mutex_unlock(&l->lock);
	while (f) {
		struct loop_fd *next = f->next_removed;

		free(f);
		f = next;
	}
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	assert(!l->running);
	free_removed(l);
	for (struct post *p = l->posts, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	auto_close_fn(&l->epoll);
	auto_close_fn(&l->timerfd);
	auto_close_fn(&l->wakefd);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* --- timers --------------------------------------------------------------------------------------- */

/* With the lock held: sets the timerfd to the nearest deadline. */
static void rearm(struct loop *l)
{
	uint64_t nearest = UINT64_MAX;
	struct itimerspec when = {0};

	for (struct loop_timer *t = l->timers; t; t = t->next)
		if (t->deadline_ns)
			nearest = min_u64(nearest, t->deadline_ns);
	if (nearest != UINT64_MAX) {
		when.it_value.tv_sec = (time_t)(nearest / 1000000000);
		when.it_value.tv_nsec = (long)(nearest % 1000000000);
	}
	timerfd_settime(l->timerfd, TFD_TIMER_ABSTIME, &when, NULL);
}

struct loop_timer *loop_timer_new(struct loop *l, void (*cb)(void *ctx), void *ctx)
{
	struct loop_timer *t = NEW(struct loop_timer);

	*t = (struct loop_timer){.loop = l, .cb = cb, .ctx = ctx};
	pthread_mutex_lock(&l->lock);
	t->next = l->timers;
	l->timers = t;
	pthread_mutex_unlock(&l->lock);
	return t;
}

static void set_deadline(struct loop_timer *t, uint64_t deadline_ns)
{
	pthread_mutex_lock(&t->loop->lock);
	t->deadline_ns = deadline_ns;
	rearm(t->loop);
	pthread_mutex_unlock(&t->loop->lock);
}

void loop_timer_set(struct loop_timer *t, uint64_t after_ms)
{
	set_deadline(t, now_ns() + after_ms * 1000000);
}

void loop_timer_cancel(struct loop_timer *t)
{
	set_deadline(t, 0);
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->loop->lock);
	for (struct loop_timer **p = &t->loop->timers; *p; p = &(*p)->next)
		if (*p == t) {
			*p = t->next;
			break;
		}
	rearm(t->loop);
	pthread_mutex_unlock(&t->loop->lock);
	free(t);
}

/* A callback may set, cancel and free any timer, so the list is searched anew after each. */
static void run_timers(struct loop *l)
{
	uint64_t now = now_ns();

	for (;;) {
		void (*cb)(void *ctx) = NULL;
		void *ctx = NULL;

		pthread_mutex_lock(&l->lock);
		for (struct loop_timer *t = l->timers; t && !cb; t = t->next)
			if (t->deadline_ns && t->deadline_ns <= now) {
				t->deadline_ns = 0;
				cb = t->cb;
				ctx = t->ctx;
			}
		if (!cb)
			rearm(l);
		pthread_mutex_unlock(&l->lock);
		if (!cb)
			return;
		cb(ctx);
	}
}

/* --- descriptors ---------------------------------------------------------------------------------- */

struct loop_fd *loop_add(struct loop *l, int fd, uint32_t events,
			 void (*cb)(void *ctx, uint32_t events), void *ctx, struct err *err)
{
	struct loop_fd *f = NEW(struct loop_fd);
	struct epoll_event ev = {.events = events, .data.ptr = f};

	*f = (struct loop_fd){.loop = l, .fd = fd, .cb = cb, .ctx = ctx};
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		err_sys(err, ERR_HOST, "cannot watch descriptor %d", fd);
		free(f);
		return NULL;
	}
	return f;
}

void loop_fd_set(struct loop_fd *f, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = f};

	epoll_ctl(f->loop->epoll, EPOLL_CTL_MOD, f->fd, &ev);
}

void loop_fd_remove(struct loop_fd *f)
{
	struct loop *l;

	if (!f)
		return;
	l = f->loop;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, f->fd, NULL);
	/* The events of this round may still name it: it is freed after them. */
	pthread_mutex_lock(&l->lock);
	f->removed = true;
	f->next_removed = l->removed;
	l->removed = f;
	pthread_mutex_unlock(&l->lock);
}

/* --- work from other threads ----------------------------------------------------------------------- */

static void run_posts(struct loop *l)
{
	struct post *p;

	pthread_mutex_lock(&l->lock);
	p = l->posts;
	l->posts = NULL;
	l->posts_end = &l->posts;
	pthread_mutex_unlock(&l->lock);
	while (p) {
		struct post *next = p->next;

		p->fn(p->ctx);
		free(p);
		p = next;
	}
}

/* With the lock held. */
static void append_post(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
	struct post *p = NEW(struct post);

	p->fn = fn;
	p->ctx = ctx;
	*l->posts_end = p;
	l->posts_end = &p->next;
	wake(l);
}

void loop_post(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
	pthread_mutex_lock(&l->lock);
	append_post(l, fn, ctx);
	pthread_mutex_unlock(&l->lock);
}

struct call {
	void (*fn)(void *ctx);
	void *ctx;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void run_call(void *ctx)
{
	struct call *c = ctx;

	c->fn(c->ctx);
	pthread_mutex_lock(&c->lock);
	c->done = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

void loop_call(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
	struct call c = {.fn = fn,
			 .ctx = ctx,
			 .lock = PTHREAD_MUTEX_INITIALIZER,
			 .cond = PTHREAD_COND_INITIALIZER};
	bool direct;

	pthread_mutex_lock(&l->lock);
	direct = !l->running || pthread_equal(l->runner, pthread_self());
	if (!direct)
		append_post(l, run_call, &c);
	pthread_mutex_unlock(&l->lock);
	if (direct) {
		fn(ctx);
		return;
	}
	pthread_mutex_lock(&c.lock);
	while (!c.done)
		pthread_cond_wait(&c.cond, &c.lock);
	pthread_mutex_unlock(&c.lock);
	pthread_cond_destroy(&c.cond);
	pthread_mutex_destroy(&c.lock);
}

/* --- running -------------------------------------------------------------------------------------- */

static bool keep_running(struct loop *l)
{
	bool run;

	pthread_mutex_lock(&l->lock);
	run = !l->stop;
	if (!run && !l->posts)
		l->running = l->stop = false;
	else
		run = true; /* what was posted before the stop still runs */
	pthread_mutex_unlock(&l->lock);
	return run;
}

static void dispatch(struct loop *l, const struct epoll_event *ev)
{
	if (ev->data.ptr == &l->timerfd) {
		forget(l->timerfd);
		run_timers(l);
	} else if (ev->data.ptr == &l->wakefd) {
		forget(l->wakefd);
		run_posts(l);
	} else {
		struct loop_fd *f = ev->data.ptr;

		if (!f->removed)
			f->cb(f->ctx, ev->events);
	}
}

static void set_running(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	l->running = true;
	l->runner = pthread_self();
	pthread_mutex_unlock(&l->lock);
}

void loop_run(struct loop *l)
{
	struct epoll_event events[EVENTS_AT_ONCE];

	set_running(l);
	while (keep_running(l)) {
		int n = epoll_wait(l->epoll, events, EVENTS_AT_ONCE, -1);

		for (int i = 0; i < n; i++)
			dispatch(l, &events[i]);
		free_removed(l);
	}
}

void loop_stop(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	wake(l);
	pthread_mutex_unlock(&l->lock);
}

bool loop_is_current(const struct loop *l)
{
	struct loop *m = (struct loop *)l;
	bool current;

	pthread_mutex_lock(&m->lock);
	current = l->running && pthread_equal(l->runner, pthread_self());
	pthread_mutex_unlock(&m->lock);
	return current;
}

static void *run_thread(void *ctx)
{
	struct loop *l = ctx;

	/* Here, since naming another thread opens a file in /proc. */
	pthread_setname_np(pthread_self(), l->name);
	loop_run(l);
	return NULL;
}

int loop_thread_start(struct loop *l, const char *name, struct err *err)
{
	pthread_attr_t attr;
	int rc;

	snprintf(l->name, sizeof(l->name), "%s", name);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	/* Running from here on, so that a loop_call that comes before the thread does waits for it. */
	pthread_mutex_lock(&l->lock);
	rc = pthread_create(&l->thread, &attr, run_thread, l);
	l->running = rc == 0;
	l->runner = l->thread;
	pthread_mutex_unlock(&l->lock);
	pthread_attr_destroy(&attr);
	if (rc) {
		errno = rc;
		return err_sys(err, ERR_HOST, "cannot start thread '%s'", name);
	}
	l->has_thread = true;
	return 0;
}

void loop_thread_join(struct loop *l)
{
	if (!l->has_thread)
		return;
	pthread_join(l->thread, NULL);
	l->has_thread = false;
}
