/* SPDX-License-Identifier: Apache-2.0
 *
 * Running other programs: see proc.h.
 */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/util.h"

enum { OUTPUT_CEILING = 1 << 20 };

/* In the child: becomes argv; on failure writes errno into `report` and exits. */
static void __attribute__((noreturn)) become(const char *const argv[], int out, int errout, int report)
{
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;
	int sys;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(errout, STDERR_FILENO);
	execvp(argv[0], (char *const *)argv);
	sys = errno;
	if (write(report, &sys, sizeof(sys)) < 0)
		_exit(126);
	_exit(127);
}

/* Reads what is there; returns false at the end of the pipe. Past the ceiling it is dropped. */
static bool drain(int fd, struct buf *out)
{
	char block[4096];
	ssize_t n = read(fd, block, sizeof(block));

	if (n > 0)
		buf_put(out, block, (size_t)n);
	return n > 0 || (n < 0 && errno == EINTR);
}

/* -1: the deadline, or EINTR: a signal that the caller handles, who wants an end of it. */
static int collect(int out, int errout, uint64_t deadline_ms, struct proc_result *r)
{
	struct pollfd p[2] = {{.fd = out, .events = POLLIN}, {.fd = errout, .events = POLLIN}};
	struct buf *to[2] = {&r->out, &r->errout};

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		uint64_t now = now_ms();

		if (now >= deadline_ms) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (poll(p, 2, (int)min_u64(deadline_ms - now, 1000)) < 0)
			return -1;
		for (int i = 0; i < 2; i++)
			if (p[i].fd >= 0 && p[i].revents && !drain(p[i].fd, to[i]))
				p[i].fd = -1;
	}
	return 0;
}

/* Waits for the child until the deadline; the pipes being closed does not mean that it ended. */
static int reap(pid_t pid, uint64_t deadline_ms, int *status)
{
	for (;;) {
		pid_t got = waitpid(pid, status, WNOHANG);

		if (got == pid)
			return 0;
		if (got < 0 && errno != EINTR)
			return -1;
		if (now_ms() >= deadline_ms) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL) < 0)
			return -1;
	}
}

int proc_run(const char *const argv[], uint64_t timeout_ms, struct proc_result *r, struct err *err)
{
	int out[2] = {-1, -1}, errout[2] = {-1, -1}, report[2] = {-1, -1}, status = 0, sys = 0;
	uint64_t deadline = now_ms() + timeout_ms;
	int rc = -1;
	pid_t pid;

	*r = (struct proc_result){.out = BUF_INIT(OUTPUT_CEILING), .errout = BUF_INIT(OUTPUT_CEILING)};
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(errout, O_CLOEXEC) < 0 ||
	    pipe2(report, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		err_sys(err, ERR_HOST, "cannot start '%s'", argv[0]);
		goto done;
	}
	if (pid == 0)
		become(argv, out[1], errout[1], report[1]);
	close(out[1]);
	close(errout[1]);
	close(report[1]);
	out[1] = errout[1] = report[1] = -1;
	if (read(report[0], &sys, sizeof(sys)) == (ssize_t)sizeof(sys)) {
		waitpid(pid, &status, 0);
		errno = sys;
		err_sys(err, ERR_HOST, "cannot run '%s'", argv[0]);
		goto done;
	}
	if (collect(out[0], errout[0], deadline, r) < 0 || reap(pid, deadline, &status) < 0) {
		sys = errno;
		kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (sys == EINTR)
			err_set(err, ERR_INTERRUPTED, "interrupted while '%s' ran", argv[0]);
		else
			err_set(err, ERR_TIMEOUT, "'%s' did not end within %" PRIu64 " s", argv[0],
			timeout_ms / 1000);
		goto done;
	}
	r->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	rc = 0;
done:
	for (int i = 0; i < 2; i++) {
		auto_close_fn(&out[i]);
		auto_close_fn(&errout[i]);
		auto_close_fn(&report[i]);
	}
	if (rc < 0)
		proc_result_done(r);
	return rc;
}

void proc_result_done(struct proc_result *r)
{
	buf_done(&r->out);
	buf_done(&r->errout);
}

void proc_std_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		/* The lowest free descriptor is the one that is missing. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
			abort();
}

char *proc_find(const char *name)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return access(name, X_OK) == 0 ? xstrdup(name) : NULL;
	while (path && *path) {
		size_t n = strcspn(path, ":");
		auto_free char *dir = n ? xstrndup(path, n) : xstrdup(".");
		auto_free char *full = path_join(dir, name);
		struct stat st;

		if (stat(full, &st) == 0 && S_ISREG(st.st_mode) && access(full, X_OK) == 0)
			return take_ptr(full);
		path += n + (path[n] == ':');
	}
	return NULL;
}

uint64_t proc_start_time(pid_t pid)
{
	char path[64];
	auto_buf struct buf text = BUF_INIT(4096);
	uint64_t start = 0;
	const char *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (file_read(path, &text, NULL) < 0)
		return 0;
	/* The command, field 2, may hold blanks and parentheses: count from its last ')'. */
	p = strrchr(buf_str(&text), ')');
	/* Field 3: a zombie (Z) or a dead one (X) waits for its parent only. */
	if (p && p[1] == ' ' && (p[2] == 'Z' || p[2] == 'X'))
		return 0;
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		start = strtoull(p + 1, NULL, 10);
	return start;
}
