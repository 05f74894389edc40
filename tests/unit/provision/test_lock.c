/* SPDX-License-Identifier: Apache-2.0
 *
 * croft.lock: what is written is read back and written again to the same bytes; entries are set one
 * by one, by several processes at once; damage is told with line and column; and what is a change,
 * and what an alarm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "provision/image.h"
#include "provision/lock.h"

#define A   "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B   "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define FPR "0123456789ABCDEF0123456789ABCDEF01234567"

static char dir[] = "/tmp/croft-lock-XXXXXX";
static char *spec, *path;

static struct image_source source(const char *url, const char *digest)
{
	struct image_source s = {.trust = TRUST_SIGNED, .dated = true, .size = 4096, .signer = FPR};

	s.urls[0] = (char *)url;
	s.urls[1] = (char *)"https://b.test/x";
	s.user = (char *)"debian";
	snprintf(s.digest, sizeof(s.digest), "%s", digest);
	return s;
}

static void put(const char *key, const char *arch, const char *url, const char *digest)
{
	const struct image_source s = source(url, digest);
	struct err err = {0};

	if (lock_put(spec, key, arch, &s, &err) < 0)
		fail_msg("%s", err.msg);
}

static char *contents(void)
{
	struct buf text = BUF_INIT(1 << 20);

	assert_int_equal(file_read(path, &text, NULL), 0);
	return buf_take(&text);
}

static int fresh(void **state)
{
	(void)state;
	return file_remove(path, NULL);
}

static void round_trip(void **state)
{
	struct lockfile f;
	struct err err = {0};
	const struct lock_item *i;
	auto_free char *text = NULL;
	auto_buf struct buf again = BUF_INIT(1 << 20);

	(void)state;
	assert_int_equal(lock_load(spec, &f, &err), 0); /* there is none yet */
	assert_int_equal(f.n, 0);
	assert_null(lock_find(&f, "debian:13", "x86_64"));
	lock_done(&f);

	put("ubuntu:24.04/minimal", "x86_64", "https://a.test/u", B);
	put("debian:13", "x86_64", "https://a.test/x", A);
	put("debian:13", "aarch64", "https://a.test/arm", B);
	put("https://c.test/image.qcow2", "x86_64", "https://c.test/image.qcow2", A);
	text = contents();
	assert_int_equal(lock_load(spec, &f, &err), 0);
	assert_int_equal(f.n, 4);
	i = lock_find(&f, "debian:13", "x86_64");
	assert_non_null(i);
	assert_string_equal(i->source.urls[0], "https://a.test/x");
	assert_string_equal(i->source.urls[1], "https://b.test/x");
	assert_string_equal(i->source.digest, A);
	assert_string_equal(i->source.signer, FPR);
	assert_string_equal(i->source.user, "debian");
	assert_string_equal(i->source.name, "debian:13");
	assert_int_equal(i->source.size, 4096);
	assert_int_equal(i->source.trust, TRUST_SIGNED);
	assert_true(i->source.dated);
	assert_int_equal(strlen(i->date), 20);
	assert_null(lock_find(&f, "https://c.test/image.qcow2", "x86_64")->source.name);
	assert_null(lock_find(&f, "debian:12", "x86_64"));
	lock_write(&f, &again);
	assert_string_equal(buf_str(&again), text);
	lock_done(&f);
}

/* Nothing new: not even the date is touched. */
static void no_change(void **state)
{
	auto_free char *before = NULL, *after = NULL;

	(void)state;
	before = xstrdup("version: 1\nimages:\n  debian:13:\n    x86_64:\n      urls: "
			 "[\"https://a.test/x\", "
			 "\"https://b.test/x\"]\n      digest: " A
			 "\n      trust: signed\n      signer: " FPR
			 "\n      date: 2020-01-01T00:00:00Z\n");
	assert_int_equal(file_put(path, before, strlen(before), 0644, NULL), 0);
	put("debian:13", "x86_64", "https://a.test/x", A);
	after = contents();
	assert_string_equal(after, before);
	put("debian:13", "x86_64", "https://a.test/y", B);
	free(after);
	after = contents();
	assert_null(strstr(after, "2020-01-01"));
	assert_non_null(strstr(after, B));
	assert_null(strstr(after, A));
}

