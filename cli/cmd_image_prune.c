/* SPDX-License-Identifier: Apache-2.0
 *
 * croft image prune: makes room in the cache.
 */
#include "base/num.h"
#include "base/util.h"
#include "cli/commands.h"
#include "cli/images.h"
#include "cli/show.h"

static const struct option_def options[] = {
	{"unused", 'u', NULL, false, "remove the images that no VM uses"},
	{"older-than", 0, "TIME", false, "of these, only what was last used longer ago (30d, 12h)"},
	{"max-size", 0, "SIZE", false,
	 "then the least recently used, until the cache takes no more"},
	{"dry-run", 'n', NULL, false, "say what would be removed, and remove nothing"},
	{0},
};

static void on_removed(void *ctx, const struct image_entry *e)
{
	json_array_append_new(ctx, image_json(e, NULL));
}

static void print(json_t *removed, bool dry_run, uint64_t freed)
{
	char size[SIZE_TEXT], digest[DIGEST_SHORT];
	json_t *j;
	size_t i;

	json_array_foreach(removed, i, j)
	{
		const char *name = json_string_value(json_object_get(j, "name"));
		const char *source = json_string_value(json_object_get(j, "source"));

		printf("%s %s  %8s  %s\n", dry_run ? "would remove" : "removed",
		       digest_short(json_string_value(json_object_get(j, "digest")), digest),
		       format_size((uint64_t)json_integer_value(json_object_get(j, "on_disk")),
				   size, sizeof(size)),
		       name	? name
		       : source ? source
				: "-");
	}
	printf("%s %s\n", format_size(freed, size, sizeof(size)),
	       dry_run ? "would be freed" : "freed");
}

static int run(struct cli *cli, struct err *err)
{
	const char *older = cli_option(cli, "older-than"), *max = cli_option(cli, "max-size");
	struct image_prune how = {
		.unused = cli_option(cli, "unused") || older,
		.has_max = max,
		.dry_run = cli_option(cli, "dry-run"),
		.removed = on_removed,
	};
	auto_store struct store *s = NULL;
	uint64_t ms = 0, freed;
	json_t *removed;
	int rc;

	if (older && parse_duration(older, &ms, err) < 0)
		return err_wrap(err, "--older-than");
	if (max && parse_size(max, &how.max_bytes, NULL, err) < 0)
		return err_wrap(err, "--max-size");
	if (!cli_option(cli, "unused") && !older && !max)
		return err_set(err, ERR_USAGE,
			       "say what may go: --unused, --older-than, --max-size");
	how.older_s = ms / 1000;
	s = cli_store(err);
	if (!s)
		return -1;
	how.ctx = removed = json_array();
	rc = store_prune(s, &how, &image_vms_guard, &freed, err);
	if (rc == 0 && cli->output == OUT_JSON)
		show_json(json_pack("{s:O, s:I, s:b}", "removed", removed, "freed",
				    (json_int_t)freed, "dry_run", how.dry_run));
	else if (rc == 0)
		print(removed, how.dry_run, freed);
	json_decref(removed);
	return rc;
}

const struct command cmd_image_prune = {
	.name = "image prune",
	.summary = "remove images that nobody needs",
	.details = "Removes nothing that a VM stands on or a command at work needs. Also clears "
		   "away what\n"
		   "interrupted commands left.\n",
	.options = options,
	.json = true,
	.run = run,
};
