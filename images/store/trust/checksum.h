/* SPDX-License-Identifier: Apache-2.0
 *
 * Checksum files, in every form that distributions publish: GNU coreutils ("<hex>  name",
 * "<hex> *name", and with one blank), BSD ("SHA256 (name) = <hex>"), a bare digest for one file;
 * comments, CRLF, "./" before names, the text of a clearsigned message (its armour and dash escapes
 * are taken off). The text is somebody else's.
 */
#ifndef IMAGES_STORE_CHECKSUM_H
#define IMAGES_STORE_CHECKSUM_H

#include <stddef.h>

#include "base/err.h"
#include "images/store/trust/hash.h"

enum { CHECKSUM_MAX_BYTES = 4 << 20 };

/*
 * Finds the digest of `name` (a file name without directories) in the text. `file` is the checksum
 * file's name or URL: for messages, and because "SHA512SUMS" or "x.sha256" says the algorithm, which
 * must agree with the length of the digests.
 *
 * ERR_VERIFY: no line is for `name` (the message lists near names), two lines give different digests,
 * or the digest is not of the length that its label or the file's name says.
 */
int checksum_find(const char *text, size_t n, const char *file, const char *name,
		  char digest[DIGEST_TEXT], struct err *);

#endif
