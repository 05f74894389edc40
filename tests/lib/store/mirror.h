/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory tree in the place of the network: https://host/path is TREE/host/path, a directory's
 * page is its index.html, and a query is a part of the name.
 */
#ifndef TESTS_LIB_STORE_MIRROR_H
#define TESTS_LIB_STORE_MIRROR_H

#include <stddef.h>

#include "images/store/fetch/fetch.h"

struct mirror {
	char *tree;
	struct fetcher fetcher;
	unsigned requests;
	char *from, *to; /* one redirect, or NULL */
};

void mirror_open(struct mirror *);
void mirror_close(struct mirror *);
void mirror_put(struct mirror *, const char *url, const void *data, size_t n);
void mirror_remove(struct mirror *, const char *url);
/* "url" leads to "to" from now on. */
void mirror_redirect(struct mirror *, const char *url, const char *to);

#endif
