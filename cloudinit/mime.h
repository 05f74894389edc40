/* SPDX-License-Identifier: Apache-2.0
 *
 * MIME messages (RFC 2045, RFC 2046), as far as cloud-init uses them: multipart/mixed to carry
 * several documents in one. Written by render.c, taken apart by lint.c.
 */
#ifndef CLOUDINIT_MIME_H
#define CLOUDINIT_MIME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* A part to write. All pointers are borrowed. */
struct mime_part {
	const char *content_type; /* NULL: data is a message with headers of its own, and nests */
	const char *name;	  /* file name, shown in the guest's logs */
	const char *merge;	  /* value of cloud-init's Merge-Type header, or NULL */
	const char *data;
	size_t len;
};

/* Appends a multipart/mixed message. The boundary depends on nothing but the parts. */
int mime_write(const struct mime_part *, size_t n, struct buf *out, struct err *err);

enum { MIME_VALUE = 128 };

/* An entity: headers that matter, and where its body is. Points into the text it was read from. */
struct mime_entity {
	char type[MIME_VALUE];	   /* lower case; "text/plain" when not given */
	char boundary[MIME_VALUE]; /* "" for none */
	char encoding[MIME_VALUE]; /* lower case; "7bit" when not given */
	const char *body;
	size_t len;
};

/* Reads the headers at the start of text[0..len). */
void mime_read(const char *text, size_t len, struct mime_entity *out);
/*
 * Takes the next part of a multipart body: *at is an offset into it, 0 at first. Returns false when
 * there is none. The part is given as text, headers and all, for mime_read.
 */
bool mime_next(const struct mime_entity *, size_t *at, const char **part, size_t *len);

/* Appends the bytes that base64 stands for, passing over blanks; false when it is not base64. */
bool base64_decode(const char *text, size_t len, struct buf *out);
/* Appends base64 in lines of 76 (RFC 2045, 6.8). */
void base64_encode(const void *data, size_t len, struct buf *out);

#endif
