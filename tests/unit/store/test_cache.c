/* SPDX-License-Identifier: Apache-2.0
 *
 * What is in the cache and how it stays good: records, checks, trust, leases, removal.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "images/store/cache/internal.h"
#include "images/store/catalog/source.h"
#include "images/store/manage.h"
#include "tests/lib/store/packed.h"

enum { CLUSTER = 65536 };

static char dir[] = "/tmp/croft-cache-XXXXXX";
static char *cache, *image;
static struct store *store;
static char notes[1024];
static struct packed_image shape = {.clusters = 64, .used = 40};

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	cache = path_join(dir, "cache");
	image = path_join(dir, "image.qcow2");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(cache);
	free(image);
	return dir_remove(dir, NULL);
}

static int begin(void **state)
{
	(void)state;
	dir_remove(cache, NULL);
	shape.flip++; /* each test has an image of its own */
	packed_write(image, &shape);
	notes[0] = '\0';
	store = store_open(cache, NULL);
	return store ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	store_close(store);
	return 0;
}

static void note(void *ctx, const char *text)
{
	(void)ctx;
	snprintf(notes, sizeof(notes), "%s", text);
}

static const struct store_progress progress = {.note = note};

static int get(const struct image_want *want, struct image_have *have, struct err *err)
{
	*err = (struct err){0};
	*have = (struct image_have){0};
	return store_get(store, want, &progress, have, err);
}

static struct image_have must_get(const struct image_want *want)
{
	struct image_have have;
	struct err err;

	if (get(want, &have, &err) < 0)
		fail_msg("%s", err.msg);
	return have;
}

static struct image_record record_of(const char *digest)
{
	auto_free char *path = blob_path(store, digest, ".json");
	struct image_record rec;
	struct err err = {0};

	if (image_record_load(path, &rec, &err) < 0)
		fail_msg("%s", err.msg);
	return rec;
}

/* Changes one byte of a kept image, which is read-only even for us. */
static void flip(const char *path, off_t at, bool hide)
{
	struct stat st;
	auto_close int fd = -1;
	char c;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(chmod(path, 0644), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread_all(fd, &c, 1, (uint64_t)at, NULL), 0);
	c ^= 1;
	assert_int_equal(pwrite_all(fd, &c, 1, (uint64_t)at), 0);
	if (hide)
		assert_int_equal(futimens(fd, (struct timespec[]){st.st_atim, st.st_mtim}), 0);
}

