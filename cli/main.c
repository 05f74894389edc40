/* SPDX-License-Identifier: Apache-2.0
 *
 * croft: reads the command line, runs the command, prints its error and makes the kind of the error
 * the exit code.
 */
#include <signal.h>
#include <stdio.h>

#include "base/proc.h"
#include "base/util.h"
#include "cli/cli.h"
#include "cli/progress.h"

int main(int argc, char **argv)
{
	struct cli cli;
	struct err err = {0};
	int rc;

	proc_std_fds();
	/* A reader that goes away (`croft list | head -1`) is an EPIPE, not a death in the middle of a step. */
	signal(SIGPIPE, SIG_IGN);
	rc = cli_parse(argc, argv, &cli, &err);
	if (rc == 1)
		return 0;
	if (rc == 0)
		rc = cli.command->run(&cli, &err);
	progress_end();
	if (rc < 0) {
		fprintf(stderr, "croft: %s\n", err.msg);
		return err_exit_code(err.kind);
	}
	if (fflush(stdout) < 0 || ferror(stdout)) {
		perror("croft: cannot write the result");
		return 1;
	}
	return rc;
}
