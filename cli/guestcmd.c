/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands in the guest: see guestcmd.h.
 */
#include "cli/guestcmd.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "provision/provision.h"

/* --- signals ---------------------------------------------------------------------------------- */

static const int deadly[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
static volatile sig_atomic_t child, passed_on;

static void pass_on(int sig)
{
	passed_on = sig;
	kill(child, sig);
}

/* With the signals blocked, so that each comes when there is a child to have it. */
static pid_t start(char **argv)
{
	struct sigaction sa = {.sa_handler = pass_on}, was;
	sigset_t set, before;
	pid_t pid;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(deadly); i++)
		sigaddset(&set, deadly[i]);
	sigprocmask(SIG_BLOCK, &set, &before);
	pid = fork();
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		execvp(argv[0], argv);
		_exit(127);
	}
	child = pid;
	passed_on = 0;
	for (size_t i = 0; pid > 0 && i < ARRAY_LEN(deadly); i++)
		if (sigaction(deadly[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
			sigaction(deadly[i], &sa, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* --- ssh's own words -------------------------------------------------------------------------- */

/*
 * They go to a file, so that ssh's exit code 255 can be told from the command's. ssh closes the
 * descriptors that it inherits before it opens that: it is named as ours.
 */
static char **with_log(char **argv, int log)
{
	size_t n = 0;
	char **longer;

	while (argv[n])
		n++;
	longer = xcalloc(n + 3, sizeof(*longer));
	longer[0] = argv[0];
	longer[1] = xstrdup("-E");
	longer[2] = xasprintf("/proc/%d/fd/%d", (int)getpid(), log);
	memcpy(longer + 3, argv + 1, (n - 1) * sizeof(*argv));
	free(argv);
	return longer;
}

/* The first line that tells of a failure, or NULL: warnings do not end ssh. */
static const char *complaint(const char *said)
{
	while (*said && (text_starts(said, "Warning: ") || text_starts(said, "**"))) {
		said += strcspn(said, "\n");
		said += *said == '\n';
	}
	return *said ? said : NULL;
}

static int run(char **argv, int log, struct err *err)
{
	auto_buf struct buf said = BUF_INIT(64 * 1024);
	const char *why;
	int status;
	pid_t pid = start(argv);

	if (pid < 0)
		return err_sys(err, ERR_GUEST_CMD, "cannot start ssh");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, ERR_GUEST_CMD, "cannot wait for ssh");
	if (passed_on)
		return 128 + passed_on;
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	file_read_fd(log, "ssh's log", &said, NULL);
	why = complaint(buf_str(&said));
	if (WEXITSTATUS(status) == 255 && why)
		return err_set(err, ERR_GUEST_CMD, "ssh: %.*s (see 'croft status')",
			       (int)strcspn(why, "\r\n"), why);
	if (said.len)
		fputs(buf_str(&said), stderr);
	return WEXITSTATUS(status);
}

int guest_command(char **argv, struct err *err)
{
	auto_close int log = memfd_create("croft-ssh", MFD_CLOEXEC);
	int rc;

	if (log < 0) {
		rc = err_sys(err, ERR_HOST, "cannot make a file in memory");
	} else {
		argv = with_log(argv, log);
		rc = run(argv, log, err);
	}
	argv_free(argv);
	return rc;
}
