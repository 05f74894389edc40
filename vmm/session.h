/* SPDX-License-Identifier: Apache-2.0
 *
 * What a VM is to its owner: a main loop, a console, a control socket, and machines that live one
 * after the other. The session decides what follows when one ends. Everything here is for the main
 * loop's thread.
 */
#ifndef VMM_SESSION_H
#define VMM_SESSION_H

#include "base/err.h"
#include "vmm/client.h"
#include "vmm/config.h"
#include "vmm/dev/power.h"

struct chardev;
struct session;

/* The configuration's files are open descriptors; it is borrowed. Builds the first machine: what can
 * fail on the way to a VM that runs has not failed when this returns. */
struct session *session_new(const struct vmm_config *, int kvm, struct err *);
void session_free(struct session *); /* NULL is fine */

/* Runs until the VM has ended; how it did is in *event and *detail (valid until session_free). */
void session_run(struct session *, enum power_event *event, const char **detail);

/* --- what the control socket asks for; each says why when it refuses ------------------------------------ */

void session_status(struct session *, struct vmm_status *);
int session_shutdown(struct session *, struct err *); /* presses the power button */
int session_kill(struct session *, struct err *);
int session_reset(struct session *, struct err *);
int session_pause(struct session *, struct err *);
int session_resume(struct session *, struct err *);
/* What is behind a console port, "ttyS0" or "hvc0"; borrowed. */
struct chardev *session_console(struct session *, const char *port, struct err *);

#endif
