/* SPDX-License-Identifier: Apache-2.0
 *
 * The log of a running program: see log.h.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "base/util.h"

static int log_fd = 2;
static enum log_level log_max = LOG_INFO;

void log_setup(int fd, enum log_level level)
{
	log_fd = fd;
	log_max = level;
}

bool log_enabled(enum log_level level)
{
	return level <= log_max;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	char line[1024], when[32];
	struct timespec ts;
	struct tm tm;
	va_list ap;
	size_t n;
	int got;

	if (!log_enabled(level))
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	n = (size_t)snprintf(line, sizeof(line), "%s.%03ldZ %s: ", when, ts.tv_nsec / 1000000,
			     names[level]);
	va_start(ap, fmt);
	got = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	n = got < 0 ? n : min_u64(n + (size_t)got, sizeof(line) - 2);

	/* What a guest put into a message must not forge a line of its own. */
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[n++] = '\n';
	if (write(log_fd, line, n) < 0)
		return; /* a log that cannot be written has nowhere to say so */
}

bool log_limit_pass(struct log_limit *l)
{
	uint64_t now = now_ms();

	if (!l->window_start_ms || now - l->window_start_ms >= l->interval_ms) {
		if (l->dropped)
			log_at(LOG_WARN, "(%u messages like the next one were dropped)", l->dropped);
		l->window_start_ms = now;
		l->used = l->dropped = 0;
	}
	if (l->used >= l->burst) {
		l->dropped++;
		return false;
	}
	l->used++;
	return true;
}
