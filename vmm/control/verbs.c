/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs of the control socket: see verbs.h.
 */
#include "vmm/control/verbs.h"

#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "vmm/dev/chardev_hub.h"
#include "vmm/session.h"

static const struct verb {
	const char *name;
	int (*run)(struct session *, struct err *);
} verbs[] = {
	{"shutdown", session_shutdown},
	{"kill", session_kill},
	{"reset", session_reset},
	{"pause", session_pause},
	{"resume", session_resume},
};

static void serve_status(struct session *s, struct buf *answer)
{
	struct vmm_status status;

	session_status(s, &status);
	control_answer(answer, NULL, &status);
}

/* The console's bytes follow the answer on the same connection, so the answer is sent from here. */
static void serve_console(struct session *s, const struct control_request *r, int *fd, struct buf *answer)
{
	struct chardev *console;
	struct err err = {0};

	console = session_console(s, r->port, &err);
	if (!console || chardev_has_room(console, &err) < 0) {
		control_answer(answer, &err, NULL);
		return;
	}
	control_answer(answer, NULL, NULL);
	if (send(*fd, answer->data, answer->len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)answer->len &&
	    chardev_attach(console, take_fd(fd), r->replay, r->read_only, &err) < 0)
		log_warn("control: console: %s", err.msg);
	buf_reset(answer);
}

void control_serve(void *session, const struct control_request *r, int *fd, struct buf *answer)
{
	struct session *s = session;
	struct err err = {0};

	if (!strcmp(r->verb, "status")) {
		serve_status(s, answer);
		return;
	}
	if (!strcmp(r->verb, "console")) {
		serve_console(s, r, fd, answer);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (!strcmp(r->verb, verbs[i].name)) {
			bool ok = verbs[i].run(s, &err) == 0;

			control_answer(answer, ok ? NULL : &err, NULL);
			return;
		}
	err_set(&err, ERR_USAGE, "no such verb: '%s'", r->verb);
	control_answer(answer, &err, NULL);
}
