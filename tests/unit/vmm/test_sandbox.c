/* SPDX-License-Identifier: Apache-2.0
 *
 * The sandbox, from inside: a child enters it and does something. What a VMM does goes on; the rest
 * ends the child with a line in the log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <liburing.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "images/disk/block.h"
#include "vmm/event/loop.h"
#include "vmm/sandbox/sandbox.h"

enum { FAILED = 99 };

#define expect(what)                                                                               \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			log_error("line %d: %s: %m", __LINE__, #what);                             \
			_exit(FAILED);                                                             \
		}                                                                                  \
	} while (0)

/* The exit status of a child that entered the sandbox and then did `what`; its log. */
static int inside(void (*what)(void), char *said, size_t room)
{
	int log[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(log, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err err = {0};

		log_setup(log[1], LOG_INFO);
		if (sandbox_enter(&err) < 0) {
			log_error("%s", err.msg);
			_exit(FAILED);
		}
		what();
		_exit(0);
	}
	close(log[1]);
	while ((n = read(log[0], said + used, room - 1 - used)) > 0)
		used += (size_t)n;
	said[used] = '\0';
	close(log[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("signal %d; log: %s", WTERMSIG(status), said);
	return WEXITSTATUS(status);
}

/* --- what goes on
 * ----------------------------------------------------------------------------------- */

static int image;

static void served(void *ctx)
{
	loop_stop(ctx);
}

static void a_loop_on_a_thread(void)
{
	struct loop *loop = loop_new(NULL);

	expect(loop && loop_thread_start(loop, "disk", NULL) == 0);
	loop_post(loop, served, loop);
	loop_thread_join(loop);
	loop_free(loop);
}

static void written(struct blk_req *r, int result)
{
	*(int *)r->user = result;
}

static void a_disk_that_is_written(void)
{
	static uint8_t data[8192];
	struct blk_layer layer = {
		.fd = fcntl(image, F_DUPFD_CLOEXEC, 3), .format = BLK_QCOW2, .name = "x"};
	struct blk *disk = blk_open(&layer, 1, BLK_DISCARD, NULL);
	struct iovec iov = {data, sizeof(data)};
	int result = -1;
	struct blk_req write = {
		.op = BLK_WRITE, .iov = &iov, .niov = 1, .done = written, .user = &result};
	struct blk_aio *aio;

	expect(disk);
	aio = blk_aio_new(disk, 8, NULL);
	expect(aio);
	memset(data, 7, sizeof(data));
	blk_aio_submit(aio, &write);
	blk_aio_kick(aio);
	blk_aio_drain(aio);
	expect(result == 0);
	expect(blk_flush(disk) == 0);
	expect(blk_discard(disk, 0, 4096) == 0);
	expect(blk_read(disk, 4096, data, 4096) == 0 && data[0] == 7);
	blk_aio_free(aio);
	expect(blk_close(disk) == 0);
}

static void work_of_a_vmm(void)
{
	uint8_t random[16];
	void *p;

	a_loop_on_a_thread();
	a_disk_that_is_written();
	expect(getrandom(random, sizeof(random), 0) == sizeof(random));
	p = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(p != MAP_FAILED && munmap(p, 4 * MIB) == 0);
	p = malloc(8 * MIB);
	p = realloc(p, 64 * MIB);
	expect(p);
	free(p);
	expect(raise(SIGURG) == 0);
	log_info("all went on");
}

static void test_a_vmm_works(void **state)
{
	const struct blk_create create = {.size = 16 * MIB};
	char said[1024];
	int rc;

	(void)state;
	image = memfd_create("image", MFD_CLOEXEC);
	assert_int_equal(qcow2_create(image, &create, NULL), 0);
	rc = inside(work_of_a_vmm, said, sizeof(said));
	close(image);
	if (rc || !strstr(said, "all went on"))
		fail_msg("%d: %s", rc, said);
}

/* --- what ends it
 * ------------------------------------------------------------------------------------ */

static void opens(void)
{
	open("/etc/passwd", O_RDONLY);
}

static void makes_a_socket(void)
{
	socket(AF_INET, SOCK_STREAM, 0);
}

static void runs_a_program(void)
{
	execl("/bin/true", "true", NULL);
}

static void forks(void)
{
	syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static void traces(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void signals_others(void)
{
	kill(1, SIGCONT);
}

static void signals_a_thread_of_others(void)
{
	syscall(SYS_tgkill, 1, 1, SIGCONT);
}

static void maps_code(void)
{
	(void)!mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void makes_code(void)
{
	static uint8_t page[8192];

	mprotect((void *)align_up((uintptr_t)page, 4096), 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}

static void types_for_the_user(void)
{
	ioctl(STDIN_FILENO, TIOCSTI, "x");
}

static void makes_a_namespace(void)
{
	unshare(CLONE_NEWUSER);
}

static void makes_itself_dumpable(void)
{
	prctl(PR_SET_DUMPABLE, 1);
}

static void test_what_ends_it(void **state)
{
	static const struct {
		void (*what)(void);
		const char *name;
		int call;
	} never[] = {
		{opens, "open", SYS_openat},
		{makes_a_socket, "socket", SYS_socket},
		{runs_a_program, "execve", SYS_execve},
		{forks, "fork", SYS_clone},
		{traces, "ptrace", SYS_ptrace},
		{signals_others, "kill", SYS_kill},
		{signals_a_thread_of_others, "tgkill", SYS_tgkill},
		{maps_code, "mmap", SYS_mmap},
		{makes_code, "mprotect", SYS_mprotect},
		{types_for_the_user, "ioctl", SYS_ioctl},
		{makes_a_namespace, "unshare", SYS_unshare},
		{makes_itself_dumpable, "prctl", SYS_prctl},
	};
	char said[1024], line[64];

	(void)state;
	if (SANITIZED)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(never); i++) {
		int rc = inside(never[i].what, said, sizeof(said));

		snprintf(line, sizeof(line), "system call %d ", never[i].call);
		if (rc != err_exit_code(ERR_VM) || !strstr(said, line))
			fail_msg("%s: exit code %d: %s", never[i].name, rc, said);
	}
}

/* --- what seccomp does not see
 * ----------------------------------------------------------------------- */

static void opens_by_io_uring(void)
{
	struct io_uring_cqe *cqe = NULL;
	struct io_uring ring;

	expect(io_uring_queue_init(4, &ring, 0) == 0);
	io_uring_prep_openat(io_uring_get_sqe(&ring), AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	expect(io_uring_submit(&ring) == 1 && io_uring_wait_cqe(&ring, &cqe) == 0);
	log_info("open said %d", cqe->res);
}

static void test_no_path_by_io_uring(void **state)
{
	char said[1024];

	(void)state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1)
		skip();
	assert_int_equal(inside(opens_by_io_uring, said, sizeof(said)), 0);
	assert_non_null(strstr(said, "open said -13")); /* EACCES */
}

/* --- privileges
 * --------------------------------------------------------------------------------------- */

static void test_no_privileges(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		auto_buf struct buf text = BUF_INIT(65536);

		if (sandbox_drop_privileges(NULL) < 0 ||
		    file_read("/proc/self/status", &text, NULL) < 0 ||
		    !strstr(buf_str(&text), "NoNewPrivs:\t1") ||
		    !strstr(buf_str(&text), "CapPrm:\t0000000000000000") ||
		    !strstr(buf_str(&text), "CapEff:\t0000000000000000"))
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_vmm_works),
		cmocka_unit_test(test_what_ends_it),
		cmocka_unit_test(test_no_path_by_io_uring),
		cmocka_unit_test(test_no_privileges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
