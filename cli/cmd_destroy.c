/* SPDX-License-Identifier: Apache-2.0
 *
 * croft destroy: ends the VM and deletes its disks and state. Asks first.
 */
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/progress.h"
#include "provision/provision.h"

static const struct option_def options[] = {
	{"yes", 'y', NULL, false, "do not ask"},
	{0},
};

static int confirm(const struct vm_name *name, struct err *err)
{
	struct vm_info info = {0};
	struct err why = {0};
	char answer[64];

	/* A VM whose state is damaged can be destroyed; one that is not there cannot. */
	if (vm_info_get(name, &info, &why) < 0 && why.kind == ERR_NOT_FOUND) {
		*err = why;
		return -1;
	}
	if (!isatty(STDIN_FILENO)) {
		vm_info_done(&info);
		return err_set(err, ERR_USAGE, "destroy deletes the disks of '%s'; say --yes to mean it",
			       name->vm);
	}
	if (why.kind != ERR_NONE)
		fprintf(stderr, "%s\nThis deletes '%s' with its disks", why.msg, name->vm);
	else
		fprintf(stderr, "This deletes '%s' (%s) with its disks in %s", name->vm,
			vm_phase_name(info.phase), info.dir);
	fputs(".\nType its name to go on: ", stderr);
	vm_info_done(&info);
	if (!fgets(answer, sizeof(answer), stdin))
		answer[0] = '\0';
	answer[strcspn(answer, "\n")] = '\0';
	if (strcmp(answer, name->vm) != 0)
		return err_set(err, ERR_INTERRUPTED, "nothing was deleted");
	return 0;
}

static int run(struct cli *cli, struct err *err)
{
	struct reporter reporter;
	struct vm_name name;

	if (vm_resolve(cli->nargs ? cli->args[0] : NULL, cli->spec_path, &name, err) < 0)
		return -1;
	if (!cli_option(cli, "yes") && confirm(&name, err) < 0)
		return -1;
	progress_start(cli, &reporter);
	return vm_destroy(&name, &reporter, err);
}

const struct command cmd_destroy = {
	.name = "destroy",
	.args = "[VM]",
	.summary = "end the VM and delete its disks and state",
	.options = options,
	.max_args = 1,
	.run = run,
};
