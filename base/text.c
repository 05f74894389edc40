/* SPDX-License-Identifier: Apache-2.0
 *
 * Text for people: see text.h.
 */
#include "base/text.h"

#include <stdint.h>
#include <string.h>

#include "base/util.h"

enum { LONGEST = 48 };

/* Optimal string alignment distance. */
static unsigned distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned d[3][LONGEST + 1];

	if (n > LONGEST || m > LONGEST)
		return LONGEST;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *row = d[i % 3], *up = d[(i + 2) % 3], *up2 = d[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned best = up[j - 1] + (a[i - 1] != b[j - 1]);

			best = (unsigned)min_u64(best, up[j] + 1);
			best = (unsigned)min_u64(best, row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = (unsigned)min_u64(best, up2[j - 2] + 1);
			row[j] = best;
		}
	}
	return d[n % 3][m];
}

const char *text_nearest(const char *given, const char *const words[], size_t n)
{
	size_t limit = strlen(given) / 3 + 1;
	const char *found = NULL;
	unsigned best = LONGEST;

	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(given, words[i]);

		if (d < best && d <= limit && d < strlen(words[i])) {
			best = d;
			found = words[i];
		}
	}
	return found;
}

bool text_starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool text_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !strcmp(s + n - m, suffix);
}

bool text_is_name(const char *s)
{
	size_t n = strlen(s);

	if (n < 1 || n > 63 || s[0] == '-' || s[n - 1] == '-')
		return false;
	return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}
