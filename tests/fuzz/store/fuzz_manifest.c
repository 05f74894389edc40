/* SPDX-License-Identifier: Apache-2.0
 *
 * Debian's manifest: what is found is a serial, a digest and a path, or nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "images/store/catalog/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct found f = {0};
	char serial[SERIAL_TEXT];
	enum hash_kind kind;
	const char *hex;

	if (manifest_find((const char *)data, size, "m.json", "qcow2", &f, NULL) == 0 &&
	    (digest_parse(f.digest, &kind, &hex, NULL) < 0 || !serial_copy(f.serial, serial) ||
	     strstr(f.path, "..")))
		abort();
	return 0;
}
