/* SPDX-License-Identifier: Apache-2.0
 *
 * The pieces that downloads are made of, each by itself: what a server's range says, what a URL
 * says, which mirror is next, what is kept of a download, files that are followed and files with
 * holes. tests/store has the whole of it against real servers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/sparse.h"
#include "base/util.h"
#include "images/store/fetch/fetch.h"
#include "images/store/fetch/mirrors.h"
#include "images/store/fetch/part.h"
#include "images/store/fetch/tail.h"
#include "images/store/fetch/url.h"

static void test_content_range(void **state)
{
	static const char *const bad[] = {
		"",
		"bytes",
		"bytes ",
		"bytes 1",
		"bytes 1-",
		"bytes 1-2",
		"bytes 1-2/",
		"bytes 1-2/x",
		"bytes -2/3",
		"bytes 2-1/3",
		"bytes 1-2/2",
		"bytes 1-2/3 ",
		"bytes 1-2/**",
		"bytes */3",
		"items 1-2/3",
		"bytes  1-2/3",
		"bytes 1-18446744073709551616/*",
		"bytes 0-0/18446744073709551616",
		"bytes 1-2/3, 4-5/6",
	};
	uint64_t first, last, total;

	(void)state;
	assert_true(http_content_range("bytes 5-9/100", &first, &last, &total));
	assert_int_equal(first, 5);
	assert_int_equal(last, 9);
	assert_int_equal(total, 100);
	assert_true(http_content_range("Bytes 0-0/*", &first, &last, &total));
	assert_int_equal(total, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (http_content_range(bad[i], &first, &last, &total))
			fail_msg("'%s'", bad[i]);
}

static void shown_as(const char *url, const char *expected)
{
	auto_free char *shown = url_shown(url);

	assert_string_equal(shown, expected);
}

static void path_is(const char *url, const char *expected)
{
	struct err err = {0};
	auto_free char *path = url_path(url, &err);

	if (expected)
		assert_string_equal(path, expected);
	else
		assert_null(path);
}

static void test_urls(void **state)
{
	(void)state;
	shown_as("https://host/x?y", "https://host/x?y");
	shown_as("https://user:pass@host:1/x@y", "https://host:1/x@y");
	shown_as("https://a@b@host/", "https://host/");
	shown_as("http://host/\x1b[31m", "http://host/?[31m");
	shown_as("no url@all", "all");
	path_is("file:///a/b%20c%zz", "/a/b c%zz");
	path_is("file://localhost/a", "/a");
	path_is("file://elsewhere/a", NULL);
	assert_true(url_is_https("HTTPS://x"));
	assert_false(url_is_http("ftp://x"));
	assert_false(url_is_http("httpx://x"));
}

/* --- mirrors
 * ------------------------------------------------------------------------------------------- */

/* What happens at each try, by the letter of the URL that is expected then. */
struct play {
	const struct act {
		char url;
		enum http_end end;
		uint64_t offset;
		unsigned retry_after_s;
	} * act;
	uint64_t offset;
};

static enum http_end play_attempt(void *ctx, const char *url, struct http_answer *answer,
				  struct err *err)
{
	struct play *p = ctx;
	const struct act *a = p->act++;

	if (url[0] != a->url)
		fail_msg("'%s' is asked and not '%c'", url, a->url ? a->url : '-');
	p->offset = a->offset;
	*answer = (struct http_answer){.retry_after_s = a->retry_after_s};
	if (a->end != HTTP_DONE)
		err_set(err, a->end == HTTP_STOP ? ERR_VERIFY : ERR_DOWNLOAD, "reason %c", a->url);
	return a->end;
}

static uint64_t play_offset(void *ctx)
{
	return ((struct play *)ctx)->offset;
}

/* All acts are played, and the end is: NULL that it works, or this message. */
static void plays(const char *const *urls, const struct act *acts, const char *says)
{
	struct play p = {.act = acts};
	struct mirrors m = {.urls = urls,
			    .backoff_ms = 1,
			    .attempt = play_attempt,
			    .offset = play_offset,
			    .ctx = &p};
	struct http_answer answer;
	struct err err = {0};
	int rc = mirrors_try(&m, &answer, &err);

	assert_int_equal(p.act->url, 0);
	assert_int_equal(rc, says ? -1 : 0);
	if (says)
		assert_string_equal(err.msg, says);
	p = (struct play){.act = acts}; /* and nobody has to listen */
	assert_int_equal(mirrors_try(&m, &answer, NULL), rc);
}

