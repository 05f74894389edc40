/* SPDX-License-Identifier: Apache-2.0
 *
 * What a guest's serial console tells of its boot: see console.h. The markers are those of stock
 * images: the kernel's banner, systemd, OpenRC and sysvinit, getty, cloud-init's final message
 * (cc_final_message.py) and its network table (netinfo.py).
 */
#include "provision/console.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/clean.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"

enum place { AT_START, ANYWHERE, AT_END };

/*
 * A line is a fact when it has `text` at that place, and `also` (if given) somewhere, and `unless`
 * (if given) nowhere. A prompt has no newline, so `prompt` rules look at the unfinished line too.
 */
static const struct {
	enum console_fact fact;
	enum place place;
	const char *text, *also, *unless;
	bool prompt;
} rules[] = {
	{CONSOLE_KERNEL, AT_START, "Linux version ", NULL, NULL, false},
	/* systemd runs in dracut's initramfs as well, and says so. */
	{CONSOLE_USERSPACE, AT_START, "Welcome to ", "!", "nitramfs", false},
	{CONSOLE_USERSPACE, AT_START, "systemd[1]: ", "Reached target", "nitrd", false},
	{CONSOLE_USERSPACE, AT_START, "systemd[1]: Hostname set to ", NULL, NULL, false},
	{CONSOLE_USERSPACE, ANYWHERE, "OpenRC ", " is starting up", NULL, false},
	{CONSOLE_USERSPACE, AT_START, "INIT: version ", NULL, NULL, false},
	{CONSOLE_USERSPACE, ANYWHERE, "Cloud-init v. ", NULL, NULL, false},
	{CONSOLE_USERSPACE, AT_END, " login: ", NULL, NULL, true},
	{CONSOLE_LOGIN, AT_END, " login: ", NULL, NULL, true},
	{CONSOLE_CI_STARTED, ANYWHERE, "Cloud-init v. ", NULL, NULL, false},
	{CONSOLE_CI_DONE, ANYWHERE, "Cloud-init v. ", " finished at ", NULL, false},
	{CONSOLE_CI_FAILED, ANYWHERE, ".py[ERROR]: ", NULL, NULL, false},
	{CONSOLE_CI_FAILED, ANYWHERE, ".py[CRITICAL]: ", NULL, NULL, false},
	{CONSOLE_CI_FAILED, ANYWHERE, ".py[WARNING]: Running module ", " failed", NULL, false},
	{CONSOLE_CI_FAILED, ANYWHERE, ".py[WARNING]: Failed to run module ", NULL, NULL, false},
	{CONSOLE_CI_FAILED, ANYWHERE, ".py[WARNING]: Failed loading yaml blob", NULL, NULL, false},
	{CONSOLE_CI_FAILED, AT_START, "[FAILED] Failed to start ", "cloud-", NULL, false},
	{CONSOLE_PANIC, AT_START, "Kernel panic - not syncing", NULL, NULL, false},
	{CONSOLE_STUCK, ANYWHERE, "Dropping to a shell!", NULL, NULL, false},
	{CONSOLE_STUCK, AT_START, "(initramfs)", NULL, NULL, true},
	{CONSOLE_STUCK, ANYWHERE, "You are in emergency mode", NULL, NULL, false},
	{CONSOLE_STUCK, ANYWHERE, "Entering emergency mode", NULL, NULL, false},
};

/* --- what a line says ------------------------------------------------------------------------- */

/* "12.345678" at *p, in milliseconds; *p moves behind it. */
static bool seconds(const char **p, uint64_t *ms)
{
	const char *s = *p;
	uint64_t whole = 0, milli = 0;
	unsigned digits = 0;

	while (isdigit((unsigned char)*s) && digits++ < 9)
		whole = whole * 10 + (uint64_t)(*s++ - '0');
	if (!digits || *s != '.')
		return false;
	s++;
	for (unsigned scale = 100; isdigit((unsigned char)*s); s++, scale /= 10)
		milli += (uint64_t)(*s - '0') * scale;
	*ms = whole * 1000 + milli;
	*p = s;
	return true;
}

