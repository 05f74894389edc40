/* SPDX-License-Identifier: Apache-2.0
 *
 * What can be asked of a VM: one row a verb.
 */
#ifndef VMM_CONTROL_VERBS_H
#define VMM_CONTROL_VERBS_H

#include "vmm/control/server.h"

/* A control_serve_fn; ctx is the session. */
void control_serve(void *session, const struct control_request *, int *fd, struct buf *answer);

#endif
