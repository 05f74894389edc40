/* SPDX-License-Identifier: Apache-2.0
 *
 * "{codename}/latest/debian-{version}.json": names in braces stand for values. A catalog's
 * templates are filled in twice: with what the catalog knows, and with what only the publisher can
 * tell.
 */
#ifndef IMAGES_STORE_TEMPLATE_H
#define IMAGES_STORE_TEMPLATE_H

#include <stddef.h>

#include "base/buf.h"

enum { TEMPLATE_MAX = 2048 }; /* bytes of what comes out */

/*
 * Appends the text with every {name} replaced by value(ctx, name). For a name of which that says
 * NULL returns the name's length and leaves *bad at it; an unclosed brace counts as such a name. 0:
 * done.
 */
size_t template_fill(const char *text, const char *(*value)(void *ctx, const char *name, size_t n),
		     void *ctx, struct buf *out, const char **bad);

#endif
