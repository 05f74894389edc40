/* SPDX-License-Identifier: Apache-2.0
 *
 * Fetching without the cache, for tests and benchmarks:
 *
 *   imgfetch get DIR [OPTION=VALUE]... URL|PATH...   into DIR/done, through DIR/x.part and
 * DIR/x.image imgfetch text URL...                            to standard output imgfetch locate
 * URL...                          prints where it leads
 *
 * Options: digest, size, max, stall (s), backoff (ms), interrupt (at that many bytes). What the
 * user would be told goes to standard error; the exit code is croft's. `get` prints the digest, how
 * many bytes came, and "packed" or "plain"; and on standard error the most memory that it and its
 * child used.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/util.h"
#include "images/store/fetch/fetch.h"

enum { MAX_URLS = 8 };

static uint64_t interrupt_at, done_bytes;

static void on_stage(void *ctx, const char *what)
{
	(void)ctx;
	fprintf(stderr, "stage: %s\n", what);
}

static void on_note(void *ctx, const char *what)
{
	(void)ctx;
	fprintf(stderr, "note: %s\n", what);
}

static void on_bytes(void *ctx, uint64_t done, uint64_t total)
{
	(void)ctx, (void)total;
	done_bytes = done;
}

static bool on_interrupted(void *ctx)
{
	(void)ctx;
	return interrupt_at && done_bytes >= interrupt_at;
}

static const struct store_progress progress = {
	.stage = on_stage, .note = on_note, .bytes = on_bytes, .interrupted = on_interrupted};

static int fail(const struct err *err)
{
	fprintf(stderr, "imgfetch: %s\n", err->msg);
	return err_exit_code(err->kind);
}

/* OPTION=VALUE into the request: 1, 0 when it is none. */
static int option(char *arg, struct fetch_request *r)
{
	char *value = strchr(arg, '=');
	uint64_t n = 0;

	if (!value || strspn(arg, "abcdefghijklmnopqrstuvwxyz") != (size_t)(value - arg))
		return 0; /* a URL */
	*value++ = '\0';
	if (!strcmp(arg, "digest")) {
		const char *hex;

		r->digest = value;
		return digest_parse(value, &r->hash, &hex, NULL) == 0;
	}
	if (parse_u64(value, &n, NULL) < 0)
		return 0;
	if (!strcmp(arg, "size"))
		r->size = n;
	else if (!strcmp(arg, "max"))
		r->max_bytes = n;
	else if (!strcmp(arg, "stall"))
		r->stall_s = (unsigned)n;
	else if (!strcmp(arg, "backoff"))
		r->backoff_ms = (unsigned)n;
	else if (!strcmp(arg, "interrupt"))
		interrupt_at = n;
	else
		return 0;
	return 1;
}

static int get(const char *dir, char **argv)
{
	auto_free char *part = path_join(dir, "x.part"), *image = path_join(dir, "x.image");
	auto_free char *sidecar = path_join(dir, "x.part.json"), *done = path_join(dir, "done");
	struct fetch_request r = {
		.src_fd = -1, .part = part, .image = image, .max_bytes = 64 * GIB};
	const char *urls[MAX_URLS + 1] = {NULL};
	struct fetched got = {.url = NULL};
	struct rusage self, child;
	auto_close int fd = -1;
	struct err err = {0};
	size_t n = 0;

	for (; *argv; argv++)
		if (!option(*argv, &r) && n < MAX_URLS)
			urls[n++] = *argv;
	r.urls = urls;
	if (urls[0] && urls[0][0] == '/')
		r.src_fd = fd = open(urls[0], O_RDONLY | O_CLOEXEC);
	if (fetch_image(&r, &progress, &got, &err) < 0)
		return fail(&err);
	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &child);
	fprintf(stderr, "memory: %ld KiB\n", self.ru_maxrss + child.ru_maxrss);
	printf("%s %" PRIu64 " %s %s\n", got.digest, got.bytes, got.packed ? "packed" : "plain",
	       got.url ? got.url : "-");
	unlink(sidecar);
	if (rename(got.packed ? image : part, done) < 0)
		return 1;
	if (got.packed)
		unlink(part);
	fetched_done(&got);
	return 0;
}

static int text(const char *command, char **argv)
{
	auto_buf struct buf out = BUF_INIT(1 << 20);
	auto_free char *final_url = NULL;
	struct err err = {0};
	struct fetcher f;
	int rc;

	http_fetcher(&f, &progress);
	if (!strcmp(command, "locate"))
		rc = f.locate(f.ctx, (const char *const *)argv, &final_url, &err);
	else
		rc = f.text(f.ctx, (const char *const *)argv, 1 << 16, &out, &final_url, &err);
	if (rc < 0)
		return fail(&err);
	if (!strcmp(command, "locate"))
		puts(final_url);
	else
		fwrite(buf_str(&out), 1, out.len, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGXFSZ, SIG_IGN);
	if (argc >= 4 && !strcmp(argv[1], "get"))
		return get(argv[2], argv + 3);
	if (argc >= 3 && (!strcmp(argv[1], "text") || !strcmp(argv[1], "locate")))
		return text(argv[1], argv + 2);
	fprintf(stderr,
		"usage: imgfetch get DIR [OPTION=VALUE]... URL... | text URL... | locate URL...\n");
	return 2;
}
