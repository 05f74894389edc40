/* SPDX-License-Identifier: Apache-2.0
 *
 * croft validate: says everything that is wrong with a spec, and changes nothing.
 */
#include "base/util.h"
#include "cli/commands.h"
#include "cli/spec.h"
#include "provision/image.h"

static int show_json(const struct spec *spec)
{
	auto_free char *json = diags_json(&spec->diags);

	fputs(json, stdout);
	return spec->diags.errors ? err_exit_code(ERR_SPEC) : 0;
}

static int run(struct cli *cli, struct err *err)
{
	const char *path = cli->nargs ? cli->args[0] : cli->spec_path;
	auto_spec struct spec *spec = spec_check_stream(path, err);

	if (!spec)
		return -1;
	image_check_names(spec);
	if (cli->output == OUT_JSON)
		return show_json(spec);
	if (spec->diags.errors || !cli->quiet)
		diags_print(&spec->diags, stderr, cli->colour);
	if (spec->diags.errors)
		return spec_refuse(spec, err);
	if (!cli->quiet)
		printf("%s: ok\n", spec->source->name);
	return 0;
}

const struct command cmd_validate = {
	.name = "validate",
	.args = "[FILE]",
	.summary = "check a spec",
	.details = "Every complaint in one run, each with its place in the file. The user's "
		   "documents for\n"
		   "cloud-init are checked too. With -o json the complaints are a list of objects. "
		   "Exit code 3\n"
		   "says that there are errors. FILE may be a pipe, or - for standard input.\n",
	.max_args = 1,
	.json = true,
	.run = run,
};
