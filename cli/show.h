/* SPDX-License-Identifier: Apache-2.0
 *
 * What `up`, `list` and `status` show of a VM, as JSON and as text, in one place so that they agree.
 */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <jansson.h>
#include <stdio.h>

#include "provision/provision.h"

json_t *show_vm_json(const struct vm_info *);		 /* new reference */
json_t *show_ladder_json(const struct ladder *);	 /* new reference */
void show_ladder(const struct ladder *, FILE *);	 /* a line a rung, with evidence and age */
void show_json(json_t *);				 /* to stdout; steals the reference */
const char *show_state(const struct vm_info *);		 /* "running", "paused", "stopped", ... */

#endif
