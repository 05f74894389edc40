/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole machines on this machine's KVM, with guests of a few instructions: how a life ends, what
 * reaches the console, and everything the control socket can ask. Skipped where /dev/kvm cannot be
 * used; stock kernels are for the lab.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/num.h"
#include "base/util.h"
#include "tests/lib/vmm/payload.h"
#include "vmm/client.h"
#include "vmm/config.h"
#include "vmm/dev/chardev_hub.h"
#include "vmm/dev/pm.h"
#include "vmm/kvm/kvm.h"
#include "vmm/mem/layout.h"
#include "vmm/session.h"

static int kvm = -1;
static char directory[] = "/tmp/croft-test-XXXXXX", control_path[64];
static const char *why_not;

/* A session under test: built from code, run here, asked by `driver` on a thread of its own. */
struct run {
	struct vmm_config config;
	void (*driver)(struct run *);
	enum power_event event;
	char detail[512];
	char console[65536];
	size_t console_len;
};

static int listen_control(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(control_path);
	memcpy(sa.sun_path, control_path, strlen(control_path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void init_run(struct run *r, const struct code *c)
{
	memset(r, 0, sizeof(*r));
	vmm_config_init(&r->config);
	snprintf(r->config.name, sizeof(r->config.name), "test");
	r->config.memory = 32 * MIB;
	r->config.rng = false;
	r->config.on_reboot = VMM_ON_STOP;
	r->config.kernel.fd = payload_fd(c, PAYLOAD_ADDRESS);
	r->config.console_log.fd = memfd_create("console", MFD_CLOEXEC);
	r->config.control.fd = listen_control();
}

static void close_run(struct run *r)
{
	close(r->config.kernel.fd);
	close(r->config.console_log.fd);
	close(r->config.control.fd);
	vmm_config_done(&r->config);
}

static void *drive(void *ctx)
{
	struct run *r = ctx;

	r->driver(r);
	return NULL;
}

static void run(struct run *r)
{
	struct err err = {0};
	const char *detail = "";
	struct session *s;
	pthread_t thread;

	s = session_new(&r->config, kvm, &err);
	if (!s)
		fail_msg("%s", err.msg);
	if (r->driver)
		pthread_create(&thread, NULL, drive, r);
	session_run(s, &r->event, &detail);
	snprintf(r->detail, sizeof(r->detail), "%s", detail);
	session_free(s);
	if (r->driver) /* now: it may wait for the hang-up */
		pthread_join(thread, NULL);
	pread_all(r->config.console_log.fd, r->console, sizeof(r->console) - 1, 0, &r->console_len);
	close_run(r);
}

#define NEEDS_KVM                                                                                  \
	if (kvm < 0) {                                                                             \
		print_message("%s\n", why_not);                                                    \
		skip();                                                                            \
	}

static struct vmm_status status(void)
{
	struct vmm_status s;
	struct err err = {0};

	if (vmm_client_status(control_path, VMM_CLIENT_MS, &s, &err) < 0)
		fail_msg("status: %s", err.msg);
	return s;
}

static void verb(const char *name)
{
	struct err err = {0};

	if (vmm_client_verb(control_path, name, VMM_CLIENT_MS, &err) < 0)
		fail_msg("%s: %s", name, err.msg);
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

/* --- lives that end by themselves ------------------------------------------------------------------------ */

static void test_print_and_power_off(void **state)
{
	struct code c = {0};
	struct run r;

	(void)state;
	NEEDS_KVM
	emit_print(&c, "hello from a tiny guest\r\n");
	emit_power_off(&c);
	init_run(&r, &c);
	run(&r);
	assert_int_equal(r.event, POWER_OFF);
	assert_string_equal(r.console, "hello from a tiny guest\r\n");
}

/* Nothing but data writes, which KVM collects: all arrive, in order, and before the end is told. */
static void test_collected_writes(void **state)
{
	struct code c = {0};
	struct run r;

	(void)state;
	NEEDS_KVM
	/* mov ecx, 20000; loop: mov al, cl; or al, 0x40; and al, 0x7f; out dx, al; loop */
	emit(&c, "\xb9\x20\x4e\x00\x00\x66\xba\xf8\x03", 9);
	emit(&c, "\x88\xc8\x0c\x40\x24\x7f\xee\xe2\xf7", 9);
	emit_power_off(&c);
	init_run(&r, &c);
	run(&r);
	assert_int_equal(r.event, POWER_OFF);
	assert_int_equal(r.console_len, 20000);
	for (unsigned i = 0; i < 20000; i++)
		assert_int_equal(r.console[i], ((20000 - i) & 0xff & 0x7f) | 0x40);
}

static void test_resets(void **state)
{
	static const struct {
		uint16_t port;
		uint8_t value;
	} ways[] = {{0x64, 0xfe}, {0xcf9, 0x06}, {0xcf9, 0x0e}};

	(void)state;
	NEEDS_KVM
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct code c = {0};
		struct run r;

		emit_outb(&c, ways[i].port, ways[i].value);
		emit_print(&c, "never printed");
		emit_spin(&c);
		init_run(&r, &c);
		run(&r);
		assert_int_equal(r.event, POWER_RESET);
		assert_int_equal(r.console_len, 0); /* not one instruction more */
	}
}

static void test_panic_is_reported(void **state)
{
	struct code c = {0};
	struct run r;

	(void)state;
	NEEDS_KVM
	emit_outb(&c, PORT_PVPANIC, 1);
	emit_spin(&c);
	init_run(&r, &c);
	run(&r);
	assert_int_equal(r.event, POWER_PANIC);
}

static void test_triple_fault(void **state)
{
	struct code c = {0};
	struct run r;

	(void)state;
	NEEDS_KVM
	emit(&c, "\x0f\x0b", 2); /* ud2, and the IDT is empty */
	emit_spin(&c);
	init_run(&r, &c);
	run(&r);
	assert_int_equal(r.event, POWER_TRIPLE_FAULT);
	assert_non_null(strstr(r.detail, "vCPU 0"));
}

/* Prints what it read: ports and memory of nobody are all ones, and writes there do nothing. */
static void test_nobody_answers(void **state)
{
	struct code c = {0};
	struct run r;

	(void)state;
	NEEDS_KVM
	emit_outb(&c, 0x2e8, 0x12);
	emit_in_al(&c, 0x2e8);
	emit(&c, "\x66\xba\xf8\x03\xee", 5);			  /* mov dx, 0x3f8; out dx, al */
	emit(&c, "\xc6\x05\x00\x00\x00\xd0\x12", 7);		  /* mov byte [0xd0000000], 0x12 */
	emit(&c, "\xa0\x00\x00\x00\xd0\xee", 6);		  /* mov al, [0xd0000000]; out dx, al */
	emit_power_off(&c);
	init_run(&r, &c);
	run(&r);
	assert_int_equal(r.event, POWER_OFF);
	assert_int_equal(r.console_len, 2);
	assert_memory_equal(r.console, "\xff\xff", 2);
}

/* The guest shows its SMBIOS table. */
static void test_oem_strings(void **state)
{
	struct code c = {0};
	struct run r;

	(void)state;
	NEEDS_KVM
	/* mov esi, LAYOUT_TABLES + 0x60; mov ecx, 1024; next: lodsb; mov dx, 0x3f8; out dx, al; loop next */
	emit(&c, "\xbe\x60\x00\x0f\x00\xb9\x00\x04\x00\x00\xac\x66\xba\xf8\x03\xee\xe2\xf8", 18);
	emit_power_off(&c);
	init_run(&r, &c);
	snprintf(r.config.oem_strings[0], sizeof(r.config.oem_strings[0]), "one=1");
	snprintf(r.config.oem_strings[1], sizeof(r.config.oem_strings[1]), "two=2");
	r.config.noem_strings = 2;
	run(&r);
	assert_int_equal(r.console_len, 1024);
	assert_non_null(memmem(r.console, r.console_len, "\2one=1\0two=2\0", 14));
}

/* --- lives that are asked ------------------------------------------------------------------------------------ */

static void drive_restarts(struct run *r)
{
	(void)r;
	while (status().resets < 5)
		nap();
	verb("kill");
}

static void test_restart_is_a_fresh_machine(void **state)
{
	struct code c = {0};
	struct run r;

	(void)state;
	NEEDS_KVM
	/* Prints the byte at 1 MiB + 64 KiB, changes it, resets: each life finds a zero there. */
	emit(&c, "\xa0\x00\x00\x11\x00\x04\x30\x66\xba\xf8\x03\xee", 12);
	emit(&c, "\xc6\x05\x00\x00\x11\x00\x07", 7);
	emit_outb(&c, 0xcf9, 0x06);
	emit_spin(&c);
	init_run(&r, &c);
	r.config.on_reboot = VMM_ON_RESTART;
	r.driver = drive_restarts;
	run(&r);
	assert_int_equal(r.event, POWER_KILLED);
	assert_true(r.console_len >= 5);
	for (size_t i = 0; i < r.console_len; i++)
		assert_int_equal(r.console[i], '0');
}

/* Six restarts of a guest that lives for less than a second wait for 10, 30, 70, 150, 310, 630 ms;
 * of one that lives longer, less, but then it has lived. */
static void drive_reset_loop(struct run *r)
{
	(void)r;
	while (status().resets < 6)
		nap();
	assert_true(status().uptime_ms >= 10 + 30 + 70 + 150 + 310);
	verb("kill"); /* most probably while it waits */
}

static void test_a_loop_of_resets_slows_down(void **state)
{
	struct code c = {0};
	struct run r;

	(void)state;
	NEEDS_KVM
	emit_outb(&c, 0xcf9, 0x06);
	emit_spin(&c);
	init_run(&r, &c);
	r.config.on_reboot = VMM_ON_RESTART;
	r.driver = drive_reset_loop;
	run(&r);
	assert_int_equal(r.event, POWER_KILLED);
}

/* The kernel is gone when it is wanted again. The end is told as it was, whatever else was ready to be
 * served in that moment. */
static void test_a_restart_that_fails(void **state)
{
	int (*const verbs[])(struct session *, struct err *) = {
		session_shutdown, session_reset, session_pause, session_resume};
	enum power_event event;
	const char *detail;
	struct code c = {0};
	struct err err = {0};
	struct session *s;
	struct vmm_status status;
	struct run r;

	(void)state;
	NEEDS_KVM
	emit_outb(&c, 0xcf9, 0x06);
	emit_spin(&c);
	init_run(&r, &c);
	r.config.on_reboot = VMM_ON_RESTART;
	s = session_new(&r.config, kvm, &err);
	assert_int_equal(ftruncate(r.config.kernel.fd, 2), 0);
	session_run(s, &event, &detail);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		assert_int_equal(verbs[i](s, &err), -1);
		assert_int_equal(err.kind, ERR_CONFLICT);
		assert_string_equal(err.msg, "the VM has ended");
	}
	assert_int_equal(session_kill(s, &err), 0);
	session_status(s, &status);
	assert_int_equal(status.state, VMM_STOPPED);
	assert_int_equal(event, POWER_FAILED);
	assert_non_null(strstr(detail, "the VM cannot start again: kernel"));
	session_free(s);
	close_run(&r);
}

static void drive_reset(struct run *r)
{
	(void)r;
	verb("reset");
	while (status().resets < 1)
		nap();
	verb("kill");
}

static void test_reset_from_outside(void **state)
{
	struct code c = {0};
	struct run r;

	(void)state;
	NEEDS_KVM
	emit_spin(&c);
	init_run(&r, &c);
	r.config.on_reboot = VMM_ON_RESTART;
	r.driver = drive_reset;
	run(&r);
	assert_int_equal(r.event, POWER_KILLED);
}

static void drive_pause(struct run *r)
{
	struct vmm_status one, two;

	(void)r;
	while (status().console_bytes < 100)
		nap();
	verb("pause");
	verb("pause"); /* twice is once */
	one = status();
	assert_int_equal(one.state, VMM_PAUSED);
	for (int i = 0; i < 10; i++)
		nap();
	two = status();
	assert_int_equal(one.console_bytes, two.console_bytes);
	assert_int_equal(vmm_client_verb(control_path, "shutdown", VMM_CLIENT_MS, NULL), -1);
	verb("resume");
	while (status().console_bytes < two.console_bytes + 100)
		nap();
	assert_int_equal(vmm_client_verb(control_path, "resume", VMM_CLIENT_MS, NULL), -1);
	verb("pause");
	verb("kill"); /* from a pause, too */
}

static void drive_reset_of_paused(struct run *r)
{
	struct vmm_status s;

	(void)r;
	verb("pause");
	verb("reset");
	while (status().resets < 1)
		nap();
	for (int i = 0; i < 20; i++) /* the restart waits, too */
		nap();
	s = status();
	assert_int_equal(s.state, VMM_PAUSED);
	for (int i = 0; i < 10; i++)
		nap();
	assert_int_equal(status().console_bytes, s.console_bytes);
	verb("resume");
	while (status().console_bytes < s.console_bytes + 100)
		nap();
	verb("kill");
}

static void test_reset_of_a_paused_machine(void **state)
{
	struct code c = {0};
	struct run r;

	(void)state;
	NEEDS_KVM
	emit_in_al(&c, PORT_COM1 + 5);
	emit_outb(&c, PORT_COM1, '.');
	emit_jump(&c, 0);
	init_run(&r, &c);
	r.config.on_reboot = VMM_ON_RESTART;
	r.driver = drive_reset_of_paused;
	run(&r);
	assert_int_equal(r.event, POWER_KILLED);
}

static void test_pause_and_resume(void **state)
{
	struct code c = {0};
	struct run r;

	(void)state;
	NEEDS_KVM
	emit_in_al(&c, PORT_COM1 + 5);
	emit_outb(&c, PORT_COM1, '.');
	emit_jump(&c, 0);
	init_run(&r, &c);
	r.config.cpus = 2; /* the second waits for its SIPI, and is paused there */
	r.driver = drive_pause;
	run(&r);
	assert_int_equal(r.event, POWER_KILLED);
}

static void drive_button(struct run *r)
{
	(void)r;
	while (vmm_client_verb(control_path, "shutdown", VMM_CLIENT_MS, NULL) < 0)
		nap(); /* the guest does not listen yet */
}

static void test_power_button(void **state)
{
	struct code c = {0};
	struct run r;
	size_t wait;

	(void)state;
	NEEDS_KVM
	emit_outw(&c, PORT_PM_BASE + 2, 1 << 8); /* PM1 enable: power button */
	wait = c.n;
	emit_in_al(&c, PORT_PM_BASE + 1); /* PM1 status, bits 8-15 */
	emit_wait_al(&c, 1, wait);
	emit_print(&c, "pressed");
	emit_power_off(&c);
	init_run(&r, &c);
	r.driver = drive_button;
	run(&r);
	assert_int_equal(r.event, POWER_OFF);
	assert_string_equal(r.console, "pressed");
}

static void drive_echo(struct run *r)
{
	struct err err = {0};
	char got[64] = "";
	size_t n = 0;
	int watcher, fd;

	(void)r;
	while (status().console_bytes < 6)
		nap();
	watcher = vmm_client_console(control_path, 4, true, &err);
	fd = vmm_client_console(control_path, 1024, false, &err);
	if (fd < 0 || watcher < 0)
		fail_msg("console: %s", err.msg);
	assert_int_equal(write(watcher, "ignored", 7), 7);
	assert_int_equal(write(fd, "ping", 4), 4);
	while (n < 6 + 4) { /* what was missed, and the echo */
		ssize_t k = read(fd, got + n, sizeof(got) - 1 - n);

		assert_true(k > 0);
		n += (size_t)k;
	}
	assert_string_equal(got, "ready\nping");
	n = 0;
	memset(got, 0, sizeof(got));
	while (n < 4 + 4) {
		ssize_t k = read(watcher, got + n, sizeof(got) - 1 - n);

		assert_true(k > 0);
		n += (size_t)k;
	}
	assert_string_equal(got, "ady\nping"); /* its replay was shorter */
	close(watcher);
	verb("kill");
	assert_int_equal(read(fd, got, sizeof(got)), 0); /* hung up at the end */
	close(fd);
}

static void drive_crowd(struct run *r)
{
	int fds[CHARDEV_MAX_CLIENTS];
	struct err err = {0};

	(void)r;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = vmm_client_console(control_path, 0, true, &err);
		if (fds[i] < 0)
			fail_msg("console: %s", err.msg);
	}
	assert_int_equal(vmm_client_console(control_path, 0, true, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "16 clients already"));
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	verb("kill");
}

static void test_one_console_client_too_many(void **state)
{
	struct code c = {0};
	struct run r;

	(void)state;
	NEEDS_KVM
	emit_spin(&c);
	init_run(&r, &c);
	r.driver = drive_crowd;
	run(&r);
}

static void test_console_clients(void **state)
{
	struct code c = {0};
	struct run r;
	size_t wait;

	(void)state;
	NEEDS_KVM
	emit_print(&c, "ready\n");
	wait = c.n;
	emit_in_al(&c, PORT_COM1 + 5);
	emit_wait_al(&c, 1, wait); /* LSR: data ready */
	emit_in_al(&c, PORT_COM1);
	emit(&c, "\xee", 1); /* out dx, al */
	emit_jump(&c, wait);
	init_run(&r, &c);
	r.driver = drive_echo;
	run(&r);
	assert_string_equal(r.console, "ready\nping");
}

/* What was written at the end is sent, on the virtio console too. */
static void test_last_words(void **state)
{
	int serial[2], hvc0[2];
	enum power_event event;
	const char *detail;
	struct code c = {0};
	struct session *s;
	struct run r;
	char got[8] = "";

	(void)state;
	NEEDS_KVM
	emit_power_off(&c);
	init_run(&r, &c);
	r.config.virtio_console = true;
	s = session_new(&r.config, kvm, NULL);
	socketpair(AF_UNIX, SOCK_STREAM, 0, serial);
	socketpair(AF_UNIX, SOCK_STREAM, 0, hvc0);
	chardev_attach(session_console(s, "ttyS0", NULL), serial[0], 0, true, NULL);
	chardev_attach(session_console(s, "hvc0", NULL), hvc0[0], 0, true, NULL);
	session_run(s, &event, &detail);
	chardev_write(session_console(s, "ttyS0", NULL), "one", 3);
	chardev_write(session_console(s, "hvc0", NULL), "two", 3);
	session_free(s);
	assert_int_equal(read(serial[1], got, sizeof(got)), 3);
	assert_memory_equal(got, "one", 3);
	assert_int_equal(read(hvc0[1], got, sizeof(got)), 3);
	assert_memory_equal(got, "two", 3);
	close(serial[1]);
	close(hvc0[1]);
	close_run(&r);
}

static void drive_status(struct run *r)
{
	struct vmm_status s = status();
	struct err err = {0};

	(void)r;
	assert_int_equal(s.state, VMM_RUNNING);
	assert_string_equal(s.name, "test");
	assert_int_equal(s.pid, getpid());
	assert_int_equal(s.cpus, 1);
	assert_int_equal(s.memory, 32 * MIB);
	assert_string_equal(s.last_broken, "");
	while (status().exits_io < 10)
		nap();
	assert_int_equal(vmm_client_verb(control_path, "shutdown", VMM_CLIENT_MS, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "power button"));
	assert_int_equal(vmm_client_verb(control_path, "dance", VMM_CLIENT_MS, &err), -1);
	assert_non_null(strstr(err.msg, "dance"));
	assert_int_equal(vmm_client_console_port(control_path, "hvc0", 0, true, &err), -1);
	assert_non_null(strstr(err.msg, "no console 'hvc0'"));
	verb("kill");
}

static void test_status_and_refusals(void **state)
{
	struct code c = {0};
	struct run r;

	(void)state;
	NEEDS_KVM
	emit_in_al(&c, PORT_COM1 + 5);
	emit_jump(&c, 0);
	init_run(&r, &c);
	r.driver = drive_status;
	run(&r);
	assert_int_equal(r.event, POWER_KILLED);
	assert_non_null(strstr(r.detail, "control socket"));
}

/* A kernel that is none is told at set-up, with the whole chain. */
static void test_bad_kernel(void **state)
{
	struct err err = {0};
	struct code c = {0};
	struct run r;

	(void)state;
	NEEDS_KVM
	emit_spin(&c);
	init_run(&r, &c);
	assert_int_equal(ftruncate(r.config.kernel.fd, 2), 0);
	assert_null(session_new(&r.config, kvm, &err));
	assert_int_equal(err.kind, ERR_VM);
	assert_non_null(strstr(err.msg, "kernel"));
	close_run(&r);
}

static int no_new_thread(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAGAIN), SCMP_SYS(clone), 0);
	seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAGAIN), SCMP_SYS(clone3), 0);
	return seccomp_load(filter);
}

