/* SPDX-License-Identifier: Apache-2.0
 *
 * Expanding compressed images, tree digests, and the threads below them.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/cache/chunks.h"
#include "images/store/cache/content.h"
#include "images/store/cache/expand.h"
#include "tests/lib/store/packed.h"

enum { CLUSTER = 65536 };

static char dir[] = "/tmp/croft-expand-XXXXXX";
static char *packed, *raw;

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	packed = path_join(dir, "packed.qcow2");
	raw = path_join(dir, "raw");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(packed);
	free(raw);
	return dir_remove(dir, NULL);
}

static struct blk *open_image(const char *path, struct err *err)
{
	struct blk_layer layer = {
		.fd = open(path, O_RDONLY | O_CLOEXEC), .format = BLK_QCOW2, .name = path};

	return blk_open(&layer, 1, BLK_RDONLY, err);
}

/* Expands `packed` into `raw`. */
static int expand(uint64_t file_size, const struct store_progress *progress, struct survey *s,
		  char *content, struct err *err)
{
	auto_close int out = open(raw, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	auto_blk struct blk *src = open_image(packed, err);

	*err = (struct err){0};
	assert_non_null(src);
	if (image_survey(src, file_size, progress, s, err) < 0)
		return -1;
	return image_expand(src, out, raw, progress, content, err);
}

static void every_byte_is_there(void **state)
{
	/* The disk's end lies inside a leaf, and holes are at its beginning, middle and end. */
	static const struct packed_image images[] = {
		{.clusters = 37, .used = 20},  {.clusters = 37, .used = 37, .flip = 3},
		{.clusters = 8000, .used = 3}, {.clusters = 100, .used = 50, .plain = true},
		{.clusters = 5, .used = 0},
	};
	unsigned char want[CLUSTER], have[CLUSTER];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(images); i++) {
		const struct packed_image *p = &images[i];
		uint64_t size = packed_write(packed, p);
		char content[DIGEST_TEXT], again[DIGEST_TEXT];
		struct survey s;
		struct err err;
		struct stat st;

		if (expand(size, NULL, &s, content, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(s.expanded, p->used * CLUSTER);
		assert_int_equal(s.packed > 0, p->used && !p->plain);
		auto_close int fd = open(raw, O_RDONLY | O_CLOEXEC);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_size, p->clusters * CLUSTER);
		assert_true((uint64_t)st.st_blocks * 512 <= p->used * CLUSTER + CLUSTER);
		for (uint64_t c = 0; c < p->clusters; c++) {
			memset(want, 0, sizeof(want));
			if (c < p->used)
				packed_content(p, c, want);
			assert_int_equal(pread_all(fd, have, sizeof(have), c * CLUSTER, NULL), 0);
			assert_memory_equal(have, want, CLUSTER);
		}
		assert_int_equal(content_tree(fd, NULL, again, &err), 0);
		assert_string_equal(again, content);
		assert_int_equal(content_check(fd, content, NULL, &err), 1);
	}
}

static void damage_is_found(void **state)
{
	uint64_t size = packed_write(
		packed, &(struct packed_image){.clusters = 40, .used = 30, .cut = true});
	char content[DIGEST_TEXT];
	struct survey s;
	struct err err;

	(void)state;
	assert_int_equal(expand(size, NULL, &s, content, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	if (!strstr(err.msg, "at offset 1900544")) /* cluster 29 */
		fail_msg("%s", err.msg);
}

/* A file of a few clusters whose tables say one cluster eight thousand times. */
static void bombs_are_refused(void **state)
{
	uint64_t size = packed_write(
		packed, &(struct packed_image){.clusters = 8192, .used = 8192, .shared = true});
	char content[DIGEST_TEXT];
	struct survey s;
	struct err err;

	(void)state;
	assert_int_equal(expand(size, NULL, &s, content, &err), -1);
	assert_int_equal(err.kind, ERR_VERIFY);
	assert_non_null(strstr(err.msg, "many times"));
}

static bool at_once(void *ctx)
{
	(void)ctx;
	return true;
}

static void ctrl_c(void **state)
{
	uint64_t size =
		packed_write(packed, &(struct packed_image){.clusters = 4000, .used = 4000});
	char content[DIGEST_TEXT];
	struct survey s;
	struct err err;

	(void)state;
	assert_int_equal(
		expand(size, &(struct store_progress){.interrupted = at_once}, &s, content, &err),
		-1);
	assert_int_equal(err.kind, ERR_INTERRUPTED);
}

/* A file that cannot grow: what a full disk looks like, without one. */
static void no_room(void **state)
{
	uint64_t size = packed_write(packed, &(struct packed_image){.clusters = 100, .used = 100});
	struct rlimit was, limit;
	char content[DIGEST_TEXT];
	struct survey s;
	struct err err;
	int rc;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	limit = (struct rlimit){.rlim_cur = 3 << 20, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	rc = expand(size, NULL, &s, content, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(rc, -1);
	assert_int_equal(err.kind, ERR_HOST);
	assert_non_null(strstr(err.msg, raw));
}

/* --- tree digests ----------------------------------------------------------------------------- */

static void digest_of(const void *data, size_t n, char out[DIGEST_TEXT])
{
	auto_close int fd = open(raw, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(pwrite_all(fd, data, n, 0), 0);
	assert_int_equal(content_tree(fd, NULL, out, NULL), 0);
}

static void tree_digests(void **state)
{
	auto_free char *zeroes = xzalloc(3 << 20);
	char empty[DIGEST_TEXT], one[DIGEST_TEXT], two[DIGEST_TEXT], hole[DIGEST_TEXT],
		out[DIGEST_TEXT];
	auto_close int fd = -1;

	(void)state;
	/* SHA-256 of eight zero bytes; of the size 3 and of SHA-256("abc"). */
	digest_of("", 0, empty);
	assert_string_equal(
		empty, "tree:af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc");
	digest_of("abc", 3, out);
	assert_string_equal(
		out, "tree:e13dee54bfc1b26042c1fec4b1d8ef2054b22fa1ab1263adce665eb013f829d5");

	/* Zeroes and holes are the same; one byte or one more is not. */
	digest_of(zeroes, (2 << 20) + 5, one);
	digest_of(zeroes, (2 << 20) + 6, two);
	assert_string_not_equal(one, two);
	fd = open(raw, O_RDWR | O_TRUNC | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (2 << 20) + 5), 0);
	assert_int_equal(content_tree(fd, NULL, hole, NULL), 0);
	assert_string_equal(hole, one);
	zeroes[1 << 20] = 1;
	digest_of(zeroes, (2 << 20) + 5, two);
	assert_string_not_equal(one, two);

	assert_true(content_valid(one));
	assert_true(content_valid(
		"sha256:0000000000000000000000000000000000000000000000000000000000000000"));
	assert_false(content_valid("tree:00"));
	assert_false(content_valid(""));
	assert_int_equal(content_check(fd, "tree:00", NULL, NULL), 0);
	assert_int_equal(content_check(fd, "md5:00", NULL, NULL), -1);
	assert_int_equal(content_check(fd, two, NULL, NULL), 1);
	assert_int_equal(content_check(fd, one, NULL, NULL), 0);
}

/* --- threads ---------------------------------------------------------------------------------- */

struct count {
	atomic_uint calls, owned, freed;
	uint64_t fail_at;
};

static struct count *counting;

static void *begin(void *ctx)
{
	struct count *c = ctx;

	c->owned++;
	return malloc(1);
}

static void end(void *own)
{
	counting->freed++;
	free(own);
}

static int one(void *ctx, void *own, uint64_t off, size_t len, struct err *err)
{
	struct count *c = ctx;

	(void)own;
	c->calls++;
	assert_true(len == 10 || off + len == 1005);
	return off == c->fail_at ? err_set(err, ERR_CORRUPT, "at %d", (int)off) : 0;
}

static void chunks_once_each(void **state)
{
	struct count c = {.fail_at = 7};
	struct chunks job = {
		.total = 1005, .size = 10, .begin = begin, .end = end, .one = one, .ctx = &c};
	struct err err = {0};

	(void)state;
	counting = &c;
	assert_int_equal(chunks_run(&job, NULL, &err), 0);
	assert_int_equal(c.calls, 101);
	assert_int_equal(c.owned, c.freed);
	c.fail_at = 500;
	assert_int_equal(chunks_run(&job, NULL, &err), -1);
	assert_string_equal(err.msg, "at 500");
	assert_int_equal(c.owned, c.freed);
	job.total = 0;
	assert_int_equal(chunks_run(&job, NULL, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_is_there),
		cmocka_unit_test(damage_is_found),
		cmocka_unit_test(bombs_are_refused),
		cmocka_unit_test(ctrl_c),
		cmocka_unit_test(no_room),
		cmocka_unit_test(tree_digests),
		cmocka_unit_test(chunks_once_each),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
