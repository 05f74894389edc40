/* SPDX-License-Identifier: Apache-2.0
 *
 * os-release(5): shell-like assignments that name a distribution.
 */
#ifndef IMAGES_INSPECT_OSRELEASE_H
#define IMAGES_INSPECT_OSRELEASE_H

#include "images/inspect/inspect.h"

/* Takes what it knows from the text (NUL-terminated) and ignores the rest. */
void os_release_parse(const char *text, struct os_release *);

#endif
