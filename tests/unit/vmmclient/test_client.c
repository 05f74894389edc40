/* SPDX-License-Identifier: Apache-2.0
 *
 * The control client against VMMs that answer well, badly, or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/util.h"
#include "vmm/client.h"

static char directory[] = "/tmp/croft-test-XXXXXX", path[256];

/* A VMM that takes one connection, remembers the request and says `answer`. */
static struct {
	int listener;
	pthread_t thread;
	const char *answer;
	char request[1024];
} vmm;

static void *answer_one(void *ctx)
{
	int fd = accept(vmm.listener, NULL, NULL);
	size_t n = 0;

	(void)ctx;
	while (n < sizeof(vmm.request) - 1 && read(fd, vmm.request + n, 1) == 1 && vmm.request[n] != '\n')
		n++;
	vmm.request[n] = '\0';
	if (write(fd, vmm.answer, strlen(vmm.answer)) < 0)
		perror("write");
	close(fd);
	return NULL;
}

/* Binds through the directory's descriptor, so that a path may be longer than sun_path. */
static void listen_at(const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int dir = open(".", O_PATH | O_DIRECTORY);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dir, name);
	unlink(name);
	vmm.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(vmm.listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(vmm.listener, 1), 0);
	close(dir);
}

static void begin(const char *answer)
{
	vmm.answer = answer;
	listen_at("s");
	pthread_create(&vmm.thread, NULL, answer_one, NULL);
}

static void end(void)
{
	pthread_join(vmm.thread, NULL);
	close(vmm.listener);
}

static void test_status(void **state)
{
	struct vmm_status s;

	(void)state;
	begin("{\"ok\":true,\"status\":{\"state\":\"paused\",\"name\":\"web\",\"pid\":42,\"cpus\":2,"
	      "\"memory\":4294967296,\"uptime_ms\":5,\"console_bytes\":6,\"resets\":7,\"exits_io\":8,"
	      "\"exits_mmio\":9,\"last_broken\":\"net0: x\",\"a later key\":1}}\n");
	assert_int_equal(vmm_client_status(path, VMM_CLIENT_MS, &s, NULL), 0);
	end();
	assert_string_equal(vmm.request, "{\"verb\":\"status\"}");
	assert_int_equal(s.state, VMM_PAUSED);
	assert_string_equal(s.name, "web");
	assert_int_equal(s.pid, 42);
	assert_int_equal(s.cpus, 2);
	assert_int_equal(s.memory, UINT64_C(4294967296));
	assert_int_equal(s.uptime_ms, 5);
	assert_int_equal(s.console_bytes, 6);
	assert_int_equal(s.resets, 7);
	assert_int_equal(s.exits_io, 8);
	assert_int_equal(s.exits_mmio, 9);
	assert_string_equal(s.last_broken, "net0: x");
}

static void test_verbs(void **state)
{
	struct err err = {0};

	(void)state;
	begin("{\"ok\":true}\n");
	assert_int_equal(vmm_client_verb(path, "pause", VMM_CLIENT_MS, NULL), 0);
	end();
	assert_string_equal(vmm.request, "{\"verb\":\"pause\"}");

	begin("{\"ok\":false,\"kind\":\"conflict\",\"error\":\"the VM is paused\"}\n");
	assert_int_equal(vmm_client_verb(path, "shutdown", VMM_CLIENT_MS, &err), -1);
	end();
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_string_equal(err.msg, "the VM is paused");

	begin("{\"ok\":false,\"kind\":\"failed\",\"error\":\"no\"}\n");
	assert_int_equal(vmm_client_verb(path, "reset", VMM_CLIENT_MS, &err), -1);
	end();
	assert_int_equal(err.kind, ERR_VM);
}