/* Behind the kernel's "[   12.345678] ", whose time goes to *ms. */
static const char *skip_stamp(const char *line, bool *stamped, uint64_t *ms)
{
	const char *s = line;

	*stamped = false;
	if (*s++ != '[')
		return line;
	while (*s == ' ')
		s++;
	if (!seconds(&s, ms) || *s != ']')
		return line;
	*stamped = true;
	return s[1] == ' ' ? s + 2 : s + 1;
}

/* "... Up 23.45 seconds": cloud-init's own clock, which is the guest's uptime. */
static void uptime_of(const char *line, struct console_seen *seen)
{
	const char *p = strstr(line, " Up ");

	if (!p)
		return;
	p += 4;
	if (seconds(&p, &seen->guest_ms))
		seen->stamped = true;
}

static bool holds(const char *line, enum place place, const char *text)
{
	switch (place) {
	case AT_START:
		return text_starts(line, text);
	case AT_END:
		return text_ends(line, text);
	case ANYWHERE:
		return strstr(line, text) != NULL;
	}
	return false;
}

static void see(struct console *c, enum console_fact fact, const char *line, bool stamped,
		uint64_t ms)
{
	struct console_seen *s = &c->facts[fact];

	if (s->seen)
		return;
	*s = (struct console_seen){.seen = true, .stamped = stamped, .guest_ms = ms};
	snprintf(s->line, sizeof(s->line), "%s", line);
	if (fact == CONSOLE_CI_DONE)
		uptime_of(line, s);
}

static void forget_facts(struct console *c)
{
	memset(c->facts, 0, sizeof(c->facts));
	c->naddresses = 0;
}

static void reboot(struct console *c)
{
	if (!c->facts[CONSOLE_KERNEL].seen)
		return;
	c->reboots++;
	forget_facts(c);
}

static void match(struct console *c, const char *line, bool unfinished)
{
	bool stamped;
	uint64_t ms = 0;
	const char *text = skip_stamp(line, &stamped, &ms);

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if ((unfinished && !rules[i].prompt) ||
		    !holds(text, rules[i].place, rules[i].text) ||
		    (rules[i].also && !strstr(text, rules[i].also)) ||
		    (rules[i].unless && strstr(text, rules[i].unless)))
			continue;
		if (rules[i].fact == CONSOLE_KERNEL)
			reboot(c);
		see(c, rules[i].fact, text, stamped, ms);
	}
}

/* The next cell of "| a | b |": trimmed, into out. */
static bool cell(const char **p, char *out, size_t n)
{
	const char *start = *p + strspn(*p, " "), *end = strchr(start, '|');
	size_t len;

	if (!end)
		return false;
	*p = end + 1;
	for (len = (size_t)(end - start); len && start[len - 1] == ' '; len--)
		;
	snprintf(out, n, "%.*s", (int)min_u64(len, n - 1), start);
	return true;
}

/* "ci-info: |  eth0  | True |  192.0.2.5  | 255.255.255.0 | global | 52:54:00:12:34:56 |" */
static void take_address(struct console *c, const char *line)
{
	const char *p = strstr(line, "ci-info: |");
	char device[32], up[8], address[64], mask[64], scope[16], mac[18];
	struct console_address *a;

	if (!p || c->naddresses == CONSOLE_ADDRESSES)
		return;
	p += strlen("ci-info: |");
	if (!cell(&p, device, sizeof(device)) || !cell(&p, up, sizeof(up)) ||
	    !cell(&p, address, sizeof(address)) || !cell(&p, mask, sizeof(mask)) ||
	    !cell(&p, scope, sizeof(scope)) || !cell(&p, mac, sizeof(mac)) || strcmp(up, "True") ||
	    strspn(address, "0123456789abcdefABCDEF.:/") != strlen(address) ||
	    !strpbrk(address, ".:") || address[1] == '\0' || strlen(mac) != 17)
		return;
	a = &c->addresses[c->naddresses++];
	address[strcspn(address, "/")] = '\0';
	snprintf(a->address, sizeof(a->address), "%s", address);
	snprintf(a->mac, sizeof(a->mac), "%s", mac);
	for (char *s = a->mac; *s; s++)
		*s = (char)tolower((unsigned char)*s);
	a->global = !strcmp(scope, "global");
}

