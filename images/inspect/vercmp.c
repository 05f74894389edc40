/* SPDX-License-Identifier: Apache-2.0
 *
 * Versions are runs of digits and runs of letters; everything else only separates them. Digits are
 * compared as numbers of any length, a number is newer than a word, '~' is older than the end, and
 * of two that agree so far the longer one is newer (rpm-version(7)). UAPI.10 (Version Format
 * Specification) ranks some of the separators, too.
 */
#include "images/inspect/vercmp.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const char *skip_separators(const char *s, const char *ranked)
{
	while (*s && !isalnum((unsigned char)*s) && *s != '~' && !strchr(ranked, *s))
		s++;
	return s;
}

static size_t run_length(const char *s, bool digits)
{
	size_t n = 0;

	while (digits ? isdigit((unsigned char)s[n]) : isalpha((unsigned char)s[n]))
		n++;
	return n;
}

static int sign(long v)
{
	return v < 0 ? -1 : v > 0;
}

/* Two runs of digits, as numbers. */
static int compare_numbers(const char *a, size_t na, const char *b, size_t nb)
{
	for (; na && *a == '0'; na--)
		a++;
	for (; nb && *b == '0'; nb--)
		b++;
	if (na != nb)
		return na < nb ? -1 : 1;
	return sign(memcmp(a, b, na));
}

static int compare_words(const char *a, size_t na, const char *b, size_t nb)
{
	int c = sign(memcmp(a, b, na < nb ? na : nb));

	return c ? c : na < nb ? -1 : na > nb;
}

/* `ranked`: separators that are older than whatever else the other one has there, oldest first. */
static int compare(const char *a, const char *b, const char *ranked)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	for (;;) {
		const char *mark;
		bool digits;
		size_t na, nb;
		int c;

		a = skip_separators(a, ranked);
		b = skip_separators(b, ranked);
		if (*a == '~' || *b == '~') {
			if (*a != *b)
				return *a == '~' ? -1 : 1;
			a++;
			b++;
			continue;
		}
		if (!*a || !*b)
			return (*a != 0) - (*b != 0);
		for (mark = ranked; *mark && *a != *mark && *b != *mark;)
			mark++;
		if (*mark) {
			if (*a != *b)
				return *a == *mark ? -1 : 1;
			a++;
			b++;
			continue;
		}
		digits = isdigit((unsigned char)*a);
		na = run_length(a, digits);
		nb = run_length(b, digits);
		if (!nb) /* the other one is of the other kind: numbers are newer */
			return digits ? 1 : -1;
		c = digits ? compare_numbers(a, na, b, nb) : compare_words(a, na, b, nb);
		if (c)
			return c;
		a += na;
		b += nb;
	}
}

int version_compare(const char *a, const char *b)
{
	return compare(a, b, "");
}

int version_compare_uapi(const char *a, const char *b)
{
	return compare(a, b, "-^.");
}
