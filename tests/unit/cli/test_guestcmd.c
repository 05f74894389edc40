/* SPDX-License-Identifier: Apache-2.0
 *
 * What is made of ssh's end: by scripts in its place, and by ssh itself, that reaches nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/util.h"
#include "cli/guestcmd.h"

static char dir[] = "/tmp/croft-guestcmd-XXXXXX";
static char *script;

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	script = path_join(dir, "ssh");
	return 0;
}

static int drop_dir(void **state)
{
	(void)state;
	free(script);
	return dir_remove(dir, NULL);
}

static char **argv_of(const char *const *words)
{
	char **argv;
	size_t n = 0;

	while (words[n])
		n++;
	argv = xcalloc(n + 1, sizeof(*argv));
	for (size_t i = 0; i < n; i++)
		argv[i] = xstrdup(words[i]);
	return argv;
}

/* An ssh that does this; $2 is its log (-E FILE). */
static int ssh_that(const char *does, struct err *err)
{
	auto_free char *text = xasprintf("#!/bin/sh\n%s\n", does);
	const char *const words[] = {script, "guest", NULL};

	*err = (struct err){0};
	assert_int_equal(file_put(script, text, strlen(text), 0700, NULL), 0);
	return guest_command(argv_of(words), err);
}

static void exit_codes(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(ssh_that("[ \"$1 $3\" = '-E guest' ]", &err), 0);
	assert_int_equal(ssh_that("exit 7", &err), 7);
	assert_int_equal(ssh_that("exit 255", &err), 255);
	/* ssh's warnings are no failure of ssh's. */
	assert_int_equal(ssh_that("echo 'Warning: Permanently added it.' >>$2; exit 255", &err),
			 255);
	assert_int_equal(ssh_that("echo 'Warning: x' >>$2; echo 'Timeout, y' >>$2; exit 255", &err),
			 -1);
	assert_int_equal(err.kind, ERR_GUEST_CMD);
	assert_non_null(strstr(err.msg, "ssh: Timeout, y ("));
	assert_int_equal(ssh_that("kill -KILL $$", &err), 128 + SIGKILL);
}

static void real_ssh(void **state)
{
	auto_free char *program = proc_find("ssh");
	const char *const words[] = {"ssh",	  "-F", "none", "-o", "BatchMode=yes", "-p", "1",
				     "127.0.0.1", "--", "true", NULL};
	struct err err = {0};

	(void)state;
	if (!program)
		skip();
	assert_int_equal(guest_command(argv_of(words), &err), -1);
	assert_int_equal(err.kind, ERR_GUEST_CMD);
	if (!strstr(err.msg, "127.0.0.1"))
		fail_msg("%s", err.msg);
}

/* The signal is ssh's, which is gone when we are. */
static void signals_end_ssh(void **state)
{
	static const int signals[] = {SIGTERM, SIGHUP, SIGINT};
	auto_free char *fifo = path_join(dir, "fifo");
	auto_free char *does = xasprintf("echo x >%s\nwhile :; do sleep 0.05; done", fifo);

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		int fd, status;
		char c;
		pid_t pid = fork();

		if (pid == 0) {
			struct err err;

			signal(signals[i], SIG_DFL);
			_exit(ssh_that(does, &err));
		}
		fd = open(fifo, O_RDONLY);
		assert_int_equal(read(fd, &c, 1), 1);
		assert_int_equal(kill(pid, signals[i]), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WEXITSTATUS(status), 128 + signals[i]);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_codes),
		cmocka_unit_test(real_ssh),
		cmocka_unit_test(signals_end_ssh),
	};
	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