/* --- from bytes to lines ---------------------------------------------------------------------- */

static void end_line(struct console *c)
{
	char clean[CONSOLE_LINE];
	size_t n = clean_copy(clean, sizeof(clean), c->line, c->len);

	c->len = 0;
	if (strspn(clean, " ") == n)
		return;
	snprintf(c->last, sizeof(c->last), "%s", clean);
	snprintf(c->tail[c->lines++ % CONSOLE_TAIL], CONSOLE_LINE, "%s", clean);
	match(c, clean, false);
	take_address(c, clean);
}

/* ECMA-48, 5.4 (CSI) and 5.6 (command strings, which end with BEL or ESC \). */
static void feed_escape(struct console *c, unsigned char ch)
{
	switch (c->escape) {
	case ESCAPE:
		c->escape = ch == '['					       ? ESCAPE_CSI
			    : ch == ']' || ch == 'P' || ch == '_' || ch == '^' ? ESCAPE_STRING
									       : TEXT;
		break;
	case ESCAPE_CSI:
		if ((ch >= 0x40 && ch <= 0x7e) || ch == '\n')
			c->escape = TEXT;
		break;
	case ESCAPE_STRING:
		if (ch == '\a' || ch == '\\' ||
		    ch == '\n') /* a line end: nobody meant it to go on */
			c->escape = TEXT;
		break;
	case TEXT:
		break;
	}
}

void console_feed(struct console *c, const char *data, size_t n)
{
	char clean[CONSOLE_LINE];

	for (size_t i = 0; i < n; i++) {
		unsigned char ch = (unsigned char)data[i];

		if (c->escape != TEXT)
			feed_escape(c, ch);
		else if (ch == 0x1b)
			c->escape = ESCAPE;
		else if (ch == '\n' || ch == '\r')
			end_line(c);
		else if ((ch >= ' ' || ch == '\t') && ch != 0x7f && c->len < sizeof(c->line) - 1)
			c->line[c->len++] = ch == '\t' ? ' ' : (char)ch;
	}
	clean_copy(clean, sizeof(clean), c->line, c->len);
	match(c, clean, true);
}

void console_forget(struct console *c)
{
	forget_facts(c);
	c->reboots = 0;
	c->len = 0;
}

char *console_tail(const struct console *c)
{
	auto_buf struct buf out = BUF_INIT((CONSOLE_TAIL + 1) * (CONSOLE_LINE + 1));
	unsigned long first = c->lines > CONSOLE_TAIL ? c->lines - CONSOLE_TAIL : 0;
	char clean[CONSOLE_LINE];

	for (unsigned long i = first; i < c->lines; i++)
		buf_printf(&out, "%s\n", c->tail[i % CONSOLE_TAIL]);
	if (clean_copy(clean, sizeof(clean), c->line, c->len))
		buf_printf(&out, "%s\n", clean);
	return buf_take(&out);
}

/* --- of a file -------------------------------------------------------------------------------- */

enum { FILE_TAIL_BYTES = 64 * 1024 };

static struct console *read_end(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct console *c;
	struct stat st;
	size_t n, skip = 0;
	char *data;
	uint64_t off;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	off = (uint64_t)st.st_size > FILE_TAIL_BYTES ? (uint64_t)st.st_size - FILE_TAIL_BYTES : 0;
	data = xmalloc(FILE_TAIL_BYTES);
	c = NEW(struct console);
	if (pread_all(fd, data, FILE_TAIL_BYTES, off, &n) == 0) {
		/* Half a line would be shown as a whole one. */
		while (off && skip < n && data[skip] != '\n')
			skip++;
		console_feed(c, data + skip, n - skip);
	}
	free(data);
	return c;
}

char *console_file_tail(const char *path)
{
	struct console *c = read_end(path);
	char *text = c ? console_tail(c) : NULL;

	free(c);
	return text;
}

void console_file_last(const char *path, char *out, size_t n)
{
	struct console *c = read_end(path);

	snprintf(out, n, "%s", c ? c->last : "");
	free(c);
}
