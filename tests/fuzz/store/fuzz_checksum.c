/* SPDX-License-Identifier: Apache-2.0
 *
 * Checksum files: raw bytes as the text. What is found must be a digest.
 */
#include <stdint.h>
#include <stdlib.h>

#include "images/store/trust/checksum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char digest[DIGEST_TEXT];
	enum hash_kind kind;
	const char *hex;

	if (checksum_find((const char *)data, size, "CHECKSUM", "x.qcow2", digest, NULL) == 0 &&
	    digest_parse(digest, &kind, &hex, NULL) < 0)
		abort();
	return 0;
}
