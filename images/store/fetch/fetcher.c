/* SPDX-License-Identifier: Apache-2.0
 *
 * The fetcher of the network (fetch.h): texts into memory, and where a URL leads.
 */
#include "images/store/fetch/fetch.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "images/store/cache/internal.h"
#include "images/store/fetch/http.h"
#include "images/store/fetch/mirrors.h"
#include "images/store/fetch/url.h"

struct text {
	struct http *http;
	bool head;
	const struct store_progress *progress;
	struct buf got; /* of the try under way */
};

static int too_long(const struct text *t, struct err *err)
{
	return err_set(err, ERR_VERIFY, "is longer than the %zu bytes that it may have",
		       t->got.ceiling);
}

static int text_begin(void *ctx, const struct http_reply *reply, struct err *err)
{
	struct text *t = ctx;

	buf_reset(&t->got);
	return reply->origin.total > t->got.ceiling ? too_long(t, err) : 0;
}

static int text_data(void *ctx, const void *data, size_t n, struct err *err)
{
	struct text *t = ctx;

	buf_put(&t->got, data, n);
	return t->got.overflow ? too_long(t, err) : 0;
}

static enum http_end read_file(struct text *t, const char *url, struct err *err)
{
	auto_free char *path = url_path(url, err);

	buf_reset(&t->got);
	if (path && (t->head || file_read(path, &t->got, err) == 0))
		return HTTP_DONE;
	if (t->got.overflow)
		too_long(t, err);
	else if (err->kind == ERR_NOT_FOUND)
		err->kind = ERR_DOWNLOAD;
	return err->kind == ERR_DOWNLOAD ? HTTP_DEAD : HTTP_STOP;
}

static enum http_end text_attempt(void *ctx, const char *url, struct http_answer *answer,
				  struct err *err)
{
	struct text *t = ctx;
	struct http_request r = {
		.url = url,
		.head = t->head,
		.progress = t->progress,
		.begin = text_begin,
		.data = text_data,
		.ctx = t,
	};

	*answer = (struct http_answer){.final_url = NULL};
	if (!url_is_file(url))
		return http_get(t->http, &r, answer, err);
	answer->final_url = xstrdup(url);
	return read_file(t, url, err);
}

static uint64_t text_offset(void *ctx)
{
	return ((struct text *)ctx)->got.len;
}

static int get(const struct store_progress *progress, const char *const *urls, bool head,
	       uint64_t max_bytes, struct buf *out, char **final_url, struct err *err)
{
	struct text t = {.head = head, .progress = progress, .got = BUF_INIT(max_bytes)};
	struct mirrors m = {.urls = urls,
			    .progress = progress,
			    .attempt = text_attempt,
			    .offset = text_offset,
			    .ctx = &t};
	struct http_answer answer = {.final_url = NULL};
	int rc;

	t.http = http_open(err);
	if (!t.http)
		return -1;
	rc = mirrors_try(&m, &answer, err);
	if (rc == 0 && out)
		buf_put(out, buf_str(&t.got), t.got.len);
	if (rc == 0 && final_url)
		*final_url = take_ptr(answer.final_url);
	free(answer.final_url);
	buf_done(&t.got);
	http_close(t.http);
	return rc;
}

static int http_text(void *ctx, const char *const *urls, uint64_t max_bytes, struct buf *out,
		     char **final_url, struct err *err)
{
	return get(ctx, urls, false, max_bytes, out, final_url, err);
}

static int http_locate(void *ctx, const char *const *urls, char **final_url, struct err *err)
{
	return get(ctx, urls, true, 0, NULL, final_url, err);
}

void http_fetcher(struct fetcher *f, const struct store_progress *progress)
{
	*f = (struct fetcher){.text = http_text, .locate = http_locate, .ctx = (void *)progress};
}
