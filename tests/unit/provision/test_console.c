/* SPDX-License-Identifier: Apache-2.0
 *
 * The console's parser on a real boot of Debian 12 (data/debian-12.console: verbose, DHCP, and one
 * cloud-init module that failed), on lines of other systems, and on what a hostile guest may print.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "provision/console.h"

static void feed(struct console *c, const char *text)
{
	console_feed(c, text, strlen(text));
}

static struct console *debian(size_t chunk, size_t upto)
{
	auto_buf struct buf text = BUF_INIT(1 << 20);
	struct console *c = NEW(struct console);

	assert_int_equal(file_read("tests/unit/provision/data/debian-12.console", &text, NULL), 0);
	if (upto > text.len)
		upto = text.len;
	for (size_t i = 0; i < upto; i += chunk)
		console_feed(c, text.data + i, min_u64(chunk, upto - i));
	return c;
}

/* Whatever the pieces it comes in, the same is seen. */
static void a_real_boot(void **state)
{
	static const size_t chunks[] = {1, 7, 4096, 1 << 20};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
		struct console *c = debian(chunks[i], SIZE_MAX);

		assert_true(c->facts[CONSOLE_KERNEL].seen);
		assert_int_equal(c->facts[CONSOLE_KERNEL].guest_ms, 0);
		assert_non_null(strstr(c->facts[CONSOLE_KERNEL].line, "Linux version 6.1.0"));
		assert_true(c->facts[CONSOLE_USERSPACE].seen);
		assert_string_equal(c->facts[CONSOLE_USERSPACE].line,
				    "Welcome to Debian GNU/Linux 12 (bookworm)!");
		assert_true(c->facts[CONSOLE_CI_DONE].seen);
		assert_int_equal(c->facts[CONSOLE_CI_DONE].guest_ms,
				 303120); /* its "Up", not the stamp */
		assert_true(c->facts[CONSOLE_CI_FAILED].seen);
		assert_non_null(strstr(c->facts[CONSOLE_CI_FAILED].line, "write-files"));
		assert_false(c->facts[CONSOLE_PANIC].seen);
		assert_false(c->facts[CONSOLE_STUCK].seen);
		assert_int_equal(c->naddresses, 3);
		assert_string_equal(c->addresses[0].address, "10.0.2.15");
		assert_string_equal(c->addresses[0].mac, "52:54:00:12:34:56");
		assert_true(c->addresses[0].global);
		assert_string_equal(c->addresses[2].address, "fe80::5054:ff:fe12:3456");
		assert_false(c->addresses[2].global);
		assert_int_equal(c->reboots, 0);
		assert_non_null(strstr(c->last, "finished at"));
		free(c);
	}
}

/* Before the end of the text, the facts come one after the other. */
static void rungs_come_in_order(void **state)
{
	bool before[CONSOLE_FACTS] = {0};

	(void)state;
	for (size_t upto = 0; upto < 21000; upto += 500) {
		struct console *c = debian(4096, upto);

		for (int f = 0; f < CONSOLE_FACTS; f++) {
			assert_true(c->facts[f].seen >= before[f]);
			before[f] = c->facts[f].seen;
		}
		assert_true(c->facts[CONSOLE_KERNEL].seen >= c->facts[CONSOLE_USERSPACE].seen);
		assert_true(c->facts[CONSOLE_USERSPACE].seen >= c->facts[CONSOLE_CI_DONE].seen);
		free(c);
	}
}

