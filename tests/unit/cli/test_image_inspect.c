/* SPDX-License-Identifier: Apache-2.0
 *
 * croft image inspect: what it says of a disk without anything to boot, and what it does not read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "cli/commands.h"

static char dir[] = "/tmp/croft-inspect-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return dir_remove(dir, NULL);
}

/* What the command says of the file on stdout. */
static int inspect(const char *path, struct buf *out, struct err *err)
{
	auto_free char *said = path_join(dir, "said");
	struct cli cli = {.command = &cmd_image_inspect, .args = {path}, .nargs = 1};
	int before, fd, rc;

	fflush(stdout);
	before = dup(STDOUT_FILENO);
	fd = open(said, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(before >= 0 && fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
	rc = cmd_image_inspect.run(&cli, err);
	fflush(stdout);
	assert_true(dup2(before, STDOUT_FILENO) >= 0);
	close(before);
	close(fd);
	assert_int_equal(file_read(said, out, NULL), 0);
	return rc;
}

static void test_nothing_to_boot(void **state)
{
	auto_free char *path = path_join(dir, "empty.img");
	auto_buf struct buf out = BUF_INIT(MIB);
	struct err err = {0};

	(void)state;
	assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
	assert_int_equal(truncate(path, MIB), 0);
	assert_int_equal(inspect(path, &out, &err), 0);
	assert_non_null(strstr(buf_str(&out), "\nboot:    no boot entry found: "));
}

/* Opening a FIFO waits for a writer that never comes. */
static void test_not_a_file(void **state)
{
	auto_free char *path = path_join(dir, "fifo");
	auto_buf struct buf out = BUF_INIT(MIB);
	struct err err = {0};

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(inspect(path, &out, &err), -1);
	assert_non_null(strstr(err.msg, "/fifo: neither a regular file"));
	assert_string_equal(buf_str(&out), "");
	assert_int_equal(inspect(dir, &out, &err), -1);
	assert_int_equal(inspect("/dev/null", &out, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_boot),
		cmocka_unit_test(test_not_a_file),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
