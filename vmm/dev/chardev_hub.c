/* SPDX-License-Identifier: Apache-2.0
 *
 * A hub between a console device and its listeners: see chardev.h and chardev_hub.h.
 *
 * What the guest writes goes into one ring and gets a position, counted from the start of time. Each
 * listener has a position of its own up to which it has read, so a replay is a listener that starts
 * in the past, and one that falls behind by more than the ring has lost what is no longer there and
 * is told how much. A log on a disk that is full is such a one: it is tried again at each flush. The
 * guest's side copies into the ring and sets a timer; writing to descriptors happens on the loop.
 *
 * Input is a short queue. While it is full no client is read from, so nothing that was typed or
 * pasted is lost; the sender waits.
 */
#include "vmm/dev/chardev_hub.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/util.h"

enum {
	INPUT_BYTES = 4096,
	FLUSH_AFTER_MS = 2, /* a line's bytes leave together */
	QUIT_KEY = 0x1d,    /* Ctrl-] */
};

/* Somebody who reads, and may type. */
struct listener {
	struct chardev *hub;
	struct listener *next;
	uint64_t pos;	 /* read up to here */
	uint64_t lost;	 /* bytes skipped of which it was not told yet */
	uint64_t budget; /* bytes that may still be written (the log's limit) */
	int out;
	bool socket;	 /* in and out are one, ours to close; the log and stdout are borrowed files */
	bool types;	 /* its input is the guest's */
	bool input_full, output_full; /* what it waits for */
	int in;
	struct loop_fd *watch; /* of `in`; NULL: nothing to wait for */
	void (*quit)(void *ctx);
	void *quit_ctx;
	struct log_limit failures; /* of what is no socket */
};

struct chardev {
	struct loop *loop;
	struct loop_timer *flush_timer;
	struct listener *listeners; /* the loop's thread only */

	pthread_mutex_t lock; /* guards what follows */
	uint64_t written;
	bool flush_set;
	uint8_t ring[CHARDEV_RING];
	uint8_t input[INPUT_BYTES];
	size_t input_start, input_len;
	bool input_stopped; /* the queue was full: clients are not read from */
	void (*readable)(void *ctx);
	void *readable_ctx;
};

static void flush(void *ctx);
static void resume_input(void *ctx);

/* --- the device's side -------------------------------------------------------------------------------- */

void chardev_write(struct chardev *c, const void *data, size_t n)
{
	const uint8_t *p = data;

	pthread_mutex_lock(&c->lock);
	for (size_t done = 0; done < n;) {
		size_t at = (c->written + done) % CHARDEV_RING;
		size_t part = min_u64(n - done, CHARDEV_RING - at);

		memcpy(c->ring + at, p + done, part);
		done += part;
	}
	c->written += n;
	if (!c->flush_set) {
		c->flush_set = true;
		loop_timer_set(c->flush_timer, FLUSH_AFTER_MS);
	}
	pthread_mutex_unlock(&c->lock);
}

size_t chardev_read(struct chardev *c, void *dst, size_t n)
{
	uint8_t *p = dst;
	bool resume;

	pthread_mutex_lock(&c->lock);
	n = min_u64(n, c->input_len);
	for (size_t i = 0; i < n; i++)
		p[i] = c->input[(c->input_start + i) % INPUT_BYTES];
	c->input_start = (c->input_start + n) % INPUT_BYTES;
	c->input_len -= n;
	resume = c->input_stopped && c->input_len <= INPUT_BYTES / 2;
	if (resume)
		c->input_stopped = false;
	pthread_mutex_unlock(&c->lock);
	if (resume)
		loop_post(c->loop, resume_input, c);
	return n;
}

void chardev_set_reader(struct chardev *c, void (*readable)(void *ctx), void *ctx)
{
	pthread_mutex_lock(&c->lock);
	c->readable = readable;
	c->readable_ctx = ctx;
	pthread_mutex_unlock(&c->lock);
}

uint64_t chardev_written(const struct chardev *c)
{
	struct chardev *m = (struct chardev *)c;
	uint64_t n;

	pthread_mutex_lock(&m->lock);
	n = m->written;
	pthread_mutex_unlock(&m->lock);
	return n;
}

