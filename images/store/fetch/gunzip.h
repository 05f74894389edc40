/* SPDX-License-Identifier: Apache-2.0
 *
 * gzip (RFC 1952) from a tail, by zlib: libarchive's own filter does not compare the checksums at
 * the end of a member, and a file that nobody signed has no others.
 */
#ifndef IMAGES_STORE_GUNZIP_H
#define IMAGES_STORE_GUNZIP_H

#include <sys/types.h>

#include "images/store/fetch/tail.h"

struct gunzip;
struct gunzip *gunzip_new(struct tail *); /* NULL: no memory */
void gunzip_free(struct gunzip *);	  /* NULL is fine */

/* The next bytes, all members joined. The count, 0 at the end, -1: errno, EBADMSG when it is
 * damaged. */
ssize_t gunzip_read(struct gunzip *, void *dst, size_t n);

#endif
