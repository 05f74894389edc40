/* SPDX-License-Identifier: Apache-2.0
 *
 * The control socket's server: see server.h. Whoever connects must be the VM's owner or root, sends a
 * line of bounded length within a bounded time, gets one answer and is hung up on.
 */
#include "vmm/control/server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/util.h"

enum {
	MAX_CONNECTIONS = 32,
	REQUEST_WITHIN_MS = 10000,
	ANSWER_MAX = 64 << 10,
	ACCEPT_AGAIN_MS = 1000,
};

struct connection {
	struct control *server;
	struct connection *next;
	int fd;
	struct loop_fd *watch;
	struct loop_timer *deadline;
	char line[CONTROL_LINE_MAX];
	size_t n;
};

struct control {
	struct loop *loop; /* borrowed */
	int listener;	   /* borrowed */
	control_serve_fn *serve;
	void *ctx;
	struct loop_fd *watch;
	struct loop_timer *again; /* it could not accept: tries again */
	struct connection *connections;
	unsigned nconnections;
	struct log_limit log;
};

static void hang_up(struct connection *c)
{
	struct connection **p = &c->server->connections;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->server->nconnections--;
	loop_fd_remove(c->watch);
	loop_timer_free(c->deadline);
	auto_close_fn(&c->fd);
	free(c);
}

static void too_late(void *ctx)
{
	hang_up(ctx);
}

/* Answers are far smaller than a socket's buffer: one send, which nobody can make wait. */
static void answer(struct connection *c, const struct buf *text)
{
	if (text->len && c->fd >= 0 &&
	    send(c->fd, text->data, text->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("control: cannot answer: %s", strerror(errno));
}

static void serve_line(struct connection *c, size_t n)
{
	auto_buf struct buf text = BUF_INIT(ANSWER_MAX);
	struct control_request request;
	struct err err = {0};

	/* From here on nothing of this connection is waited for; its descriptor may go to a console. */
	loop_fd_remove(c->watch);
	c->watch = NULL;
	if (c->n != n + 1)
		err_set(&err, ERR_USAGE, "more than one line before the answer");
	else if (control_parse(c->line, n, &request, &err) == 0)
		c->server->serve(c->server->ctx, &request, &c->fd, &text);
	if (err.kind)
		control_answer(&text, &err, NULL);
	answer(c, &text);
	hang_up(c);
}

static void on_data(void *ctx, uint32_t events)
{
	struct connection *c = ctx;
	ssize_t n = recv(c->fd, c->line + c->n, sizeof(c->line) - c->n, MSG_DONTWAIT);
	const char *newline;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(c);
		return;
	}
	c->n += (size_t)n;
	newline = memchr(c->line, '\n', c->n);
	if (newline) {
		serve_line(c, (size_t)(newline - c->line));
	} else if (c->n == sizeof(c->line)) {
		auto_buf struct buf text = BUF_INIT(ANSWER_MAX);
		struct err err = {0};

		err_set(&err, ERR_USAGE, "a request is at most %zu bytes", sizeof(c->line));
		control_answer(&text, &err, NULL);
		answer(c, &text);
		hang_up(c);
	}
}

static bool is_owner(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

/* Without a descriptor for it a client stays in the queue, and the listener ready: looking at it all
 * the time would keep a processor busy. */
static void accept_later(struct control *s)
{
	log_limited(&s->log, LOG_WARN, "control: cannot accept a connection: %s", strerror(errno));
	loop_fd_set(s->watch, 0);
	loop_timer_set(s->again, ACCEPT_AGAIN_MS);
}

static void accept_again(void *ctx)
{
	struct control *s = ctx;

	loop_fd_set(s->watch, EPOLLIN);
}

static void on_connection(void *ctx, uint32_t events)
{
	struct control *s = ctx;
	auto_close int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct connection *c;

	(void)events;
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			accept_later(s);
		return;
	}
	if (!is_owner(fd)) {
		log_limited(&s->log, LOG_WARN, "control: refused a connection of another user");
		return;
	}
	if (s->nconnections >= MAX_CONNECTIONS) {
		log_limited(&s->log, LOG_WARN, "control: more than %d connections", MAX_CONNECTIONS);
		return;
	}
	c = NEW(struct connection);
	c->server = s;
	c->watch = loop_add(s->loop, fd, EPOLLIN, on_data, c, NULL);
	if (!c->watch) {
		free(c);
		return;
	}
	c->fd = take_fd(&fd);
	c->deadline = loop_timer_new(s->loop, too_late, c);
	loop_timer_set(c->deadline, REQUEST_WITHIN_MS);
	c->next = s->connections;
	s->connections = c;
	s->nconnections++;
}

struct control *control_new(struct loop *loop, int listener, control_serve_fn *serve, void *ctx,
			    struct err *err)
{
	struct control *s = NEW(struct control);

	*s = (struct control){
		.loop = loop, .listener = listener, .serve = serve, .ctx = ctx, .log = LOG_LIMIT_INIT};
	/* Nonblocking: a client that hangs up between the event and the accept must not stop the loop. */
	if (fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK) < 0) {
		err_sys(err, ERR_FAILED, "control socket");
		free(s);
		return NULL;
	}
	s->watch = loop_add(loop, listener, EPOLLIN, on_connection, s, err);
	if (!s->watch) {
		err_wrap(err, "control socket");
		free(s);
		return NULL;
	}
	s->again = loop_timer_new(loop, accept_again, s);
	return s;
}

void control_free(struct control *s)
{
	if (!s)
		return;
	while (s->connections)
		hang_up(s->connections);
	loop_fd_remove(s->watch);
	loop_timer_free(s->again);
	free(s);
}
