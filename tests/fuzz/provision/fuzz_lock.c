/* SPDX-License-Identifier: Apache-2.0
 *
 * croft.lock: what can be read is written, and reads back to be written to the same bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "provision/lock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf struct buf first = BUF_INIT(4 << 20), second = BUF_INIT(4 << 20);
	struct lockfile f;
	struct err err = {0};

	if (lock_read("croft.lock", (const char *)data, size, &f, NULL) < 0)
		return 0;
	lock_write(&f, &first);
	lock_done(&f);
	if (lock_read("croft.lock", buf_str(&first), first.len, &f, &err) < 0) {
		fprintf(stderr, "%s\n%s\n", err.msg, buf_str(&first));
		abort();
	}
	lock_write(&f, &second);
	lock_done(&f);
	if (strcmp(buf_str(&first), buf_str(&second)))
		abort();
	return 0;
}
