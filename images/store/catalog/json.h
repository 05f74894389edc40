/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON that somebody else wrote, with a bound on what it can cost: a few megabytes of "[[[[" or
 * "{},{}," would become gigabytes of tree.
 */
#ifndef IMAGES_STORE_JSON_H
#define IMAGES_STORE_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"

/* NULL: not JSON, or more than is reasonable (ERR_VERIFY, with line and column where there are). */
json_t *json_read(const char *text, size_t n, const char *from, struct err *);

/* A member that is a string without NULs; NULL: there is none. `object` may be NULL. */
const char *json_text(const json_t *object, const char *key);

#endif
