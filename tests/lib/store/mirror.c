/* SPDX-License-Identifier: Apache-2.0
 *
 * The network as a directory: see mirror.h.
 */
#include "tests/lib/store/mirror.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"

static char *place(const struct mirror *m, const char *url)
{
	const char *rest = strstr(url, "://");
	char *path = xasprintf("%s/%s%s", m->tree, rest ? rest + 3 : url,
			       text_ends(url, "/") ? "index.html" : "");

	return path;
}

static int text(void *ctx, const char *const *urls, uint64_t max_bytes, struct buf *out,
		char **final_url, struct err *err)
{
	struct mirror *m = ctx;

	for (size_t i = 0; urls[i]; i++) {
		auto_free char *path = place(m, urls[i]);
		auto_buf struct buf got = BUF_INIT(64 << 20);

		m->requests++;
		if (file_read(path, &got, NULL) < 0)
			continue;
		if (got.len > max_bytes)
			return err_set(err, ERR_VERIFY, "'%s' is too long", urls[i]);
		buf_put(out, got.data, got.len);
		if (final_url)
			*final_url = xstrdup(urls[i]);
		return 0;
	}
	return err_set(err, ERR_DOWNLOAD, "'%s': 404", urls[0]);
}

static int locate(void *ctx, const char *const *urls, char **final_url, struct err *err)
{
	struct mirror *m = ctx;

	(void)err;
	m->requests++;
	*final_url = xstrdup(m->from && !strcmp(m->from, urls[0]) ? m->to : urls[0]);
	return 0;
}

void mirror_open(struct mirror *m)
{
	char tree[] = "/tmp/croft-mirror-XXXXXX";

	if (!mkdtemp(tree))
		abort();
	*m = (struct mirror){.tree = xstrdup(tree), .fetcher = {text, locate, m}};
}

void mirror_close(struct mirror *m)
{
	dir_remove(m->tree, NULL);
	free(m->tree);
	free(m->from);
	free(m->to);
}

void mirror_put(struct mirror *m, const char *url, const void *data, size_t n)
{
	auto_free char *path = place(m, url), *dir = path_dir(path);
	struct err err = {0};

	if (dir_make(dir, 0755, &err) < 0 || file_put(path, data, n, 0644, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		abort();
	}
}

void mirror_remove(struct mirror *m, const char *url)
{
	auto_free char *path = place(m, url);

	file_remove(path, NULL);
}

void mirror_redirect(struct mirror *m, const char *url, const char *to)
{
	free(m->from);
	free(m->to);
	m->from = xstrdup(url);
	m->to = xstrdup(to);
}