static void test_console(void **state)
{
	char got[16] = "";
	int fd;

	(void)state;
	begin("{\"ok\":true}\nlogin: ");
	fd = vmm_client_console(path, 100, true, NULL);
	end();
	assert_true(fd >= 0);
	assert_string_equal(vmm.request, "{\"verb\":\"console\",\"port\":\"ttyS0\",\"replay\":100,\"read_only\":true}");
	assert_int_equal(read(fd, got, sizeof(got)), 7); /* not a byte of it was eaten */
	assert_string_equal(got, "login: ");
	close(fd);
}

static void test_answers_that_make_no_sense(void **state)
{
	static const char *const answers[] = {
		"",
		"\n",
		"{\"ok\":true}", /* no newline, and the connection ends */
		"[]\n",
		"{}\n",
		"{\"ok\":\"true\"}\n",
		"{\"ok\":false}\n",
		"{\"ok\":true}\n", /* no status in it */
		"{\"ok\":true,\"status\":{\"state\":\"dancing\"}}\n",
		"{\"ok\":true,\"status\":[]}\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct vmm_status s;
		struct err err = {0};

		begin(answers[i]);
		if (vmm_client_status(path, VMM_CLIENT_MS, &s, &err) == 0)
			fail_msg("accepted: %s", answers[i]);
		end();
		assert_int_not_equal(err.kind, ERR_NONE);
	}
}

static void test_nobody(void **state)
{
	struct err err = {0};
	struct vmm_status s;

	(void)state;
	unlink("s");
	assert_int_equal(vmm_client_status(path, VMM_CLIENT_MS, &s, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	listen_at("s");
	close(vmm.listener); /* the socket of a VMM that died */
	assert_int_equal(vmm_client_status(path, VMM_CLIENT_MS, &s, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(vmm_client_console(path, 0, false, &err), -1);
	assert_int_equal(vmm_client_verb("/nowhere/at/all", "kill", VMM_CLIENT_MS, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A VMM that hangs: waited for as long as the caller likes, and until the user has enough of it. */
static void test_silence(void **state)
{
	const struct itimerval every_second = {{1, 0}, {1, 0}}, never = {0};
	struct sigaction sa = {.sa_handler = on_alarm};
	struct err err = {0};
	struct vmm_status s;

	(void)state;
	listen_at("s");
	assert_int_equal(vmm_client_status(path, 20, &s, &err), -1);
	assert_int_equal(err.kind, ERR_TIMEOUT);
	assert_int_equal(vmm_client_verb(path, "kill", 0, &err), -1);
	assert_int_equal(err.kind, ERR_TIMEOUT);
	close(vmm.listener);

	listen_at("s");
	sigaction(SIGALRM, &sa, NULL);
	/* Again and again: on a slow day the first comes before anybody waits. */
	setitimer(ITIMER_REAL, &every_second, NULL);
	assert_int_equal(vmm_client_verb(path, "pause", 600 * 1000, &err), -1);
	assert_int_equal(err.kind, ERR_INTERRUPTED);
	close(vmm.listener);
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
}

static void test_a_long_path(void **state)
{
	char deep[160];

	(void)state;
	memset(deep, 'd', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(mkdir(deep, 0700), 0);
	assert_int_equal(chdir(deep), 0);
	begin("{\"ok\":true}\n");
	assert_int_equal(chdir(".."), 0);
	snprintf(path, sizeof(path), "%s/%s/s", directory, deep);
	assert_true(strlen(path) > sizeof(((struct sockaddr_un *)0)->sun_path));
	assert_int_equal(vmm_client_verb(path, "pause", VMM_CLIENT_MS, NULL), 0);
	end();
	unlink(path);
	rmdir(deep);
	snprintf(path, sizeof(path), "%s/s", directory);
}

static int group_setup(void **state)
{
	(void)state;
	if (!mkdtemp(directory) || chdir(directory) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/s", directory);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),	  cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_console),	  cmocka_unit_test(test_answers_that_make_no_sense),
		cmocka_unit_test(test_nobody),	  cmocka_unit_test(test_a_long_path),
		cmocka_unit_test(test_silence),
	};

	return cmocka_run_group_tests_name("client", tests, group_setup, group_teardown);
}
