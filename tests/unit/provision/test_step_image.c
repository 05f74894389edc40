/* SPDX-License-Identifier: Apache-2.0
 *
 * How `up` gets its image when croft.lock says which: without a request when it is in the cache, by
 * the addresses of the lock when not, and a VM keeps what it was made from. The addresses are of a
 * port that nobody listens on, so that a request that should not be made is seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "images/store/store.h"
#include "provision/lock.h"
#include "tests/lib/provision/home.h"

#define NOWHERE "https://127.0.0.1:1/image-20260101.img"
#define OTHER	"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char digest[DIGEST_TEXT]; /* of the image that is in the cache */

/* An image that came some day from somewhere, by its path here. */
static void cache_image_of(struct home *h, const char *content)
{
	auto_free char *path = home_file(h, "image.raw", content);
	const struct image_want want = {.path = path, .has_format = true, .format = BLK_RAW};
	struct image_have have = {0};
	struct err err = {0};
	struct croft_dirs dirs;
	struct store *store;

	assert_int_equal(truncate(path, 1 << 20), 0);
	assert_int_equal(croft_dirs_get(&dirs, &err), 0);
	store = store_open(dirs.cache, &err);
	assert_non_null(store);
	if (store_get(store, &want, NULL, &have, &err) < 0)
		fail_msg("%s", err.msg);
	snprintf(digest, sizeof(digest), "%s", have.digest);
	image_have_done(&have);
	store_close(store);
	croft_dirs_done(&dirs);
}

static void cache_image(struct home *h)
{
	cache_image_of(h, "an image");
}

static void lock(const struct spec *spec, const char *to)
{
	struct image_source s = {.trust = TRUST_CHECKSUM, .dated = true, .user = (char *)"admin"};
	struct err err = {0};

	s.urls[0] = (char *)NOWHERE;
	snprintf(s.digest, sizeof(s.digest), "%s", to);
	if (lock_put(spec->path, "acme:7", catalog_host_arch(), &s, &err) < 0)
		fail_msg("%s", err.msg);
}

static struct spec *spec_of(struct home *h, const char *name, const char *image)
{
	auto_free char *text =
		xasprintf("version: 1\nname: %s\nimage: %s\npassword: secret\n", name, image);
	auto_free char *file = xasprintf("%s/croft.yaml", name);
	auto_free char *path = home_file(h, file, text);
	struct err err = {0};
	struct spec *spec = spec_load(path, &err);

	if (!spec)
		fail_msg("%s", err.msg);
	return spec;
}

/* check and, if it asks for that, apply: as plan_check and plan_apply do. */
static int step(struct run *run, const struct spec *spec, enum step_state *was, struct err *err)
{
	void *arg = xzalloc(step_image.arg_size);
	int rc;

	run->spec = spec;
	run->vm = &spec->vms[0];
	rc = step_image.check(run, arg, was, err);
	if (rc == 0 && *was != STEP_DONE)
		rc = step_image.apply(run, arg, *was, err);
	step_image.done(arg);
	free(arg);
	return rc;
}