static void lines_of_other_systems(void **state)
{
	static const struct {
		const char *text;
		enum console_fact fact;
		bool seen;
	} cases[] = {
		{"Welcome to Fedora Linux 42 (Cloud Edition) dracut-105 (Initramfs)!\n",
		 CONSOLE_USERSPACE, false},
		{"Welcome to \x1b[0;34mFedora Linux 42 (Cloud Edition)\x1b[0m!\r\n",
		 CONSOLE_USERSPACE, true},
		{"[    2.1] systemd[1]: Reached target initrd-root-fs.target - Initrd Root.\n",
		 CONSOLE_USERSPACE, false},
		{"[    2.1] systemd[1]: Reached target paths.target - Path Units.\n",
		 CONSOLE_USERSPACE, true},
		{"   OpenRC 0.55.1 is starting up Linux 6.6.4-0-virt (x86_64)\n", CONSOLE_USERSPACE,
		 true},
		{"INIT: version 3.06 booting\n", CONSOLE_USERSPACE, true},
		{"\r\nUbuntu 24.04 LTS web ttyS0\r\n\r\nweb login: ", CONSOLE_LOGIN, true},
		{"\r\nUbuntu 24.04 LTS web ttyS0\r\n\r\nweb login: ", CONSOLE_USERSPACE, true},
		{"last login: yesterday\n", CONSOLE_LOGIN, false},
		{"[   23.1] Cloud-init v. 24.4-0ubuntu1 finished at Mon, 01 Jan 2026 00:00:00 "
		 "+0000. Datasource DataSourceNoCloud.  Up 23.10 seconds\n",
		 CONSOLE_CI_DONE, true},
		{"Cloud-init v. 24.4 running 'modules:final' at Mon\n", CONSOLE_CI_DONE, false},
		{"[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs\n",
		 CONSOLE_PANIC, true},
		{"user said: Kernel panic - not syncing\n", CONSOLE_PANIC, false},
		{"ALERT!  UUID=x does not exist.  Dropping to a shell!\n", CONSOLE_STUCK, true},
		{"(initramfs) ", CONSOLE_STUCK, true},
		{"You are in emergency mode. After logging in, type ...\n", CONSOLE_STUCK, true},
		{"x - cc_runcmd.py[ERROR]: boom\n", CONSOLE_CI_FAILED, true},
		{"[FAILED] Failed to start cloud-final.service - Execute cloud user/final "
		 "scripts.\n",
		 CONSOLE_CI_FAILED, true},
		{"[FAILED] Failed to start nginx.service.\n", CONSOLE_CI_FAILED, false},
		{"util.py[DEPRECATED]: Running module x failed\n", CONSOLE_CI_FAILED, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct console *c = NEW(struct console);

		feed(c, cases[i].text);
		if (c->facts[cases[i].fact].seen != cases[i].seen)
			fail_msg("%s", cases[i].text);
		free(c);
	}
}

/* A second kernel is a reboot: what came before it is no evidence for it. */
static void reboot_clears(void **state)
{
	struct console *c = debian(4096, SIZE_MAX);

	(void)state;
	feed(c, "\n[    0.000000] Linux version 6.1.0-56-cloud-amd64 (x)\n");
	assert_int_equal(c->reboots, 1);
	assert_true(c->facts[CONSOLE_KERNEL].seen);
	for (int f = CONSOLE_USERSPACE; f < CONSOLE_FACTS; f++)
		assert_false(c->facts[f].seen);
	assert_int_equal(c->naddresses, 0);
	free(c);
}

static void hostile_text(void **state)
{
	static const char *const tables[] = {
		"ci-info: | eth0 | True | $(reboot) | x | global | 52:54:00:12:34:56 |\n",
		"ci-info: | eth0 | True | . | . | . | 52:54:00:12:34:56 |\n",
		"ci-info: | eth0 | True |\n",
		"ci-info: | eth0 | False | 10.0.0.1 | x | global | 52:54:00:12:34:56 |\n",
		"ci-info: | eth0 | True | -oProxyCommand=x:1 | x | global | 52:54:00:12:34:56 |\n",
		"ci-info: |||||||||||||||||||||||||||||||\n",
	};
	struct console *c = NEW(struct console);
	auto_free char *tail = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		feed(c, tables[i]);
	assert_int_equal(c->naddresses, 0);
	for (unsigned i = 0; i < 100; i++)
		feed(c, "ci-info: | eth0 | True | 10.0.0.1 | x | global | 52:54:00:12:34:56 |\n");
	assert_int_equal(c->naddresses, CONSOLE_ADDRESSES);

	/* A line without an end, escapes that steer a terminal, bytes that are no text. */
	for (unsigned i = 0; i < 100000; i++)
		feed(c, "A");
	feed(c, "\n\x1b]0;title\x07ok\x1b[2J\x1b[31mred\x1b[0m \xff\xfe\x01\x7f end\n");
	assert_string_equal(c->last, "okred ?? end");
	feed(c, "\x1b]unterminated\nnext line\n");
	assert_string_equal(c->last, "next line");
	feed(c, "\x1bP\x1b[\x1b");
	feed(c, "[0mshown\n");

	tail = console_tail(c);
	assert_true(strlen(tail) < (CONSOLE_TAIL + 1) * CONSOLE_LINE);
	for (const char *p = tail; *p; p++)
		assert_true(*p == '\n' || (unsigned char)*p >= ' ');
	free(c);
}

static void tail_of_a_file(void **state)
{
	char path[] = "/tmp/croft-console-XXXXXX", last[64];
	auto_free char *tail = NULL, *none = NULL;
	int fd = mkstemp(path);

	(void)state;
	for (int i = 0; i < 20000; i++)
		dprintf(fd, "line %d\r\n", i);
	tail = console_file_tail(path);
	assert_true(strncmp(tail, "line 19980\n", 11) == 0);
	assert_non_null(strstr(tail, "line 19999\n"));
	console_file_last(path, last, sizeof(last));
	assert_string_equal(last, "line 19999");
	close(fd);
	unlink(path);
	none = console_file_tail(path);
	assert_null(none);
	console_file_last(path, last, sizeof(last));
	assert_string_equal(last, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_real_boot),
		cmocka_unit_test(rungs_come_in_order),
		cmocka_unit_test(lines_of_other_systems),
		cmocka_unit_test(reboot_clears),
		cmocka_unit_test(hostile_text),
		cmocka_unit_test(tail_of_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