static void test_mirrors(void **state)
{
	static const char *const one[] = {"a", NULL}, *const three[] = {"a", "b", "c", NULL},
				 *const none[] = {NULL};
	const uint64_t k = 100000;
	struct err err = {0};

	(void)state;
	plays(one, (struct act[]){{'a', HTTP_DONE, k, 0}, {0}}, NULL);
	plays(three,
	      (struct act[]){
		      {'a', HTTP_DEAD, 0, 0}, {'b', HTTP_RETRY, 0, 0}, {'c', HTTP_DONE, k, 0}, {0}},
	      NULL);
	/* Progress stays with its mirror; none goes on to the next, and comes round. */
	plays(three,
	      (struct act[]){{'a', HTTP_RETRY, k, 0},
			     {'a', HTTP_RETRY, 2 * k, 0},
			     {'a', HTTP_RETRY, 2 * k + 1, 0},
			     {'b', HTTP_DEAD, 2 * k, 0},
			     {'c', HTTP_RETRY, 2 * k, 0},
			     {'a', HTTP_RETRY, 2 * k, 0},
			     {'c', HTTP_DONE, 3 * k, 0},
			     {0}},
	      NULL);
	/* Starting over again and again is no progress. */
	plays(one,
	      (struct act[]){{'a', HTTP_RETRY, k, 0},
			     {'a', HTTP_AGAIN, 0, 0},
			     {'a', HTTP_RETRY, k, 0},
			     {'a', HTTP_RETRY, 1, 0},
			     {'a', HTTP_RETRY, k, 0},
			     {0}},
	      "a at byte 100000: reason a");
	/* What is final is. */
	plays(three, (struct act[]){{'a', HTTP_STOP, k, 0}, {0}}, "a at byte 100000: reason a");
	plays(three,
	      (struct act[]){
		      {'a', HTTP_DEAD, 0, 0}, {'b', HTTP_DEAD, 0, 0}, {'c', HTTP_DEAD, 0, 0}, {0}},
	      "c at byte 0: reason c (the last of 3 mirrors)");
	plays(one, (struct act[]){{'a', HTTP_RETRY, 0, 61}, {0}},
	      "a at byte 0: reason a (it asks to come back in 61 s)");
	/* A stall that came after bytes is a cut; one before any is the end of that mirror. */
	plays(one, (struct act[]){{'a', HTTP_DEAD, k, 0}, {'a', HTTP_DEAD, k, 0}, {0}},
	      "a at byte 100000: reason a");
	assert_int_equal(mirrors_try(&(struct mirrors){.urls = none,
						       .offset = play_offset,
						       .ctx = &(struct play){0}},
				     &(struct http_answer){0}, &err),
			 -1);
}

/* --- what is kept
 * ---------------------------------------------------------------------------------------- */

static void put_file(const char *path, const char *text)
{
	assert_int_equal(file_put(path, text, strlen(text), 0600, NULL), 0);
}

static uint64_t kept(const char *path, const char *digest)
{
	struct part p;
	uint64_t bytes;

	assert_int_equal(part_open(&p, path, digest, NULL), 0);
	bytes = p.bytes;
	part_close(&p);
	return bytes;
}

static void test_part(void **state)
{
	static const struct part_origin origin = {
		.url = "http://x/", .etag = "\"e\"", .total = 300000};
	char template[] = "/tmp/croft-part-XXXXXX";
	auto_free char *dir = xstrdup(mkdtemp(template)), *path = path_join(dir, "p.part");
	auto_free char *record = path_join(dir, "p.part.json"), *data = xzalloc(300000);
	uint64_t written;
	struct part p;

	(void)state;
	assert_int_equal(part_open(&p, path, "sha256:1", NULL), 0);
	assert_int_equal(p.bytes, 0);
	assert_int_equal(part_begin(&p, &origin, NULL), 0);
	assert_int_equal(part_append(&p, data, 100, &written, NULL), 0);
	assert_int_equal(written, 0); /* it lags behind */
	assert_int_equal(part_append(&p, data, 280000, &written, NULL), 0);
	assert_int_equal(written, 256 * KIB);
	assert_int_equal(p.bytes, 280100);
	written = 0;
	assert_int_equal(part_flush(&p, &written, NULL), 0);
	assert_int_equal(written, 280100 - 256 * KIB);
	part_close(&p);

	assert_int_equal(part_open(&p, path, "sha256:1", NULL), 0);
	assert_int_equal(p.bytes, 280100);
	assert_string_equal(p.origin.etag, "\"e\"");
	assert_int_equal(p.origin.total, 300000);
	part_close(&p);
	assert_int_equal(kept(path, "sha256:2"), 0); /* of something else */
	assert_int_equal(kept(path, "sha256:1"), 0); /* and now gone */

	/* Longer than its whole; without a record; a record that would put lines into a request. */
	put_file(path, "123456789");
	put_file(record,
		 "{\"version\": 1, \"url\": \"u\", \"etag\": \"\\\"e\\\"\", \"last_modified\": "
		 "\"\", "
		 "\"redirected\": false, \"size\": 9, \"digest\": \"sha256:1\", \"boot\": \"\"}");
	assert_int_equal(kept(path, "sha256:1"), 9);
	put_file(path, "1234567890");
	assert_int_equal(kept(path, "sha256:1"), 0);
	put_file(path, "12345");
	put_file(record,
		 "{\"version\": 1, \"url\": \"u\", \"etag\": \"\\\"e\\r\\nX: y\\\"\", "
		 "\"last_modified\": \"\", "
		 "\"redirected\": false, \"size\": 9, \"digest\": \"sha256:1\", \"boot\": \"\"}");
	assert_int_equal(kept(path, "sha256:1"), 0);
	put_file(path, "12345");
	unlink(record);
	assert_int_equal(kept(path, "sha256:1"), 0);

	/* Nothing else is opened for a file. */
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(part_open(&p, path, NULL, NULL), -1);
	dir_remove(dir, NULL);
}

