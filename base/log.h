/* SPDX-License-Identifier: Apache-2.0
 *
 * The log of a running program: one line an event on one descriptor. Library code does not log what
 * it can return as an error; the VMM logs what it survives (a guest that broke its device, a disk
 * that answered EIO), and a guest must not be able to fill the log, so such lines are rate-limited.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Borrowed descriptor (stderr until set), and the least important level that is written (LOG_INFO). */
void log_setup(int fd, enum log_level level);
bool log_enabled(enum log_level level);
/* One line, "2026-11-23T10:00:00.123Z warn: text", written with one write(2): safe from any thread. */
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

/* At most `burst` lines in `interval_ms`; the next line that passes says how many were dropped. */
struct log_limit {
	uint32_t burst, interval_ms;
	uint64_t window_start_ms;
	uint32_t used, dropped;
};
#define LOG_LIMIT_INIT {.burst = 5, .interval_ms = 10000}

/* The caller serialises access to the limit (device code runs under its device's lock). */
bool log_limit_pass(struct log_limit *);
#define log_limited(limit, level, ...)                                                             \
	do {                                                                                       \
		if (log_limit_pass(limit))                                                         \
			log_at(level, __VA_ARGS__);                                                \
	} while (0)

#endif