static void locked_and_cached(void **state)
{
	auto_spec struct spec *spec = spec_of(*state, "cached", "acme:7");
	enum step_state was;
	struct err err = {0};
	struct run run;

	cache_image(*state);
	lock(spec, digest);
	home_run(*state, "cached", "cached", &run);
	if (step(&run, spec, &was, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(was, STEP_DONE);
	assert_string_equal(run.state.image_digest, digest);
	assert_string_equal(run.state.image_trust, "digest");
	assert_string_equal(run.state.image_source, "acme:7");
	home_run_done(&run);
}

static void locked_and_not_cached(void **state)
{
	auto_spec struct spec *spec = spec_of(*state, "away", "acme:7");
	enum step_state was;
	struct err err = {0};
	struct run run;

	lock(spec, OTHER);
	home_run(*state, "away", "away", &run);
	assert_int_equal(step(&run, spec, &was, &err), -1);
	assert_int_equal(was, STEP_CREATE);
	assert_int_equal(err.kind, ERR_DOWNLOAD);
	assert_non_null(strstr(err.msg, NOWHERE));
	assert_non_null(strstr(err.msg, "croft lock --update"));
	home_run_done(&run);
}

/* The lock was renewed after the VM was made: its disk stands on the old image. */
static void a_vm_keeps_its_image(void **state)
{
	auto_spec struct spec *spec = spec_of(*state, "kept", "acme:7");
	enum step_state was;
	struct err err = {0};
	struct run run;

	cache_image(*state);
	lock(spec, OTHER);
	home_run(*state, "kept", "kept", &run);
	run.state.disk_size = 1 << 20;
	run.state.image_source = xstrdup("acme:7");
	snprintf(run.state.image_digest, sizeof(run.state.image_digest), "%s", digest);
	if (step(&run, spec, &was, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(was, STEP_DONE);
	assert_string_equal(run.state.image_digest, digest);
	home_run_done(&run);
}

/* verify: was raised: what the VM was made from is not enough any more, until a digest says so. */
static void more_is_asked(void **state)
{
	auto_free char *image = NULL;
	auto_spec struct spec *spec =
		spec_of(*state, "more", "{ name: \"acme:7\", verify: digest }");
	auto_spec struct spec *digested = NULL;
	enum step_state was;
	struct err err = {0};
	struct run run;

	/* Of the other one its digest was proven by now. */
	cache_image_of(*state, "an image that nobody has proven anything of");
	lock(spec, OTHER);
	home_run(*state, "more", "more", &run);
	run.state.disk_size = 1 << 20;
	run.state.image_source = xstrdup("acme:7");
	snprintf(run.state.image_digest, sizeof(run.state.image_digest), "%s", digest);
	snprintf(run.state.image_trust, sizeof(run.state.image_trust), "checksum");
	assert_int_equal(step(&run, spec, &was, &err), -1);
	assert_int_equal(err.kind, ERR_VERIFY);
	assert_non_null(strstr(err.msg, "made from an image that is 'checksum'"));

	image = xasprintf("{ name: \"acme:7\", verify: digest, digest: \"%s\" }", digest);
	digested = spec_of(*state, "more", image);
	err = (struct err){0};
	if (step(&run, digested, &was, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(run.state.image_trust, "digest");
	home_run_done(&run);
}

/* A digest in the spec that the lock does not know: the spec is newer. */
static void the_spec_is_newer(void **state)
{
	auto_free char *image = NULL;
	auto_spec struct spec *spec = NULL;
	enum step_state was;
	struct err err = {0};
	struct run run;
	struct lockfile f;

	cache_image(*state);
	image = xasprintf("{ url: \"%s\", digest: \"%s\" }", NOWHERE, digest);
	spec = spec_of(*state, "newer", image);
	home_run(*state, "newer", "newer", &run);
	if (step(&run, spec, &was, &err) < 0)
		fail_msg("%s", err.msg);
	/* Nothing had to be asked, and the lock knows it now. */
	assert_int_equal(was, STEP_CREATE);
	assert_int_equal(lock_load(spec->path, &f, &err), 0);
	assert_string_equal(lock_find(&f, NOWHERE, catalog_host_arch())->source.digest, digest);
	lock_done(&f);
	assert_int_equal(step(&run, spec, &was, &err), 0);
	assert_int_equal(was, STEP_DONE);
	home_run_done(&run);
}

static void damaged_lock(void **state)
{
	auto_spec struct spec *spec = spec_of(*state, "damaged", "acme:7");
	auto_free char *path = home_file(*state, "damaged/croft.lock", "version: 1\nimages: []\n");
	enum step_state was;
	struct err err = {0};
	struct run run;

	home_run(*state, "damaged", "damaged", &run);
	assert_int_equal(step(&run, spec, &was, &err), -1);
	assert_int_equal(err.kind, ERR_SPEC);
	assert_non_null(strstr(err.msg, path));
	home_run_done(&run);
}

/* What `croft plan` can say of an image that is not here. */
static void told_ahead(void **state)
{
	static const struct {
		const char *image, *text;
	} cases[] = {
		{"debian:13", "debian:13 (to be looked up, checksum at best)"},
		{"fedora:43", "fedora:43 (to be looked up, signed at best)"},
		{"{ url: \"" NOWHERE "\", digest: \"" OTHER "\" }", " (to be fetched, digest)"},
		{"acme:7", "acme:7 (to be fetched, digest: " OTHER ", as croft.lock says)"},
	};
	static const struct {
		const char *image, *message;
		enum err_kind kind;
	} refused[] = {
		{"{ url: \"" NOWHERE "\" }", "has no digest", ERR_VERIFY},
		{"{ name: \"debian:13\", verify: signature }",
		 "the best there is for it is: checksum", ERR_VERIFY},
		{"{ url: \"" NOWHERE "\", digest: \"" OTHER "\", verify: signature }",
		 "add signature:", ERR_VERIFY},
		{"acme:8", "acme", ERR_NOT_FOUND},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		auto_spec struct spec *spec = spec_of(*state, "ahead", cases[i].image);
		void *arg = xzalloc(step_image.arg_size);
		enum step_state was;
		struct err err = {0};
		struct run run;
		char *text = NULL;
		size_t n;
		FILE *f = open_memstream(&text, &n);

		lock(spec, OTHER);
		home_run(*state, "ahead", "ahead", &run);
		run.spec = spec;
		run.vm = &spec->vms[0];
		assert_int_equal(step_image.check(&run, arg, &was, &err), 0);
		assert_int_equal(was, STEP_CREATE);
		step_image.describe(&run, arg, f);
		fclose(f);
		assert_non_null(strstr(text, cases[i].text));
		free(text);
		step_image.done(arg);
		free(arg);
		home_run_done(&run);
	}
	/* Too little is found out before anything is asked of a server. */
	for (unsigned i = 0; i < ARRAY_LEN(refused); i++) {
		auto_spec struct spec *spec = spec_of(*state, "refused", refused[i].image);
		enum step_state was;
		struct err err = {0};
		struct run run;

		home_run(*state, "refused", "refused", &run);
		assert_int_equal(step(&run, spec, &was, &err), -1);
		assert_int_equal(err.kind, refused[i].kind);
		assert_non_null(strstr(err.msg, refused[i].message));
		home_run_done(&run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locked_and_cached),	cmocka_unit_test(locked_and_not_cached),
		cmocka_unit_test(a_vm_keeps_its_image), cmocka_unit_test(the_spec_is_newer),
		cmocka_unit_test(damaged_lock),		cmocka_unit_test(more_is_asked),
		cmocka_unit_test(told_ahead),
	};

	return cmocka_run_group_tests(tests, home_setup, home_teardown);
}
