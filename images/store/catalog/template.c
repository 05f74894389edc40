/* SPDX-License-Identifier: Apache-2.0
 *
 * Names in braces: see template.h.
 */
#include "images/store/catalog/template.h"

#include <string.h>

size_t template_fill(const char *text, const char *(*value)(void *ctx, const char *name, size_t n),
		     void *ctx, struct buf *out, const char **bad)
{
	while (*text) {
		size_t plain = strcspn(text, "{"), n;
		const char *with;

		buf_put(out, text, plain);
		text += plain;
		if (!*text)
			break;
		n = strcspn(++text, "}");
		with = text[n] ? value(ctx, text, n) : NULL;
		if (!with) {
			*bad = text;
			return n ? n : 1;
		}
		buf_puts(out, with);
		text += n + 1;
	}
	return 0;
}
