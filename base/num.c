/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers with units: see num.h.
 */
#include "base/num.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/util.h"

/* Reads digits; returns how many characters were taken, 0 if none or if the value does not fit. */
static size_t digits(const char *s, unsigned base, uint64_t *out)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; s[n]; n++) {
		unsigned d;

		if (isdigit((unsigned char)s[n]))
			d = (unsigned)(s[n] - '0');
		else if (base == 16 && isxdigit((unsigned char)s[n]))
			d = (unsigned)(tolower((unsigned char)s[n]) - 'a') + 10;
		else
			break;
		if (!checked_mul(v, base, &v) || !checked_add(v, d, &v))
			return 0;
	}
	*out = v;
	return n;
}

int parse_u64(const char *s, uint64_t *out, struct err *err)
{
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	const char *start = hex ? s + 2 : s;
	uint64_t v;
	size_t n = digits(start, hex ? 16 : 10, &v);

	if (!n || start[n])
		return err_set(err, ERR_USAGE, "'%s' is not a whole number", s);
	*out = v;
	return 0;
}

int parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *out, struct err *err)
{
	uint64_t v;

	if (parse_u64(s, &v, err) < 0)
		return -1;
	if (v < min || v > max)
		return err_set(err, ERR_USAGE, "%s is not within %" PRIu64 " to %" PRIu64, s, min,
			       max);
	*out = v;
	return 0;
}

static const struct {
	const char *suffix;
	uint64_t bytes;
	bool vague;
} units[] = {
	{"TiB", KIB * GIB, false},     {"GiB", GIB, false},
	{"MiB", MIB, false},	       {"KiB", KIB, false},
	{"B", 1, false},	       {"TB", 1000000000000, false},
	{"GB", 1000000000, false},     {"MB", 1000000, false},
	{"kB", 1000, false},	       {"KB", 1000, false},
	{"T", KIB * GIB, true},	       {"G", GIB, true},
	{"M", MIB, true},	       {"K", KIB, true},
	{"Ti", KIB * GIB, true},       {"Gi", GIB, true},
	{"Mi", MIB, true},	       {"Ki", KIB, true},
};

int parse_size(const char *s, uint64_t *bytes, const char **note, struct err *err)
{
	uint64_t whole, fraction = 0, scale = 1, v, part;
	size_t n = digits(s, 10, &whole);
	const char *unit = s + n;

	if (!n)
		return err_set(err, ERR_USAGE, "'%s' is not a size (write 4GiB or 512MiB)", s);
	if (*unit == '.') {
		size_t f = digits(unit + 1, 10, &fraction);

		if (!f || f > 6)
			return err_set(err, ERR_USAGE, "'%s' is not a size (write 1.5GiB)", s);
		for (size_t i = 0; i < f; i++)
			scale *= 10;
		unit += 1 + f;
	}
	if (!*unit)
		return err_set(err, ERR_USAGE, "'%s' has no unit (write %sMiB or %sGiB)", s, s, s);
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (strcmp(unit, units[i].suffix))
			continue;
		if (!checked_mul(whole, units[i].bytes, &v) ||
		    !checked_mul(fraction, units[i].bytes, &part) ||
		    !checked_add(v, part / scale, &v))
			return err_set(err, ERR_USAGE, "'%s' is too large", s);
		if (part % scale)
			return err_set(err, ERR_USAGE, "'%s' is not a whole number of bytes", s);
		*bytes = v;
		if (note)
			*note = units[i].vague ? "read as a power of 1024; write KiB, MiB, GiB or TiB"
					       : NULL;
		return 0;
	}
	return err_set(err, ERR_USAGE, "'%s' has an unknown unit (KiB, MiB, GiB, TiB, kB, MB, GB, TB)",
		       s);
}

int parse_duration(const char *s, uint64_t *ms, struct err *err)
{
	static const struct {
		const char *suffix;
		uint64_t ms;
	} spans[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	const char *p = s;
	uint64_t total = 0;

	do {
		uint64_t v;
		size_t n = digits(p, 10, &v), u = 0, best = ARRAY_LEN(spans);

		while (n && isalpha((unsigned char)p[n + u]))
			u++;
		for (size_t i = 0; i < ARRAY_LEN(spans); i++)
			if (u && strlen(spans[i].suffix) == u && !strncmp(p + n, spans[i].suffix, u))
				best = i;
		if (best == ARRAY_LEN(spans))
			return err_set(err, ERR_USAGE, "'%s' is not a duration (write 90s or 5m)", s);
		if (!checked_mul(v, spans[best].ms, &v) || !checked_add(total, v, &total))
			return err_set(err, ERR_USAGE, "'%s' is too long", s);
		p += n + u;
	} while (*p);
	*ms = total;
	return 0;
}

char *format_size(uint64_t bytes, char *out, size_t n)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1024 && u + 1 < ARRAY_LEN(names)) {
		v /= 1024;
		u++;
	}
	if (u == 0 || v >= 100)
		snprintf(out, n, "%.0f%s", v, names[u]);
	else
		snprintf(out, n, "%.1f%s", v, names[u]);
	return out;
}

char *format_size_exact(uint64_t bytes, char *out, size_t n)
{
	for (size_t i = 0; i < 4; i++) /* TiB to KiB */
		if (bytes && bytes % units[i].bytes == 0) {
			snprintf(out, n, "%" PRIu64 "%s", bytes / units[i].bytes, units[i].suffix);
			return out;
		}
	snprintf(out, n, "%" PRIu64 "B", bytes);
	return out;
}

char *format_duration(uint64_t ms, char *out, size_t n)
{
	uint64_t s = ms / 1000;

	if (ms < 1000)
		snprintf(out, n, "%" PRIu64 "ms", ms);
	else if (s < 60)
		snprintf(out, n, "%" PRIu64 ".%" PRIu64 "s", s, ms % 1000 / 100);
	else if (s < 3600)
		snprintf(out, n, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, n, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(out, n, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
	return out;
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}
