/* SPDX-License-Identifier: Apache-2.0
 *
 * Bundles: out and in again, and hostile ones.
 */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/cache/bundle.h"
#include "images/store/cache/content.h"
#include "images/store/cache/internal.h"
#include "images/store/manage.h"
#include "tests/lib/store/packed.h"

static char dir[] = "/tmp/croft-bundle-XXXXXX";
static char *cache, *image, *bundle;
static struct store *store;

static const char somebodys[] =
	"sha256:5555555555555555555555555555555555555555555555555555555555555555";
static const char zeroes[4096];
/* of them */
static char plain[DIGEST_TEXT], tree[DIGEST_TEXT];

static void learn_digests(void)
{
	auto_free char *path = path_join(dir, "zeroes");
	auto_close int fd = -1;

	assert_int_equal(file_replace(path, zeroes, sizeof(zeroes), 0600, NULL), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(content_digest(fd, HASH_SHA256, NULL, plain, NULL), 0);
	assert_int_equal(content_tree(fd, NULL, tree, NULL), 0);
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	cache = path_join(dir, "cache");
	image = path_join(dir, "image.qcow2");
	bundle = path_join(dir, "bundle.tar");
	packed_write(image, &(struct packed_image){.clusters = 64, .used = 40});
	learn_digests();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(cache);
	free(image);
	free(bundle);
	return dir_remove(dir, NULL);
}

static int begin(void **state)
{
	(void)state;
	dir_remove(cache, NULL);
	store = store_open(cache, NULL);
	return store ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	store_close(store);
	return 0;
}

static size_t blobs(void)
{
	struct image_list list;
	size_t n;

	assert_int_equal(image_list_load(store, &list, NULL), 0);
	n = list.n;
	image_list_done(&list);
	return n;
}

static int import(const char *digest, struct image_have *have, struct err *err)
{
	*err = (struct err){0};
	*have = (struct image_have){0};
	return store_import(store, bundle, &(struct image_import){.digest = digest}, NULL, have,
			    err);
}

/* --- made by hand ----------------------------------------------------------------------------- */

struct member {
	const char *name, *data;
	size_t size;
	unsigned type; /* 0: AE_IFREG */
	const char *link;
};

static void make(const struct member members[], size_t n)
{
	struct archive *a = archive_write_new();

	archive_write_set_format_ustar(a);
	assert_int_equal(archive_write_open_filename(a, bundle), ARCHIVE_OK);
	for (size_t i = 0; i < n; i++) {
		const struct member *m = &members[i];
		struct archive_entry *e = archive_entry_new();

		archive_entry_set_pathname(e, m->name);
		archive_entry_set_filetype(e, m->type ? m->type : AE_IFREG);
		archive_entry_set_size(e, (la_int64_t)m->size);
		archive_entry_set_perm(e, 0644);
		if (m->type == AE_IFLNK)
			archive_entry_set_symlink(e, m->link);
		else if (m->link)
			archive_entry_set_hardlink(e, m->link);
		archive_write_header(a, e);
		archive_write_data(a, m->data, m->size);
		archive_entry_free(e);
	}
	archive_write_close(a);
	archive_write_free(a);
}

/* A record of an image of `size` bytes; digest and content as given. */
static char *record(const char *digest, const char *content, uint64_t size)
{
	return xasprintf("{\"version\": 2, \"digest\": \"%s\", \"content\": \"%s\", \"came\": "
			 "\"raw\", \"format\": "
			 "\"raw\", \"virtual_size\": %llu, \"bytes\": 0, \"trust\": \"signed\", "
			 "\"signer\": \"ABCD\", "
			 "\"name\": \"debian:13\", \"source\": \"https://x/\", \"fetched\": 1, "
			 "\"kept\": {\"size\": %llu, "
			 "\"inode\": 0, \"mtime_ns\": 0}}",
			 digest, content, (unsigned long long)size, (unsigned long long)size);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void out_and_in(void **state)
{
	struct image_have have;
	struct image_list list;
	char digest[DIGEST_TEXT], source[DIGEST_TEXT];
	struct err err = {0};
	auto_close int fd = -1;

	(void)state;
	assert_int_equal(store_get(store, &(struct image_want){.path = image}, NULL, &have, &err),
			 0);
	snprintf(source, sizeof(source), "%s", have.digest);
	image_have_done(&have);
	assert_int_equal(image_list_load(store, &list, &err), 0);
	if (store_export(store, &list.entries[0], bundle, NULL, digest, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(text_starts(digest, "bundle:"));
	fd = open(bundle, O_RDONLY | O_CLOEXEC);
	assert_true(bundle_detect(fd));

	/* Here it is already, and stays what it is. */
	assert_int_equal(import(digest, &have, &err), 0);
	assert_int_equal(have.trust, TRUST_LOCAL);
	image_have_done(&have);
	assert_int_equal(store_remove(store, &list.entries[0], NULL, &err), 0);
	image_list_done(&list);

	if (import(digest, &have, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(have.digest, source);
	assert_int_equal(have.trust, TRUST_DIGEST);
	assert_int_equal(store_verify(store, source, NULL, &err), 1);
	image_have_done(&have);
}

/* A bundle that says that its zeroes are somebody's image. */
static void claims_are_not_proof(void **state)
{
	auto_free char *about = record(somebodys, tree, sizeof(zeroes));
	auto_free char *known = record(plain, plain, sizeof(zeroes)),
		       *mixed = record(somebodys, plain, sizeof(zeroes));
	const struct member members[] = {
		{.name = "croft-image.json", .data = about, .size = strlen(about)},
		{.name = "image", .data = zeroes, .size = sizeof(zeroes)},
	};
	struct image_have have;
	struct image_list list;
	struct err err;

	(void)state;
	make(members, 2);
	assert_int_equal(import(somebodys, &have, &err), -1);
	assert_int_equal(err.kind, ERR_VERIFY);
	assert_int_equal(blobs(), 0);
	assert_int_equal(import(NULL, &have, &err), 0);
	assert_string_equal(have.digest, plain); /* its own bytes' */
	assert_int_equal(have.trust, TRUST_LOCAL);
	assert_string_equal(have.signer, "");
	image_have_done(&have);
	assert_int_equal(image_list_load(store, &list, &err), 0);
	assert_int_equal(list.n, 1);
	assert_null(list.entries[0].record.name);
	assert_string_equal(list.entries[0].record.source, bundle);
	assert_int_equal(store_remove(store, &list.entries[0], NULL, &err), 0);
	image_list_done(&list);

	/* Two digests for one file: the bytes decide. */
	make((struct member[]){{.name = "croft-image.json", .data = mixed, .size = strlen(mixed)},
			       members[1]},
	     2);
	assert_int_equal(import(somebodys, &have, &err), -1);
	assert_int_equal(import(NULL, &have, &err), 0);
	assert_string_equal(have.digest, plain);
	image_have_done(&have);

	/* Kept as it came, its digest is checked by its bytes: naming that is proof. */
	make((struct member[]){{.name = "croft-image.json", .data = known, .size = strlen(known)},
			       members[1]},
	     2);
	assert_int_equal(import(plain, &have, &err), 0);
	image_have_done(&have);
}

static void hostile_bundles(void **state)
{
	auto_free char *about = record(somebodys, tree, sizeof(zeroes)),
		       *wrong = record(somebodys, plain, 512);
	auto_free char *other = record(somebodys, somebodys, sizeof(zeroes)),
		       *huge = xmalloc(IMAGE_RECORD_MAX + 1);
	const struct member good = {
		.name = "croft-image.json", .data = about, .size = strlen(about)};
	const struct member file = {.name = "image", .data = zeroes, .size = sizeof(zeroes)};
	const struct {
		const char *what, *says;
		struct member members[3];
		size_t n;
	} bad[] = {
		{"no image", "no member 'image'", {good}, 1},
		{"two records", "where 'image' belongs", {good, good, file}, 3},
		{"two images", "more than", {good, file, file}, 3},
		{"an escape",
		 "where 'image' belongs",
		 {good, {.name = "../../image", .data = zeroes, .size = 4096}},
		 2},
		{"absolute",
		 "where 'image' belongs",
		 {good, {.name = "/etc/passwd", .data = zeroes, .size = 4096}},
		 2},
		{"a symlink",
		 "not a regular file",
		 {good, {.name = "image", .type = AE_IFLNK, .link = "/etc/passwd"}},
		 2},
		{"a hard link",
		 "not a regular file",
		 {good, {.name = "image", .link = "croft-image.json"}},
		 2},
		{"a device", "not a regular file", {good, {.name = "image", .type = AE_IFCHR}}, 2},
		{"a directory", "", {good, {.name = "image", .type = AE_IFDIR}}, 2},
		{"a long record",
		 "more than",
		 {{.name = "croft-image.json", .data = huge, .size = IMAGE_RECORD_MAX + 1}, file},
		 2},
		{"no JSON",
		 "record",
		 {{.name = "croft-image.json", .data = "image", .size = 5}, file},
		 2},
		{"another size",
		 "is not what its record says",
		 {{.name = "croft-image.json", .data = wrong, .size = strlen(wrong)}, file},
		 2},
		{"another content",
		 "is not what its record says",
		 {{.name = "croft-image.json", .data = other, .size = strlen(other)}, file},
		 2},
	};
	struct image_have have;
	struct err err;

	(void)state;
	memset(huge, ' ', IMAGE_RECORD_MAX + 1);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		make(bad[i].members, bad[i].n);
		if (import(NULL, &have, &err) == 0)
			fail_msg("%s was let in", bad[i].what);
		if (!strstr(err.msg, bad[i].says) || !strstr(err.msg, bundle))
			fail_msg("%s: %s", bad[i].what, err.msg);
		assert_int_equal(blobs(), 0);
	}
}

/* What it says that it holds is more than may come. */
static void bombs(void **state)
{
	auto_free char *about = record(somebodys, tree, sizeof(zeroes)),
		       *out = path_join(dir, "out");
	auto_close int fd = -1, out_fd = open(out, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	auto_buf struct buf result = BUF_INIT(1 << 20);
	struct bundle_read read = {.out_fd = out_fd, .max_bytes = sizeof(zeroes) - 1};
	struct err err = {0};

	(void)state;
	make((struct member[]){{.name = "croft-image.json", .data = about, .size = strlen(about)},
			       {.name = "image", .data = zeroes, .size = sizeof(zeroes)}},
	     2);
	fd = open(bundle, O_RDONLY | O_CLOEXEC);
	read.fd = fd;
	assert_int_equal(bundle_read_work(&read, &result, &err), -1);
	assert_non_null(strstr(err.msg, "more than 4095"));
	read.max_bytes++;
	assert_int_equal(bundle_read_work(&read, &result, &err), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(out_and_in),
		TEST(claims_are_not_proof),
		TEST(hostile_bundles),
		TEST(bombs),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
