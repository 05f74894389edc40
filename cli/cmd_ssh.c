/* SPDX-License-Identifier: Apache-2.0
 *
 * croft ssh: a shell in the guest, or one command with its exit code passed through. The host key was
 * made on this host and is pinned, so nothing is trusted on first use.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/util.h"
#include "cli/commands.h"
#include "provision/provision.h"

/* ssh's own messages go to this file, so that its exit code 255 can be told from the command's. */
static char **with_log(char **argv, const char *log)
{
	size_t n = 0;
	char **longer;

	while (argv[n])
		n++;
	longer = xcalloc(n + 3, sizeof(*longer));
	longer[0] = argv[0];
	longer[1] = xstrdup("-E");
	longer[2] = xstrdup(log);
	memcpy(longer + 3, argv + 1, (n - 1) * sizeof(*argv));
	free(argv);
	return longer;
}

static int run_command(char **argv, const char *log, struct err *err)
{
	auto_buf struct buf said = BUF_INIT(64 * 1024);
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(err, ERR_GUEST_CMD, "cannot start ssh");
	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, ERR_GUEST_CMD, "cannot wait for ssh");
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	file_read(log, &said, NULL);
	if (WEXITSTATUS(status) == 255 && said.len)
		return err_set(err, ERR_GUEST_CMD, "ssh: %.*s (see 'croft status')",
			       (int)strcspn(buf_str(&said), "\r\n"), buf_str(&said));
	if (said.len)
		fputs(buf_str(&said), stderr);
	return WEXITSTATUS(status);
}

static int run(struct cli *cli, struct err *err)
{
	char log[] = "/tmp/croft-ssh-XXXXXX";
	auto_free char *program = proc_find("ssh");
	auto_close int fd = -1;
	struct vm_name name;
	char **argv;
	int rc;

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
	fd = mkostemp(log, O_CLOEXEC);
	if (fd < 0) {
		argv_free(argv);
		return err_sys(err, ERR_HOST, "cannot create a file in /tmp");
	}
	argv = with_log(argv, log);
	rc = run_command(argv, log, err);
	unlink(log);
	argv_free(argv);
	return rc;
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
