/* SPDX-License-Identifier: Apache-2.0
 *
 * croft: reads the command line, runs the command, prints its error and makes the kind of the error
 * the exit code.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/proc.h"
#include "base/util.h"
#include "cli/cli.h"
#include "cli/progress.h"

/* What `head` and a pager leave: every program dies of it, without a word. */
static void die_without_reader(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	if (poll(&out, 1, 0) != 1 || !(out.revents & POLLERR))
		return;
	signal(SIGPIPE, SIG_DFL);
	raise(SIGPIPE);
}

static int finish(int rc)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return rc;
	die_without_reader();
	perror("croft: cannot write the result");
	return 1;
}

int main(int argc, char **argv)
{
	struct cli cli;
	struct err err = {0};
	int rc;

	proc_std_fds();
	/* A reader that goes away (`croft list | head -1`) is no death in the middle of a step. */
	signal(SIGPIPE, SIG_IGN);
	rc = cli_parse(argc, argv, &cli, &err);
	if (rc == 1)
		return finish(0);
	if (rc == 0)
		rc = cli.command->run(&cli, &err);
	progress_end();
	if (rc >= 0)
		return finish(rc);
	if (err.sys == EPIPE)
		die_without_reader();
	fprintf(stderr, "croft: %s\n", err.msg);
	return err_exit_code(err.kind);
}
