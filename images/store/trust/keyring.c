/* SPDX-License-Identifier: Apache-2.0
 *
 * Pinned keys: fetched once, checked against their fingerprints, kept one to a file. See
 * signature.h.
 */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "images/store/trust/signature.h"

static char *key_path(const char *dir, const char *fingerprint)
{
	return xasprintf("%s/%s.gpg", dir, fingerprint);
}

/* The one key that is looked for in a file of many. */
struct search {
	const char *fingerprint;
	struct buf packets;
	char others[2][FINGERPRINT_TEXT]; /* what is there instead */
	size_t nothers;
};

static bool look(void *ctx, const char *fingerprint, const void *packets, size_t len)
{
	struct search *s = ctx;

	if (!strcmp(fingerprint, s->fingerprint)) {
		buf_put(&s->packets, packets, len);
		return false;
	}
	if (s->nothers < ARRAY_LEN(s->others))
		snprintf(s->others[s->nothers++], FINGERPRINT_TEXT, "%s", fingerprint);
	return true;
}

/* The key with the fingerprint, out of the text, into its file. */
static int keep(const char *dir, const char *text, size_t n, const char *from,
		const char *fingerprint, struct err *err)
{
	auto_free char *path = key_path(dir, fingerprint);
	struct search s = {.fingerprint = fingerprint, .packets = BUF_INIT(KEY_FILE_MAX)};
	int rc = openpgp_keys(text, n, from, look, &s, err);

	if (rc == 0 && !s.packets.len)
		rc = err_set(err, ERR_VERIFY,
			     "'%s' does not hold the key %s that is pinned%s%s: it was not used",
			     from, fingerprint, s.nothers ? ", but " : "",
			     s.nothers ? s.others[0] : "");
	if (rc == 0)
		rc = file_replace(path, s.packets.data, s.packets.len, 0644, err);
	buf_done(&s.packets);
	return rc;
}

/* A file in the cache is checked like one from the network: anybody may have been at it. */
static bool is_kept(const char *dir, const char *fingerprint)
{
	auto_free char *path = key_path(dir, fingerprint);
	auto_buf struct buf text = BUF_INIT(KEY_FILE_MAX);
	struct search s = {.fingerprint = fingerprint, .packets = BUF_INIT(KEY_FILE_MAX)};
	bool same = file_read(path, &text, NULL) == 0 && text.len &&
		    openpgp_keys(text.data, text.len, path, look, &s, NULL) == 0 &&
		    s.packets.len == text.len;

	buf_done(&s.packets);
	return same;
}

static int open_dir(const char *cache_dir, struct keyring *out, struct err *err)
{
	*out = (struct keyring){.dir = path_join(cache_dir, "keys")};
	return dir_make(out->dir, 0700, err);
}

int keyring_fetch(const struct catalog_key *keys, size_t n, const char *cache_dir,
		  const struct fetcher *fetcher, bool again, struct keyring *out, struct err *err)
{
	assert(n <= CATALOG_MAX_KEYS);
	if (open_dir(cache_dir, out, err) < 0)
		goto fail;
	for (size_t i = 0; i < n; i++) {
		const char *urls[] = {keys[i].url, NULL};
		auto_buf struct buf text = BUF_INIT(KEY_FILE_MAX);

		if (again || !is_kept(out->dir, keys[i].fingerprint)) {
			if (fetcher->text(fetcher->ctx, urls, KEY_FILE_MAX, &text, NULL, err) < 0 ||
			    keep(out->dir, buf_str(&text), text.len, keys[i].url,
				 keys[i].fingerprint, err) < 0) {
				err_wrap(err, "the publisher's key");
				goto fail;
			}
		}
		snprintf(out->fingerprints[out->n++], FINGERPRINT_TEXT, "%s", keys[i].fingerprint);
	}
	return 0;
fail:
	keyring_done(out);
	return -1;
}

static bool note(void *ctx, const char *fingerprint, const void *packets, size_t len)
{
	struct keyring *k = ctx;

	(void)packets, (void)len;
	if (k->n < CATALOG_MAX_KEYS)
		snprintf(k->fingerprints[k->n], FINGERPRINT_TEXT, "%s", fingerprint);
	return k->n++ < CATALOG_MAX_KEYS;
}

int keyring_file(const char *path, const char *cache_dir, struct keyring *out, struct err *err)
{
	auto_buf struct buf text = BUF_INIT(KEY_FILE_MAX);

	if (open_dir(cache_dir, out, err) < 0 || file_read(path, &text, err) < 0 ||
	    openpgp_keys(buf_str(&text), text.len, path, note, out, err) < 0)
		goto fail;
	if (out->n > CATALOG_MAX_KEYS) {
		err_set(err, ERR_SPEC,
			"'%s' holds more than %d keys: keep those that sign the image", path,
			CATALOG_MAX_KEYS);
		goto fail;
	}
	for (size_t i = 0; i < out->n; i++)
		if (keep(out->dir, buf_str(&text), text.len, path, out->fingerprints[i], err) < 0)
			goto fail;
	return 0;
fail:
	keyring_done(out);
	return -1;
}

void keyring_done(struct keyring *k)
{
	free(k->dir);
	*k = (struct keyring){0};
}
