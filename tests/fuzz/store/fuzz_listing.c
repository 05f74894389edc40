/* SPDX-License-Identifier: Apache-2.0
 *
 * Listings: a pattern up to the first NUL, then the text. What is found stands in the text, and its
 * serial may stand in a URL.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "images/store/catalog/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = strnlen((const char *)data, size);
	char *match, serial[SERIAL_TEXT];
	struct found f = {0};

	if (n == size || n > 100)
		return 0;
	match = xstrndup((const char *)data, n);
	data += n + 1;
	size -= n + 1;
	if (strchr(match, '*') &&
	    listing_find((const char *)data, size, "l", match, &f, NULL) == 0 &&
	    (!serial_copy(f.serial, serial) || !memmem(data, size, f.name, strlen(f.name))))
		abort();
	free(match);
	return 0;
}