/* --- input ------------------------------------------------------------------------------------------ */

static size_t input_room(struct chardev *c)
{
	size_t room;

	pthread_mutex_lock(&c->lock);
	room = INPUT_BYTES - c->input_len;
	if (!room)
		c->input_stopped = true;
	pthread_mutex_unlock(&c->lock);
	return room;
}

static void put_input(struct chardev *c, const uint8_t *p, size_t n)
{
	void (*readable)(void *ctx) = NULL;
	void *ctx = NULL;

	if (!n)
		return;
	pthread_mutex_lock(&c->lock);
	if (!c->input_len) {
		readable = c->readable;
		ctx = c->readable_ctx;
	}
	for (size_t i = 0; i < n; i++)
		c->input[(c->input_start + c->input_len + i) % INPUT_BYTES] = p[i];
	c->input_len += n;
	pthread_mutex_unlock(&c->lock);
	if (readable)
		readable(ctx);
}

static void set_watch(struct listener *l)
{
	if (l->watch)
		loop_fd_set(l->watch, (l->input_full ? 0 : EPOLLIN) | (l->output_full ? EPOLLOUT : 0));
}

static void resume_input(void *ctx)
{
	struct chardev *c = ctx;

	for (struct listener *l = c->listeners; l; l = l->next) {
		l->input_full = false;
		set_watch(l);
	}
}

/* --- listeners -------------------------------------------------------------------------------------- */

static struct listener *add_listener(struct chardev *c, int out, bool socket)
{
	struct listener *l = NEW(struct listener);

	*l = (struct listener){
		.hub = c,
		.next = c->listeners,
		.pos = chardev_written(c),
		.budget = UINT64_MAX,
		.out = out,
		.in = -1,
		.socket = socket,
		.failures = {.burst = 1, .interval_ms = 60000},
	};
	c->listeners = l;
	return l;
}

static void detach(struct listener *l)
{
	struct listener **p = &l->hub->listeners;

	while (*p != l)
		p = &(*p)->next;
	*p = l->next;
	loop_fd_remove(l->watch);
	if (l->socket)
		close(l->out);
	free(l);
}

/* What can be sent from the listener's position on in one piece; skips what is lost. */
static size_t next_piece(struct listener *l, uint8_t *out, size_t max)
{
	struct chardev *c = l->hub;
	size_t n, at;

	pthread_mutex_lock(&c->lock);
	if (c->written - l->pos > CHARDEV_RING) {
		uint64_t lost = c->written - l->pos - CHARDEV_RING;

		l->lost += lost;
		l->pos += lost;
	}
	at = l->pos % CHARDEV_RING;
	n = min_u64(min_u64(c->written - l->pos, CHARDEV_RING - at), max);
	memcpy(out, c->ring + at, n);
	pthread_mutex_unlock(&c->lock);
	return n;
}

