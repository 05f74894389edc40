/* SPDX-License-Identifier: Apache-2.0
 *
 * doctor on this machine, whatever it can do, and as a user who may do nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "provision/doctor.h"
#include "provision/doctor_kvm.h"

static const struct check *find(const struct doctor *d, const char *name)
{
	for (unsigned i = 0; i < d->n; i++)
		if (!strcmp(d->list[i].name, name))
			return &d->list[i];
	return NULL;
}

static void on_this_machine(void **state)
{
	enum check_status worst = CHECK_OK;
	struct doctor d;

	(void)state;
	doctor_run(&d);
	assert_true(d.n >= 8 && d.n < DOCTOR_MAX_CHECKS);
	for (unsigned i = 0; i < d.n; i++) {
		assert_ptr_equal(find(&d, d.list[i].name), &d.list[i]); /* no name twice */
		assert_true(d.list[i].text[0]);
		assert_true(strlen(d.list[i].text) < sizeof(d.list[i].text) - 1);
		/* What is wrong comes with a way out; what croft-vmm's place is, its text says. */
		if (d.list[i].status != CHECK_OK && strcmp(d.list[i].name, "croft-vmm"))
			assert_true(d.list[i].fix[0]);
		if (d.list[i].status > worst)
			worst = d.list[i].status;
	}
	assert_int_equal(d.worst, worst);
	assert_non_null(find(&d, "kvm"));
	assert_non_null(find(&d, "net-admin"));
	if (access("/dev/kvm", F_OK) < 0) {
		assert_int_equal(find(&d, "kvm")->status, CHECK_FAIL);
		assert_non_null(strstr(find(&d, "kvm")->text, "no /dev/kvm"));
	}
}

/* The payload runs to its end on any KVM that there is. */
static void payload(void **state)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct kvm_probe p;

	(void)state;
	kvm_probe(&p);
	if (fd < 0) {
		assert_int_equal(p.failed, KVM_STAGE_OPEN);
		assert_int_not_equal(p.sys, 0);
		skip();
	}
	close(fd);
	if (p.failed == KVM_STAGE_VM && p.sys == EBUSY)
		skip(); /* another hypervisor's */
	assert_int_equal(p.failed, KVM_STAGE_DONE);
	assert_true(p.instructions_per_s > 10000);
}

static void as_nobody(void **state)
{
	struct stat st;
	int status;
	pid_t pid;

	(void)state;
	if (getuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		struct doctor d;
		const struct check *c;

		setenv("CROFT_HOME", "/croft-test-nowhere", 1);
		if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(77);
		doctor_run(&d);
		c = find(&d, "net-admin");
		if (!c || c->status != CHECK_WARN || !strstr(c->fix, "setcap cap_net_admin+ep"))
			_exit(1);
		c = find(&d, "state");
		if (!c || c->status != CHECK_FAIL || !strstr(c->fix, "CROFT_HOME"))
			_exit(2);
		c = find(&d, "kvm");
		if (stat("/dev/kvm", &st) == 0 && !(st.st_mode & 06) &&
		    (c->status != CHECK_FAIL || !strstr(c->text, "permission denied") ||
		     !strstr(c->fix, "usermod") || !strstr(c->fix, "log in anew")))
			_exit(3);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_this_machine),
		cmocka_unit_test(payload),
		cmocka_unit_test(as_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
