/* SPDX-License-Identifier: Apache-2.0
 *
 * An image on its way to a machine without a network: a plain tar of two members, the record
 * ("croft-image.json", record.h) and the file as kept ("image", sparse). docs/images.md.
 */
#ifndef IMAGES_STORE_BUNDLE_H
#define IMAGES_STORE_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "images/store/store.h"

/* Begins as a bundle does. */
bool bundle_detect(int fd);

/* Writes a bundle of `record` and the `size` bytes of `image` into the empty file `out`. */
int bundle_write(int out, const char *record, int image, uint64_t size,
		 const struct store_progress *, struct err *);

struct bundle_read {
	int fd;		    /* the bundle, read by pread */
	int out_fd;	    /* empty: gets the image */
	uint64_t max_bytes; /* of the image */
};

/*
 * guard_work (ctx: struct bundle_read), because the bytes are hostile. The result is the size of
 * the image, a uint64_t, and the text of the record. Anything but the two members in their order,
 * as regular files within their limits, is ERR_CORRUPT.
 */
int bundle_read_work(void *ctx, struct buf *result, struct err *);

#endif