static void assert_is_the_disk(const char *path)
{
	unsigned char want[CLUSTER], have[CLUSTER];
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	for (uint64_t i = 0; i < shape.clusters; i++) {
		memset(want, 0, sizeof(want));
		if (i < shape.used)
			packed_content(&shape, i, want);
		assert_int_equal(pread_all(fd, have, sizeof(have), i * CLUSTER, NULL), 0);
		assert_memory_equal(have, want, CLUSTER);
	}
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

/* --- keeping ---------------------------------------------------------------------------------- */

static void compressed_images_are_kept_expanded(void **state)
{
	struct image_have have = must_get(&(struct image_want){.path = image});
	struct image_record rec = record_of(have.digest);

	(void)state;
	assert_int_equal(have.format, BLK_RAW);
	assert_int_equal(have.virtual_size, shape.clusters * CLUSTER);
	assert_is_the_disk(have.path);
	assert_int_equal(rec.came, BLK_QCOW2);
	assert_int_equal(rec.format, BLK_RAW);
	assert_true(!strncmp(rec.content, "tree:", 5));
	assert_string_equal(rec.source, image);
	assert_int_equal(count("tmp"), 0);
	image_record_done(&rec);
	image_have_done(&have);

	/* The spec's format is the one that it came in. */
	have = must_get(
		&(struct image_want){.path = image, .has_format = true, .format = BLK_QCOW2});
	assert_true(have.was_cached);
	image_have_done(&have);
}

static void others_are_kept_as_they_came(void **state)
{
	struct packed_image plain = shape;
	struct image_have have;
	struct image_record rec;

	(void)state;
	plain.plain = true;
	packed_write(image, &plain);
	have = must_get(&(struct image_want){.path = image});
	rec = record_of(have.digest);
	assert_int_equal(have.format, BLK_QCOW2);
	assert_string_equal(rec.content, rec.digest);
	image_record_done(&rec);
	image_have_done(&have);
}

/* The same bytes from elsewhere: nobody waits for who uses them, and the file stays the same
 * one. */
static void one_blob_from_two_sources(void **state)
{
	auto_free char *other = path_join(dir, "other.qcow2");
	struct image_have have = must_get(&(struct image_want){.path = image}), again;
	struct stat before, after;

	(void)state;
	packed_write(other, &shape);
	assert_int_equal(stat(have.path, &before), 0);
	again = must_get(&(struct image_want){.path = other});
	assert_string_equal(again.digest, have.digest);
	assert_int_equal(stat(have.path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(count("tmp"), 0);
	image_have_done(&again);
	image_have_done(&have);
}

static void touched_images_are_read_again(void **state)
{
	struct image_have have = must_get(&(struct image_want){.path = image});
	struct image_record rec;
	struct stat st;

	(void)state;
	/* Touched, and the same: noted, so that it is read once only. */
	assert_int_equal(utimensat(AT_FDCWD, have.path,
				   (struct timespec[]){{.tv_sec = 1}, {.tv_sec = 1}}, 0),
			 0);
	image_have_done(&have);
	have = must_get(&(struct image_want){.path = image});
	assert_true(have.was_cached);
	assert_int_equal(stat(have.path, &st), 0);
	rec = record_of(have.digest);
	assert_true(kept_same(&rec.kept, &st));
	assert_string_equal(notes, "");
	image_record_done(&rec);

	/* Changed: put aside, said, fetched again. */
	flip(have.path, 5 * CLUSTER, false);
	image_have_done(&have);
	have = must_get(&(struct image_want){.path = image});
	assert_false(have.was_cached);
	assert_non_null(strstr(notes, ".damaged"));
	assert_is_the_disk(have.path);
	image_have_done(&have);
}

static void verify_finds_what_hides(void **state)
{
	struct image_have have = must_get(&(struct image_want){.path = image});
	struct err err = {0};

	(void)state;
	assert_int_equal(store_verify(store, have.digest, &progress, &err), 1);
	flip(have.path, 5 * CLUSTER, true);
	assert_int_equal(store_verify(store, have.digest, &progress, &err), 0);
	assert_non_null(strstr(notes, ".damaged"));
	assert_int_equal(store_verify(store, have.digest, &progress, &err), 0);
	image_have_done(&have);
	/* In a hole, too. */
	have = must_get(&(struct image_want){.path = image});
	flip(have.path, 60 * CLUSTER + 7, true);
	assert_int_equal(store_verify(store, have.digest, &progress, &err), 0);
	image_have_done(&have);
}

/* Version 1 kept compressed images as they came: a VM's disk may stand on one. */
static void old_records(void **state)
{
	struct packed_image plain = shape;
	struct image_have have;
	auto_free char *record = NULL, *text = NULL;

	(void)state;
	plain.plain = true;
	packed_write(image, &plain);
	have = must_get(&(struct image_want){.path = image});
	record = blob_path(store, have.digest, ".json");
	text = xasprintf(
		"{\"version\": 1, \"digest\": \"%s\", \"format\": \"qcow2\", \"virtual_size\": %d, "
		"\"trust\": \"digest\", \"source\": \"https://x/y\", \"size\": 1, \"fetched\": 1}",
		have.digest, 64 * CLUSTER);
	assert_int_equal(file_replace(record, text, strlen(text), 0644, NULL), 0);
	image_have_done(&have);

	have = must_get(&(struct image_want){.path = image});
	assert_true(have.was_cached);
	assert_int_equal(have.format, BLK_QCOW2);
	assert_string_equal(have.content, have.digest);
	assert_string_equal(have.source, "https://x/y");
	flip(have.path, 4 * CLUSTER, false);
	image_have_done(&have);
	have = must_get(&(struct image_want){.path = image});
	assert_false(have.was_cached);
	image_have_done(&have);
}

static void damaged_records(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		"[]",
		"{\"version\": 3}",
		"{\"version\": 2}",
		"{\"version\": 1, \"digest\": 5}",
		"{\"version\": 1, \"digest\": \"sha256:00\", \"format\": \"raw\", "
		"\"virtual_size\": 512, "
		"\"trust\": \"signed\", \"size\": 1}",
		"{\"version\": 2, \"version\": 2}",
	};
	struct image_have have = must_get(&(struct image_want){.path = image});
	auto_free char *record = blob_path(store, have.digest, ".json"),
		       *digest = xstrdup(have.digest);
	struct image_list list;
	struct err err;

	(void)state;
	image_have_done(&have);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(file_replace(record, texts[i], strlen(texts[i]), 0644, NULL), 0);
		assert_int_equal(get(&(struct image_want){.path = image}, &have, &err), -1);
		assert_int_equal(err.kind, ERR_CORRUPT);
		assert_non_null(strstr(err.msg, record));
	}
	/* It is listed as what it is, and can be removed. */
	assert_int_equal(image_list_load(store, &list, &err), 0);
	assert_int_equal(list.n, 1);
	assert_non_null(list.entries[0].problem);
	assert_string_equal(list.entries[0].record.digest, digest);
	assert_int_equal(store_remove(store, &list.entries[0], NULL, &err), 0);
	image_list_done(&list);
	have = must_get(&(struct image_want){.path = image});
	image_have_done(&have);
}

static void records_say_it_again(void **state)
{
	struct image_record rec =
				    {
					    .came = BLK_QCOW2,
					    .format = BLK_RAW,
					    .virtual_size = UINT64_C(3) << 30,
					    .bytes = 12345,
					    .trust = TRUST_SIGNED,
					    .signer = "DF9B9C49EAA9298432589D76DA87E80D6294BE9B",
					    .source = (char *)"https://x/\"quoted\"",
					    .name = (char *)"debian:13",
					    .fetched = 1700000000,
					    .kept = {.size = UINT64_C(3) << 30,
						     .inode = UINT64_MAX,
						     .mtime_ns = -5},
				    },
			    again;
	auto_free char *text = NULL, *twice = NULL;
	struct err err = {0};

	(void)state;
	snprintf(rec.digest, sizeof(rec.digest), "sha512:%0128d", 1);
	snprintf(rec.content, sizeof(rec.content), "tree:%064d", 2);
	text = image_record_text(&rec, &err);
	if (image_record_parse(text, strlen(text), &again, &err) < 0)
		fail_msg("%s", err.msg);
	assert_null(again.user);
	assert_string_equal(again.signer, rec.signer);
	twice = image_record_text(&again, &err);
	assert_string_equal(text, twice);
	image_record_done(&again);
	rec.source = (char *)"\xff";
	assert_null(image_record_text(&rec, &err));
}

/* --- trust ------------------------------------------------------------------------------------ */

static void the_best_proof_stays(void **state)
{
	struct image_have have = must_get(&(struct image_want){.path = image});
	auto_free char *digest = xstrdup(have.digest);
	struct image_source pinned = {.trust = TRUST_SIGNED}, resolved = {.trust = TRUST_SIGNED};
	struct image_record rec;

	(void)state;
	assert_int_equal(have.trust, TRUST_LOCAL);
	image_have_done(&have);

	/* What a VM was made from proves nothing. */
	have = must_get(&(struct image_want){.path = image, .digest = digest, .remembered = true});
	assert_int_equal(have.trust, TRUST_LOCAL);
	image_have_done(&have);

	/* A digest that somebody names does, and that stays. */
	have = must_get(&(struct image_want){.path = image, .digest = digest});
	assert_int_equal(have.trust, TRUST_DIGEST);
	image_have_done(&have);
	have = must_get(&(struct image_want){.path = image});
	assert_int_equal(have.trust, TRUST_DIGEST);
	image_have_done(&have);

	/* A lock file's word is shown, and is no proof. */
	snprintf(pinned.digest, sizeof(pinned.digest), "%s", digest);
	have = must_get(&(struct image_want){.url = "https://192.0.2.1/x",
					     .pinned = &pinned,
					     .offline = true,
					     .verify = TRUST_SIGNED});
	assert_int_equal(have.trust, TRUST_SIGNED);
	image_have_done(&have);
	rec = record_of(digest);
	assert_int_equal(rec.trust, TRUST_DIGEST);
	image_record_done(&rec);

	/* A signature that was checked just now is. */
	resolved.urls[0] = xstrdup("https://192.0.2.1/x");
	snprintf(resolved.digest, sizeof(resolved.digest), "%s", digest);
	snprintf(resolved.signer, sizeof(resolved.signer), "ABCD");
	have = must_get(&(struct image_want){
		.url = "https://192.0.2.1/x", .resolved = &resolved, .offline = true});
	image_have_done(&have);
	free(resolved.urls[0]);
	rec = record_of(digest);
	assert_int_equal(rec.trust, TRUST_SIGNED);
	assert_string_equal(rec.signer, "ABCD");
	image_record_done(&rec);
}

static void less_than_the_least_is_refused(void **state)
{
	struct image_have have = must_get(&(struct image_want){.path = image});
	struct image_want want = {.path = image, .verify = TRUST_CHECKSUM};
	struct err err;

	(void)state;
	image_have_done(&have);
	assert_int_equal(store_find(store, &want, NULL, &have, &err), 0);
	assert_int_equal(get(&want, &have, &err), -1);
	assert_int_equal(err.kind, ERR_VERIFY);
	assert_non_null(strstr(err.msg, "'checksum' is the least"));
	/* --insecure does not lower what the spec asks for. */
	want.insecure = true;
	assert_int_equal(get(&want, &have, &err), -1);
}

/* --- removing --------------------------------------------------------------------------------- */

static int used_by_a_vm(void *ctx, const struct image_entry *e, struct err *err)
{
	(void)e;
	return ctx ? err_set(err, ERR_CONFLICT, "the disk of p/vm stands on it") : 0;
}

static void used_images_stay(void **state)
{
	struct image_have have = must_get(&(struct image_want){.path = image});
	struct image_guard guard = {used_by_a_vm, NULL};
	auto_free char *boot = NULL, *kernel = NULL;
	struct blk_layer layer = {.format = BLK_RAW, .name = "base"};
	struct image_list list;
	struct blk *blk;
	struct err err = {0};

	(void)state;
	assert_int_equal(image_list_load(store, &list, &err), 0);

	/* A command has just found it. */
	assert_int_equal(store_remove(store, &list.entries[0], &guard, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	image_lease_free(take_ptr(have.lease));

	/* A VM stands on it. */
	guard.ctx = &guard;
	assert_int_equal(store_remove(store, &list.entries[0], &guard, &err), -1);
	assert_non_null(strstr(err.msg, "p/vm"));
	guard.ctx = NULL;

	/* Somebody has it open as a disk. */
	layer.fd = open(have.path, O_RDONLY | O_CLOEXEC);
	blk = blk_open(&layer, 1, BLK_RDONLY, &err);
	assert_non_null(blk);
	assert_int_equal(store_remove(store, &list.entries[0], &guard, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	blk_close(blk);

	/* With the image goes what was made from it. */
	boot = image_boot_dir(cache, have.digest);
	kernel = path_join(boot, "kernel");
	assert_int_equal(dir_make(boot, 0700, &err), 0);
	assert_int_equal(file_put(kernel, "k", 1, 0600, &err), 0);
	assert_int_equal(access(have.path, R_OK), 0);
	assert_int_equal(store_remove(store, &list.entries[0], &guard, &err), 0);
	assert_int_equal(access(have.path, R_OK), -1);
	assert_int_equal(access(boot, F_OK), -1);
	assert_int_equal(count("blobs/sha256"), 0);
	image_list_done(&list);
	image_have_done(&have);
}

/* `up` and `rm` at the same moment, many times: either it is refused, or it is fetched again. */
static void removal_races_with_use(void **state)
{
	pid_t remover = fork();
	unsigned got = 0;

	(void)state;
	if (remover == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			struct image_list list;

			if (image_list_load(store, &list, NULL) == 0) {
				if (list.n)
					store_remove(store, &list.entries[0], NULL, NULL);
				image_list_done(&list);
			}
		}
	}
	for (int i = 0; i < 100; i++) {
		struct image_have have;
		struct err err;

		/* A remover that never rests may win several times in a row. */
		if (get(&(struct image_want){.path = image}, &have, &err) < 0) {
			assert_int_equal(err.kind, ERR_CONFLICT);
			continue;
		}
		got++;
		assert_int_equal(access(have.path, R_OK), 0);
		assert_is_the_disk(have.path);
		image_have_done(&have);
	}
	kill(remover, SIGKILL);
	waitpid(remover, NULL, 0);
	assert_true(got > 0);
}

struct removed {
	char digests[8][DIGEST_TEXT];
	size_t n;
};

static void on_removed(void *ctx, const struct image_entry *e)
{
	struct removed *r = ctx;

	snprintf(r->digests[r->n++], DIGEST_TEXT, "%s", e->record.digest);
}

/* Four images, last used 4, 3, 2 and 1 hours ago. */
static void make_four(char digests[4][DIGEST_TEXT])
{
	for (int i = 0; i < 4; i++) {
		struct image_have have;
		auto_free char *record = NULL;

		shape.flip++;
		packed_write(image, &shape);
		have = must_get(&(struct image_want){.path = image});
		snprintf(digests[i], DIGEST_TEXT, "%s", have.digest);
		record = blob_path(store, have.digest, ".json");
		image_have_done(&have);
		utimensat(AT_FDCWD, record,
			  (struct timespec[]){{.tv_nsec = UTIME_OMIT},
					      {.tv_sec = time(NULL) - (4 - i) * 3600}},
			  0);
	}
}

static size_t prune(struct image_prune how, const struct image_guard *guard, struct removed *r)
{
	uint64_t freed;

	*r = (struct removed){0};
	how.removed = on_removed;
	how.ctx = r;
	assert_int_equal(store_prune(store, &how, guard, &freed, NULL), 0);
	return r->n;
}

static int all_but(void *ctx, const struct image_entry *e, struct err *err)
{
	return strcmp(e->record.digest, ctx) ? 0 : err_set(err, ERR_CONFLICT, "used");
}

static void pruning(void **state)
{
	char digests[4][DIGEST_TEXT];
	struct image_guard first_is_used;
	struct removed r;

	(void)state;
	make_four(digests);
	first_is_used = (struct image_guard){all_but, digests[0]};

	/* Nothing is asked for, nothing goes. */
	assert_int_equal(prune((struct image_prune){0}, NULL, &r), 0);
	/* Said, not done. */
	assert_int_equal(
		prune((struct image_prune){.unused = true, .dry_run = true}, &first_is_used, &r),
		3);
	assert_int_equal(count("blobs/sha256"), 8);
	/* By age: the second and the third, for the first is used. */
	assert_int_equal(
		prune((struct image_prune){.unused = true, .older_s = 5400}, &first_is_used, &r),
		2);
	assert_string_equal(r.digests[0], digests[1]);
	assert_string_equal(r.digests[1], digests[2]);
	/* By size: the least recently used that is not used. */
	assert_int_equal(prune((struct image_prune){.has_max = true,
						    .max_bytes = shape.used * CLUSTER + CLUSTER},
			       &first_is_used, &r),
			 1);
	assert_string_equal(r.digests[0], digests[3]);
	assert_int_equal(prune((struct image_prune){.has_max = true}, NULL, &r), 1);
	assert_int_equal(count("blobs/sha256"), 0);
	assert_int_equal(count("index"), 0);
	assert_int_equal(count("locks"), 0);
}

static void pruning_clears_away(void **state)
{
	struct image_have have = must_get(&(struct image_want){.path = image});
	auto_free char *part = cache_tmp(store, "x", ".part"),
		       *young = cache_tmp(store, "y", ".part");
	struct removed r;

	(void)state;
	flip(have.path, 0, false);
	image_have_done(&have);
	have = must_get(&(struct image_want){.path = image});
	image_have_done(&have);
	assert_int_equal(count("blobs/sha256"), 3);
	assert_int_equal(file_replace(part, "half", 4, 0600, NULL), 0);
	assert_int_equal(file_replace(young, "half", 4, 0600, NULL), 0);
	utimensat(AT_FDCWD, part,
		  (struct timespec[]){{.tv_nsec = UTIME_OMIT},
				      {.tv_sec = time(NULL) - 2 * 24 * 3600}},
		  0);
	assert_int_equal(prune((struct image_prune){0}, NULL, &r), 0);
	assert_int_equal(count("blobs/sha256"), 2);
	assert_int_equal(access(part, F_OK), -1);
	assert_int_equal(access(young, F_OK), 0); /* somebody may go on with it */
}

static void age(const char *path)
{
	struct timespec then[] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - 2 * 24 * 3600}};

	assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
}

/* What file_replace leaves when it is killed, in each directory where it is used. */
static void pruning_clears_half_written_files(void **state)
{
	static const char *const dirs[] = {"tmp", "index", "blobs/sha256", "blobs/sha512"};
	struct removed r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		auto_free char *old = xasprintf("%s/%s/.0123.json.abcdef", store->dir, dirs[i]);
		auto_free char *young = xasprintf("%s/%s/.0123.json.ghijkl", store->dir, dirs[i]);

		assert_int_equal(file_put(old, "half", 4, 0600, NULL), 0);
		assert_int_equal(file_put(young, "half", 4, 0600, NULL), 0);
		age(old);
	}
	assert_int_equal(prune((struct image_prune){0}, NULL, &r), 0);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		auto_free char *old = xasprintf("%s/%s/.0123.json.abcdef", store->dir, dirs[i]);
		auto_free char *young = xasprintf("%s/%s/.0123.json.ghijkl", store->dir, dirs[i]);

		assert_int_equal(access(old, F_OK), -1);
		assert_int_equal(access(young, F_OK), 0);
	}
}

