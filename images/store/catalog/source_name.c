/* SPDX-License-Identifier: Apache-2.0
 *
 * From a name of the catalog to one file: the index says which is the newest (resolve.h), the
 * checksum file what its bytes are (checksum.h), and a signature whether that may be believed
 * (signature.h).
 */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/catalog/lookup.h"
#include "images/store/catalog/template.h"
#include "images/store/trust/checksum.h"

/* --- addresses --------------------------------------------------------------------- */

/* The path on each mirror; a URL of its own has no others. Texts are owned. */
static void make_urls(const struct lookup *l, const char *path, char *urls[SOURCE_MAX_URLS + 1])
{
	size_t n = 0;

	if (strstr(path, "://")) {
		urls[n++] = xstrdup(path);
	} else {
		for (; l->image.mirrors[n]; n++) {
			size_t len = strlen(l->image.mirrors[n]);

			while (len && l->image.mirrors[n][len - 1] == '/')
				len--;
			urls[n] = xasprintf("%.*s/%s", (int)len, l->image.mirrors[n], path);
		}
	}
	urls[n] = NULL;
}

static void free_urls(char *urls[])
{
	for (; *urls; urls++)
		free(*urls);
}

/*
 * Fetches a path of the catalog from the first mirror that has it, beginning with the one at *at,
 * which is set to the next one. *from is its URL, owned by the caller.
 */
static int get_from(struct lookup *l, const char *path, uint64_t max, size_t *at, struct buf *out,
		    char **from, struct err *err)
{
	char *urls[SOURCE_MAX_URLS + 1];
	struct err first = {0};
	int rc = -1;

	make_urls(l, path, urls);
	for (bool more = true; more && urls[*at];) {
		const char *const one[] = {urls[(*at)++], NULL};
		struct err why = {0};

		buf_reset(out);
		rc = l->fetcher->text(l->fetcher->ctx, one, max, out, NULL, &why);
		if (rc == 0 && (out->overflow || out->len > max))
			rc = err_set(&why, ERR_VERIFY, "'%s' is larger than anything of its kind",
				     one[0]);
		if (rc == 0)
			*from = xstrdup(one[0]);
		else if (!first.kind)
			first = why;
		more = rc < 0 && why.kind == ERR_DOWNLOAD;
	}
	free_urls(urls);
	if (rc < 0 && err)
		*err = first;
	return rc;
}

static int get(struct lookup *l, const char *path, uint64_t max, struct buf *out, char **from,
	       struct err *err)
{
	size_t at = 0;

	if (!l->index_path || strcmp(path, l->index_path))
		return get_from(l, path, max, &at, out, from, err);
	buf_put(out, l->index.data, l->index.len);
	*from = xstrdup(l->index_url);
	return 0;
}

static const char *late_value(void *ctx, const char *name, size_t n)
{
	const struct lookup *l = ctx;
	const struct {
		const char *name, *value;
	} values[] = {{"serial", l->found.serial},
		      {"name", l->found.name},
		      {"file", l->file},
		      {"dir", l->dir}};

	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (strlen(values[i].name) == n && !strncmp(values[i].name, name, n))
			return values[i].value && values[i].value[0] ? values[i].value : NULL;
	return NULL;
}

/* The template with what was found; owned by the caller. */
static char *fill(struct lookup *l, const char *template, struct err *err)
{
	auto_buf struct buf out = BUF_INIT(TEMPLATE_MAX);
	const char *bad;
	size_t n = template_fill(template, late_value, l, &out, &bad);

	if (!n && !out.overflow)
		return buf_take(&out);
	err_set(err, ERR_SPEC, "the catalog's '%s' needs what its rule does not find", template);
	return NULL;
}

/* --- which file -------------------------------------------------------------------- */

static int follow_redirect(struct lookup *l, struct err *err)
{
	char *urls[SOURCE_MAX_URLS + 1];
	auto_free char *final = NULL, *path = NULL;
	const char *name;
	int rc;

	make_urls(l, l->image.index, urls);
	rc = l->fetcher->locate(l->fetcher->ctx, (const char *const *)urls, &final, err);
	if (rc == 0) {
		path = xstrndup(final, strcspn(final, "?#"));
		name = path_base(path);
		if (strlen(name) >= sizeof(l->found.name) || !path_copy(name, l->found.path))
			rc = err_set(err, ERR_VERIFY, "'%s' leads to '%.200s', which names no file",
				     urls[0], final);
	}
	free_urls(urls);
	if (rc < 0)
		return -1;
	snprintf(l->found.name, sizeof(l->found.name), "%s", l->found.path);
	l->out->dated = strcmp(l->found.name, path_base(l->image.index)) != 0;
	l->file = xasprintf("%.*s%s", (int)(path_base(l->image.index) - l->image.index),
			    l->image.index, l->found.name);
	return 0;
}

