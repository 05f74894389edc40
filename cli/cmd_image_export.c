/* SPDX-License-Identifier: Apache-2.0
 *
 * croft image export: a cached image as a bundle, for machines without a network.
 */
#include "base/util.h"
#include "cli/commands.h"
#include "cli/images.h"
#include "cli/progress.h"
#include "cli/show.h"

static int run(struct cli *cli, struct err *err)
{
	auto_free char *path = cli_path(cli->args[1]);
	auto_store struct store *s = cli_store(err);
	const struct image_entry *e;
	struct store_progress progress;
	struct reporter reporter;
	struct image_list list;
	char digest[DIGEST_TEXT];
	int rc;

	if (!s || image_list_load(s, &list, err) < 0)
		return -1;
	progress_start(cli, &reporter);
	progress = cli_store_progress(&reporter, "export");
	e = image_list_find(&list, cli->args[0], err);
	rc = e ? store_export(s, e, path, &progress, digest, err) : -1;
	progress_end();
	if (rc == 0 && cli->output == OUT_JSON)
		show_json(json_pack("{s:s, s:s, s:s, s:s}", "image", image_entry_title(e), "digest",
				    e->record.digest, "bundle", digest, "path", path));
	else if (rc == 0)
		printf("%s\n", digest);
	image_list_done(&list);
	return rc;
}

const struct command cmd_image_export = {
	.name = "image export",
	.args = "IMAGE FILE",
	.summary = "write a cached image as a bundle, to be imported elsewhere",
	.details = "IMAGE is a name, a source, a digest or the beginning of one. Prints "
		   "bundle:<hex>: take it along\n"
		   "by another way than the bundle, for 'croft image import --digest'.\n",
	.min_args = 2,
	.max_args = 2,
	.json = true,
	.run = run,
};