static bool boot_survives(const char *digest, const char *pid)
{
	auto_free char *boot = image_boot_dir(store->dir, digest), *parent = path_dir(boot);
	auto_free char *path =
		*pid ? xasprintf("%s/.%s.%s", parent, path_base(boot), pid) : xstrdup(boot);
	auto_free char *kernel = path_join(path, "kernel");
	struct removed r;

	assert_int_equal(dir_make(path, 0700, NULL), 0);
	assert_int_equal(file_put(kernel, "kernel", 6, 0600, NULL), 0);
	assert_int_equal(prune((struct image_prune){.dry_run = true}, NULL, &r), 0);
	assert_int_equal(access(kernel, F_OK), 0);
	assert_int_equal(prune((struct image_prune){0}, NULL, &r), 0);
	return access(path, F_OK) == 0;
}

static void pruning_clears_what_was_made_to_boot(void **state)
{
	struct image_have have = must_get(&(struct image_want){.path = image});
	static const char gone[] =
		"sha256:6666666666666666666666666666666666666666666666666666666666666666";

	(void)state;
	assert_true(boot_survives(have.digest, "1234")); /* whoever has the lease makes it */
	image_lease_free(take_ptr(have.lease));
	assert_true(boot_survives(have.digest, ""));
	assert_false(boot_survives(have.digest, "1234"));
	assert_false(boot_survives(gone, ""));
	image_have_done(&have);
}

