/* SPDX-License-Identifier: Apache-2.0
 *
 * The store against local files and a small HTTP server that misbehaves on request.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/store.h"
#include "images/store/trust/hash.h"

enum { IMAGE_BYTES = 3 << 20 };

static char *dir, *image, *cache;
static char digest[DIGEST_TEXT];
static pid_t server;
static unsigned port;

/* --- a server ---------------------------------------------------------------------------------------- */

static void answer(int fd)
{
	char request[4096] = "", head[512];
	ssize_t n = read(fd, request, sizeof(request) - 1);
	auto_free char *body = xzalloc(IMAGE_BYTES);
	size_t send_bytes = IMAGE_BYTES;
	auto_close int file = open(image, O_RDONLY);

	if (n <= 0 || pread_all(file, body, IMAGE_BYTES, 0, NULL) < 0)
		return;
	if (strstr(request, "GET /redirect")) {
		dprintf(fd, "HTTP/1.1 302 Found\r\nLocation: /image\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
		return;
	}
	if (strstr(request, "GET /loop")) {
		dprintf(fd, "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
		return;
	}
	if (strstr(request, "GET /escape")) {
		dprintf(fd, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
		return;
	}
	if (!strstr(request, "GET /image") && !strstr(request, "GET /cut") && !strstr(request, "GET /wrong")) {
		dprintf(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope");
		return;
	}
	if (strstr(request, "GET /cut"))
		send_bytes /= 2;
	if (strstr(request, "GET /wrong"))
		body[12345] ^= 1;
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n",
		 IMAGE_BYTES);
	if (write_all(fd, head, strlen(head)) == 0 && write_all(fd, body, send_bytes) == 0)
		shutdown(fd, SHUT_WR);
}

static void serve(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	port = ntohs(addr.sin_port);
	server = fork();
	if (server == 0) {
		signal(SIGPIPE, SIG_IGN);
		for (;;) {
			int c = accept(fd, NULL, NULL);

			if (c >= 0)
				answer(c);
			close(c);
		}
	}
	close(fd);
}

static int setup(void **state)
{
	char template[] = "/tmp/croft-store-XXXXXX";
	auto_free char *body = xmalloc(IMAGE_BYTES);
	struct hash *h = hash_new(HASH_SHA256, NULL);

	(void)state;
	dir = xstrdup(mkdtemp(template));
	image = path_join(dir, "image.raw");
	cache = path_join(dir, "cache");
	for (int i = 0; i < IMAGE_BYTES; i++)
		body[i] = (i / 65536) % 2 ? (char)(i * 7 >> 3) : 0; /* half of it holes */
	assert_int_equal(file_replace(image, body, IMAGE_BYTES, 0644, NULL), 0);
	hash_update(h, body, IMAGE_BYTES);
	hash_final(h, digest);
	hash_free(h);
	serve();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	dir_remove(dir, NULL);
	free(dir);
	free(image);
	free(cache);
	return 0;
}

/* --- helpers ------------------------------------------------------------------------------------------ */

static int get(const struct image_want *want, struct image_have *have, struct err *err)
{
	struct store *s = store_open(cache, err);
	int rc;

	*have = (struct image_have){0};
	*err = (struct err){0};
	assert_non_null(s);
	rc = store_get(s, want, NULL, have, err);
	store_close(s);
	return rc;
}

static int fresh_cache(void **state)
{
	(void)state;
	return dir_remove(cache, NULL);
}

static size_t count(const char *name)
{
	auto_free char *path = path_join(cache, name);
	auto_closedir DIR *d = opendir(path);
	size_t n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	return n;
}

static void assert_same_bytes(const char *a, const char *b)
{
	auto_buf struct buf x = BUF_INIT(8 << 20), y = BUF_INIT(8 << 20);

	assert_int_equal(file_read(a, &x, NULL), 0);
	assert_int_equal(file_read(b, &y, NULL), 0);
	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.data, y.data, x.len);
}

static const char *url(const char *path)
{
	static char text[256];

	snprintf(text, sizeof(text), "http://127.0.0.1:%u%s", port, path);
	return text;
}

/* --- tests -------------------------------------------------------------------------------------------- */

static void a_path_is_copied_once(void **state)
{
	struct image_have have;
	struct err err;
	struct stat st;

	(void)state;
	assert_int_equal(get(&(struct image_want){.path = image}, &have, &err), 0);
	assert_false(have.was_cached);
	assert_int_equal(have.trust, TRUST_LOCAL);
	assert_int_equal(have.virtual_size, IMAGE_BYTES);
	assert_string_equal(have.digest, digest);
	assert_same_bytes(have.path, image);
	assert_int_equal(stat(have.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0400); /* it may have been readable to its owner only */
	assert_int_equal(stat(cache, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	image_have_done(&have);

	assert_int_equal(get(&(struct image_want){.path = image}, &have, &err), 0);
	assert_true(have.was_cached);
	image_have_done(&have);
	assert_int_equal(count("tmp"), 0);

	assert_int_equal(get(&(struct image_want){.path = image, .digest = digest}, &have, &err), 0);
	assert_true(have.was_cached);
	assert_int_equal(have.trust, TRUST_DIGEST);
	image_have_done(&have);
}

static void a_changed_path_is_another_image(void **state)
{
	auto_free char *copy = path_join(dir, "copy.raw");
	auto_buf struct buf body = BUF_INIT(8 << 20);
	struct image_have first, second;
	struct err err;

	(void)state;
	assert_int_equal(file_read(image, &body, NULL), 0);
	assert_int_equal(file_replace(copy, body.data, body.len, 0644, NULL), 0);
	assert_int_equal(get(&(struct image_want){.path = copy}, &first, &err), 0);
	body.data[0] ^= 1;
	assert_int_equal(file_replace(copy, body.data, body.len, 0644, NULL), 0);
	assert_int_equal(get(&(struct image_want){.path = copy}, &second, &err), 0);
	assert_string_not_equal(first.digest, second.digest);
	assert_int_equal(access(first.path, R_OK), 0); /* what a VM stands on stays */
	image_have_done(&first);
	image_have_done(&second);
}

/* A VM's image is found by its digest, wherever the file that it came from is now. */
static void a_cached_image_does_not_need_its_source(void **state)
{
	auto_free char *gone = path_join(dir, "gone.raw"), *as_url = xasprintf("file://%s", gone);
	struct image_want wants[] = {
		{.path = gone, .digest = digest, .remembered = true},
		{.path = gone, .digest = digest},
		{.url = as_url, .digest = digest},
	};
	struct store *s;
	struct image_have have;
	struct err err;

	(void)state;
	assert_int_equal(get(&(struct image_want){.path = image}, &have, &err), 0);
	image_have_done(&have);
	s = store_open(cache, &err);
	assert_non_null(s);
	for (size_t i = 0; i < ARRAY_LEN(wants); i++) {
		assert_int_equal(store_find(s, &wants[i], NULL, &have, &err), 1);
		image_have_done(&have);
		assert_int_equal(store_get(s, &wants[i], NULL, &have, &err), 0);
		assert_true(have.was_cached);
		image_have_done(&have);
	}
	/* Its bytes are needed: without a digest to know what they were, or without the blob. */
	assert_int_equal(store_find(s, &(struct image_want){.path = gone}, NULL, &have, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(fresh_cache(state), 0);
	store_close(s);
	s = store_open(cache, &err);
	assert_int_equal(store_find(s, &wants[0], NULL, &have, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(store_get(s, &wants[0], NULL, &have, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	store_close(s);
}

static void file_urls(void **state)
{
	auto_free char *good = xasprintf("file://%s", image);
	auto_free char *encoded = xasprintf("file://%s/image%%2eraw", dir);
	struct image_have have;
	struct err err;

	(void)state;
	assert_int_equal(get(&(struct image_want){.url = good}, &have, &err), 0);
	image_have_done(&have);
	assert_int_equal(get(&(struct image_want){.url = encoded}, &have, &err), 0);
	image_have_done(&have);
	assert_int_equal(get(&(struct image_want){.url = "file://host/x"}, &have, &err), -1);
	assert_int_equal(get(&(struct image_want){.url = "ftp://host/x"}, &have, &err), -1);
	assert_int_equal(get(&(struct image_want){.path = "/no/such"}, &have, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(get(&(struct image_want){.path = dir}, &have, &err), -1);
	assert_int_equal(get(&(struct image_want){.path = "/dev/null"}, &have, &err), -1);
}

static void a_download_is_what_its_digest_says(void **state)
{
	struct image_have have;
	struct err err;

	(void)state;
	if (get(&(struct image_want){.url = url("/redirect"), .digest = digest}, &have, &err) < 0)
		fail_msg("%s", err.msg);
	assert_same_bytes(have.path, image);
	assert_int_equal(have.trust, TRUST_DIGEST);
	image_have_done(&have);
	assert_int_equal(count("tmp"), 0);

	/* Cached: neither the server nor the network is asked. */
	assert_int_equal(get(&(struct image_want){.url = "http://127.0.0.1:1/x", .digest = digest, .offline = true},
			     &have, &err),
			 0);
	assert_true(have.was_cached);
	image_have_done(&have);
}

static void nothing_wrong_enters_the_cache(void **state)
{
	static const struct {
		const char *path;
		enum err_kind kind;
		const char *says;
	} bad[] = {
		{"/wrong", ERR_VERIFY, "this is not the file that was meant"},
		{"/cut", ERR_DOWNLOAD, "at byte 1572864"},
		{"/missing", ERR_DOWNLOAD, "404"},
		{"/loop", ERR_DOWNLOAD, "redirects"},
		{"/escape", ERR_DOWNLOAD, "redirect"},
	};
	struct image_have have;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(get(&(struct image_want){.url = url(bad[i].path), .digest = digest}, &have, &err),
				 -1);
		assert_int_equal(err.kind, bad[i].kind);
		if (!strstr(err.msg, bad[i].says) || !strstr(err.msg, url(bad[i].path)))
			fail_msg("%s", err.msg);
		assert_int_equal(count("blobs/sha256"), 0);
		/* What was cut can be gone on with: the part and its sidecar. */
		if (count("tmp") != (strcmp(bad[i].path, "/cut") ? 0 : 2))
			fail_msg("%s leaves %zu files", bad[i].path, count("tmp"));
		assert_int_equal(fresh_cache(state), 0);
	}
}

static void digests_are_mandatory_over_the_network(void **state)
{
	struct image_have have;
	struct err err;

	(void)state;
	assert_int_equal(get(&(struct image_want){.url = url("/image")}, &have, &err), -1);
	assert_int_equal(err.kind, ERR_VERIFY);
	assert_non_null(strstr(err.msg, "--insecure"));
	assert_int_equal(get(&(struct image_want){.url = url("/image"), .insecure = true}, &have, &err), 0);
	assert_int_equal(have.trust, TRUST_UNVERIFIED);
	image_have_done(&have);
	assert_int_equal(get(&(struct image_want){.url = url("/x"), .digest = "sha256:0", .offline = true}, &have,
			     &err),
			 -1);
}

static void limits_and_formats(void **state)
{
	auto_free char *odd = path_join(dir, "odd.raw");
	struct image_have have;
	struct err err;

	(void)state;
	assert_int_equal(get(&(struct image_want){.path = image, .max_bytes = 1 << 20}, &have, &err), -1);
	assert_int_equal(err.kind, ERR_VERIFY);
	assert_int_equal(
		get(&(struct image_want){.path = image, .has_format = true, .format = BLK_QCOW2}, &have, &err), -1);
	assert_int_equal(err.kind, ERR_VERIFY);
	assert_int_equal(file_replace(odd, "<html>404</html>", 16, 0644, NULL), 0);
	assert_int_equal(get(&(struct image_want){.path = odd}, &have, &err), -1);
	assert_int_equal(err.kind, ERR_VERIFY);
	assert_int_equal(count("blobs/sha256"), 0);
	assert_int_equal(count("tmp"), 0);
}

static void leftovers_are_swept(void **state)
{
	/* The name that a killed croft's half-expanded image has: a hash of what it was of. */
	auto_free char *left = path_join(
		cache, "tmp/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.raw");
	struct image_have have;
	struct err err;

	(void)state;
	assert_int_equal(get(&(struct image_want){.path = image}, &have, &err), 0);
	image_have_done(&have);
	assert_int_equal(file_replace(left, "half", 4, 0600, NULL), 0);
	assert_int_equal(get(&(struct image_want){.path = image}, &have, &err), 0);
	image_have_done(&have);
	assert_int_equal(count("tmp"), 0);
}

static void a_blob_that_was_changed_is_noticed(void **state)
{
	struct image_have have;
	struct err err;

	(void)state;
	assert_int_equal(get(&(struct image_want){.path = image, .digest = digest}, &have, &err), 0);
	assert_int_equal(truncate(have.path, 512), 0);
	image_have_done(&have);
	/* Put aside, and fetched again. */
	assert_int_equal(get(&(struct image_want){.path = image, .digest = digest}, &have, &err), 0);
	assert_false(have.was_cached);
	assert_same_bytes(have.path, image);
	image_have_done(&have);
	assert_int_equal(count("blobs/sha256"), 3); /* image, record, what was damaged */
	assert_int_equal(get(&(struct image_want){.path = image, .digest = digest}, &have, &err), 0);
	assert_true(have.was_cached);
	image_have_done(&have);
}

static void many_at_once_fetch_once(void **state)
{
	pid_t pids[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct image_have have;
			struct err err;

			_exit(get(&(struct image_want){.url = url("/image"), .digest = digest}, &have, &err) ? 1
				: have.was_cached						     ? 2
														     : 3);
		}
	}
	int fetched = 0;
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		int status;

		waitpid(pids[i], &status, 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) >= 2);
		fetched += WEXITSTATUS(status) == 3;
	}
	assert_int_equal(fetched, 1);
}

static void digest_forms(void **state)
{
	enum hash_kind kind;
	const char *hex;

	(void)state;
	assert_int_equal(digest_parse(digest, &kind, &hex, NULL), 0);
	assert_int_equal(kind, HASH_SHA256);
	assert_int_equal(digest_parse("sha256:abc", &kind, &hex, NULL), -1);
	assert_int_equal(digest_parse("md5:d41d8cd98f00b204e9800998ecf8427e", &kind, &hex, NULL), -1);
	assert_int_equal(digest_parse("", &kind, &hex, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_path_is_copied_once, fresh_cache),
		cmocka_unit_test_setup(a_changed_path_is_another_image, fresh_cache),
		cmocka_unit_test_setup(a_cached_image_does_not_need_its_source, fresh_cache),
		cmocka_unit_test_setup(file_urls, fresh_cache),
		cmocka_unit_test_setup(a_download_is_what_its_digest_says, fresh_cache),
		cmocka_unit_test_setup(nothing_wrong_enters_the_cache, fresh_cache),
		cmocka_unit_test_setup(digests_are_mandatory_over_the_network, fresh_cache),
		cmocka_unit_test_setup(limits_and_formats, fresh_cache),
		cmocka_unit_test_setup(leftovers_are_swept, fresh_cache),
		cmocka_unit_test_setup(a_blob_that_was_changed_is_noticed, fresh_cache),
		cmocka_unit_test_setup(many_at_once_fetch_once, fresh_cache),
		cmocka_unit_test(digest_forms),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
