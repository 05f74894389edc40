/* SPDX-License-Identifier: Apache-2.0
 *
 * What `cloud-init status --format json` says: see cistatus.h.
 */
#include "provision/cistatus.h"

#include <jansson.h>
#include <string.h>

#include "base/clean.h"
#include "base/util.h"

static bool is_one_of(const char *s, const char *const list[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s, list[i]))
			return true;
	return false;
}

/* recoverable_errors (23.4 and later): lists by log level; deprecations are not errors. */
static const char *first_error(json_t *status)
{
	static const char *const levels[] = {"CRITICAL", "ERROR", "WARNING"};
	json_t *recoverable = json_object_get(status, "recoverable_errors");
	json_t *list = json_object_get(status, "errors");

	if (json_array_size(list))
		return json_string_value(json_array_get(list, 0));
	for (unsigned i = 0; i < ARRAY_LEN(levels); i++) {
		list = json_object_get(recoverable, levels[i]);
		if (json_array_size(list))
			return json_string_value(json_array_get(list, 0));
	}
	return NULL;
}

bool cloud_init_parse(const char *json, struct cloud_init_status *out)
{
	static const char *const running[] = {"running", "not run", "not started",
					      "degraded running", "error - running"};
	json_t *root = json_loads(json, JSON_DISABLE_EOF_CHECK, NULL);
	const char *status = json_string_value(json_object_get(root, "status"));
	const char *error = status ? first_error(root) : NULL;

	*out = (struct cloud_init_status){0};
	if (status) {
		clean_str(out->status, sizeof(out->status), status);
		out->running = is_one_of(status, running, ARRAY_LEN(running));
		out->disabled = !strcmp(status, "disabled");
		out->failed = error || !strcmp(status, "error");
		if (out->failed)
			clean_str(out->error, sizeof(out->error),
				  error ? error : "cloud-init status says error");
	}
	json_decref(root);
	return out->status[0];
}
