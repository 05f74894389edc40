/* SPDX-License-Identifier: Apache-2.0
 *
 * os-release(5). Values may be quoted as in a shell, without expansions; a later assignment wins.
 */
#include "images/inspect/osrelease.h"

#include <string.h>

#include "base/clean.h"

/* Removes one level of shell quoting: '..' verbatim, ".." and bare text with backslashes. */
static void unquote(const char *s, size_t len, char *dst, size_t n)
{
	size_t at = 0;
	char quote = 0;

	for (size_t i = 0; i < len && at + 1 < n; i++) {
		char c = s[i];

		if (c == quote && quote) {
			quote = 0;
			continue;
		}
		if (!quote && (c == '"' || c == '\'')) {
			quote = c;
			continue;
		}
		if (c == '\\' && quote != '\'' && i + 1 < len)
			c = s[++i];
		else if (!quote && strchr(" \t\r", c))
			break;
		dst[at++] = c;
	}
	dst[at] = 0;
	clean_copy(dst, n, dst, at);
}

void os_release_parse(const char *text, struct os_release *os)
{
	const struct {
		const char *key;
		char *dst;
		size_t n;
	} keys[] = {
		{"ID=", os->id, sizeof(os->id)},
		{"VERSION_ID=", os->version_id, sizeof(os->version_id)},
		{"PRETTY_NAME=", os->pretty_name, sizeof(os->pretty_name)},
		{"ID_LIKE=", os->id_like, sizeof(os->id_like)},
	};

	while (*text) {
		size_t len = strcspn(text, "\n"), blank = strspn(text, " \t");

		for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
			size_t k = strlen(keys[i].key);

			if (blank + k <= len && !strncmp(text + blank, keys[i].key, k))
				unquote(text + blank + k, len - blank - k, keys[i].dst, keys[i].n);
		}
		text += len + (text[len] == '\n');
	}
}
