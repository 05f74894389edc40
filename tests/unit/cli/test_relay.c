/* SPDX-License-Identifier: Apache-2.0
 *
 * A console on a pseudo-terminal: whatever ends it, the terminal is what it was before.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/util.h"
#include "cli/relay.h"

enum { DETACHED = 3, CLOSED = 4, DETACH = 0x1d };

struct console {
	int keyboard, terminal, guest; /* the pty's two ends; the socket's other end */
	pid_t pid;
};

static bool cooked(const struct console *c)
{
	struct termios t;

	assert_int_equal(tcgetattr(c->terminal, &t), 0);
	return (t.c_lflag & (ECHO | ICANON | ISIG)) == (ECHO | ICANON | ISIG);
}

static void attach(struct console *c)
{
	int sockets[2];

	assert_int_equal(openpty(&c->keyboard, &c->terminal, NULL, NULL, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	c->guest = sockets[0];
	assert_true(cooked(c));
	c->pid = fork();
	if (c->pid == 0) {
		signal(SIGPIPE, SIG_IGN);
		close(sockets[0]);
		dup2(c->terminal, STDIN_FILENO);
		dup2(c->terminal, STDOUT_FILENO);
		_exit(relay(sockets[1], false) ? DETACHED : CLOSED);
	}
	close(sockets[1]);
	while (cooked(c))
		usleep(1000);
}

static int end(struct console *c)
{
	int status;

	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	assert_true(cooked(c));
	auto_close_fn(&c->keyboard);
	auto_close_fn(&c->terminal);
	auto_close_fn(&c->guest);
	return status;
}

static void both_ways(void **state)
{
	struct console c;
	char got[8] = "";

	(void)state;
	attach(&c);
	assert_int_equal(write_all(c.keyboard, "in", 2), 0);
	assert_int_equal(recv(c.guest, got, 2, MSG_WAITALL), 2);
	assert_string_equal(got, "in");
	assert_int_equal(write_all(c.guest, "out", 3), 0);
	assert_int_equal(read(c.keyboard, got, sizeof(got)), 3);
	assert_memory_equal(got, "out", 3);
	assert_int_equal(write_all(c.keyboard, "bye\x1dnot this", 12), 0);
	assert_int_equal(recv(c.guest, got, sizeof(got), MSG_WAITALL), 3);
	assert_memory_equal(got, "bye", 3);
	assert_int_equal(WEXITSTATUS(end(&c)), DETACHED);
}

static void the_console_ends(void **state)
{
	struct console c;

	(void)state;
	attach(&c);
	close(take_fd(&c.guest));
	assert_int_equal(WEXITSTATUS(end(&c)), CLOSED);
}

static void signals_leave_no_raw_terminal(void **state)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		struct console c;
		int status;

		attach(&c);
		kill(c.pid, signals[i]);
		status = end(&c);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), signals[i]);
	}
}

/* The other end takes nothing: more than the socket and we can hold, then the key. */
static void who_pastes_too_much_can_detach(void **state)
{
	static char paste[3 << 20];
	static const char detach = DETACH;
	struct console c;

	(void)state;
	memset(paste, 'x', sizeof(paste));
	attach(&c);
	assert_int_equal(write_all(c.keyboard, paste, sizeof(paste)), 0);
	assert_int_equal(write_all(c.keyboard, &detach, 1), 0);
	assert_int_equal(WEXITSTATUS(end(&c)), DETACHED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(the_console_ends),
		cmocka_unit_test(signals_leave_no_raw_terminal),
		cmocka_unit_test(who_pastes_too_much_can_detach),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