/* Whoever has a session, and says so, has the vCPUs' threads. */
static void test_no_thread_for_a_vcpu(void **state)
{
	struct code c = {0};
	struct run r;
	int status;
	pid_t pid;

	(void)state;
	NEEDS_KVM
	emit_spin(&c);
	init_run(&r, &c);
	pid = fork();
	if (pid == 0) {
		struct err err = {0};

		_exit(no_new_thread() == 0 && !session_new(&r.config, kvm, &err) &&
				      err.kind == ERR_HOST && strstr(err.msg, "thread of vCPU 0")
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close_run(&r);
}

static int group_setup(void **state)
{
	static struct err err;

	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(control_path, sizeof(control_path), "%s/control", directory);
	kvm = kvm_open(&err);
	why_not = err.msg;
	log_setup(2, LOG_ERROR);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	unlink(control_path);
	rmdir(directory);
	auto_close_fn(&kvm);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print_and_power_off),
		cmocka_unit_test(test_collected_writes),
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_panic_is_reported),
		cmocka_unit_test(test_triple_fault),
		cmocka_unit_test(test_nobody_answers),
		cmocka_unit_test(test_oem_strings),
		cmocka_unit_test(test_restart_is_a_fresh_machine),
		cmocka_unit_test(test_a_loop_of_resets_slows_down),
		cmocka_unit_test(test_a_restart_that_fails),
		cmocka_unit_test(test_reset_from_outside),
		cmocka_unit_test(test_pause_and_resume),
		cmocka_unit_test(test_reset_of_a_paused_machine),
		cmocka_unit_test(test_power_button),
		cmocka_unit_test(test_console_clients),
		cmocka_unit_test(test_one_console_client_too_many),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_status_and_refusals),
		cmocka_unit_test(test_bad_kernel),
		cmocka_unit_test(test_no_thread_for_a_vcpu),
	};

	return cmocka_run_group_tests_name("machine", tests, group_setup, group_teardown);
}