/* Several croft at once, each with an image of its own: none is lost. */
static void at_once(void **state)
{
	enum { N = 12 };
	struct lockfile f;
	struct err err = {0};

	(void)state;
	for (int i = 0; i < N; i++)
		if (fork() == 0) {
			auto_free char *key = xasprintf("image:%d", i);
			const struct image_source s = source("https://a.test/x", A);

			_exit(lock_put(spec, key, "x86_64", &s, &err) < 0);
		}
	for (int i = 0; i < N; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(lock_load(spec, &f, &err), 0);
	assert_int_equal(f.n, N);
	lock_done(&f);
}

static void damaged(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"version: 2\nimages: {}\n", ":1:10: version: 1 is expected"},
		{"images: {}\n", ":1:1: version: 1 is expected"},
		{"version: 1\n", ":1:1: images: a map of names"},
		{"version: 1\nimages: [a]\n", ":2:9: images: a map of names"},
		{"version: 1\nimages:\n  a: b\n", ":3:6: a map of architectures"},
		{"version: 1\nimages:\n  a:\n    x86_64: c\n", ":4:13: what is known of an image"},
		{"version: 1\nimages:\n  a:\n    x86_64: {}\n", ":4:5: a: 'urls:' is missing"},
		{"version: 1\nimages:\n  a:\n    x86_64: { urls: [\"ftp://x\"] }\n",
		 ":4:22: urls: an address"},
		{"version: 1\nimages:\n  a:\n    x86_64: { urls: [\"https://x\"], digest: md5:aa "
		 "}\n",
		 ":4:44: digest: sha256"},
		{"version: 1\nimages:\n  a:\n    x86_64: { urls: [\"https://x\"], digest: \"" A
		 "\", trust: much }\n",
		 "trust: signed, digest"},
		{"version: 1\nimages:\n  a:\n    x86_64: { urls: [\"https://x\"], digest: \"" A
		 "\", trust: signed, size: -1 }\n",
		 "size: a number"},
		{"version: 1\nimages:\n  a:\n    x86_64: { urls: [\"https://x\"], digest: \"" A
		 "\", trust: signed, sise: 1 }\n",
		 "unknown key 'sise'"},
		{"version: 1\nimages:\n  a:\n    x86_64: { urls: [\"https://x\"], digest: \"" A
		 "\", trust: signed, user: -oProxyCommand=x }\n",
		 "user: a name"},
		{"version: 1\nimages:\n  a:\n    x86_64: { urls: [\"https://x\\e[2J\"] }\n",
		 ":4:22: urls: an address"},
		{"version: 1\nimages:\n  a: {}\n  a: {}\n", ":4:3:"},
		{"version: 1\nimages: {\n", ":3:1:"},
		{"<<<<<<< ours\nversion: 1\n", ":"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct image_source s = source("https://a.test/x", A);
		struct lockfile f;
		struct err err = {0};
		auto_free char *after = NULL;

		assert_int_equal(file_put(path, bad[i].text, strlen(bad[i].text), 0644, NULL), 0);
		assert_int_equal(lock_load(spec, &f, &err), -1);
		assert_int_equal(err.kind, ERR_SPEC);
		if (!strstr(err.msg, path) || !strstr(err.msg, bad[i].says))
			fail_msg("case %zu: %s", i, err.msg);
		/* And is not written over. */
		assert_int_equal(lock_put(spec, "debian:13", "x86_64", &s, &err), -1);
		after = contents();
		assert_string_equal(after, bad[i].text);
	}
}

static void changes(void **state)
{
	struct image_source was = source("https://a.test/x-1", A), now;

	(void)state;
	now = was;
	assert_int_equal(lock_compare(&was, &now), LOCK_SAME);
	now = source("https://a.test/x-2", B);
	assert_int_equal(lock_compare(&was, &now), LOCK_CHANGED);
	now = source("https://a.test/x-1", B);
	assert_int_equal(lock_compare(&was, &now), LOCK_ALARM);
	was.dated = false; /* an address of whatever is newest */
	assert_int_equal(lock_compare(&was, &now), LOCK_CHANGED);
	was.dated = true;
	now = source("https://a.test/x-1", "sha512:"
					   "cccccccc");
	assert_int_equal(lock_compare(&was, &now), LOCK_CHANGED); /* the two cannot be compared */
	now = source("https://a.test/x-1", A);
	now.trust = TRUST_CHECKSUM;
	assert_int_equal(lock_compare(&was, &now), LOCK_CHANGED);
	now = source("https://a.test/x-1", A);
	now.signer[0] = 'F';
	assert_int_equal(lock_compare(&was, &now), LOCK_CHANGED);
}

/* What the spec asks the store for. */
static void asking(void **state)
{
	struct spec_image i = {.name = "debian:13", .has_verify = true, .verify = TRUST_CHECKSUM};
	struct image_ask ask;
	struct err err = {0};

	(void)state;
	put("debian:13", catalog_host_arch(), "https://a.test/x", A);
	assert_int_equal(image_ask(spec, &i, &ask, &err), 0);
	assert_true(ask.lockable);
	assert_string_equal(ask.want.pinned->digest, A);
	assert_int_equal(ask.want.verify, TRUST_CHECKSUM);
	assert_non_null(strstr(ask.files[0], "/croft-catalog.yaml"));
	image_ask_done(&ask);

	i.digest = B; /* the spec is newer than the lock */
	assert_int_equal(image_ask(spec, &i, &ask, &err), 0);
	assert_null(ask.want.pinned);
	image_ask_done(&ask);

	i = (struct spec_image){.name = "debian:12"};
	assert_int_equal(image_ask(spec, &i, &ask, &err), 0);
	assert_null(ask.want.pinned);
	image_ask_done(&ask);

	i = (struct spec_image){.path = "/x"};
	assert_int_equal(image_ask(spec, &i, &ask, &err), 0);
	assert_false(ask.lockable);
	image_ask_done(&ask);
}

static int open_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	spec = path_join(dir, "croft.yaml");
	path = path_join(dir, "croft.lock");
	return 0;
}

static int close_dir(void **state)
{
	(void)state;
	free(spec);
	free(path);
	return dir_remove(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(round_trip, fresh), cmocka_unit_test_setup(no_change, fresh),
		cmocka_unit_test_setup(at_once, fresh),	   cmocka_unit_test_setup(damaged, fresh),
		cmocka_unit_test_setup(changes, fresh),	   cmocka_unit_test_setup(asking, fresh),
	};

	return cmocka_run_group_tests(tests, open_dir, close_dir);
}
