/* SPDX-License-Identifier: Apache-2.0
 *
 * The texts of an index that become parts of a URL: checked, and compared by age.
 */
#include <ctype.h>
#include <string.h>

#include "images/store/catalog/resolve.h"

static size_t digits(const char *s)
{
	size_t n = 0;

	while (isdigit((unsigned char)s[n]))
		n++;
	return n;
}

int serial_compare(const char *a, const char *b)
{
	while (*a && *b) {
		size_t na, nb;

		if (!isdigit((unsigned char)*a) || !isdigit((unsigned char)*b)) {
			if (*a != *b)
				return *a < *b ? -1 : 1;
			a++;
			b++;
			continue;
		}
		while (*a == '0')
			a++;
		while (*b == '0')
			b++;
		na = digits(a);
		nb = digits(b);
		if (na != nb)
			return na < nb ? -1 : 1;
		if (memcmp(a, b, na))
			return memcmp(a, b, na);
		a += na;
		b += nb;
	}
	return *a ? 1 : *b ? -1 : 0;
}

static bool copy(const char *text, const char *more, char *out, size_t room)
{
	size_t n = strlen(text);

	if (!n || n >= room || !isalnum((unsigned char)text[0]) || strstr(text, ".."))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr(more, text[i]))
			return false;
	memcpy(out, text, n + 1);
	return true;
}

bool serial_copy(const char *text, char out[SERIAL_TEXT])
{
	return copy(text, "._-", out, SERIAL_TEXT);
}

bool path_copy(const char *text, char out[INDEX_PATH_TEXT])
{
	return copy(text, "._-~+/:=", out, INDEX_PATH_TEXT);
}
