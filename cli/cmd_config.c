/* SPDX-License-Identifier: Apache-2.0
 *
 * croft config: the spec in its long form, as croft understood it.
 */
#include "base/util.h"
#include "cli/commands.h"
#include "cli/spec.h"

static int run(struct cli *cli, struct err *err)
{
	auto_spec struct spec *spec = cli_spec(cli, cli->nargs ? cli->args[0] : NULL, err);
	auto_buf struct buf out = BUF_INIT(64 * MIB);

	if (!spec)
		return -1;
	if (cli->output == OUT_JSON)
		yaml_emit_json(spec->normalised, &out);
	else
		yaml_emit(spec->normalised, &out);
	fwrite(buf_str(&out), 1, out.len, stdout);
	return 0;
}

const struct command cmd_config = {
	.name = "config",
	.args = "[FILE]",
	.summary = "print a spec in its long form, with every default",
	.details = "Variables are replaced, paths are absolute, keys that were named by file are "
		   "there in full.\n"
		   "The result is a spec that means the same; it shows passwords that the spec "
		   "holds. FILE may be a pipe, or - for standard input.\n",
	.max_args = 1,
	.json = true,
	.run = run,
};
