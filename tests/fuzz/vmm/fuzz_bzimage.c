/* SPDX-License-Identifier: Apache-2.0
 *
 * bzImages: setup headers as an attacker writes them.
 */
#include <string.h>

#include "tests/lib/vmm/fuzzboot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= 4 && memcmp(data, "\177ELF", 4))
		fuzz_boot(data, size);
	return 0;
}
