/* SPDX-License-Identifier: Apache-2.0
 *
 * The readiness ladder, on VMs whose VMM is a fake with a console of our choosing: what is evidence
 * for which rung, what a timeout says, what ends a wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "provision/net/rtnl.h"
#include "provision/watch.h"
#include "tests/lib/provision/fakevmm.h"
#include "tests/lib/provision/home.h"

static bool has_net;
static const struct reporter quiet = {0};
static const struct up_options options = {0};

static void make_files(struct home *h)
{
	auto_free char *image = home_file(h, "image.raw", "an image"), *kernel = NULL;
	uint8_t head[8192] = {0};
	FILE *f;

	assert_int_equal(truncate(image, 1 << 20), 0);
	head[0x1f1] = 4;
	put_le16(head + 0x1fe, 0xaa55);
	memcpy(head + 0x202, "HdrS", 4);
	put_le16(head + 0x206, 0x20f);
	put_le16(head + 0x236, 1);
	put_le32(head + 0x238, 2047);
	kernel = path_join(h->path, "kernel");
	f = fopen(kernel, "w");
	fwrite(head, 1, sizeof(head), f);
	fclose(f);
}

/* A VM whose console says `console`; `network` and `seed` as it says. */
static struct vm_name start(struct home *h, const char *name, const char *console, const char *more)
{
	auto_free char *text =
		xasprintf("version: 1\nname: %s\nimage: { path: ../image.raw, format: raw }\n"
			  "disk: 5MiB\nboot: { mode: kernel, kernel: ../kernel }\n%s",
			  name, more);
	auto_free char *file = xasprintf("%s/croft.yaml", name);
	auto_free char *path = home_file(h, file, text), *said = home_file(h, "console", console);
	struct vm_name out;
	struct err err = {0};
	bool started;
	auto_spec struct spec *spec = spec_load(path, &err);

	if (!spec)
		fail_msg("%s", err.msg);
	setenv("CROFT_TEST_CONSOLE", said, 1);
	if (vm_up(spec, &spec->vms[0], &options, &quiet, &started, &err) < 0)
		fail_msg("%s", err.msg);
	unsetenv("CROFT_TEST_CONSOLE");
	snprintf(out.project, sizeof(out.project), "%s", name);
	snprintf(out.vm, sizeof(out.vm), "%s", name);
	return out;
}

static const char kernel_line[] = "[    0.000000] Linux version 6.1.0 (x)\r\n";
static const char boot_lines[] = "[    0.000000] Linux version 6.1.0 (x)\r\nWelcome to Debian!\r\n";
static const char done_lines[] =
	"[    0.000000] Linux version 6.1.0 (x)\r\n[    1.5] systemd[1]: Hostname set to <x>.\r\n"
	"[   12.0] cloud-init[9]: Cloud-init v. 22.4.2 finished at Mon. Datasource "
	"DataSourceNoCloud.  Up 12.25 seconds\r\nx login: ";

static void names(void **state)
{
	struct err err = {0};
	enum rung r;

	(void)state;
	for (int i = 0; i < RUNGS; i++) {
		assert_int_equal(rung_parse(rung_name((enum rung)i), &r, &err), 0);
		assert_int_equal(r, i);
	}
	assert_int_equal(rung_parse("ready", &r, &err), 0);
	assert_int_equal(rung_parse("shh", &r, &err), -1);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_non_null(strstr(err.msg, "did you mean ssh?"));
}