static int look(struct lookup *l, const struct buf *text, const char *from, struct err *err)
{
	const struct catalog_image *i = &l->image;

	if (i->rule == RULE_MANIFEST)
		return manifest_find(buf_str(text), text->len, from, i->item, &l->found, err);
	if (i->rule == RULE_STREAMS)
		return streams_find(buf_str(text), text->len, from, i->product, i->item, &l->found,
				    err);
	return listing_find(buf_str(text), text->len, from, i->match, &l->found, err);
}

/* A mirror may have a page and not the file: the next one is asked then. */
static int read_index(struct lookup *l, struct err *err)
{
	struct err first = {0};
	size_t at = 0;

	for (;;) {
		struct buf text = BUF_INIT(INDEX_MAX_BYTES);
		auto_free char *from = NULL;
		struct err why = {0};

		if (get_from(l, l->image.index, INDEX_MAX_BYTES, &at, &text, &from, &why) == 0 &&
		    look(l, &text, from, &why) == 0) {
			l->index_path = xstrdup(l->image.index);
			l->index_url = take_ptr(from);
			l->index = text;
			return 0;
		}
		buf_done(&text);
		if (why.kind && !first.kind)
			first = why;
		if (why.kind != ERR_NOT_FOUND || at >= SOURCE_MAX_URLS || !l->image.mirrors[at])
			break;
	}
	if (err)
		*err = first;
	return -1;
}

/* A stream's paths begin where its "streams/" stands. */
static char *stream_path(const struct lookup *l)
{
	const char *index = l->image.index, *at = strstr(index, "streams/");

	return xasprintf("%.*s%s", (int)(at ? at - index : path_base(index) - index), index,
			 l->found.path);
}

static int find_file(struct lookup *l, struct err *err)
{
	if (l->image.rule == RULE_REDIRECT)
		return follow_redirect(l, err);
	if (l->image.rule != RULE_EXACT && read_index(l, err) < 0)
		return -1;
	l->file = l->image.path ? fill(l, l->image.path, err) : stream_path(l);
	if (!l->file)
		return -1;
	if (l->found.name[0] && strcmp(path_base(l->file), l->found.name))
		return err_set(err, ERR_VERIFY,
			       "the index names '%s' where the catalog expects '%s'", l->found.name,
			       path_base(l->file));
	l->out->dated = l->image.rule != RULE_EXACT;
	return 0;
}

/* --- who says so ------------------------------------------------------------------- */

/* Signatures are checked, but for who accepts less and has no gpgv. */
static int may_sign(const struct lookup *l, bool *sign, struct err *err)
{
	const struct image_want *want = l->want;
	bool enough =
		want->verify == TRUST_CHECKSUM || (want->verify == TRUST_DIGEST && want->digest);

	*sign = l->image.nkeys > 0;
	if (!*sign || signature_possible(enough ? NULL : err) == 0)
		return 0;
	*sign = false;
	return enough ? 0 : -1;
}

/* One check with the keys as they are kept; once more with new ones when those may be too old. */
static int check_text(struct lookup *l, const char *what, const struct buf *text,
		      const struct buf *sig, struct buf *plain, struct err *err)
{
	bool stale = false;
	int rc = -1;

	for (int again = 0; again < 2; again++) {
		struct err first = *err;

		if (again)
			*err = (struct err){0};
		keyring_done(&l->out->keys);
		if (keyring_fetch(l->image.keys, l->image.nkeys, l->cache_dir, l->fetcher, again,
				  &l->out->keys, err) < 0) {
			if (again)
				*err = first; /* what is wrong is the signature, not the network */
			return -1;
		}
		rc = sig ? signature_detached(&l->out->keys, what, sig->data, sig->len, text->data,
					      text->len, NULL, l->out->signer, &stale, err)
			 : signature_clear(&l->out->keys, what, text->data, text->len, plain,
					   l->out->signer, &stale, err);
		if (rc == 0 || !stale)
			break;
	}
	return rc;
}

