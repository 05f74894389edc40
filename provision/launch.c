/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting croft-vmm and ending it: see launch.h.
 */
#include "provision/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/util.h"

/*
 * A VMM is up within milliseconds; under an emulated KVM, and on a machine that swaps, in a minute.
 */
enum { READY_TIMEOUT_MS = 3 * 60 * 1000, READY_BYTES = 8192, TICK_MS = 500 };

enum { FIRST_FD = 3, MAX_FDS = 128 };

char *launch_find_vmm(const char *option, struct err *err)
{
	static const char *const places[] = {"croft-vmm", "../libexec/croft/croft-vmm"};
	const char *env = getenv("CROFT_VMM");
	const char *given = option ? option : env && *env ? env : NULL;
	char self[4096];
	ssize_t n;

	if (given) {
		if (access(given, X_OK) == 0)
			return realpath(given, NULL);
		err_sys(err, ERR_HOST, "cannot run croft-vmm at '%s'", given);
		return NULL;
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
		auto_free char *dir = path_dir(self);
		auto_free char *path = path_join(dir, places[i]);

		if (access(path, X_OK) == 0)
			return take_ptr(path);
	}
	err_set(err, ERR_HOST,
		"croft-vmm is neither beside '%s' nor in ../libexec/croft (set CROFT_VMM to its "
		"path)",
		self);
	return NULL;
}

int launch_listen(const char *path, struct err *err)
{
	auto_free char *dir = path_dir(path);
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	auto_close int dirfd = -1, fd = -1;
	mode_t mask;
	int rc;

	if (dir_make(dir, 0700, err) < 0)
		return -1;
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (dirfd < 0 || fd < 0)
		return err_sys(err, ERR_HOST, "cannot make the control socket in '%s'", dir);
	/* sun_path holds 108 bytes; through the directory's descriptor only the name counts. */
	rc = snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dirfd,
		      path_base(path));
	if (rc >= (int)sizeof(sa.sun_path))
		return err_set(err, ERR_HOST, "the name of the control socket is too long: '%s'",
			       path);
	if (unlinkat(dirfd, path_base(path), 0) < 0 && errno != ENOENT)
		return err_sys(err, ERR_HOST, "cannot replace '%s'", path);
	mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	umask(mask);
	if (rc < 0 || listen(fd, 16) < 0)
		return err_sys(err, ERR_HOST, "cannot listen on '%s'", path);
	return take_fd(&fd);
}

/* --- descriptors ------------------------------------------------------------------------------ */

struct handover {
	int fds[MAX_FDS]; /* ours; the child gets fds[i] as FIRST_FD + i */
	unsigned n;
};

/* Calls `fn` for each file of the configuration that there is. */
static void each_file(struct vmm_config *c, void (*fn)(struct vmm_file *, void *), void *ctx)
{
	struct vmm_file *single[] = {&c->kernel, &c->initrd, &c->control,    &c->console_log,
				     &c->log,	 &c->ready,  &c->exit_report};

	for (unsigned i = 0; i < ARRAY_LEN(single); i++)
		fn(single[i], ctx);
	for (unsigned i = 0; i < c->ndisks; i++)
		for (unsigned j = 0; j < c->disks[i].nlayers; j++)
			fn(&c->disks[i].layers[j].file, ctx);
	for (unsigned i = 0; i < c->nnics; i++)
		fn(&c->nics[i].tap, ctx);
}

static void hand_over(struct vmm_file *f, void *ctx)
{
	struct handover *h = ctx;

	if (f->fd < 0)
		return;
	assert(h->n < MAX_FDS); /* 7 + disks with 2 layers each + NICs */
	h->fds[h->n] = f->fd;
	f->fd = FIRST_FD + (int)h->n++;
}

static void handover_close(struct handover *h)
{
	for (unsigned i = 0; i < h->n; i++)
		close(h->fds[i]);
	h->n = 0;
}

/* --- the child -------------------------------------------------------------------------------- */

