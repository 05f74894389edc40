/* SPDX-License-Identifier: Apache-2.0
 *
 * From what is wanted to exactly which bytes, and whether who vouches for them is good enough: see
 * source.h. Names of the catalog are looked up in source_name.c; here are URLs with a signature
 * that the spec names, and the rules that both have to pass.
 */
#include "images/store/catalog/source.h"

#include <string.h>

#include "base/clean.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/cache/internal.h"
#include "images/store/catalog/lookup.h"
#include "images/store/fetch/url.h"
#include "images/store/trust/checksum.h"

/* --- a URL, with a signature that the spec names ------------------------------------- */

/* "https://x/SHA256SUMS.gpg" is over "https://x/SHA256SUMS". */
static char *without_suffix(const char *url)
{
	static const char *const suffixes[] = {".asc", ".sig", ".gpg", ".sign"};

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		if (text_ends(url, suffixes[i]))
			return xstrndup(url, strlen(url) - strlen(suffixes[i]));
	return NULL;
}

/*
 * The signature may be over the image (image.qcow2.asc), over a checksum file (SHA256SUMS.gpg), or
 * in one (a clearsigned CHECKSUM): its name and what it holds tell which.
 */
static int use_signature(struct lookup *l, struct err *err)
{
	const char *url = l->want->signature.url, *urls[] = {url, NULL};
	struct image_source *out = l->out;
	auto_buf struct buf sig = BUF_INIT(CHECKSUM_MAX_BYTES), text = BUF_INIT(CHECKSUM_MAX_BYTES);
	auto_free char *over = without_suffix(url), *name = NULL;
	char digest[DIGEST_TEXT];

	if (signature_possible(err) < 0 ||
	    keyring_file(l->want->signature.key, l->cache_dir, &out->keys, err) < 0 ||
	    l->fetcher->text(l->fetcher->ctx, urls, CHECKSUM_MAX_BYTES, &sig, NULL, err) < 0)
		return -1;
	if (over && !strcmp(over, l->want->url)) {
		out->signature = sig;
		sig = BUF_INIT(0);
		out->trust = TRUST_SIGNED;
		return 0;
	}
	name = xstrndup(path_base(l->want->url), strcspn(path_base(l->want->url), "?#"));
	if (memmem(sig.data, sig.len, "-----BEGIN PGP SIGNED MESSAGE-----", 34)) {
		if (signature_clear(&out->keys, url, sig.data, sig.len, &text, out->signer, NULL,
				    err) < 0)
			return -1;
	} else if (over) {
		urls[0] = over;
		if (l->fetcher->text(l->fetcher->ctx, urls, CHECKSUM_MAX_BYTES, &text, NULL, err) <
			    0 ||
		    signature_detached(&out->keys, over, sig.data, sig.len, text.data, text.len,
				       NULL, out->signer, NULL, err) < 0)
			return -1;
	} else {
		return err_set(err, ERR_VERIFY,
			       "'%s' is neither a clearsigned checksum file nor named after what "
			       "it signs (.asc, .sig, .gpg)",
			       url);
	}
	if (checksum_find(buf_str(&text), text.len, over ? over : url, name, digest, err) < 0)
		return -1;
	if (out->digest[0] && !strncmp(out->digest, digest, 7) && strcmp(out->digest, digest))
		return err_set(err, ERR_VERIFY, "the spec says %s, and '%s' says %s", out->digest,
			       over ? over : url, digest);
	if (!out->digest[0])
		memcpy(out->digest, digest, sizeof(digest));
	out->trust = TRUST_SIGNED;
	return 0;
}

static int resolve_url(struct lookup *l, struct err *err)
{
	const struct image_want *want = l->want;
	struct image_source *out = l->out;
	bool local = want->path || text_starts(want->url, "file://");

	if (want->url)
		out->urls[0] = xstrdup(want->url);
	if (want->digest)
		snprintf(out->digest, sizeof(out->digest), "%s", want->digest);
	out->trust = want->digest ? TRUST_DIGEST : local ? TRUST_LOCAL : TRUST_UNVERIFIED;
	if (!want->signature.url || !want->url)
		return 0;
	if (want->offline && !text_starts(want->signature.url, "file://"))
		return err_set(
			err, ERR_DOWNLOAD,
			"'%s' has to be fetched, and --offline forbids it (with a croft.lock "
			"nothing has to be looked up)",
			want->signature.url);
	return use_signature(l, err);
}

/* --- the whole --------------------------------------------------------------------- */

static void copy(const struct image_source *from, struct image_source *to)
{
	*to = *from;
	to->name = from->name ? xstrdup(from->name) : NULL;
	to->user = from->user ? xstrdup(from->user) : NULL;
	for (size_t i = 0; from->urls[i]; i++)
		to->urls[i] = xstrdup(from->urls[i]);
	to->signature = BUF_INIT(SIGNATURE_MAX_BYTES);
	buf_put(&to->signature, from->signature.data, from->signature.len);
	to->keys.dir = from->keys.dir ? xstrdup(from->keys.dir) : NULL;
}