static void all_the_way(void **state)
{
	struct vm_name n = start(*state, "ready", done_lines, "");
	struct err err = {0};
	struct vm_info info;
	struct ladder l;

	if (vm_wait(&n, RUNG_CLOUD_INIT, 20000, &quiet, &l, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(l.current, RUNG_CLOUD_INIT);
	assert_int_equal(l.rungs[RUNG_KERNEL].at_ms, 0);
	assert_int_equal(l.rungs[RUNG_USERSPACE].at_ms, 1500); /* the guest's own time stamp */
	assert_int_equal(l.rungs[RUNG_CLOUD_INIT].at_ms, 12250);
	assert_non_null(strstr(l.rungs[RUNG_CLOUD_INIT].evidence,
			       "console: cloud-init[9]: Cloud-init v. 22.4.2"));
	assert_false(l.rungs[RUNG_SSH].applies); /* it has no network */
	assert_false(l.rungs[RUNG_NETWORK].applies);
	assert_non_null(strstr(l.console_tail, "x login: "));
	ladder_done(&l);

	/* Another look, much later or in another process, says the same. */
	assert_int_equal(vm_info_get(&n, &info, &err), 0);
	assert_int_equal(info.ladder.rungs[RUNG_CLOUD_INIT].at_ms, 12250);
	vm_info_done(&info);
	vm_destroy(&n, &quiet, NULL);
}

/* Without a seed the ladder ends earlier, and "ready" is its end. */
static void without_seed(void **state)
{
	struct vm_name n = start(*state, "seedless", boot_lines, "cloud_init: none\n");
	struct err err = {0};
	struct ladder l;

	assert_int_equal(vm_wait(&n, RUNG_CLOUD_INIT, 20000, &quiet, &l, &err), 0);
	assert_int_equal(l.current, RUNG_USERSPACE);
	assert_false(l.rungs[RUNG_CLOUD_INIT].applies);
	ladder_done(&l);
	vm_destroy(&n, &quiet, NULL);
}

static void timeouts(void **state)
{
	static const struct {
		const char *console, *rung, *says;
	} cases[] = {
		{"", "'kernel' was not reached within 200ms; the last rung is 'vmm'", NULL},
		{kernel_line, "'userspace' was not reached",
		 "last line of the console: [    0.000000] Linux"},
		{"Welcome to Debian!\nYou are in emergency mode. After\n",
		 "'cloud-init' was not reached",
		 "the guest waits for a person: You are in emergency mode"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct vm_name n = start(*state, "slow", cases[i].console, "");
		struct err err = {0};
		struct vm_info info;
		struct ladder l;

		assert_int_equal(vm_wait(&n, RUNG_CLOUD_INIT, 200, &quiet, &l, &err), -1);
		assert_int_equal(err.kind, ERR_TIMEOUT);
		if (!strstr(err.msg, cases[i].rung) ||
		    (cases[i].says && !strstr(err.msg, cases[i].says)))
			fail_msg("%s", err.msg);
		assert_non_null(strstr(err.msg, "slow runs"));
		ladder_done(&l);
		assert_int_equal(vm_info_get(&n, &info, &err), 0);
		assert_int_equal(info.phase, VM_RUNS); /* kept */
		vm_info_done(&info);
		vm_destroy(&n, &quiet, NULL);
	}
}

static void the_guest_gives_up(void **state)
{
	struct vm_name n =
		start(*state, "panic", "[    1.0] Kernel panic - not syncing: no init found\n", "");
	struct err err = {0};
	struct ladder l;

	assert_int_equal(vm_wait(&n, RUNG_SSH, 20000, &quiet, &l, &err), -1);
	assert_int_equal(err.kind, ERR_VM);
	assert_non_null(strstr(err.msg, "Kernel panic - not syncing: no init found"));
	ladder_done(&l);
	vm_destroy(&n, &quiet, NULL);
}

static void the_vmm_ends(void **state)
{
	struct vm_name n = start(*state, "ends", kernel_line, "");
	struct err err = {0};
	struct vm_info info;
	struct ladder l;

	assert_int_equal(vm_info_get(&n, &info, &err), 0);
	assert_int_equal(kill((pid_t)info.pid, SIGKILL), 0);
	vm_info_done(&info);
	assert_int_equal(vm_wait(&n, RUNG_CLOUD_INIT, 20000, &quiet, &l, &err), -1);
	assert_int_equal(err.kind, ERR_VM);
	assert_non_null(
		strstr(err.msg, "ended before it was ready: croft-vmm ended without a report"));
	ladder_done(&l);
	vm_destroy(&n, &quiet, NULL);
}

/* cloud-init finished, and not well: an exit code of its own, and the VM is usable. */
static void cloud_init_fails(void **state)
{
	auto_buf struct buf text = BUF_INIT(1 << 20);
	struct err err = {0};
	struct vm_name n;
	struct ladder l;

	assert_int_equal(file_read("tests/unit/provision/data/debian-12.console", &text, &err), 0);
	n = start(*state, "failed", buf_str(&text), "");
	assert_int_equal(vm_wait(&n, RUNG_CLOUD_INIT, 20000, &quiet, &l, &err), -1);
	assert_int_equal(err.kind, ERR_CLOUD_INIT);
	assert_non_null(strstr(err.msg, "write-files"));
	assert_true(l.cloud_init_failed);
	ladder_done(&l);
	/* Waiting for less than that is fine. */
	assert_int_equal(vm_wait(&n, RUNG_USERSPACE, 20000, &quiet, &l, &err), 0);
	ladder_done(&l);
	vm_destroy(&n, &quiet, NULL);
}

static enum rung look(const struct vm_name *n)
{
	struct err err = {0};
	struct vm_info info;
	enum rung r;

	if (vm_info_get(n, &info, &err) < 0)
		fail_msg("%s", err.msg);
	r = info.ladder.current;
	vm_info_done(&info);
	return r;
}

/* The guest writes to its console: the log is all that there is of it here. */
static void say(struct home *h, const struct vm_name *n, const char *text)
{
	struct vmdir d;

	home_vmdir(h, n->project, n->vm, false, &d);
	auto_free char *path = vmdir_file(&d, "console.log");
	auto_close int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_int_equal(write_all(fd, text, strlen(text)), 0);
	vmdir_done(&d);
}

static void reset(const struct vm_name *n)
{
	struct err err = {0};
	struct vm_info info;

	assert_int_equal(vm_info_get(n, &info, &err), 0);
	assert_int_equal(vmm_client_verb(info.socket, "reset", VMM_CLIENT_MS, &err), 0);
	vm_info_done(&info);
}

/* What was seen before a reset is no evidence after it, for this look and for all later ones. */
static void a_reset_begins_anew(void **state)
{
	struct vm_name n = start(*state, "again", done_lines, "");
	struct err err = {0};
	struct watch w;

	assert_int_equal(look(&n), RUNG_CLOUD_INIT);
	assert_int_equal(watch_open(&n, &w, &err), 0);
	watch_poll(&w, 0);
	reset(&n);
	watch_poll(&w, 0); /* a watch that has read the old boot */
	assert_int_equal(w.ladder.current, RUNG_VMM);
	assert_int_equal(look(&n), RUNG_VMM); /* and one that reads from the beginning */
	say(*state, &n, "\r\n");
	say(*state, &n, boot_lines);
	watch_poll(&w, 0);
	assert_int_equal(w.ladder.current, RUNG_USERSPACE);
	watch_close(&w);
	assert_int_equal(look(&n), RUNG_USERSPACE);

	/* Nobody looked while it was reset: the kernel's line tells the boots apart. */
	reset(&n);
	say(*state, &n, done_lines);
	assert_int_equal(look(&n), RUNG_CLOUD_INIT);
	reset(&n);
	assert_int_equal(look(&n), RUNG_VMM);
	say(*state, &n, boot_lines);
	assert_int_equal(look(&n), RUNG_USERSPACE);

	/* A kernel that begins without a reset (kexec). */
	say(*state, &n, "\r\n");
	say(*state, &n, kernel_line);
	assert_int_equal(look(&n), RUNG_KERNEL);
	assert_int_equal(look(&n), RUNG_KERNEL);

	/* With `quiet` there is no kernel's line: what comes after the first look counts. */
	reset(&n);
	say(*state, &n, "Welcome to Debian!\r\n");
	assert_int_equal(look(&n), RUNG_VMM);
	say(*state, &n, "Welcome to Debian!\r\n");
	assert_int_equal(look(&n), RUNG_USERSPACE);
	vm_destroy(&n, &quiet, NULL);
}

/* The log of the start before is none of a start without a log. */
static void a_silent_start_after_a_logged_one(void **state)
{
	struct vm_name n = start(*state, "mute", done_lines, "");
	struct err err = {0};
	struct vm_info info;

	assert_int_equal(look(&n), RUNG_CLOUD_INIT);
	assert_int_equal(vm_down(&n, 10000, false, &quiet, &err), 0);
	start(*state, "mute", done_lines, "console: { log: false }\n");
	assert_int_equal(look(&n), RUNG_VMM);

	/* A VMM that hangs is still one that runs. */
	assert_int_equal(vm_info_get(&n, &info, &err), 0);
	kill((pid_t)info.pid, SIGSTOP);
	assert_int_equal(look(&n), RUNG_VMM);
	kill((pid_t)info.pid, SIGCONT);
	vm_info_done(&info);
	vm_destroy(&n, &quiet, NULL);
}

/* --- with a network --------------------------------------------------------------------------- */

static const char static_net[] =
	"networks:\n  lan: { bridge: crready, create: true, host_address: 10.99.2.1/24, address: "
	"10.99.2.5/24 }\n";

/* Whoever answers at the guest's address; here it is the host itself. */
static pid_t serve(const char *address, const char *greeting)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(22)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	pid_t pid;

	inet_pton(AF_INET, address, &sa.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 8), 0);
	pid = fork();
	if (pid == 0)
		for (;;) {
			int c = accept(fd, NULL, NULL);

			if (write(c, greeting, strlen(greeting)) < 0)
				_exit(1);
			usleep(100000);
			close(c);
		}
	close(fd);
	return pid;
}

static void the_network_says(void **state)
{
	struct err err = {0};
	struct link_info lo;
	struct vm_name n;
	struct ladder l;
	struct rtnl *r;
	pid_t server;

	if (!has_net)
		skip();
	n = start(*state, "net", boot_lines, static_net);
	assert_int_equal(vm_wait(&n, RUNG_NETWORK, 1500, &quiet, &l, &err), -1);
	assert_int_equal(err.kind, ERR_TIMEOUT);
	if (!strstr(err.msg, "the guest has sent no packet yet (tap net-"))
		fail_msg("%s", err.msg);
	ladder_done(&l);

	r = rtnl_open(NULL);
	assert_int_equal(rtnl_link_get(r, "lo", &lo, &err), 1);
	assert_int_equal(rtnl_addr_add(r, lo.index, "10.99.2.5/32", &err), 0);
	rtnl_close(r);
	/* Nobody listens: the refusal is an answer. */
	assert_int_equal(vm_wait(&n, RUNG_NETWORK, 20000, &quiet, &l, &err), 0);
	assert_string_equal(l.rungs[RUNG_NETWORK].evidence, "10.99.2.5 answered");
	ladder_done(&l);
	assert_int_equal(vm_wait(&n, RUNG_SSH, 1500, &quiet, &l, &err), -1);
	assert_non_null(strstr(err.msg, "no SSH server listens there yet"));
	ladder_done(&l);

	server = serve("10.99.2.5", "220 not ssh\r\n");
	assert_int_equal(vm_wait(&n, RUNG_SSH, 1500, &quiet, &l, &err), -1);
	ladder_done(&l);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);

	server = serve("10.99.2.5", "SSH-2.0-OpenSSH_9.2p1\r\n");
	assert_int_equal(vm_wait(&n, RUNG_SSH, 20000, &quiet, &l, &err), 0);
	assert_string_equal(l.rungs[RUNG_SSH].evidence, "10.99.2.5:22: SSH-2.0-OpenSSH_9.2p1");
	ladder_done(&l);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	vm_destroy(&n, &quiet, NULL);
}

