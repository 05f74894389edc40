/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenPGP public keys (RFC 9580), as far as pinning them needs: taking armour off, finding where
 * each key begins and ends, and the fingerprint of its primary key. Whether a key may sign, is
 * expired or revoked, and whether a signature is good, is for gpgv to say.
 */
#ifndef IMAGES_STORE_OPENPGP_H
#define IMAGES_STORE_OPENPGP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum { FINGERPRINT_TEXT = 64 + 1, KEY_FILE_MAX = 1 << 20 };

/*
 * Calls got() for each key in a file, armoured or not, with its packets; stops when that returns
 * false. `from` is for messages. ERR_VERIFY: not public keys.
 */
int openpgp_keys(const char *text, size_t n, const char *from,
		 bool (*got)(void *ctx, const char *fingerprint, const void *packets, size_t len),
		 void *ctx, struct err *);

#endif