/* --- files
 * ------------------------------------------------------------------------------------------------
 */

struct follower {
	struct tail tail;
	uint64_t got;
	int sys;
};

static void *follow(void *arg)
{
	struct follower *f = arg;
	char block[1000];
	ssize_t n;

	while ((n = tail_read(&f->tail, block, sizeof(block))) > 0)
		for (ssize_t i = 0; i < n; i++)
			f->got += block[i] ==
				  (char)('a' + (f->tail.off - (uint64_t)n + (uint64_t)i) % 26);
	f->sys = n < 0 ? errno : 0;
	return NULL;
}

static void test_tail(void **state)
{
	auto_close int fd = memfd_create("tail", MFD_CLOEXEC);
	char text[26 * 100];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	for (int stop = 0; stop < 2; stop++) {
		struct follower f = {.got = 0};
		pthread_t thread;

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(tail_open(&f.tail, fd), 0);
		assert_int_equal(pthread_create(&thread, NULL, follow, &f), 0);
		for (uint64_t i = 0; i < 50; i++) {
			assert_int_equal(pwrite_all(fd, text, sizeof(text), i * sizeof(text)), 0);
			tail_add(&f.tail, sizeof(text));
		}
		if (stop)
			tail_stop(&f.tail);
		else
			tail_end(&f.tail);
		pthread_join(thread, NULL);
		assert_int_equal(f.sys, stop ? ECANCELED : 0);
		if (!stop)
			assert_int_equal(f.got, 50 * sizeof(text));
		assert_int_equal(tail_done(&f.tail), f.got);
		tail_close(&f.tail);
		tail_close(&f.tail); /* harmless */
	}
}

/* A file that was shortened under its reader. */
static void test_tail_of_less(void **state)
{
	auto_close int fd = memfd_create("tail", MFD_CLOEXEC);
	struct tail t;
	char block[10];

	(void)state;
	assert_int_equal(tail_open(&t, fd), 0);
	tail_add(&t, 5);
	assert_int_equal(tail_read(&t, block, sizeof(block)), -1);
	assert_int_equal(errno, EIO);
	tail_close(&t);
}

static void test_sparse(void **state)
{
	enum { SIZE = 1 << 20 };
	auto_close int fd = memfd_create("sparse", MFD_CLOEXEC),
		       fine = memfd_create("fine", MFD_CLOEXEC);
	auto_free char *data = xzalloc(SIZE), *back = xzalloc(SIZE);
	struct sparse s = {.fd = fd};
	struct stat st;

	(void)state;
	for (size_t i = 300000; i < 310000; i++)
		data[i] = 'x';
	for (size_t off = 0; off < SIZE; off += 10007) /* across the granules */
		assert_int_equal(sparse_put(&s, off, data + off, min_u64(10007, SIZE - off)), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size < 400000 && st.st_blocks * 512 <= 64 << 10);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(pread_all(fd, back, SIZE, 0, NULL), 0);
	assert_memory_equal(back, data, SIZE);
	/* A smaller granule loses less at the edges: what is there touches three pages. */
	assert_int_equal(sparse_put(&(struct sparse){.fd = fine, .granule = 4096}, 0, data, SIZE),
			 0);
	assert_int_equal(fstat(fine, &st), 0);
	assert_int_equal(st.st_blocks * 512, 3 * 4096);
	/* Zeroes over what is there are written. */
	memset(data, 0, SIZE);
	assert_int_equal(sparse_put(&s, 0, data, SIZE), 0);
	assert_int_equal(pread_all(fd, back, SIZE, 0, NULL), 0);
	assert_memory_equal(back, data, SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content_range), cmocka_unit_test(test_urls),
		cmocka_unit_test(test_mirrors),	      cmocka_unit_test(test_part),
		cmocka_unit_test(test_tail),	      cmocka_unit_test(test_tail_of_less),
		cmocka_unit_test(test_sparse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
