/* SPDX-License-Identifier: Apache-2.0
 *
 * machine.json: what is accepted is written and read again to the same text.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmm_config c, again;
	auto_buf struct buf one = BUF_INIT(1 << 20), two = BUF_INIT(1 << 20);
	struct err err = {0};

	if (vmm_config_read((const char *)data, size, &c, &err) < 0) {
		if (err.kind != ERR_SPEC || !err.msg[0])
			abort();
		return 0;
	}
	vmm_config_write(&c, &one);
	if (vmm_config_read(one.data, one.len, &again, &err) < 0)
		abort();
	vmm_config_write(&again, &two);
	if (strcmp(buf_str(&one), buf_str(&two)))
		abort();
	vmm_config_done(&c);
	vmm_config_done(&again);
	return 0;
}
