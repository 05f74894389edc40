/* SPDX-License-Identifier: Apache-2.0
 *
 * croft image import: an image, or a bundle of `croft image export`, into the cache.
 */
#include "base/util.h"
#include "cli/commands.h"
#include "cli/images.h"
#include "cli/progress.h"
#include "cli/show.h"

static const struct option_def options[] = {
	{"name", 0, "NAME", false, "the name to find it by (debian:13), with --offline"},
	{"digest", 0, "DIGEST", false,
	 "what it must be: sha256:<hex>, sha512:<hex>, or the bundle:<hex> of export"},
	{0},
};

static int run(struct cli *cli, struct err *err)
{
	struct image_import how = {.digest = cli_option(cli, "digest"),
				   .name = cli_option(cli, "name")};
	auto_free char *path = cli_path(cli->args[0]);
	auto_store struct store *s = cli_store(err);
	struct store_progress progress;
	struct image_have have = {0};
	struct reporter reporter;
	int rc;

	if (!s)
		return -1;
	progress_start(cli, &reporter);
	progress = cli_store_progress(&reporter, "import");
	rc = store_import(s, path, &how, &progress, &have, err);
	progress_end();
	if (rc == 0 && cli->output == OUT_JSON)
		show_json(json_pack("{s:s, s:s, s:s, s:s, s:b}", "digest", have.digest, "trust",
				    trust_name(have.trust), "path", have.path, "format",
				    blk_format_name(have.format), "was_cached", have.was_cached));
	else if (rc == 0)
		printf("%s  %s\n", have.digest, trust_name(have.trust));
	image_have_done(&have);
	return rc;
}

const struct command cmd_image_import = {
	.name = "image import",
	.args = "FILE",
	.summary = "put an image or a bundle into the cache",
	.details = "FILE is an image (also a compressed one), or a bundle that 'croft image "
		   "export' wrote. Without\n"
		   "--digest it is a file of yours, of trust 'local', under the digest of its own "
		   "bytes. With the\n"
		   "bundle:<hex> that export printed, a bundle is believed: its image has the "
		   "digest, name and\n"
		   "source that it had there, and trust 'digest'.\n",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.json = true,
	.run = run,
};
