/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests on the control socket: what is accepted has a verb, and the answer to any error is one line.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/control/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_request r;
	struct err err = {0};
	auto_buf struct buf answer = BUF_INIT(65536);

	if (size > CONTROL_LINE_MAX)
		return 0;
	if (control_parse((const char *)data, size, &r, &err) == 0) {
		if (!r.verb[0] || strlen(r.verb) >= sizeof(r.verb))
			abort();
		err_set(&err, ERR_USAGE, "no such verb: '%s'", r.verb);
	} else if (!err.kind) {
		abort();
	}
	control_answer(&answer, &err, NULL);
	if (!answer.len || memchr(answer.data, '\n', answer.len) != answer.data + answer.len - 1)
		abort();
	return 0;
}
