/* SPDX-License-Identifier: Apache-2.0
 *
 * Does somebody answer there? One TCP connection that is looked at again and again: a slow guest
 * gets the time it needs for its greeting, and is not asked a second time while it works on the
 * first.
 */
#ifndef PROVISION_PROBE_H
#define PROVISION_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum probe {
	PROBE_SILENT,	/* nothing came back yet, or the host knows no way there */
	PROBE_ANSWERED, /* the address is alive: refused, or connected without a greeting yet */
	PROBE_GREETED,	/* it sent a line */
};

struct prober {
	int fd;		   /* -1: no connection under way */
	uint64_t since_ms; /* when it began, or when it was established */
	uint64_t again_ms; /* not before then is the next one begun */
	bool connected;
	char text[256];
	size_t len;
};

#define PROBER_INIT                                                                                \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/*
 * One look, that waits up to wait_ms for something to happen. Begins a connection to a numeric
 * address when none is under way, at most one a second; gives one up after 3 s without an answer,
 * or 60 s without a greeting. On PROBE_GREETED the first line is in `line`, cleaned.
 */
enum probe prober_look(struct prober *, const char *address, uint16_t port, uint64_t wait_ms,
		       char *line, size_t n);
void prober_close(struct prober *);

#endif
