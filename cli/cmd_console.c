/* SPDX-License-Identifier: Apache-2.0
 *
 * croft console: the guest's serial console on this terminal. What was missed is replayed; Ctrl-]
 * detaches and the guest goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "cli/commands.h"
#include "provision/provision.h"

enum { DETACH = 0x1d, REPLAY_BYTES = 16 * 1024 }; /* Ctrl-] */

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

/*
 * Copies both ways until Ctrl-], the end of the input, or the end of the VM. Returns true when the user
 * detached. Input from a pipe goes to the guest to its end; then output is copied on until the VM ends.
 */
static bool relay(int console, bool read_only, bool terminal)
{
	struct pollfd p[2] = {{.fd = console, .events = POLLIN},
			      {.fd = read_only && !terminal ? -1 : STDIN_FILENO, .events = POLLIN}};
	char block[4096];

	for (;;) {
		ssize_t n;

		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return true;
		}
		if (p[0].revents) {
			n = read(console, block, sizeof(block));
			if (n <= 0)
				return false;
			if (write_all(STDOUT_FILENO, block, (size_t)n) < 0)
				return true;
		}
		if (p[1].fd >= 0 && p[1].revents) {
			const char *detach;

			n = read(STDIN_FILENO, block, sizeof(block));
			if (n <= 0) {
				p[1].fd = -1;
				continue;
			}
			detach = terminal ? memchr(block, DETACH, (size_t)n) : NULL;
			if (detach)
				n = detach - block;
			if (!read_only && n && write_all(console, block, (size_t)n) < 0)
				return false;
			if (detach)
				return true;
		}
	}
}

static int attach(const struct vm_info *info, bool read_only, struct err *err)
{
	bool terminal = isatty(STDIN_FILENO), detached;
	struct termios saved, raw;
	auto_close int fd = -1;

	if (info->phase != VM_RUNS)
		return err_set(err, ERR_CONFLICT, "'%s' is %s; 'croft console --log' shows what it said",
			       info->name, vm_phase_name(info->phase));
	fd = vmm_client_console(info->socket, REPLAY_BYTES, read_only, err);
	if (fd < 0)
		return -1;
	if (terminal) {
		fprintf(stderr, "[%s: Ctrl-] detaches]\r\n", info->name);
		tcgetattr(STDIN_FILENO, &saved);
		raw = saved;
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	detached = relay(fd, read_only, terminal);
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
		fprintf(stderr, "\n[%s: %s]\n", info->name,
			detached ? "detached; the guest goes on" : "the console was closed: the VM ended");
	}
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
