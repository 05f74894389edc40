/* SPDX-License-Identifier: Apache-2.0
 *
 * See guard.h. The confinement is a seccomp filter that lists what reading needs: system calls on
 * descriptors that are already open and on memory; everything else fails with EPERM. Where the
 * kernel has no seccomp the child still keeps crashes, memory and time to itself.
 */
#include "base/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clean.h"
#include "base/file.h"
#include "base/syscalls.h"
#include "base/util.h"

enum { CPU_SECONDS = 60 };
#define MEMORY_MAX (4 * GIB) /* a guard against runaways, not a budget */

/* --- confinement --- */

/* Descriptors cannot be made, so these reach only what is open. */
/* clang-format off */
static const struct syscall_rule table[] = {
	ALLOW(read),				/* the image */
	ALLOW(readv),
	ALLOW(pread64),
	ALLOW(preadv),
	ALLOW(preadv2),
	ALLOW(lseek),				/* holes, sizes */
	ALLOW(fstat),
	ALLOW_MASKED(mmap, 2, PROT_EXEC, 0),	/* malloc(3) */
	ALLOW_MASKED(mprotect, 2, PROT_EXEC, 0),
	ALLOW(munmap),
	ALLOW(mremap),
	ALLOW(madvise),
	ALLOW(brk),
	ALLOW(futex),				/* libc */
	ALLOW(getrandom),
	ALLOW(clock_gettime),
	ALLOW(rt_sigreturn),			/* a caller's handlers */
	ALLOW(rt_sigprocmask),
	ALLOW(exit_group),
};
/* clang-format on */

/* Kernels without seccomp refuse this; the process boundary is then what protects. */
static void confine(int result_fd, int out_fd)
{
	int fd = out_fd < 0 ? result_fd : out_fd;
	const struct syscall_rule output[] = {
		ALLOW_INT(write, 0, result_fd),	   ALLOW_INT(write, 0, fd),
		ALLOW_INT(writev, 0, result_fd),   ALLOW_INT(writev, 0, fd),
		ALLOW_INT(pwrite64, 0, result_fd), ALLOW_INT(pwrite64, 0, fd),
	};

	(void)syscalls_restrict(SCMP_ACT_ERRNO(EPERM), table, ARRAY_LEN(table), output,
				ARRAY_LEN(output));
}

static void limit(int what, uint64_t most)
{
	struct rlimit r;

	if (getrlimit(what, &r) < 0)
		return;
	r.rlim_max = r.rlim_max < most ? r.rlim_max : most;
	r.rlim_cur = r.rlim_max;
	setrlimit(what, &r);
}

/* --- the child --- */

/* What comes back over the pipe, followed by `len` bytes. */
struct answer {
	int rc;
	struct err err;
	uint64_t len;
};

/* The address space that this process has already: libraries, stacks, the heaps of threads. */
static uint64_t address_space(void)
{
	unsigned long pages = 0;
	auto_fclose FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%lu", &pages) != 1)
		pages = 0;
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static _Noreturn void child(guard_work *work, void *ctx, int result_fd,
			    const struct guard_limits *l, size_t ceiling, pid_t parent)
{
	struct buf result = BUF_INIT(ceiling);
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
	struct answer a = {.rc = -1};
	struct stat st;

	/* Whoever handles these in the parent means the parent. */
	for (size_t i = 0; i < ARRAY_LEN(fatal); i++)
		signal(fatal[i], SIG_DFL);
	signal(SIGXFSZ, SIG_IGN); /* a write that is too long fails with EFBIG, and can be told */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1); /* it died before we asked to be told */
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_CPU, l->cpu_s);
	if (l->out_fd >= 0 && fstat(l->out_fd, &st) == 0 && S_ISREG(st.st_mode))
		limit(RLIMIT_FSIZE, (uint64_t)st.st_size + l->out_max);
	if (!SANITIZED)
		limit(RLIMIT_AS, address_space() + (l->memory ? l->memory : MEMORY_MAX));
	confine(result_fd, l->out_fd);
	a.rc = work(ctx, &result, &a.err);
	if (a.rc == 0 && result.overflow)
		a.rc = err_set(&a.err, ERR_CORRUPT, "the answer is longer than %zu bytes", ceiling);
	a.len = a.rc == 0 ? result.len : 0;
	if (write_all(result_fd, &a, sizeof(a)) == 0)
		write_all(result_fd, buf_str(&result), a.len);
	_exit(0);
}

