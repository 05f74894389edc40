/* SPDX-License-Identifier: Apache-2.0
 *
 * The newest file in a listing. A listing is any text with names in it: the page that a web server
 * makes of a directory, a checksum file in whatever form. Nothing of its form matters: a name
 * begins and ends where the characters of names do. What it says is not trusted: a name that is not
 * there, or an old one, is the worst that a false listing can do, since the digest comes from
 * elsewhere.
 */
#include <ctype.h>
#include <string.h>

#include "base/util.h"
#include "images/store/catalog/resolve.h"

enum { MAX_STARS = 4, MAX_NUMBER = 48 };

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '.' || c == '-' || c == '_' || c == '+' ||
	       c == '~' || c == '%';
}

/* How far a number of parts reaches: digits, with single '.' and '-' between them. */
static size_t number_run(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && i < MAX_NUMBER &&
	       (isdigit((unsigned char)s[i]) ||
		(i && (s[i] == '.' || s[i] == '-') && isdigit((unsigned char)s[i - 1]))))
		i++;
	return i;
}

/* Adds what a star stood for; false when there is no room. */
static bool add_part(char serial[SERIAL_TEXT], const char *s, size_t n)
{
	size_t len = strlen(serial);

	if (len + n + 2 > SERIAL_TEXT)
		return false;
	if (len)
		serial[len++] = '-';
	memcpy(serial + len, s, n);
	serial[len + n] = '\0';
	return true;
}

/* Does the text begin with what the pattern means? Returns its length, 0: no. */
static size_t fits(const char *s, size_t n, const char *match, unsigned stars,
		   char serial[SERIAL_TEXT])
{
	size_t literal = strcspn(match, "*"), run;

	if (literal > n || memcmp(s, match, literal))
		return 0;
	s += literal;
	n -= literal;
	match += literal;
	if (!*match)
		return n && is_name_char(*s) ? 0 : literal;
	if (stars == MAX_STARS)
		return 0;
	for (run = number_run(s, n); run; run--) { /* the longest that leaves the rest its due */
		char longer[SERIAL_TEXT];
		size_t rest;

		if (!isdigit((unsigned char)s[run - 1]))
			continue;
		memcpy(longer, serial, sizeof(longer));
		if (!add_part(longer, s, run))
			continue;
		rest = fits(s + run, n - run, match + 1, stars + 1, longer);
		/* A pattern may end with its star: then nothing is left, and nothing has to be. */
		if (rest || (!match[1] && (run == n || !is_name_char(s[run])))) {
			memcpy(serial, longer, sizeof(longer));
			return literal + run + rest;
		}
	}
	return 0;
}

int listing_find(const char *text, size_t n, const char *from, const char *match, struct found *out,
		 struct err *err)
{
	size_t prefix = strcspn(match, "*");
	const char *at = text, *end = text + n;
	struct found best = {0};

	while (prefix && (at = memmem(at, (size_t)(end - at), match, prefix))) {
		char serial[SERIAL_TEXT] = "";
		size_t len = 0;

		if (at == text || !is_name_char(at[-1]))
			len = fits(at, (size_t)(end - at), match, 0, serial);
		if (len && len < sizeof(best.name) &&
		    (!best.name[0] || serial_compare(serial, best.serial) > 0)) {
			memcpy(best.name, at, len);
			best.name[len] = '\0';
			memcpy(best.serial, serial, sizeof(serial));
		}
		at += prefix;
	}
	if (!best.name[0])
		return err_set(err, ERR_NOT_FOUND, "'%s' lists no '%s'", from, match);
	*out = best;
	return 0;
}