/* An ssh that hangs costs no more than the time limit, and what is missing is called by its
 * name. */
static void ssh_hangs(void **state)
{
	struct home *h = *state;
	auto_free char *bin = path_join(h->path, "bin"), *was = xstrdup(getenv("PATH"));
	auto_free char *path = xasprintf("%s:%s", bin, was);
	auto_free char *ssh = home_file(h, "bin/ssh", "#!/bin/sh\nexec sleep 3600\n");
	struct err err = {0};
	struct link_info lo;
	struct vm_name n;
	struct ladder l;
	struct rtnl *r;
	pid_t server;

	if (!has_net)
		skip();
	assert_int_equal(chmod(ssh, 0700), 0);
	r = rtnl_open(NULL);
	assert_int_equal(rtnl_link_get(r, "lo", &lo, &err), 1);
	rtnl_addr_add(r, lo.index, "10.99.2.5/32", NULL); /* may be there from the test before */
	rtnl_close(r);
	server = serve("10.99.2.5", "SSH-2.0-OpenSSH_9.2p1\r\n");
	n = start(h, "hangs", done_lines, static_net);
	setenv("PATH", path, 1);
	assert_int_equal(vm_wait(&n, RUNG_CLOUD_INIT, 3000, &quiet, &l, &err), -1);
	setenv("PATH", was, 1);
	assert_int_equal(err.kind, ERR_TIMEOUT);
	if (!strstr(err.msg, "cloud-init finished, but its result could not be asked over ssh"))
		fail_msg("%s", err.msg);
	ladder_done(&l);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	vm_destroy(&n, &quiet, NULL);
}

