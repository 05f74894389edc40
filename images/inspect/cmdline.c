/* SPDX-License-Identifier: Apache-2.0
 *
 * From the options of a boot entry to the command line that the guest gets. Arguments are separated
 * as the kernel does it (lib/cmdline.c, next_arg): by blanks outside of double quotes.
 */
#include "images/inspect/inspect.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

#define SERIAL_CONSOLE "console=ttyS0,115200n8"

/* The next argument at *p, which moves behind it; its length, 0 at the end. */
static size_t next_arg(const char **p, const char **arg)
{
	bool quoted = false;
	const char *s = *p;

	while (isspace((unsigned char)*s))
		s++;
	*arg = s;
	while (*s && (quoted || !isspace((unsigned char)*s))) {
		quoted ^= *s == '"';
		s++;
	}
	*p = s;
	return (size_t)(s - *arg);
}

static bool sets_console(const char *args)
{
	const char *arg;

	while (next_arg(&args, &arg))
		if (text_starts(arg, "console="))
			return true;
	return false;
}

/* What is not passed on: the boot loader's own, RAM that a small VM needs, and what we add anew. */
static bool is_dropped(const char *arg, bool own_console)
{
	return text_starts(arg, "BOOT_IMAGE=") || text_starts(arg, "crashkernel=") ||
	       (own_console && text_starts(arg, "console=ttyS0"));
}

static void add(struct buf *out, const char *arg, size_t n)
{
	if (out->len)
		buf_putc(out, ' ');
	buf_put(out, arg, n);
}

/*
 * What the entry has for the kernel. A bare "--" and all behind it is for init (kernel/params.c,
 * parse_args) and left at *p.
 */
static void add_entry(struct buf *out, const char **p, bool own_console)
{
	const char *arg, *here = *p;
	size_t len;

	while ((len = next_arg(p, &arg))) {
		if (len == 2 && text_starts(arg, "--"))
			break;
		if (!is_dropped(arg, own_console))
			add(out, arg, len);
		here = *p;
	}
	*p = here;
}

static void add_all(struct buf *out, const char *args)
{
	const char *arg;
	size_t len;

	while ((len = next_arg(&args, &arg)))
		add(out, arg, len);
}

int boot_cmdline(const struct boot_entry *e, const char *append, uint32_t limit, char *out,
		 size_t n, struct err *err)
{
	auto_buf struct buf line = BUF_INIT(sizeof(e->cmdline) + 65536);
	bool own_console;
	const char *rest = e->cmdline;

	append = append ? append : "";
	own_console = !sets_console(append);
	add_entry(&line, &rest, own_console);
	if (own_console)
		add(&line, SERIAL_CONSOLE, strlen(SERIAL_CONSOLE));
	add_all(&line, append);
	add_all(&line, rest);

	/* limit and n count differently: the kernel's number is without the terminating zero. */
	if (line.overflow || line.len > limit || line.len >= n)
		return err_set(
			err, ERR_SPEC,
			"the kernel command line has %zu bytes, and this kernel takes at most %zu",
			line.len, (size_t)min_u64(limit, n - 1));
	memcpy(out, buf_str(&line), line.len + 1);
	return 0;
}