/*
 * Between fork and exec: system calls only. Says why over the gate when it cannot become the VMM.
 */
static void __attribute__((noreturn))
become_vmm(const struct handover *h, int gate, int log, const char *vmm, const char *config)
{
	const char *const argv[] = {"croft-vmm", "--config", config, NULL};
	const int above = FIRST_FD + MAX_FDS;
	int moved[MAX_FDS], null, sys;
	sigset_t none;
	char go;

	if (read(gate, &go, 1) != 1)
		_exit(0); /* croft is gone, and nobody knows of us */
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);

	/* First out of the way, then to their places: the numbers overlap. */
	gate = fcntl(gate, F_DUPFD_CLOEXEC, above);
	null = open("/dev/null", O_RDWR);
	log = fcntl(log, F_DUPFD_CLOEXEC, above);
	for (unsigned i = 0; i < h->n; i++)
		moved[i] = fcntl(h->fds[i], F_DUPFD_CLOEXEC, above);
	for (unsigned i = 0; i < h->n; i++)
		if (dup2(moved[i], FIRST_FD + (int)i) < 0)
			goto fail;
	if (dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		goto fail;
	syscall(SYS_close_range, FIRST_FD + h->n, ~0u, CLOSE_RANGE_CLOEXEC);
	if (chdir("/") < 0)
		goto fail;
	execv(vmm, (char *const *)argv);
fail:
	sys = errno;
	if (write(gate, &sys, sizeof(sys)) < 0)
		_exit(126);
	_exit(127);
}

/* --- the parent ------------------------------------------------------------------------------- */

static int write_config(const struct run *run, const struct vmm_config *c, char **path,
			struct err *err)
{
	auto_buf struct buf json = BUF_INIT(1 << 20);

	*path = vmdir_file(&run->dir, "machine.json");
	vmm_config_write(c, &json);
	return file_put(*path, json.data, json.len, 0600, err);
}

/* Opens the gate, once the journal knows who stands behind it. */
static int let_go(struct run *run, pid_t pid, int gate, const char *vmm, struct err *err)
{
	int sys = 0;
	ssize_t n;

	run->journal.vmm_pid = (uint64_t)pid;
	run->journal.vmm_start_time = proc_start_time(pid);
	if (journal_write(&run->dir, &run->journal, err) < 0)
		return -1;
	if (send(gate, "g", 1, MSG_NOSIGNAL) != 1)
		return err_sys(err, ERR_VM, "croft-vmm ended before it began");
	do
		n = read(gate, &sys, sizeof(sys)); /* nothing comes: exec closed it */
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(sys)) {
		errno = sys;
		return err_sys(err, ERR_HOST, "cannot run '%s'", vmm);
	}
	return 0;
}

static int read_answer(const char *line, struct err *err)
{
	json_t *root = json_loads(line, 0, NULL);
	const char *text = json_string_value(json_object_get(root, "error"));
	const char *kind = json_string_value(json_object_get(root, "kind"));
	int rc = 0;

	if (text)
		rc = err_set(err, kind ? err_kind_from_name(kind) : ERR_VM, "%s", text);
	else if (!json_is_true(json_object_get(root, "ready")))
		rc = err_set(err, ERR_VM, "croft-vmm gave an answer that croft does not know");
	json_decref(root);
	return rc;
}

