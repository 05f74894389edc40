/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said on the control socket. One request and one answer a connection, each a JSON object on
 * one line:
 *
 *   {"verb": "status"}
 *   {"verb": "console", "port": "ttyS0", "replay": 65536, "read_only": false}
 *
 *   {"ok": true, "status": {"state": "running", ...}}
 *   {"ok": false, "kind": "conflict", "error": "the VM is paused"}
 *
 * After "ok" to console the connection is the console itself. No request names a file.
 */
#ifndef VMM_CONTROL_PROTO_H
#define VMM_CONTROL_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "vmm/client.h"

enum { CONTROL_LINE_MAX = 4096 }; /* bytes of a request or an answer, with its newline */

struct control_request {
	char verb[16];
	/* console only */
	char port[8];	 /* "ttyS0", also when the request names none, or "hvc0" */
	uint64_t replay; /* bytes */
	bool read_only;
};

/* `line` without its newline. Unknown keys are errors. */
int control_parse(const char *line, size_t n, struct control_request *, struct err *);

/* A message may be cut in the middle of a character, or quote what is none; JSON takes neither. */
struct json_t *control_message(const char *text);

/* The answer's line with its newline; `err` NULL: ok; `status` may be NULL. */
void control_answer(struct buf *, const struct err *, const struct vmm_status *);

#endif
