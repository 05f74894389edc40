/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors as values: see err.h.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

static const struct {
	const char *name;
	int exit_code;
} kinds[] = {
	[ERR_NONE] = {"none", 0},
	[ERR_FAILED] = {"failed", 1},
	[ERR_USAGE] = {"usage", 2},
	[ERR_SPEC] = {"spec", 3},
	[ERR_HOST] = {"host", 4},
	[ERR_DOWNLOAD] = {"download", 5},
	[ERR_VERIFY] = {"verify", 6},
	[ERR_VM] = {"vm", 7},
	[ERR_TIMEOUT] = {"timeout", 8},
	[ERR_CLOUD_INIT] = {"cloud-init", 9},
	[ERR_GUEST_CMD] = {"guest-command", 10},
	[ERR_NOT_FOUND] = {"not-found", 11},
	[ERR_CONFLICT] = {"conflict", 12},
	[ERR_INTERRUPTED] = {"interrupted", 130},
	[ERR_UNSUPPORTED] = {"unsupported", 1},
	[ERR_CORRUPT] = {"corrupt", 1},
};
static_assert(ARRAY_LEN(kinds) == ERR_KINDS, "every kind has a name and an exit code");

static void put(struct err *err, enum err_kind kind, int sys, const char *fmt, va_list ap)
{
	int n;

	err->kind = kind;
	err->sys = sys;
	n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	if (sys && n >= 0 && (size_t)n < sizeof(err->msg))
		snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %s", strerror(sys));
}

int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	put(err, kind, 0, fmt, ap);
	va_end(ap);
	return -1;
}

int err_sys(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	int sys = errno;
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	put(err, kind, sys, fmt, ap);
	va_end(ap);
	return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char prefix[sizeof(err->msg)], inner[sizeof(err->msg)];
	va_list ap;
	int n;

	if (!err)
		return -1;
	va_start(ap, fmt);
	n = vsnprintf(prefix, sizeof(prefix), fmt, ap);
	va_end(ap);
	memcpy(inner, err->msg, sizeof(inner));
	if (n >= 0 && (size_t)n < sizeof(prefix))
		snprintf(err->msg, sizeof(err->msg), "%.*s: %s", n, prefix, inner);
	if (err->kind == ERR_NONE)
		err->kind = ERR_FAILED;
	return -1;
}

int err_hint(struct err *err, const char *fmt, ...)
{
	char hint[sizeof(err->msg)];
	size_t used;
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	vsnprintf(hint, sizeof(hint), fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, " (%s)", hint);
	return -1;
}

int err_exit_code(enum err_kind kind)
{
	return (unsigned)kind < ERR_KINDS ? kinds[kind].exit_code : 1;
}

const char *err_kind_name(enum err_kind kind)
{
	return (unsigned)kind < ERR_KINDS ? kinds[kind].name : "failed";
}

enum err_kind err_kind_from_name(const char *name)
{
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return (enum err_kind)i;
	return ERR_FAILED;
}
