/* SPDX-License-Identifier: Apache-2.0
 *
 * croft image ls: what is in the cache, how far it may be trusted, and who uses it.
 */
#include <time.h>

#include "base/num.h"
#include "base/text.h"
#include "base/util.h"
#include "cli/commands.h"
#include "cli/images.h"
#include "cli/show.h"
#include "cli/table.h"

static void add_row(struct table *t, const struct image_entry *e, const struct image_users *users)
{
	char digest[DIGEST_SHORT], on_disk[SIZE_TEXT], virtual_size[SIZE_TEXT], age[SIZE_TEXT];
	const struct vm_name *vm = image_user(users, e, 0);
	int64_t age_s = time(NULL) - e->record.fetched;
	size_t more = 0;

	while (vm && image_user(users, e, more + 1))
		more++;
	table_cell(t, "%s",
		   e->record.name     ? e->record.name
		   : e->record.source ? e->record.source
				      : "-");
	table_cell(t, "%s", digest_short(e->record.digest, digest));
	table_cell(t, "%s", e->problem ? "damaged" : trust_name(e->record.trust));
	table_cell(t, "%s", format_size(e->on_disk, on_disk, sizeof(on_disk)));
	table_cell(t, "%s",
		   format_size(e->record.virtual_size, virtual_size, sizeof(virtual_size)));
	table_cell(t, "%s",
		   age_s >= 0 && e->record.fetched > 0
			   ? format_duration((uint64_t)age_s * 1000, age, sizeof(age))
			   : "-");
	if (more)
		table_cell(t, "%s/%s +%zu", vm->project, vm->vm, more);
	else if (vm)
		table_cell(t, "%s/%s", vm->project, vm->vm);
	else
		table_cell(t, "-");
}

static int run(struct cli *cli, struct err *err)
{
	static const char *const headings[] = {"IMAGE",	  "DIGEST", "TRUST",   "ON DISK",
					       "VIRTUAL", "AGE",    "USED BY", NULL};
	auto_store struct store *s = cli_store(err);
	struct image_users users = {0};
	struct image_list list;
	struct table *t;
	json_t *array;

	if (!s || image_list_load(s, &list, err) < 0)
		return -1;
	/* A VM that cannot be read is no reason not to show the images. */
	if (image_users_load(&users, err) < 0) {
		fprintf(stderr, "croft: %s\n", err->msg);
		*err = (struct err){0};
	}
	t = table_new(headings);
	array = json_array();
	for (size_t i = 0; i < list.n; i++) {
		json_array_append_new(array, image_json(&list.entries[i], &users));
		add_row(t, &list.entries[i], &users);
		if (list.entries[i].problem && cli->output == OUT_TABLE)
			fprintf(stderr, "croft: %s\n", list.entries[i].problem);
	}
	if (cli->output == OUT_JSON)
		show_json(json_incref(array));
	else if (list.n)
		table_print(t, stdout);
	else if (!cli->quiet)
		fputs("no images; `croft up` and `croft image pull` fetch what they need\n",
		      stderr);
	json_decref(array);
	table_free(t);
	image_users_done(&users);
	image_list_done(&list);
	return 0;
}

const struct command cmd_image_ls = {
	.name = "image ls",
	.summary = "list the images in the cache",
	.details = "TRUST is the best that was ever proven of the image: signed (by a key that the "
		   "catalog or\n"
		   "the spec pins), digest (a spec or a lock file named it), checksum (its "
		   "publisher's checksum\n"
		   "file, over TLS), local (a file of this host), unverified. croft-image(1) says "
		   "what each\n"
		   "protects against.\n",
	.json = true,
	.run = run,
};
