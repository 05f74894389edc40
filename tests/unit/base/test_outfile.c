/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths that the user chose: what is a file is replaced, what is not stays what it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/outfile.h"
#include "base/util.h"

static char dir[] = "/tmp/croft-outfile-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	umask(022);
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	(void)state;
	return dir_remove(dir, NULL);
}

static int put(const char *path, const char *text, struct err *err)
{
	struct outfile out;
	int rc;

	*err = (struct err){0};
	if (outfile_open(&out, path, 0666, err) < 0)
		return -1;
	assert_int_equal(write_all(out.fd, text, strlen(text)), 0);
	rc = outfile_commit(&out, err);
	outfile_done(&out);
	return rc;
}

static void assert_text(const char *path, const char *text)
{
	auto_buf struct buf got = BUF_INIT(100);

	assert_int_equal(file_read(path, &got, NULL), 0);
	assert_string_equal(buf_str(&got), text);
}

static size_t entries(void)
{
	auto_closedir DIR *d = opendir(dir);
	size_t n = 0;

	while (readdir(d))
		n++;
	return n - 2;
}

static void files_are_replaced_whole(void **state)
{
	auto_free char *path = path_join(dir, "file");
	struct outfile out;
	struct stat st;
	struct err err;

	(void)state;
	assert_int_equal(put(path, "one", &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(outfile_open(&out, path, 0600, &err), 0);
	assert_int_equal(write_all(out.fd, "half", 4), 0);
	outfile_done(&out);
	assert_text(path, "one");
	assert_int_equal(put(path, "two", &err), 0);
	assert_text(path, "two");
	assert_int_equal(entries(), 1);
	unlink(path);
}

static void links_stay_links(void **state)
{
	auto_free char *target = path_join(dir, "target"), *link = path_join(dir, "link");
	struct stat st;
	struct err err;

	(void)state;
	assert_int_equal(symlink("target", link), 0);
	assert_int_equal(put(link, "made", &err), 0);
	assert_text(target, "made");
	assert_int_equal(put(link, "replaced", &err), 0);
	assert_text(target, "replaced");
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	unlink(link);
	unlink(target);
}

static void what_is_no_file_is_written_to(void **state)
{
	auto_free char *fifo = path_join(dir, "fifo");
	auto_close int reader = -1;
	char got[8] = "";
	struct stat st;
	struct err err;

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	reader = open(fifo, O_RDONLY | O_NONBLOCK);
	assert_int_equal(put(fifo, "through", &err), 0);
	assert_int_equal(read(reader, got, sizeof(got)), 7);
	assert_string_equal(got, "through");
	assert_int_equal(lstat(fifo, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	unlink(fifo);

	/* A link, so that what this would break is not the machine's. */
	assert_int_equal(symlink("/dev/null", fifo), 0);
	assert_int_equal(put(fifo, "away", &err), 0);
	assert_int_equal(stat(fifo, &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	unlink(fifo);
}

static void what_cannot_be_written_is_said(void **state)
{
	auto_free char *missing = path_join(dir, "no/such/file");
	const char *paths[] = {missing, dir, ".", ""};
	size_t before = entries();
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		assert_int_equal(put(paths[i], "x", &err), -1);
		assert_int_equal(err.kind, ERR_FAILED);
		if (!strstr(err.msg, paths[i]))
			fail_msg("%s", err.msg);
	}
	assert_int_equal(entries(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_replaced_whole),
		cmocka_unit_test(links_stay_links),
		cmocka_unit_test(what_is_no_file_is_written_to),
		cmocka_unit_test(what_cannot_be_written_is_said),
	};
	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
