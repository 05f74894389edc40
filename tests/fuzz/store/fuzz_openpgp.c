/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of keys, armoured or not. The packets of each key that is found are taken apart again and
 * must be that one key: they are what gpgv gets to read.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "images/store/trust/openpgp.h"

struct once {
	char fingerprint[FINGERPRINT_TEXT];
	size_t len;
	unsigned n;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool again(void *ctx, const char *fingerprint, const void *packets, size_t len)
{
	struct once *o = ctx;

	(void)packets;
	if (strcmp(o->fingerprint, fingerprint) || o->len != len)
		abort();
	o->n++;
	return true;
}

static bool got(void *ctx, const char *fingerprint, const void *packets, size_t len)
{
	struct once o = {.len = len};

	(void)ctx;
	memcpy(o.fingerprint, fingerprint, strlen(fingerprint) + 1);
	if (openpgp_keys(packets, len, "again", again, &o, NULL) < 0 || o.n != 1)
		abort();
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	openpgp_keys((const char *)data, size, "keys", got, NULL, NULL);
	return 0;
}