/* With DHCP the guest's own words tell the address: by the MAC that is ours, not by any other. */
static void address_from_the_console(void **state)
{
	struct err err = {0};
	struct vm_info info;
	struct vm_name n;

	if (!has_net)
		skip();
	n = start(
		*state, "dhcp",
		"ci-info: | eth1 | True | 10.1.1.1 | 255.255.255.0 | global | 52:54:00:00:00:99 |\n"
		"ci-info: | eth0 | True | fe80::1/64 | . | link | 52:54:00:00:00:01 |\n"
		"ci-info: | eth0 | True | 10.99.3.7 | 255.255.255.0 | global | 52:54:00:00:00:01 "
		"|\n",
		"networks:\n  lan: { bridge: crdhcp, create: true, mac: \"52:54:00:00:00:01\" }\n");
	assert_int_equal(vm_info_get(&n, &info, &err), 0);
	assert_non_null(info.address);
	assert_string_equal(info.address, "10.99.3.7");
	vm_info_done(&info);
	vm_destroy(&n, &quiet, NULL);
}

static int setup(void **state)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n] = '\0';
	if (home_setup(state) < 0 || setenv("CROFT_VMM", self, 1) < 0)
		return -1;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	make_files(*state);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(all_the_way),
		cmocka_unit_test(without_seed),
		cmocka_unit_test(timeouts),
		cmocka_unit_test(the_guest_gives_up),
		cmocka_unit_test(the_vmm_ends),
		cmocka_unit_test(cloud_init_fails),
		cmocka_unit_test(a_reset_begins_anew),
		cmocka_unit_test(a_silent_start_after_a_logged_one),
		cmocka_unit_test(the_network_says),
		cmocka_unit_test(ssh_hangs),
		cmocka_unit_test(address_from_the_console),
	};

	if (fakevmm_wanted(argc, argv))
		return fakevmm_main(argv[2]);
	has_net = own_network() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0;
	return cmocka_run_group_tests(tests, setup, home_teardown);
}
