/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a VM ended: see outcome.h.
 */
#include "provision/outcome.h"

#include <jansson.h>

#include "base/clean.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"

/* {"reason": "panic", "detail": "..."}, written by the VMM at its end. */
static char *exit_report(const struct vmdir *d, char reason[64])
{
	auto_free char *path = vmdir_file(d, "exit.json");
	auto_buf struct buf text = BUF_INIT(65536);
	char why[64] = "", detail[256] = "";
	json_t *root;
	bool said;

	if (file_read(path, &text, NULL) < 0)
		return NULL;
	root = json_loads(buf_str(&text), 0, NULL);
	said = json_is_string(json_object_get(root, "reason"));
	if (said) {
		clean_str(why, sizeof(why), json_string_value(json_object_get(root, "reason")));
		if (json_is_string(json_object_get(root, "detail")))
			clean_str(detail, sizeof(detail),
				  json_string_value(json_object_get(root, "detail")));
	}
	json_decref(root);
	snprintf(reason, 64, "%s", why);
	return said ? xasprintf("%s%s%s", why, detail[0] ? ": " : "", detail) : NULL;
}

char *stop_reason(const struct vmdir *d, const struct vm_state *s, bool *crashed)
{
	static const char *const clean[] = {"poweroff", "shutdown", "killed", "reset", "reboot"};
	char reason[64] = "";
	char *text = exit_report(d, reason);

	*crashed = false;
	if (text) {
		*crashed = true;
		for (unsigned i = 0; i < ARRAY_LEN(clean); i++)
			*crashed &= strcmp(reason, clean[i]) != 0;
		return text;
	}
	if (!s->disk_used)
		return NULL;
	if (!s->vmm.pid)
		return xstrdup("stopped");
	/* It went without a report: with the host, or by a signal. */
	if (!state_same_boot(s))
		return xstrdup("the host was restarted");
	*crashed = true;
	return xstrdup("croft-vmm ended without a report (see vmm.log)");
}
