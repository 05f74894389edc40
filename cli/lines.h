/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress of several transfers at once, on stderr: with a terminal a line each that is redrawn in
 * place, without one a plain line whenever something begins or ends, and every ten seconds.
 */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include "cli/cli.h"
#include "images/store/store.h"

struct lines;

/* `titles` are borrowed. interrupted: asked by each transfer (progress.h's reporter has one). */
struct lines *lines_new(const struct cli *, const char *const titles[], size_t n,
			bool (*interrupted)(void *ctx));
/* The progress of one of them; its callbacks may be called on any one thread. */
struct store_progress lines_progress(struct lines *, size_t i);
/* How it ended: stays to be read. Any thread. */
void lines_finish(struct lines *, size_t i, const char *text);
void lines_free(struct lines *);

#endif
