/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side of the control socket: see client.h, and control/proto.h for what is said.
 */
#include "vmm/client.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"
#include "base/util.h"

enum { ANSWER_MAX = 64 << 10 };

static const char *const state_names[] = {"running", "paused", "stopping", "stopped"};

const char *vmm_state_name(enum vmm_state s)
{
	return state_names[s];
}

/* A path that is too long for sun_path is entered through a descriptor of its directory. */
static int address(const char *path, struct sockaddr_un *sa, int *dir, struct err *err)
{
	auto_free char *parent = path_dir(path);
	int n;

	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	*dir = -1;
	if (strlen(path) < sizeof(sa->sun_path)) {
		memcpy(sa->sun_path, path, strlen(path) + 1);
		return 0;
	}
	*dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0)
		return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED, "'%s'", path);
	n = snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%s", *dir, path_base(path));
	if (n < 0 || (size_t)n >= sizeof(sa->sun_path))
		return err_set(err, ERR_USAGE, "'%s': the socket's name is too long", path);
	return 0;
}

static int connect_to(const char *path, uint64_t timeout_ms, struct err *err)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), dir = -1;
	const uint64_t ms = max_u64(timeout_ms, 1); /* 0 would be for ever, socket(7) */
	const struct timeval limit = {.tv_sec = (time_t)(ms / 1000),
				      .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
	struct sockaddr_un sa;

	if (fd < 0)
		return err_sys(err, ERR_FAILED, "socket");
	if (address(path, &sa, &dir, err) < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return err_sys(err,
			       errno == ENOENT || errno == ECONNREFUSED ? ERR_NOT_FOUND : ERR_FAILED,
			       "nobody answers on '%s'", path);
	return take_fd(&fd);
}

/* By errno. A signal is somebody's wish to end the wait. */
static int no_answer(struct err *err, const char *what)
{
	if (errno == EINTR)
		return err_set(err, ERR_INTERRUPTED, "interrupted");
	return err_sys(err, errno == EAGAIN ? ERR_TIMEOUT : ERR_FAILED, "%s", what);
}

static int send_request(int fd, json_t *request, struct err *err)
{
	auto_free char *text = json_dumps(request, JSON_COMPACT);
	auto_buf struct buf line = BUF_INIT(4096);

	json_decref(request);
	buf_puts(&line, text ? text : "");
	buf_putc(&line, '\n');
	for (size_t done = 0; done < line.len;) {
		ssize_t n = send(fd, line.data + done, line.len - done, MSG_NOSIGNAL);

		if (n < 0)
			return no_answer(err, "the VMM does not take the request");
		done += (size_t)n;
	}
	return 0;
}

/* Byte by byte: what follows the line may be the console's. */
static int read_line(int fd, struct buf *line, struct err *err)
{
	char c;

	for (;;) {
		ssize_t n = recv(fd, &c, 1, 0);

		if (n < 0)
			return no_answer(err, "the VMM does not answer");
		if (n == 0)
			return err_set(err, ERR_VM, "the VMM hung up without an answer");
		if (c == '\n')
			return 0;
		buf_putc(line, c);
		if (line->overflow)
			return err_set(err, ERR_FAILED, "the VMM's answer is too long");
	}
}

/* The answer's object when it says ok, or NULL. */
static json_t *read_answer(int fd, struct err *err)
{
	auto_buf struct buf line = BUF_INIT(ANSWER_MAX);
	const char *kind, *why;
	json_t *root;

	if (read_line(fd, &line, err) < 0)
		return NULL;
	root = json_loads(buf_str(&line), JSON_REJECT_DUPLICATES, NULL);
	if (json_is_true(json_object_get(root, "ok")))
		return root;
	kind = json_string_value(json_object_get(root, "kind"));
	why = json_string_value(json_object_get(root, "error"));
	if (why)
		/* What a VMM refuses is ERR_VM to its clients, but for what they act upon. */
		err_set(err, kind && !strcmp(kind, "conflict") ? ERR_CONFLICT : ERR_VM, "%s", why);
	else
		err_set(err, ERR_FAILED, "the VMM's answer is not understood");
	json_decref(root);
	return NULL;
}

static json_t *ask(int fd, json_t *request, struct err *err)
{
	return send_request(fd, request, err) < 0 ? NULL : read_answer(fd, err);
}

static uint64_t number(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n < 0 ? 0 : (uint64_t)n;
}

static void text(const json_t *o, const char *key, char *out, size_t room)
{
	const char *s = json_string_value(json_object_get(o, key));

	snprintf(out, room, "%s", s ? s : "");
}

int vmm_client_status(const char *socket, uint64_t timeout_ms, struct vmm_status *out,
		      struct err *err)
{
	auto_close int fd = connect_to(socket, timeout_ms, err);
	json_t *answer = fd < 0 ? NULL : ask(fd, json_pack("{s:s}", "verb", "status"), err);
	const json_t *s = json_object_get(answer, "status");
	char state[16];
	unsigned i = 0;

	if (!answer)
		return -1;
	text(s, "state", state, sizeof(state));
	while (i < ARRAY_LEN(state_names) && strcmp(state, state_names[i]))
		i++;
	if (i == ARRAY_LEN(state_names)) {
		json_decref(answer);
		return err_set(err, ERR_FAILED, "the VMM's answer is not understood");
	}
	*out = (struct vmm_status){
		.state = i,
		.pid = (int64_t)number(s, "pid"),
		.cpus = (unsigned)number(s, "cpus"),
		.memory = number(s, "memory"),
		.uptime_ms = number(s, "uptime_ms"),
		.console_bytes = number(s, "console_bytes"),
		.resets = number(s, "resets"),
		.exits_io = number(s, "exits_io"),
		.exits_mmio = number(s, "exits_mmio"),
	};
	text(s, "name", out->name, sizeof(out->name));
	text(s, "last_broken", out->last_broken, sizeof(out->last_broken));
	json_decref(answer);
	return 0;
}

int vmm_client_verb(const char *socket, const char *verb, uint64_t timeout_ms, struct err *err)
{
	auto_close int fd = connect_to(socket, timeout_ms, err);
	json_t *answer = fd < 0 ? NULL : ask(fd, json_pack("{s:s}", "verb", verb), err);

	if (!answer)
		return -1;
	json_decref(answer);
	return 0;
}

int vmm_client_console(const char *socket, uint64_t replay, bool read_only, struct err *err)
{
	return vmm_client_console_port(socket, "ttyS0", replay, read_only, err);
}

int vmm_client_console_port(const char *socket, const char *port, uint64_t replay, bool read_only,
			    struct err *err)
{
	auto_close int fd = connect_to(socket, VMM_CLIENT_MS, err);
	json_t *request = json_pack("{s:s, s:s, s:I, s:b}", "verb", "console", "port", port, "replay",
				    (json_int_t)replay, "read_only", read_only);
	const struct timeval none = {0};
	json_t *answer = NULL;

	if (fd < 0)
		json_decref(request);
	else
		answer = ask(fd, request, err);
	if (!answer)
		return -1;
	json_decref(answer);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	return take_fd(&fd);
}
