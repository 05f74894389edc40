/* SPDX-License-Identifier: Apache-2.0
 *
 * croft image verify: reads cached images again, whole.
 */
#include <string.h>

#include "base/util.h"
#include "cli/commands.h"
#include "cli/images.h"
#include "cli/progress.h"
#include "cli/show.h"

static const struct option_def options[] = {
	{"all", 'a', NULL, false, "every image in the cache"},
	{0},
};

/* 1 good, 0 damaged, -1. */
static int verify(struct store *s, const struct image_entry *e,
		  const struct store_progress *progress, json_t *results, bool table,
		  struct err *err)
{
	int good = store_verify(s, e->record.digest, progress, err);
	char digest[DIGEST_SHORT];

	if (good < 0)
		return err_wrap(err, "%s", image_entry_title(e));
	json_array_append_new(results, json_pack("{s:s, s:s, s:b}", "image", image_entry_title(e),
						 "digest", e->record.digest, "good", good));
	progress_end();
	if (table)
		printf("%-8s %s  %s\n", good ? "good" : "DAMAGED",
		       digest_short(e->record.digest, digest), image_entry_title(e));
	return good;
}

static int run(struct cli *cli, struct err *err)
{
	bool all = cli_option(cli, "all"), table = cli->output == OUT_TABLE;
	auto_store struct store *s = NULL;
	struct store_progress progress;
	struct image_list list;
	struct reporter reporter;
	size_t damaged = 0;
	json_t *results;
	int rc = 0;

	if (all == (cli->nargs > 0))
		return err_set(err, ERR_USAGE, "name the images, or say --all");
	s = cli_store(err);
	if (!s || image_list_load(s, &list, err) < 0)
		return -1;
	progress_start(cli, &reporter);
	progress = cli_store_progress(&reporter, "verify");
	results = json_array();
	for (size_t i = 0; rc >= 0 && i < (all ? list.n : (size_t)cli->nargs); i++) {
		const struct image_entry *e =
			all ? &list.entries[i] : image_list_find(&list, cli->args[i], err);

		rc = e ? verify(s, e, &progress, results, table, err) : -1;
		damaged += rc == 0;
	}
	progress_end();
	if (rc >= 0 && !table)
		show_json(json_incref(results));
	json_decref(results);
	image_list_done(&list);
	if (rc >= 0 && damaged)
		return err_set(err, ERR_VERIFY, "%zu damaged; fetched again when next needed",
			       damaged);
	return rc < 0 ? -1 : 0;
}

const struct command cmd_image_verify = {
	.name = "image verify",
	.args = "[IMAGE...]",
	.summary = "read cached images again and compare their digests",
	.details = "IMAGE is a name, a source, a digest or the beginning of one. A damaged image "
		   "is put aside:\n"
		   "what needs it fetches it again. Exit code 6 when one was.\n",
	.options = options,
	.max_args = -1,
	.json = true,
	.run = run,
};
