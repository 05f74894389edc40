/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and signatures for tests, made by gpg in a home of their own; no agent stays behind.
 */
#ifndef TESTS_LIB_STORE_GPG_H
#define TESTS_LIB_STORE_GPG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct gpg {
	char home[24]; /* short: the agent's socket has to fit in 108 bytes */
};

/* False: there is no gpg to make them with. */
bool gpg_open(struct gpg *);
void gpg_close(struct gpg *);

/*
 * A key that signs; its fingerprint into out[65]. `time` NULL: now, else "20200101T000000" is the
 * time it is made at; `expires`: "never", "1d".
 */
void gpg_key(struct gpg *, const char *name, const char *time, const char *expires, char *out);
/* From now on a subkey of it signs. */
void gpg_subkey(struct gpg *, const char *fingerprint);
void gpg_revoke(struct gpg *, const char *fingerprint);
/* The public key, armoured or not. */
void gpg_export(struct gpg *, const char *fingerprint, bool armour, struct buf *out);
enum gpg_form { GPG_DETACHED, GPG_ARMOURED, GPG_CLEAR };
/* `digest`: "SHA256", ... */
void gpg_sign(struct gpg *, const char *fingerprint, const char *time, enum gpg_form,
	      const char *digest, const void *text, size_t n, struct buf *out);

#endif