/* What a file or a terminal took before it failed; -1 when that is nothing. */
static ssize_t write_some(int fd, const uint8_t *data, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = write(fd, data + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return done ? (ssize_t)done : -1;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

/* How much it took; -1: a socket's other side is gone, or a file cannot be written. */
static ssize_t send_to(const struct listener *l, const void *data, size_t n)
{
	ssize_t r;

	if (!l->socket)
		return write_some(l->out, data, n);
	r = send(l->out, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return r;
}

static ssize_t tell(const struct listener *l, const char *what, uint64_t bytes)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "\r\n[croft: %s, %" PRIu64 " bytes]\r\n", what, bytes);

	return send_to(l, line, (size_t)n);
}

/* The next piece, and before it what was lost: true when all of it went out. */
static bool send_piece(struct listener *l, ssize_t *sent)
{
	uint8_t piece[4096];
	size_t n = next_piece(l, piece, min_u64(sizeof(piece), l->budget));

	if (l->lost) {
		*sent = tell(l, "console output was lost here", l->lost);
		if (*sent <= 0)
			return false;
		l->lost = 0;
	}
	*sent = send_to(l, piece, n);
	if (*sent <= 0)
		return false;
	l->pos += (uint64_t)*sent;
	if (l->budget != UINT64_MAX)
		l->budget -= (uint64_t)*sent;
	return (size_t)*sent == n;
}

/* Sends what was there when it was called, until it would wait. May detach the listener. */
static void feed(struct listener *l)
{
	uint64_t until = chardev_written(l->hub);
	ssize_t sent = 0;
	bool all = true;

	while (l->pos < until && l->budget && all)
		all = send_piece(l, &sent);
	if (sent < 0 && l->socket) {
		detach(l);
		return;
	}
	if (sent < 0)
		log_limited(&l->failures, LOG_WARN, "console: cannot write: %s", strerror(errno));
	if (!l->budget) {
		tell(l, "this log has reached its limit", l->pos);
		detach(l);
		return;
	}
	l->output_full = l->socket && !all;
	set_watch(l);
}

static void flush(void *ctx)
{
	struct chardev *c = ctx;

	pthread_mutex_lock(&c->lock);
	c->flush_set = false;
	pthread_mutex_unlock(&c->lock);
	for (struct listener *l = c->listeners, *next; l; l = next) {
		next = l->next;
		feed(l);
	}
}

void chardev_flush(struct chardev *c)
{
	flush(c);
}

/* Returns false when the other side has nothing more to say. */
static bool take_input(struct listener *l)
{
	uint8_t data[512], *quit;
	size_t room = l->types ? input_room(l->hub) : sizeof(data);
	ssize_t n;

	if (!room) {
		l->input_full = true; /* until the guest has taken some */
		set_watch(l);
		return true;
	}
	n = read(l->in, data, min_u64(sizeof(data), room));
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	quit = l->quit ? memchr(data, QUIT_KEY, (size_t)n) : NULL;
	if (l->types)
		put_input(l->hub, data, quit ? (size_t)(quit - data) : (size_t)n);
	if (quit)
		l->quit(l->quit_ctx);
	return true;
}

static void on_event(void *ctx, uint32_t events)
{
	struct listener *l = ctx;

	if (events & EPOLLIN ? !take_input(l) : events & (EPOLLERR | EPOLLHUP)) {
		if (l->socket) {
			detach(l);
		} else { /* the end of stdin; stdout goes on */
			loop_fd_remove(l->watch);
			l->watch = NULL;
		}
		return;
	}
	if (events & EPOLLOUT)
		feed(l);
}

struct chardev *chardev_new(struct loop *loop)
{
	struct chardev *c = NEW(struct chardev);

	c->loop = loop;
	c->flush_timer = loop_timer_new(loop, flush, c);
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void chardev_free(struct chardev *c)
{
	if (!c)
		return;
	while (c->listeners)
		detach(c->listeners);
	loop_timer_free(c->flush_timer);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void chardev_set_log(struct chardev *c, int fd, uint64_t max)
{
	struct listener *l = add_listener(c, fd, false);

	if (max)
		l->budget = max;
}

int chardev_has_room(const struct chardev *c, struct err *err)
{
	unsigned n = 0;

	for (const struct listener *i = c->listeners; i; i = i->next)
		n += i->socket;
	if (n >= CHARDEV_MAX_CLIENTS)
		return err_set(err, ERR_CONFLICT, "the console has %d clients already",
			       CHARDEV_MAX_CLIENTS);
	return 0;
}

int chardev_attach(struct chardev *c, int fd, uint64_t replay, bool read_only, struct err *err)
{
	struct listener *l;

	if (chardev_has_room(c, err) < 0) {
		close(fd);
		return -1;
	}
	l = add_listener(c, fd, true);
	l->in = fd; /* of a read-only client too: to notice that it goes */
	l->types = !read_only;
	l->pos -= min_u64(min_u64(replay, CHARDEV_RING), l->pos);
	l->watch = loop_add(c->loop, fd, EPOLLIN, on_event, l, err);
	if (!l->watch) {
		detach(l);
		return -1;
	}
	feed(l);
	return 0;
}

void chardev_attach_stdio(struct chardev *c, int in, int out, void (*quit)(void *ctx), void *ctx)
{
	struct listener *l = add_listener(c, out, false);

	l->in = in;
	l->types = true;
	l->quit = quit;
	l->quit_ctx = ctx;
	/* A file or /dev/null cannot be waited for: then nobody types. */
	l->watch = loop_add(c->loop, in, EPOLLIN, on_event, l, NULL);
}
