/* SPDX-License-Identifier: Apache-2.0
 *
 * state.json: any bytes. What is read can be written, and reads back the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/util.h"
#include "provision/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vm_state *a = NEW(struct vm_state), *b = NEW(struct vm_state);
	auto_buf struct buf first = BUF_INIT(RECORD_MAX_BYTES), again = BUF_INIT(RECORD_MAX_BYTES);
	struct err err = {0};

	if (record_read(&state_record, (const char *)data, size, a, &err) == 0) {
		record_write(&state_record, a, &first);
		if (record_read(&state_record, buf_str(&first), first.len, b, &err) < 0)
			abort();
		record_write(&state_record, b, &again);
		if (strcmp(buf_str(&first), buf_str(&again)))
			abort();
		record_done(&state_record, b);
		record_done(&state_record, a);
	} else if (!err.msg[0]) {
		abort();
	}
	free(a);
	free(b);
	return 0;
}
