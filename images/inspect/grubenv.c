/* SPDX-License-Identifier: Apache-2.0
 *
 * GRUB's environment block (GRUB manual 2.12, 17.7): a signature line, name=value lines in which a
 * backslash keeps the next character, and '#' up to the end.
 */
#include "images/inspect/grubenv.h"

#include <string.h>

#include "base/text.h"

#define SIGNATURE "# GRUB Environment Block\n"

enum { MAX_GRUBENV = BOOT_MAX_ENV }; /* GRUB writes 1024; some tools make larger ones */

/*
 * A line, backslashes removed, up to a newline that is not escaped. Returns where the next
 * begins.
 */
static const char *take_line(const char *p, struct buf *line)
{
	buf_reset(line);
	for (; *p && *p != '\n'; p++) {
		if (*p == '\\' && p[1])
			p++;
		buf_putc(line, *p);
	}
	return *p ? p + 1 : p;
}

int grubenv_read(struct fsys *fs, const char *path,
		 void (*take)(void *ctx, const char *name, const char *value), void *ctx,
		 struct err *err)
{
	auto_buf struct buf text = BUF_INIT(MAX_GRUBENV);
	auto_buf struct buf line = BUF_INIT(MAX_GRUBENV);
	const char *p;

	if (fsys_read_file(fs, path, &text, err) < 0)
		return -1;
	p = buf_str(&text);
	if (!text_starts(p, SIGNATURE))
		return err_set(err, ERR_CORRUPT, "'%s': not a GRUB environment block", path);
	while (*p) {
		bool comment = *p == '#';
		char *eq;

		p = take_line(p, &line);
		eq = line.len ? strchr(line.data, '=') : NULL;
		if (comment || !eq || eq == line.data)
			continue;
		*eq = 0;
		take(ctx, line.data, eq + 1);
	}
	return 0;
}

/* Where the next line begins. */
static size_t skip_line(const char *block, size_t n, size_t at)
{
	for (; at < n && block[at] != '\n'; at++)
		at += block[at] == '\\';
	return at < n ? at + 1 : n;
}

bool grubenv_clear(char *block, size_t n, const char *name)
{
	size_t len = strlen(name);

	if (n < strlen(SIGNATURE) || memcmp(block, SIGNATURE, strlen(SIGNATURE)))
		return false;
	for (size_t at = 0, next; at < n; at = next) {
		size_t from = at + len + 1, to;

		next = skip_line(block, n, at);
		if (from > next || memcmp(block + at, name, len) || block[at + len] != '=')
			continue;
		to = block[next - 1] == '\n' ? next - 1 : next;
		if (from >= to)
			return false;
		/* The rest moves up, and the padding grows. */
		memmove(block + from, block + to, n - to);
		memset(block + n - (to - from), '#', to - from);
		return true;
	}
	return false;
}
