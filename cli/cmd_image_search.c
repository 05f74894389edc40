/* SPDX-License-Identifier: Apache-2.0
 *
 * croft image search [WORD]: the names that the catalogs in reach know.
 */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "cli/table.h"
#include "images/store/catalog/catalog.h"
#include "provision/image.h"

static const char *joined(struct buf *out, const char *const *words)
{
	buf_reset(out);
	for (size_t i = 0; words[i]; i++)
		buf_printf(out, "%s%s", i ? ", " : "", words[i]);
	return out->len ? buf_str(out) : "-";
}

static bool any_has(const char *const *words, const char *part)
{
	for (; *words; words++)
		if (strcasestr(*words, part))
			return true;
	return false;
}

static bool fits(const struct catalog_version *v, const char *word)
{
	auto_free char *name = xasprintf("%s:%s", v->distro, v->version);

	return !word || strcasestr(name, word) || strcasestr(v->title, word) ||
	       any_has(v->aliases, word) || any_has(v->variants, word);
}

static void add_row(struct table *t, const struct catalog_version *v)
{
	auto_buf struct buf text = BUF_INIT(1024);

	table_cell(t, "%s:%s", v->distro, v->version);
	table_cell(t, "%s", joined(&text, v->aliases));
	table_cell(t, "%s", joined(&text, v->variants));
	table_cell(t, "%s", joined(&text, v->arches));
	table_cell(t, "%s", trust_name(v->trust));
	table_cell(t, "%s", v->user ? v->user : "-");
}

static json_t *words_json(const char *const *words)
{
	json_t *out = json_array();

	for (; *words; words++)
		json_array_append_new(out, json_string(*words));
	return out;
}

static json_t *version_json(const struct catalog_version *v)
{
	auto_free char *name = xasprintf("%s:%s", v->distro, v->version);

	return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:s, s:s?, s:s}", "name", name, "title",
			 v->title, "default", (int)v->is_default, "aliases", words_json(v->aliases),
			 "variants", words_json(v->variants), "arches", words_json(v->arches),
			 "trust", trust_name(v->trust), "user", v->user, "catalog", v->from);
}

static void list(struct cli *cli, const struct catalog *c, const char *word)
{
	static const char *const headings[] = {"NAME",	"ALIASES", "VARIANTS", "ARCHES",
					       "TRUST", "USER",	   NULL};
	struct table *t = table_new(headings);
	json_t *array = json_array();
	struct catalog_version v;
	size_t at = 0, n = 0;

	while (catalog_next(c, &at, &v)) {
		if (!fits(&v, word))
			continue;
		add_row(t, &v);
		json_array_append_new(array, version_json(&v));
		n++;
	}
	if (cli->output == OUT_JSON)
		show_json(json_incref(array));
	else if (n)
		table_print(t, stdout);
	else if (!cli->quiet)
		fprintf(stderr, "no image's name has '%s' in it\n", word ? word : "");
	json_decref(array);
	table_free(t);
}

static int run(struct cli *cli, struct err *err)
{
	auto_free char *spec = cli->spec_path ? xstrdup(cli->spec_path) : spec_find(NULL);
	const char *files[3];
	char *owned[2];
	struct catalog *c;
	size_t errors;

	image_catalogs(spec, owned, files);
	c = catalog_check(files);
	diags_print(catalog_diags(c), stderr, cli->colour);
	errors = catalog_diags(c)->errors;
	list(cli, c, cli->nargs ? cli->args[0] : NULL);
	catalog_close(c);
	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		free(owned[i]);
	return errors ? err_set(err, ERR_SPEC, "the catalogs have %zu mistake%s", errors,
				errors == 1 ? "" : "s")
		      : 0;
}

const struct command cmd_image_search = {
	.name = "image search",
	.args = "[WORD]",
	.summary = "list the images that have a name: image: debian:13",
	.details = "Without WORD all of them; with it those whose name, title, alias or variant "
		   "has it in it.\n"
		   "A distribution's name alone means its first version here, and a variant is "
		   "added with '/':\n"
		   "ubuntu:24.04/minimal. TRUST is the best that the publisher offers: signed, or "
		   "the checksum\n"
		   "that the publisher's server gives. croft-catalog(5) says how to add images of "
		   "your own.",
	.max_args = 1,
	.json = true,
	.run = run,
};
