/* SPDX-License-Identifier: Apache-2.0
 *
 * What a guest's serial console tells of its boot. The text is the guest's: it is taken in pieces
 * of any size, cut to lines of bounded length, freed of escape sequences and control characters,
 * and can at most tell lies about the guest itself.
 */
#ifndef PROVISION_CONSOLE_H
#define PROVISION_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONSOLE_LINE = 256, CONSOLE_TAIL = 20, CONSOLE_ADDRESSES = 16 };

/* What is looked for (console.c, rules[]). */
enum console_fact {
	CONSOLE_KERNEL,	   /* the kernel's first line; a later one is a reboot */
	CONSOLE_USERSPACE, /* an init system, after the initramfs */
	CONSOLE_LOGIN,	   /* a login prompt */
	CONSOLE_CI_STARTED,
	CONSOLE_CI_DONE,   /* cloud-init's final message */
	CONSOLE_CI_FAILED, /* a module or a stage of it failed */
	CONSOLE_PANIC,
	CONSOLE_STUCK, /* an emergency shell: it waits for a person */
	CONSOLE_FACTS
};

struct console_seen {
	bool seen;
	bool stamped;		 /* guest_ms is known */
	uint64_t guest_ms;	 /* since the guest's kernel began, as its own clocks say */
	char line[CONSOLE_LINE]; /* the first such line */
};

/* "ci-info: | eth0 | True | 192.0.2.5 | ...": what cloud-init says about the guest's NICs. */
struct console_address {
	char address[64]; /* without prefix length */
	char mac[18];
	bool global;
};

struct console {
	struct console_seen facts[CONSOLE_FACTS];
	struct console_address addresses[CONSOLE_ADDRESSES];
	unsigned naddresses;
	char last[CONSOLE_LINE];	       /* last complete line that is not empty */
	char tail[CONSOLE_TAIL][CONSOLE_LINE]; /* ring */
	unsigned long lines;		       /* that went through the ring */
	char line[CONSOLE_LINE];	       /* the one that is being written */
	size_t len;
	unsigned reboots;
	enum { TEXT, ESCAPE, ESCAPE_CSI, ESCAPE_STRING } escape;
};

/* A zeroed structure is a fresh parser. */
void console_feed(struct console *, const char *data, size_t n);
/* Forgets what was seen of a boot, not the tail: that one is for people. */
void console_forget(struct console *);
/* The tail as text, oldest line first, the unfinished one last. The caller frees. */
char *console_tail(const struct console *);

/* The same of the end of a log file; NULL when there is no such file. The caller frees. */
char *console_file_tail(const char *path);
/* The last line of it that is not empty; "" when there is none. */
void console_file_last(const char *path, char *out, size_t n);

#endif