/* The checksum file, or what of it is signed; *from is its URL. */
static int read_checksums(struct lookup *l, bool sign, struct buf *out, char **from,
			  struct err *err)
{
	auto_free char *path = fill(l, l->image.checksums, err), *sig_path = NULL, *sig_from = NULL;
	auto_buf struct buf text = BUF_INIT(CHECKSUM_MAX_BYTES),
			    sig = BUF_INIT(SIGNATURE_MAX_BYTES);

	if (!path || get(l, path, CHECKSUM_MAX_BYTES, &text, from, err) < 0)
		return -1;
	if (sign && l->image.clearsigned)
		return check_text(l, *from, &text, NULL, out, err);
	if (sign && l->image.signature) {
		sig_path = fill(l, l->image.signature, err);
		if (!sig_path || get(l, sig_path, SIGNATURE_MAX_BYTES, &sig, &sig_from, err) < 0 ||
		    check_text(l, *from, &text, &sig, NULL, err) < 0)
			return -1;
	}
	buf_put(out, text.data, text.len);
	return 0;
}

static int use_checksums(struct lookup *l, bool sign, struct err *err)
{
	auto_buf struct buf text = BUF_INIT(CHECKSUM_MAX_BYTES);
	auto_free char *from = NULL;
	char digest[DIGEST_TEXT];

	if (read_checksums(l, sign, &text, &from, err) < 0 ||
	    checksum_find(buf_str(&text), text.len, from, path_base(l->file), digest, err) < 0)
		return -1;
	/* Two sources that should agree, and could be of two releases. */
	if (l->out->digest[0] && !strncmp(l->out->digest, digest, 7) &&
	    strcmp(l->out->digest, digest))
		return err_set(err, ERR_VERIFY,
			       "its index and its checksum file disagree, so one of them is old "
			       "or false (try again later): %s, and %s in '%s'",
			       l->out->digest, digest, from);
	memcpy(l->out->digest, digest, sizeof(digest));
	return 0;
}

/* The signature over the image, for when it is here. */
static int get_image_signature(struct lookup *l, struct err *err)
{
	auto_free char *path = fill(l, l->image.image_signature, err), *from = NULL;

	if (!path)
		return -1;
	l->out->signature = BUF_INIT(SIGNATURE_MAX_BYTES);
	if (get(l, path, SIGNATURE_MAX_BYTES, &l->out->signature, &from, err) < 0)
		return -1;
	return keyring_fetch(l->image.keys, l->image.nkeys, l->cache_dir, l->fetcher, false,
			     &l->out->keys, err);
}

int source_name(struct lookup *l, struct err *err)
{
	const struct image_want *want = l->want;
	struct image_source *out = l->out;
	struct catalog *catalog;
	bool sign = false;
	int rc;

	if (want->offline)
		return err_set(err, ERR_DOWNLOAD,
			       "which image '%s' is now has to be looked up, and --offline "
			       "forbids it (with a croft.lock nothing has to be looked up)",
			       want->name);
	catalog = catalog_open(want->catalogs, err);
	if (!catalog)
		return -1;
	rc = catalog_find(catalog, want->name, want->arch, &l->image, err);
	if (rc == 0)
		rc = find_file(l, err);
	if (rc == 0)
		rc = may_sign(l, &sign, err);
	if (rc == 0) {
		l->dir = path_dir(l->file);
		make_urls(l, l->file, out->urls);
		memcpy(out->digest, l->found.digest, sizeof(out->digest));
		out->size = l->found.size;
		out->user = l->image.user ? xstrdup(l->image.user) : NULL;
		if (l->image.checksums)
			rc = use_checksums(l, sign, err);
	}
	if (rc == 0 && sign && l->image.image_signature)
		rc = get_image_signature(l, err);
	if (rc == 0)
		out->trust = sign	      ? TRUST_SIGNED
			     : out->digest[0] ? TRUST_CHECKSUM
					      : TRUST_UNVERIFIED;
	catalog_close(catalog);
	return rc < 0 ? err_wrap(err, "%s", want->name) : 0;
}

void lookup_done(struct lookup *l)
{
	free(l->file);
	free(l->dir);
	free(l->index_path);
	free(l->index_url);
	buf_done(&l->index);
}
