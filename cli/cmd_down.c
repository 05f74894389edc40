/* SPDX-License-Identifier: Apache-2.0
 *
 * croft down: shuts the VM down and takes back what croft set up on the host. Disks and state stay.
 */
#include "base/num.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "provision/provision.h"

static const struct option_def options[] = {
	{"grace", 'g', "TIME", false, "how long the guest may take to shut down (default: 90s)"},
	{"force", 0, NULL, false, "switch off after the grace time; with --grace 0s at once"},
	{0},
};

static int run(struct cli *cli, struct err *err)
{
	const char *grace = cli_option(cli, "grace");
	uint64_t grace_ms = 90 * 1000;
	struct reporter reporter;
	struct vm_name name;

	if (grace && parse_duration(grace, &grace_ms, err) < 0)
		return err_wrap(err, "--grace");
	if (vm_resolve(cli->nargs ? cli->args[0] : NULL, cli->spec_path, &name, err) < 0)
		return -1;
	progress_start(cli, &reporter);
	return vm_down(&name, grace_ms, cli_option(cli, "force"), &reporter, err);
}

const struct command cmd_down = {
	.name = "down",
	.alias = "stop",
	.args = "[VM]",
	.summary = "shut down; disks and state stay",
	.details = "Presses the power button and waits. A guest that does not shut down within the grace time\n"
		   "keeps running (exit code 8) unless --force was given.\n",
	.options = options,
	.max_args = 1,
	.run = run,
};