static const char *verify_word(enum trust t)
{
	return t == TRUST_SIGNED     ? "signature"
	       : t == TRUST_DIGEST   ? "digest"
	       : t == TRUST_CHECKSUM ? "checksum"
				     : "none";
}

static int check_enough(const struct image_want *want, const struct image_source *s,
			struct err *err)
{
	const char *what = want->name ? want->name : want->url ? want->url : want->path;

	if (s->trust < want->verify)
		return err_set(
			err, ERR_VERIFY,
			"'%s': the spec says verify: %s, and the best there is for it is: %s (%s)",
			what, verify_word(want->verify), trust_name(s->trust),
			want->verify == TRUST_SIGNED && want->name
				? "its publisher signs no images that croft knows a key for: write "
				  "a digest: of your own and verify: digest, or verify: checksum"
			: want->verify == TRUST_SIGNED ? "add signature: with url and key"
						       : "add digest: as its publisher gives it");
	if (s->trust == TRUST_UNVERIFIED && !want->insecure)
		return err_set(err, ERR_VERIFY,
			       "'%s' has no digest, so nothing says what it should be: add "
			       "digest: sha256:<hex> as its publisher gives it, or accept "
			       "whatever comes with --insecure",
			       what);
	return 0;
}

/* A digest that the spec names beside a catalog's name has the last word. */
static int apply_digest(const struct image_want *want, struct image_source *s, struct err *err)
{
	if (!want->name || !want->digest)
		return 0;
	if (s->digest[0] && !strncmp(s->digest, want->digest, 7) && strcmp(s->digest, want->digest))
		return err_set(err, ERR_VERIFY, "%s is now %s ('%s'), and %s %s", want->name,
			       s->digest, s->urls[0] ? s->urls[0] : "",
			       want->remembered ? "the VM was made from" : "the spec says digest:",
			       want->digest);
	snprintf(s->digest, sizeof(s->digest), "%s", want->digest);
	if (s->trust < TRUST_DIGEST)
		s->trust = TRUST_DIGEST;
	return 0;
}

int source_resolve(const struct image_want *want, const char *cache_dir,
		   const struct fetcher *fetcher, const struct store_progress *progress,
		   struct image_source *out, struct err *err)
{
	struct image_source s = {0};
	struct lookup l = {want, cache_dir, fetcher, .out = &s};
	int rc = 0;

	if (want->resolved) {
		copy(want->resolved, &s);
	} else if (want->pinned) {
		copy(want->pinned, &s);
		/* The lock names the bytes, whoever vouched for them then. */
		if (s.digest[0] && s.trust < TRUST_DIGEST)
			s.trust = TRUST_DIGEST;
	} else if (want->name) {
		auto_free char *stage = xasprintf("looking up %s", want->name);

		progress_stage(progress, stage);
		s.name = xstrdup(want->name);
		rc = source_name(&l, err);
	} else {
		rc = resolve_url(&l, err);
	}
	if (rc == 0)
		rc = apply_digest(want, &s, err);
	if (rc == 0)
		rc = check_enough(want, &s, err);
	if (want->has_format) {
		s.has_format = true;
		s.format = want->format;
	}
	lookup_done(&l);
	/* Messages quote what servers wrote. */
	if (rc < 0 && err)
		clean_copy(err->msg, sizeof(err->msg), err->msg, sizeof(err->msg));
	if (rc < 0)
		image_source_done(&s);
	else
		*out = s;
	return rc;
}

static int catalog_trust(const struct image_want *want, enum trust *out, struct err *err)
{
	struct catalog *catalog = catalog_open(want->catalogs, err);
	struct catalog_image image;
	int rc = catalog ? catalog_find(catalog, want->name, want->arch, &image, err) : -1;

	if (rc == 0)
		*out = image.trust;
	catalog_close(catalog);
	return rc;
}

int source_ahead(const struct image_want *want, enum trust *out, struct err *err)
{
	struct image_source s = {.trust = TRUST_UNVERIFIED};

	if (want->pinned)
		s.trust = want->pinned->trust;
	else if (want->path || (want->url && url_is_file(want->url)))
		s.trust = TRUST_LOCAL;
	else if (want->name && catalog_trust(want, &s.trust, err) < 0)
		return -1;
	else if (want->signature.url)
		s.trust = TRUST_SIGNED;
	if ((want->pinned || want->digest) && s.trust < TRUST_DIGEST)
		s.trust = TRUST_DIGEST;
	if (check_enough(want, &s, err) < 0)
		return -1;
	*out = s.trust;
	return 0;
}

int source_check_image(struct image_source *s, const char *path, struct err *err)
{
	const char *what = s->urls[0] ? s->urls[0] : path;

	if (!s->signature.len)
		return 0;
	return signature_detached(&s->keys, what, s->signature.data, s->signature.len, NULL, 0,
				  path, s->signer, NULL, err);
}

void image_source_done(struct image_source *s)
{
	free(s->name);
	free(s->user);
	for (size_t i = 0; i <= SOURCE_MAX_URLS; i++)
		free(s->urls[i]);
	buf_done(&s->signature);
	keyring_done(&s->keys);
	*s = (struct image_source){0};
}
