/* SPDX-License-Identifier: Apache-2.0
 *
 * Images that come packed: xz, gzip, bzip2, zstd around an image or a tar, tar and zip with one
 * disk image inside. Recognised by content, never by name. Nothing is extracted: the bytes of one
 * regular file go to one descriptor, so names and links of an archive reach nothing.
 *
 * The bytes are hostile, and they are read before their digest is known: the work runs in guard.h.
 */
#ifndef IMAGES_STORE_UNPACK_H
#define IMAGES_STORE_UNPACK_H

#include "base/guard.h"
#include "images/store/fetch/tail.h"

enum packing { PACK_NONE, PACK_XZ, PACK_GZIP, PACK_BZIP2, PACK_ZSTD, PACK_TAR, PACK_ZIP, PACKINGS };

enum { PACKING_HEAD = 512 }; /* bytes from the beginning that tell */
enum packing packing_detect(const void *head, size_t n);
const char *packing_name(enum packing); /* "xz" */

struct unpack {
	enum packing kind;
	struct tail *from;
	int out_fd;	      /* empty; written sparsely */
	const char *out_path; /* for messages */
	uint64_t max_bytes;
};

/*
 * guard_work: ctx is a struct unpack. The result is the length of the image, a uint64_t, to which
 * the caller sets that of out_fd; it is below max_bytes unless the child lies. ERR_VERIFY: a bomb,
 * an escaping path, a link, encrypted, no image or several; ERR_CORRUPT: damaged; ERR_HOST: cannot
 * be written, or the packed file cannot be read.
 */
int unpack_work(void *ctx, struct buf *result, struct err *);

#endif
