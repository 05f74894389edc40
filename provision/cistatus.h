/* SPDX-License-Identifier: Apache-2.0
 *
 * What `cloud-init status --format json` says, in its versions from 22.3 on. The text is a guest's.
 */
#ifndef PROVISION_CISTATUS_H
#define PROVISION_CISTATUS_H

#include <stdbool.h>

struct cloud_init_status {
	char status[32]; /* "done", "error", ... */
	bool running;	 /* it has more to say later */
	bool disabled;
	bool failed;
	char error[256]; /* the first one, cleaned, when failed */
};

/* False: this is no such answer. */
bool cloud_init_parse(const char *json, struct cloud_init_status *out);

#endif
