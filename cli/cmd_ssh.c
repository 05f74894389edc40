/* SPDX-License-Identifier: Apache-2.0
 *
 * croft ssh: a shell in the guest, or one command with its exit code passed through. The host key was
 * made on this host and is pinned, so nothing is trusted on first use.
 */
#include <unistd.h>

#include "base/proc.h"
#include "base/util.h"
#include "cli/commands.h"
#include "cli/guestcmd.h"
#include "provision/provision.h"

static int run(struct cli *cli, struct err *err)
{
	auto_free char *program = proc_find("ssh");
	struct vm_name name;
	char **argv;

	if (!program)
		return err_set(err, ERR_HOST, "ssh is not installed (Debian: openssh-client)");
	if (vm_resolve(cli->nargs ? cli->args[0] : NULL, cli->spec_path, &name, err) < 0)
		return -1;
	argv = vm_ssh_argv(&name, cli->rest, err);
	if (!argv)
		return -1;
	if (!cli->rest || !cli->rest[0]) {
		execvp(argv[0], argv);
		err_sys(err, ERR_HOST, "cannot run %s", argv[0]);
		argv_free(argv);
		return -1;
	}
	return guest_command(argv, err);
}

const struct command cmd_ssh = {
	.name = "ssh",
	.args = "[VM] [-- CMD...]",
	.summary = "log in, or run a command in the guest",
	.details = "The command's exit code is passed through; exit code 10 means that ssh itself failed.\n"
		   "The guest's host key was made by croft and is pinned: there is nothing to accept.\n",
	.max_args = 1,
	.passthrough = true,
	.run = run,
};