/* There is nothing better to be had for a VM that stands on it, until there is. */
static void a_damaged_image_of_a_vm_stays(void **state)
{
	struct image_have have = must_get(&(struct image_want){.path = image});
	auto_free char *aside = xasprintf("%s.damaged", have.path);
	struct image_guard used = {used_by_a_vm, &used};
	struct removed r;

	(void)state;
	flip(have.path, 0, false);
	assert_int_equal(store_verify(store, have.digest, NULL, NULL), 0);
	image_have_done(&have);
	assert_int_equal(prune((struct image_prune){.unused = true}, &used, &r), 0);
	assert_int_equal(access(aside, F_OK), 0);
	have = must_get(&(struct image_want){.path = image});
	image_have_done(&have);
	assert_int_equal(prune((struct image_prune){.unused = true}, &used, &r), 0);
	assert_int_equal(access(aside, F_OK), -1);
	assert_int_equal(count("blobs/sha256"), 2);
}

/* --- finding ---------------------------------------------------------------------------------- */

static void by_what_people_call_them(void **state)
{
	struct image_entry entries[] = {
		{.record = {.digest = "sha256:aabbcc11",
			    .name = (char *)"debian:13",
			    .source = (char *)"https://x/1"}},
		{.record = {.digest = "sha256:aabbcc22", .source = (char *)"https://x/2"}},
		{.record = {.digest = "sha512:ddee",
			    .name = (char *)"debian:13",
			    .source = (char *)"https://x/3"}},
	};
	struct image_list list = {entries, ARRAY_LEN(entries), ARRAY_LEN(entries)};
	struct err err = {0};

	(void)state;
	assert_ptr_equal(image_list_find(&list, "https://x/2", &err), &entries[1]);
	assert_ptr_equal(image_list_find(&list, "aabbcc1", &err), &entries[0]);
	assert_ptr_equal(image_list_find(&list, "sha256:aabbcc2", &err), &entries[1]);
	assert_ptr_equal(image_list_find(&list, "ddee", &err), &entries[2]);

	assert_null(image_list_find(&list, "aabb", &err));
	assert_int_equal(err.kind, ERR_USAGE);
	assert_non_null(strstr(err.msg, "sha256:aabbcc11, sha256:aabbcc22"));
	assert_null(image_list_find(&list, "debian:13", &err));
	assert_int_equal(err.kind, ERR_USAGE);
	assert_null(image_list_find(&list, "aab", &err)); /* too short to be meant as a digest */
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_null(image_list_find(&list, "", &err));
	assert_null(image_list_find(&list, "sha256:", &err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(compressed_images_are_kept_expanded),
		TEST(others_are_kept_as_they_came),
		TEST(one_blob_from_two_sources),
		TEST(touched_images_are_read_again),
		TEST(verify_finds_what_hides),
		TEST(old_records),
		TEST(damaged_records),
		TEST(records_say_it_again),
		TEST(the_best_proof_stays),
		TEST(less_than_the_least_is_refused),
		TEST(used_images_stay),
		TEST(removal_races_with_use),
		TEST(pruning),
		TEST(pruning_clears_away),
		TEST(pruning_clears_half_written_files),
		TEST(pruning_clears_what_was_made_to_boot),
		TEST(a_damaged_image_of_a_vm_stays),
		TEST(by_what_people_call_them),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
