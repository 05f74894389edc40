/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening chains that are named on a command line, for the disk test programs.
 */
#ifndef TESTS_LIB_DISK_CHAIN_H
#define TESTS_LIB_DISK_CHAIN_H

#include <fcntl.h>

#include "images/disk/block.h"

/* "FORMAT:FILE" each, top layer first. */
static inline struct blk *chain_open(char **names, unsigned n, unsigned flags, struct err *err)
{
	struct blk_layer layers[16];
	unsigned i = 0;

	if (!n || n > ARRAY_LEN(layers)) {
		err_set(err, ERR_USAGE, "give 1 to %zu FORMAT:FILE", ARRAY_LEN(layers));
		return NULL;
	}
	for (; i < n; i++) {
		char *colon = strchr(names[i], ':');
		int rw = i == 0 && !(flags & BLK_RDONLY) ? O_RDWR : O_RDONLY;

		if (colon)
			*colon = 0;
		layers[i].name = colon ? colon + 1 : names[i];
		if (blk_format_parse(colon ? names[i] : "raw", &layers[i].format, err) < 0)
			goto fail;
		layers[i].fd = open(layers[i].name, rw | O_CLOEXEC);
		if (layers[i].fd < 0) {
			err_sys(err, ERR_HOST, "cannot open '%s'", layers[i].name);
			goto fail;
		}
		if (colon)
			*colon = ':';
	}
	return blk_open(layers, n, flags, err);
fail:
	while (i)
		close(layers[--i].fd);
	return NULL;
}

#endif
