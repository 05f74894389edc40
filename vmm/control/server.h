/* SPDX-License-Identifier: Apache-2.0
 *
 * The control socket: accepts connections of the VM's owner (or root), takes one request from each
 * and answers it.
 */
#ifndef VMM_CONTROL_SERVER_H
#define VMM_CONTROL_SERVER_H

#include "base/buf.h"
#include "base/err.h"
#include "vmm/control/proto.h"
#include "vmm/event/loop.h"

struct control;

/* Does what a request says and appends the answer's line. It may keep the connection: then it takes
 * *fd (which becomes -1) and has answered itself. Called on the loop's thread. */
typedef void control_serve_fn(void *ctx, const struct control_request *, int *fd, struct buf *answer);

/* listen_fd is borrowed. */
struct control *control_new(struct loop *, int listen_fd, control_serve_fn *, void *ctx, struct err *);
void control_free(struct control *); /* NULL is fine */

#endif
