/* SPDX-License-Identifier: Apache-2.0
 *
 * Does somebody answer there: see probe.h.
 */
#include "provision/probe.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clean.h"
#include "base/num.h"
#include "base/util.h"

enum { CONNECT_MS = 3000, GREETING_MS = 60000, AGAIN_MS = 1000 };

void prober_close(struct prober *p)
{
	auto_close_fn(&p->fd);
	*p = (struct prober)PROBER_INIT;
}

/* The connection under way is over: the next look begins another, though not at once. */
static void give_up(struct prober *p)
{
	prober_close(p);
	p->again_ms = now_ms() + AGAIN_MS;
}

static bool wait_for(int fd, short events, uint64_t deadline_ms)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		uint64_t now = now_ms();
		int n = poll(&p, 1, now < deadline_ms ? (int)(deadline_ms - now) : 0);

		if (n >= 0 || errno != EINTR)
			return n > 0;
	}
}

/* 0, or the errno of the attempt; EINPROGRESS while it goes on. */
static int begin(struct prober *p, const char *address, uint16_t port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *to = NULL;
	char service[8];
	int sys = 0;

	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(address, service, &hints, &to))
		return EADDRNOTAVAIL;
	p->fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0 || connect(p->fd, to->ai_addr, to->ai_addrlen) < 0)
		sys = errno;
	freeaddrinfo(to);
	p->since_ms = now_ms();
	return sys;
}

static int finish(struct prober *p, uint64_t deadline_ms)
{
	int sys = 0;
	socklen_t len = sizeof(sys);

	if (!wait_for(p->fd, POLLOUT, deadline_ms))
		return now_ms() - p->since_ms < CONNECT_MS ? EINPROGRESS : ETIMEDOUT;
	return getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &sys, &len) < 0 ? errno : sys;
}

static enum probe connecting(struct prober *p, int sys)
{
	bool refused = sys == ECONNREFUSED || sys == ECONNRESET;

	if (sys == EINPROGRESS)
		return PROBE_SILENT;
	if (sys == 0) {
		p->connected = true;
		p->since_ms = now_ms();
		return PROBE_ANSWERED;
	}
	give_up(p);
	return refused ? PROBE_ANSWERED : PROBE_SILENT;
}

/*
 * RFC 4253, 4.2: the greeting is a line of at most 255 bytes; lines before it are allowed, and
 * rare.
 */
static enum probe read_line(struct prober *p, uint64_t deadline_ms, char *line, size_t n)
{
	bool over = false; /* closed, or too much for a line: another connection may do better */

	while (!over && wait_for(p->fd, POLLIN, deadline_ms)) {
		ssize_t got = recv(p->fd, p->text + p->len, sizeof(p->text) - 1 - p->len, 0);

		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		p->len += got > 0 ? (size_t)got : 0;
		over = got <= 0 || p->len == sizeof(p->text) - 1;
		if (got > 0 && memchr(p->text, '\n', p->len)) {
			clean_copy(line, n, p->text, strcspn(p->text, "\r\n"));
			prober_close(p);
			return PROBE_GREETED;
		}
	}
	if (over || now_ms() - p->since_ms >= GREETING_MS)
		give_up(p);
	return PROBE_ANSWERED;
}

enum probe prober_look(struct prober *p, const char *address, uint16_t port, uint64_t wait_ms,
		       char *line, size_t n)
{
	uint64_t deadline_ms = now_ms() + wait_ms;
	enum probe got = PROBE_SILENT;

	if (p->fd < 0 && now_ms() >= p->again_ms)
		got = connecting(p, begin(p, address, port));
	if (p->fd >= 0 && !p->connected)
		got = connecting(p, finish(p, deadline_ms));
	if (p->connected)
		got = read_line(p, deadline_ms, line, n);
	return got;
}
