/* SPDX-License-Identifier: Apache-2.0
 *
 * An event loop: descriptors (epoll), timers (one timerfd), and work posted from other threads. A
 * loop belongs to the thread that runs it; every callback is called there, one at a time. The main
 * loop carries control, console and timers; a disk that asks for it has an I/O loop of its own.
 */
#ifndef VMM_EVENT_LOOP_H
#define VMM_EVENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"

struct loop;
struct loop_fd;
struct loop_timer;

struct loop *loop_new(struct err *);
void loop_free(struct loop *);

/* Runs until loop_stop. */
void loop_run(struct loop *);
void loop_stop(struct loop *); /* any thread */
bool loop_is_current(const struct loop *); /* is the caller the loop's thread? */

/* events: EPOLLIN, EPOLLOUT. The descriptor stays the caller's. Any thread may add; the loop's thread
 * (or anyone while it does not run) removes and changes; removal inside any callback is fine. */
struct loop_fd *loop_add(struct loop *, int fd, uint32_t events,
			 void (*cb)(void *ctx, uint32_t events), void *ctx, struct err *);
void loop_fd_set(struct loop_fd *, uint32_t events);
void loop_fd_remove(struct loop_fd *); /* NULL is fine */

/* One-shot; set again to repeat. Set and cancel on any thread. */
struct loop_timer *loop_timer_new(struct loop *, void (*cb)(void *ctx), void *ctx);
void loop_timer_set(struct loop_timer *, uint64_t after_ms);
void loop_timer_cancel(struct loop_timer *);
void loop_timer_free(struct loop_timer *); /* NULL is fine */

/* Calls fn(ctx) on the loop's thread. Any thread; never blocks. */
void loop_post(struct loop *, void (*fn)(void *ctx), void *ctx);
/* The same, and returns when it has run. Not from the loop's own thread while it runs (runs directly there). */
void loop_call(struct loop *, void (*fn)(void *ctx), void *ctx);

/* A loop on a thread of its own. */
int loop_thread_start(struct loop *, const char *name, struct err *);
void loop_thread_join(struct loop *); /* after loop_stop */

#endif
