/* SPDX-License-Identifier: Apache-2.0
 *
 * Simplestreams: what is found is a serial and a path, and a digest if any.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "images/store/catalog/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct found f = {0};
	char serial[SERIAL_TEXT], path[INDEX_PATH_TEXT];
	enum hash_kind kind;
	const char *hex;

	if (streams_find((const char *)data, size, "s.json", "com.ubuntu.cloud:server:24.04:amd64",
			 "disk1.img", &f, NULL) == 0 &&
	    ((f.digest[0] && digest_parse(f.digest, &kind, &hex, NULL) < 0) ||
	     !serial_copy(f.serial, serial) || !path_copy(f.path, path)))
		abort();
	return 0;
}
