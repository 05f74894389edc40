/* SPDX-License-Identifier: Apache-2.0
 *
 * Every command, one line each.
 */
#include "cli/commands.h"

#include <stddef.h>

const struct command *const commands[] = {
	&cmd_up,
	&cmd_plan,
	&cmd_down,
	&cmd_destroy,
	&cmd_list,
	&cmd_status,
	&cmd_ssh,
	&cmd_console,
	&cmd_logs,
	&cmd_validate,
	&cmd_config,
	&cmd_explain,
	&cmd_schema,
	&cmd_image_ls,
	&cmd_image_pull,
	&cmd_image_verify,
	&cmd_image_rm,
	&cmd_image_prune,
	&cmd_lock,
	&cmd_image_search,
	&cmd_image_import,
	&cmd_image_export,
	&cmd_image_inspect,
	&cmd_seed_show,
	&cmd_seed_build,
	&cmd_doctor,
	&cmd_help,
	&cmd_version,
	NULL,
};
