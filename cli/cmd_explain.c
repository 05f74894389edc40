/* SPDX-License-Identifier: Apache-2.0
 *
 * croft explain: what a key of the spec means.
 */
#include "cli/commands.h"
#include "provision/spec/spec.h"

static int run(struct cli *cli, struct err *err)
{
	return spec_explain(cli->nargs ? cli->args[0] : NULL, stdout, err);
}

const struct command cmd_explain = {
	.name = "explain",
	.args = "[KEY]",
	.summary = "say what a key of the spec means; without KEY, list them",
	.details =
		"KEY is written with dots: image, cpus.count, networks.lan.address, disks.size.\n",
	.max_args = 1,
	.run = run,
};
