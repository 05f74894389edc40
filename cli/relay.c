/* SPDX-License-Identifier: Apache-2.0
 *
 * Copying between a terminal and a console: see relay.h.
 */
#include "cli/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"

enum { DETACH = 0x1d, PENDING_MAX = 1 << 20 }; /* Ctrl-] */

/* --- the terminal ----------------------------------------------------------------------------- */

static const int deadly[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
static struct termios before;

/* The signal comes again when this returns, and then does what it does to any program. */
static void on_deadly(int sig)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
	raise(sig);
}

static void make_raw(void)
{
	struct sigaction sa = {.sa_handler = on_deadly, .sa_flags = (int)SA_RESETHAND}, was;
	struct termios raw;

	tcgetattr(STDIN_FILENO, &before);
	for (size_t i = 0; i < ARRAY_LEN(deadly); i++)
		if (sigaction(deadly[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
			sigaction(deadly[i], &sa, NULL);
	raw = before;
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* --- to the guest ----------------------------------------------------------------------------- */

/*
 * What was typed and the VMM did not take yet. A terminal is read on when this is full, for the key
 * that detaches: what does not fit is lost, as it would be on a serial line.
 */
static struct {
	char bytes[PENDING_MAX];
	size_t n;
} pending;

/* As much as the socket takes now; false: there is nobody at its other end. */
static bool send_pending(int console)
{
	ssize_t n = pending.n ? write(console, pending.bytes, pending.n) : 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	pending.n -= (size_t)n;
	memmove(pending.bytes, pending.bytes + n, pending.n);
	return true;
}

static void type(const char *bytes, size_t n)
{
	n = min_u64(n, PENDING_MAX - pending.n);
	memcpy(pending.bytes + pending.n, bytes, n);
	pending.n += n;
}

/* --- both ways -------------------------------------------------------------------------------- */

static bool copy(int console, bool read_only, bool terminal)
{
	struct pollfd p[2] = {{.fd = console},
			      {.fd = read_only && !terminal ? -1 : STDIN_FILENO, .events = POLLIN}};
	char block[4096];

	pending.n = 0;
	for (;;) {
		const char *detach = NULL;
		ssize_t n;

		p[0].events = POLLIN | (pending.n ? POLLOUT : 0);
		/* A pipe can wait. */
		if (!terminal)
			p[1].events = pending.n < PENDING_MAX ? POLLIN : 0;
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return true;
		}
		if (p[0].revents & ~POLLOUT) {
			n = read(console, block, sizeof(block));
			if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
				return false;
			if (n > 0 && write_all(STDOUT_FILENO, block, (size_t)n) < 0)
				return true;
		}
		if (p[1].revents && p[1].events) {
			n = read(STDIN_FILENO, block, sizeof(block));
			if (n <= 0) {
				p[1].fd = -1;
				continue;
			}
			detach = terminal ? memchr(block, DETACH, (size_t)n) : NULL;
			if (!read_only)
				type(block, detach ? (size_t)(detach - block) : (size_t)n);
		}
		if (!send_pending(console))
			return false;
		if (detach)
			return true;
	}
}

bool relay(int console, bool read_only)
{
	bool terminal = isatty(STDIN_FILENO), detached;

	fcntl(console, F_SETFL, fcntl(console, F_GETFL) | O_NONBLOCK);
	if (terminal)
		make_raw();
	detached = copy(console, read_only, terminal);
	if (terminal)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	return detached;
}
