/* SPDX-License-Identifier: Apache-2.0
 *
 * croft logs: what the guest wrote to its console, or what the VMM has to say.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "cli/commands.h"
#include "provision/provision.h"

static const struct option_def options[] = {
	{"follow", 'f', NULL, false, "go on as lines come, until the VM ends"},
	{"vmm", 0, NULL, false, "the VMM's own log instead of the guest's console"},
	{"report", 0, NULL, false, "the report of the last 'up' that failed"},
	{0},
};

/* Copies what is there; returns -1 on an error. */
static int copy(int fd, const char *path, struct err *err)
{
	char block[65536];
	ssize_t n;

	while ((n = read(fd, block, sizeof(block))) > 0)
		if (write_all(STDOUT_FILENO, block, (size_t)n) < 0)
			return err_sys(err, ERR_FAILED, "cannot write");
	return n < 0 ? err_sys(err, ERR_FAILED, "cannot read '%s'", path) : 0;
}

static bool still_runs(const struct vm_name *name)
{
	struct vm_info info = {0};
	bool runs = vm_info_get(name, &info, NULL) == 0 && info.phase == VM_RUNS;

	vm_info_done(&info);
	return runs;
}

static int run(struct cli *cli, struct err *err)
{
	bool report = cli_option(cli, "report");
	const char *file = report		    ? "report.txt"
			   : cli_option(cli, "vmm") ? "vmm.log"
						    : "console.log";
	auto_free char *path = NULL;
	auto_close int fd = -1;
	struct vm_info info = {0};
	struct vm_name name;

	if (vm_resolve(cli->nargs ? cli->args[0] : NULL, cli->spec_path, &name, err) < 0)
		return -1;
	/* The report is there when there is no VM: of why it was not made. */
	if (!report && vm_info_get(&name, &info, err) < 0)
		return -1;
	vm_info_done(&info);
	path = vm_file(&name, file, err);
	if (!path)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, ERR_NOT_FOUND, "cannot open '%s'", path);
	if (copy(fd, path, err) < 0)
		return -1;
	while (cli_option(cli, "follow")) {
		/* Asked before the copy, so that the last lines of a VM that ends are not lost. */
		bool runs = still_runs(&name);

		if (copy(fd, path, err) < 0)
			return -1;
		if (!runs)
			break;
		poll(NULL, 0, 300);
	}
	return 0;
}

const struct command cmd_logs = {
	.name = "logs",
	.args = "[VM]",
	.summary = "show what the guest wrote to its console, or the VMM's log",
	.options = options,
	.max_args = 1,
	.run = run,
};
