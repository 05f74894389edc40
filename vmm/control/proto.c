/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads requests and writes answers: see proto.h. The other direction is vmm/client.c.
 */
#include "vmm/control/proto.h"

#include <jansson.h>
#include <string.h>

#include "base/clean.h"
#include "base/util.h"

static int read_key(const char *key, const json_t *v, struct control_request *r, struct err *err)
{
	if (!strcmp(key, "verb") && json_is_string(v)) {
		if (json_string_length(v) >= sizeof(r->verb))
			return err_set(err, ERR_USAGE, "no such verb");
		memcpy(r->verb, json_string_value(v), json_string_length(v) + 1);
	} else if (!strcmp(key, "port") && json_string_length(v) &&
		   json_string_length(v) < sizeof(r->port)) {
		memcpy(r->port, json_string_value(v), json_string_length(v) + 1);
	} else if (!strcmp(key, "replay") && json_is_integer(v) && json_integer_value(v) >= 0) {
		r->replay = (uint64_t)json_integer_value(v);
	} else if (!strcmp(key, "read_only") && json_is_boolean(v)) {
		r->read_only = json_is_true(v);
	} else {
		return err_set(err, ERR_USAGE, "'%.32s' is unknown, or its value of a wrong kind", key);
	}
	return 0;
}

int control_parse(const char *line, size_t n, struct control_request *out, struct err *err)
{
	struct control_request r = {.port = "ttyS0"};
	json_error_t e;
	json_t *root = json_loadb(line, n, JSON_REJECT_DUPLICATES, &e), *v;
	const char *key;
	int rc = 0;

	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, ERR_USAGE, "a request is a JSON object on one line");
	}
	json_object_foreach(root, key, v)
		if (rc == 0)
			rc = read_key(key, v, &r, err);
	json_decref(root);
	if (rc == 0 && !r.verb[0])
		rc = err_set(err, ERR_USAGE, "the request has no verb");
	if (rc == 0)
		*out = r;
	return rc;
}

json_t *control_message(const char *text)
{
	char clean[sizeof(((struct err *)0)->msg)];

	CLEAN_STR(clean, text);
	return json_string(clean);
}

static json_t *status_object(const struct vmm_status *s)
{
	return json_pack("{s:s, s:s, s:I, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "state",
			 vmm_state_name(s->state), "name", s->name, "pid", (json_int_t)s->pid, "cpus",
			 (int)s->cpus, "memory", (json_int_t)s->memory, "uptime_ms",
			 (json_int_t)s->uptime_ms, "console_bytes", (json_int_t)s->console_bytes,
			 "resets", (json_int_t)s->resets, "exits_io", (json_int_t)s->exits_io,
			 "exits_mmio", (json_int_t)s->exits_mmio, "last_broken",
			 control_message(s->last_broken));
}

void control_answer(struct buf *out, const struct err *err, const struct vmm_status *status)
{
	json_t *root = json_object();
	auto_free char *text = NULL;

	json_object_set_new(root, "ok", json_boolean(!err));
	if (err) {
		json_object_set_new(root, "kind", json_string(err_kind_name(err->kind)));
		json_object_set_new(root, "error", control_message(err->msg));
	}
	if (status)
		json_object_set_new(root, "status", status_object(status));
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	buf_puts(out, text ? text : "{\"ok\":false}");
	buf_putc(out, '\n');
}
