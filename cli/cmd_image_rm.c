/* SPDX-License-Identifier: Apache-2.0
 *
 * croft image rm: removes images that no VM uses.
 */
#include "base/util.h"
#include "cli/commands.h"
#include "cli/images.h"

static int run(struct cli *cli, struct err *err)
{
	auto_store struct store *s = cli_store(err);
	struct image_list list;
	int rc = 0;

	if (!s || image_list_load(s, &list, err) < 0)
		return -1;
	for (int i = 0; rc == 0 && i < cli->nargs; i++) {
		const struct image_entry *e = image_list_find(&list, cli->args[i], err);

		rc = e ? store_remove(s, e, &image_vms_guard, err) : -1;
		if (rc == 0 && !cli->quiet)
			fprintf(stderr, "removed %s\n", image_entry_title(e));
	}
	image_list_done(&list);
	return rc;
}

const struct command cmd_image_rm = {
	.name = "image rm",
	.args = "IMAGE...",
	.summary = "remove images from the cache",
	.details = "IMAGE is a name, a source, a digest or the beginning of one. An image that a "
		   "VM stands on,\n"
		   "or that a command at work needs, is not removed.\n",
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