static int ended_early(pid_t pid, struct err *err)
{
	int status = 0;

	if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		return err_set(err, ERR_VM,
			       "croft-vmm was killed by signal %d (%s) while it started",
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
	return err_set(err, ERR_VM, "croft-vmm ended with exit code %d while it started",
		       WEXITSTATUS(status));
}

static int wait_ready(struct run *run, pid_t pid, int fd, struct err *err)
{
	uint64_t start = now_ms();
	char line[READY_BYTES];
	size_t len = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint64_t spent = now_ms() - start;
		ssize_t n;

		if (run_interrupted(run))
			return interrupted(err);
		if (spent >= READY_TIMEOUT_MS)
			return err_set(err, ERR_VM,
				       "croft-vmm did not say within %d s that it runs",
				       READY_TIMEOUT_MS / 1000);
		if (poll(&p, 1, TICK_MS) <= 0) {
			if (run->rep->waiting)
				run->rep->waiting(run->rep->ctx, "for croft-vmm", "", spent);
			continue;
		}
		n = read(fd, line + len, sizeof(line) - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0) {
			len += (size_t)n;
			line[len] = '\0';
			if (strchr(line, '\n'))
				return read_answer(line, err);
		}
		if (n <= 0 && len) /* whole, and only its newline is missing */
			return read_answer(line, err);
		if (n <= 0 || len == sizeof(line) - 1)
			return ended_early(pid, err);
	}
}

int launch_vmm(struct run *run, const char *vmm, struct vmm_config *config, pid_t *pid,
	       struct err *err)
{
	int ready[2] = {-1, -1}, gate[2] = {-1, -1}, rc = -1;
	auto_free char *path = NULL;
	struct handover h = {.n = 0};
	int log = config->log.fd;

	*pid = 0;
	if (pipe2(ready, O_CLOEXEC) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate) < 0) {
		err_sys(err, ERR_HOST, "cannot start croft-vmm");
		each_file(config, hand_over, &h);
		goto done;
	}
	config->ready.fd = take_fd(&ready[1]);
	each_file(config, hand_over, &h);
	if (write_config(run, config, &path, err) < 0)
		goto done;
	*pid = fork();
	if (*pid < 0) {
		*pid = 0;
		err_sys(err, ERR_HOST, "cannot start croft-vmm");
		goto done;
	}
	if (*pid == 0) {
		close(gate[0]);
		become_vmm(&h, gate[1], log, vmm, path);
	}
	close(take_fd(&gate[1]));
	handover_close(&h);
	rc = let_go(run, *pid, gate[0], vmm, err);
	if (rc == 0)
		rc = wait_ready(run, *pid, ready[0], err);
	if (rc < 0) {
		kill(*pid, SIGKILL); /* ours and not waited for yet, or gone: waitpid knows */
		waitpid(*pid, NULL, 0);
		*pid = 0;
	}
done:
	handover_close(&h);
	for (int i = 0; i < 2; i++) {
		auto_close_fn(&ready[i]);
		auto_close_fn(&gate[i]);
	}
	return rc;
}

/* --- a VMM that runs -------------------------------------------------------------------------- */

bool process_alive(const struct process *p)
{
	/* Our own child stays in the process table until it is waited for. */
	if (p->pid > 0 && waitpid(p->pid, NULL, WNOHANG) == p->pid)
		return false;
	return p->pid > 0 && p->start_time && proc_start_time(p->pid) == p->start_time;
}

/* A descriptor of that very process, or -1. */
static int process_open(const struct process *p)
{
	int fd = p->pid > 0 ? (int)syscall(SYS_pidfd_open, p->pid, 0) : -1;

	if (fd >= 0 && !process_alive(p)) {
		close(fd);
		return -1;
	}
	return fd;
}

int process_wait(const struct process *p, uint64_t timeout_ms, bool (*tick)(void *ctx), void *ctx)
{
	auto_close int fd = process_open(p);
	uint64_t start = now_ms();

	while (fd >= 0) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
		uint64_t spent = now_ms() - start;

		if (spent >= timeout_ms)
			return 0;
		if (poll(&poll_fd, 1, (int)min_u64(timeout_ms - spent, TICK_MS)) > 0)
			break;
		if (tick && !tick(ctx))
			return 0;
	}
	waitpid(p->pid, NULL, WNOHANG); /* reaped, if it was a child of ours */
	return 1;
}

void process_kill(const struct process *p)
{
	auto_close int fd = process_open(p);

	if (fd < 0)
		return;
	syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	process_wait(p, 10000, NULL, NULL);
}
