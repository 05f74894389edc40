/* SPDX-License-Identifier: Apache-2.0
 *
 * croft console: the guest's serial console on this terminal. What was missed is replayed; Ctrl-]
 * detaches and the guest goes on.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "cli/commands.h"
#include "cli/relay.h"
#include "provision/provision.h"

enum { REPLAY_BYTES = 16 * 1024 };

static const struct option_def options[] = {
	{"log", 0, NULL, false, "print the console's log and return"},
	{"read-only", 'r', NULL, false, "only watch: what is typed stays here"},
	{0},
};

static int print_log(const struct vm_info *info, struct err *err)
{
	auto_free char *path = path_join(info->dir, "console.log");
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char block[65536];
	ssize_t n;

	if (fd < 0)
		return err_sys(err, ERR_NOT_FOUND, "no console log: cannot open '%s'", path);
	while ((n = read(fd, block, sizeof(block))) > 0)
		if (write_all(STDOUT_FILENO, block, (size_t)n) < 0)
			return err_sys(err, ERR_FAILED, "cannot write");
	return n < 0 ? err_sys(err, ERR_FAILED, "cannot read '%s'", path) : 0;
}

static int attach(const struct vm_info *info, bool read_only, struct err *err)
{
	bool terminal = isatty(STDIN_FILENO), detached;
	auto_close int fd = -1;

	if (info->phase != VM_RUNS)
		return err_set(err, ERR_CONFLICT, "'%s' is %s; 'croft console --log' shows what it said",
			       info->name, vm_phase_name(info->phase));
	fd = vmm_client_console(info->socket, REPLAY_BYTES, read_only, err);
	if (fd < 0)
		return -1;
	if (terminal)
		fprintf(stderr, "[%s: Ctrl-] detaches]\r\n", info->name);
	detached = relay(fd, read_only);
	if (terminal)
		fprintf(stderr, "\n[%s: %s]\n", info->name,
			detached ? "detached; the guest goes on" : "the console was closed: the VM ended");
	return 0;
}

static int run(struct cli *cli, struct err *err)
{
	bool read_only = cli_option(cli, "read-only");
	struct vm_info info = {0};
	struct vm_name name;
	int rc;

	if (vm_resolve(cli->nargs ? cli->args[0] : NULL, cli->spec_path, &name, err) < 0 ||
	    vm_info_get(&name, &info, err) < 0)
		return -1;
	rc = cli_option(cli, "log") ? print_log(&info, err) : attach(&info, read_only, err);
	vm_info_done(&info);
	return rc;
}

const struct command cmd_console = {
	.name = "console",
	.args = "[VM]",
	.summary = "attach to the serial console; Ctrl-] detaches",
	.details = "Several may be attached at once. The last lines that were missed are replayed. Without a\n"
		   "terminal on stdin, what is read from there goes to the guest.\n",
	.options = options,
	.max_args = 1,
	.run = run,
};
