/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress on stderr: with a terminal one line that is redrawn, and a line that stays for each step
 * that is done; without one a plain line a step, and one every ten seconds of waiting. Ctrl-C is
 * caught here and asked for by the library between its steps.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli/cli.h"
#include "provision/provision.h"

/*
 * How fast something moves: over the last five to ten seconds, so that "time left" follows a
 * connection that gets faster or stalls, and what was there before we began does not count.
 */
struct meter {
	struct {
		uint64_t ms, bytes;
	} from, next; /* zeroes: not begun */
};
/* Bytes a second at a time of now_ms(), having come to `done`. */
uint64_t meter_rate(struct meter *, uint64_t now, uint64_t done);
/* "1.2GiB of 2.0GiB (60%), 30MiB/s, 27s left"; total 0: unknown. Returns out. */
char *meter_text(struct meter *, uint64_t done, uint64_t total, char *out, size_t n);

/* Fills in a reporter; there is one progress a process. With cli->quiet only notes are shown. */
void progress_start(const struct cli *, struct reporter *);
/* Clears the line under way, so that what is printed next stands alone. Harmless at any time. */
void progress_end(void);

#endif
