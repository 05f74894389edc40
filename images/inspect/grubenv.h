/* SPDX-License-Identifier: Apache-2.0
 *
 * GRUB's environment block: a file of 1024 bytes with name=value lines.
 */
#ifndef IMAGES_INSPECT_GRUBENV_H
#define IMAGES_INSPECT_GRUBENV_H

#include "images/inspect/fsys.h"

/* Calls take() for each variable of the file. ERR_CORRUPT when it is no environment block. */
int grubenv_read(struct fsys *, const char *path,
		 void (*take)(void *ctx, const char *name, const char *value), void *ctx,
		 struct err *err);

/*
 * Empties a variable of a block of n bytes in memory. False when it is no block, or the variable is
 * not there or empty: then nothing has changed.
 */
bool grubenv_clear(char *block, size_t n, const char *name);

#endif