/* --- the parent --- */

static bool read_whole(int fd, void *dst, size_t n)
{
	while (n) {
		ssize_t got = read(fd, dst, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		dst = (char *)dst + got;
		n -= (size_t)got;
	}
	return true;
}

/* True when a whole answer came, be it an error; both parts of it are checked for their form. */
static bool read_answer(int fd, struct answer *a, struct buf *result)
{
	size_t room = result->ceiling - result->len;
	char chunk[4096];

	if (!read_whole(fd, a, sizeof(*a)) || a->len > room || a->err.kind >= ERR_KINDS)
		return false;
	clean_copy(a->err.msg, sizeof(a->err.msg), a->err.msg, sizeof(a->err.msg) - 1);
	for (uint64_t left = a->len; left;) {
		size_t n = min_u64(left, sizeof(chunk));

		if (!read_whole(fd, chunk, n))
			return false;
		buf_put(result, chunk, n);
		left -= n;
	}
	return true;
}

static int explain_death(int status, unsigned cpu_s, struct err *err)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (sig == SIGINT || sig == SIGTERM)
		return err_set(err, ERR_INTERRUPTED, "interrupted");
	if (sig == SIGXCPU || sig == SIGKILL)
		return err_set(err, ERR_CORRUPT, "reading it took more than %u seconds", cpu_s);
	return err_set(err, ERR_CORRUPT, "reading it crashed a part of croft (%s)",
		       sig ? strsignal(sig) : "no answer");
}

int guard_start(guard_work *work, void *ctx, const struct guard_limits *limits, size_t ceiling,
		struct guard *g, struct err *err)
{
	struct guard_limits l = *limits;
	pid_t parent = getpid();
	int ends[2];

	l.cpu_s = l.cpu_s ? l.cpu_s : CPU_SECONDS;
	*g = (struct guard){.result_fd = -1, .cpu_s = l.cpu_s};
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, ERR_HOST, "cannot make a pipe");
	g->pid = fork();
	if (g->pid < 0) {
		err_sys(err, ERR_HOST, "cannot start a process");
		close(ends[0]);
		close(ends[1]);
		g->pid = 0;
		return -1;
	}
	if (g->pid == 0) {
		close(ends[0]);
		child(work, ctx, ends[1], &l, ceiling, parent);
	}
	close(ends[1]);
	g->result_fd = ends[0];
	return 0;
}

bool guard_answered(const struct guard *g)
{
	struct pollfd p = {.fd = g->result_fd, .events = POLLIN};

	return !g->pid || poll(&p, 1, 0) > 0;
}

/* Ends with the child gone, whatever it was doing. */
static int reap(struct guard *g, int sig)
{
	int status = 0;

	if (sig)
		kill(g->pid, sig);
	while (waitpid(g->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(g->result_fd);
	*g = (struct guard){.result_fd = -1, .cpu_s = g->cpu_s};
	return status;
}

int guard_finish(struct guard *g, struct buf *result, struct err *err)
{
	struct answer a = {.rc = -1};
	bool whole = read_answer(g->result_fd, &a, result);
	/* One that still runs after an answer of the wrong form has nothing to say any more. */
	int status = reap(g, whole ? 0 : SIGABRT);

	if (!whole)
		return explain_death(status, g->cpu_s, err);
	if (a.rc < 0 && err)
		*err = a.err;
	return a.rc < 0 ? -1 : 0;
}

void guard_kill(struct guard *g)
{
	if (g->pid)
		reap(g, SIGKILL);
}

int guard_run(guard_work *work, void *ctx, int out_fd, uint64_t out_max, struct buf *result,
	      struct err *err)
{
	struct guard_limits limits = {.out_fd = out_fd, .out_max = out_max};
	struct guard g;

	if (guard_start(work, ctx, &limits, result->ceiling - result->len, &g, err) < 0)
		return -1;
	return guard_finish(&g, result, err);
}
