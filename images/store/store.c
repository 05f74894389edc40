/* SPDX-License-Identifier: Apache-2.0
 *
 * From what the spec wants to a file in the cache: see store.h. What is there already is used; for
 * the rest source.h says which bytes and who vouches for them, fetch.h gets them, and cache.c lets
 * them in.
 */
#include "images/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/cache/internal.h"
#include "images/store/catalog/source.h"
#include "images/store/fetch/fetch.h"
#include "images/store/fetch/url.h"

/* What a want names: a local path, or what is remote; and its key in the index. */
struct target {
	char *path; /* or NULL: a URL, or a name of the catalog */
	int fd;	    /* of the path, once it was opened */
	char *key;  /* a path's has what the opened file is */
};

static void target_done(struct target *t)
{
	free(t->path);
	free(t->key);
	auto_close_fn(&t->fd);
}

char *name_key(const char *name, const char *arch)
{
	struct utsname host;

	if (!arch)
		arch = uname(&host) == 0 ? host.machine : "";
	return xasprintf("name:%s:%s", name, arch);
}

static int target_init(struct target *t, const struct image_want *want, struct err *err)
{
	*t = (struct target){.fd = -1};
	if (want->name)
		t->key = name_key(want->name, want->arch);
	else if (want->url && url_is_http(want->url))
		t->key = xasprintf("url:%s", want->url);
	else if (want->path)
		t->path = xstrdup(want->path);
	else if (want->url && url_is_file(want->url))
		t->path = url_path(want->url, err);
	else
		return err_set(err, ERR_SPEC,
			       "'%s' is not a URL croft can fetch (file, http, https)",
			       want->url ? want->url : "");
	return t->key || t->path ? 0 : -1;
}

/*
 * For who needs the file itself: what is in the cache is used without it, so that a VM does not
 * depend on a file that its user has moved or deleted since.
 */
static int target_open(struct target *t, struct err *err)
{
	struct stat st;

	if (!t->path || t->fd >= 0)
		return 0;
	t->fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (t->fd < 0 || fstat(t->fd, &st) < 0)
		return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED,
			       "cannot open '%s'", t->path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_SPEC, "'%s' is not a file", t->path);
	t->key = xasprintf("path:%s:%ju:%ju:%jd:%jd.%09ld", t->path, (uintmax_t)st.st_dev,
			   (uintmax_t)st.st_ino, (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec,
			   st.st_mtim.tv_nsec);
	return 0;
}

/* --- what is there ---------------------------------------------------------------------------- */

/* The digest that must be, or NULL when it is anybody's. */
static const char *wanted_digest(const struct image_want *want)
{
	if (want->digest)
		return want->digest;
	if (want->resolved && want->resolved->digest[0])
		return want->resolved->digest;
	return want->pinned && want->pinned->digest[0] ? want->pinned->digest : NULL;
}

/* Unverified is for those who say so, whatever the spec accepts otherwise. */
static enum trust least(const struct image_want *want)
{
	if (want->remembered)
		return TRUST_UNVERIFIED;
	return want->verify < TRUST_LOCAL && !want->insecure ? TRUST_LOCAL : want->verify;
}

/* What the one who asks knows of the digest by asking for it. */
static enum trust asked_trust(const struct image_want *want, const struct target *t)
{
	bool named = want->digest && !want->remembered;
	enum trust trust = named || want->pinned ? TRUST_DIGEST
			   : t->path		 ? TRUST_LOCAL
						 : TRUST_UNVERIFIED;

	return want->pinned && want->pinned->trust > trust ? want->pinned->trust : trust;
}

/* What a source proves here: a digest that is only remembered, or a lock file's word, is no
 * proof. */
static enum trust proven_trust(const struct image_want *want, const struct image_source *source)
{
	if (want->remembered && source->trust == TRUST_DIGEST)
		return TRUST_UNVERIFIED;
	return want->pinned && source->trust > TRUST_DIGEST ? TRUST_DIGEST : source->trust;
}

/* Remembers a better proof than the record has. The caller holds a lock on the digest. */
static int improve(struct store *s, struct image_record *rec, enum trust trust, const char *signer,
		   struct err *err)
{
	auto_free char *path = blob_path(s, rec->digest, ".json");

	if (trust <= rec->trust)
		return 0;
	rec->trust = trust;
	snprintf(rec->signer, sizeof(rec->signer), "%s",
		 trust == TRUST_SIGNED && signer ? signer : "");
	return image_record_save(path, rec, err);
}

/*
 * The blob with this digest: 1, 0, -1. `trust` and `signer`: what was proven of the digest now;
 * `asked`: what the spec or the lock file says, which is shown but proves nothing beyond the
 * digest.
 */
static int use(struct store *s, const struct image_want *want, const char *digest, enum trust trust,
	       const char *signer, enum trust asked, const struct store_progress *progress,
	       struct image_have *out, struct err *err)
{
	struct image_record rec;
	int found = blob_use(s, digest, progress, &rec, out, err);

	if (found != 1)
		return found;
	if (want->has_format && want->format != rec.came)
		found = err_set(err, ERR_VERIFY, "the image is %s, and the spec says format: %s",
				blk_format_name(rec.came), blk_format_name(want->format));
	else if (improve(s, &rec, trust, signer, err) < 0)
		found = -1;
	out->trust = asked > rec.trust ? asked : rec.trust;
	snprintf(out->signer, sizeof(out->signer), "%s", rec.signer);
	image_record_done(&rec);
	if (found < 0)
		image_have_done(out);
	return found;
}

/* In the cache, and good enough? With a digest the blob of that name is the answer, whatever the
 * source. When it is not (0), a local source is open. */
static int find(struct store *s, const struct image_want *want, struct target *t,
		const struct store_progress *progress, struct image_have *out, struct err *err)
{
	const char *digest = wanted_digest(want), *signer = NULL;
	enum trust asked = asked_trust(want, t),
		   proven = asked < TRUST_DIGEST ? asked : TRUST_DIGEST;
	char known[DIGEST_TEXT];
	int found = 0;

	if (!digest) {
		if (target_open(t, err) < 0)
			return -1;
		digest = index_lookup(s, t->key, known) ? known : NULL;
	}
	if (want->resolved && !want->resolved->signature.len && want->resolved->trust > proven) {
		proven = want->resolved->trust;
		signer = want->resolved->signer;
	}
	if (digest)
		found = use(s, want, digest, proven, signer, asked, progress, out, err);
	if (found == 1 && out->trust < least(want)) {
		image_have_done(out);
		found = 0; /* somebody may be able to prove more */
	}
	return found == 0 ? target_open(t, err) : found;
}

int store_find(struct store *s, const struct image_want *want,
	       const struct store_progress *progress, struct image_have *out, struct err *err)
{
	struct target t;
	int found = target_init(&t, want, err);

	if (found == 0)
		found = find(s, want, &t, progress, out, err);
	target_done(&t);
	return found;
}

/* --- what is not ------------------------------------------------------------------------------ */

/* The exact bytes, and who vouches for them. */
static int resolve(struct store *s, const struct image_want *want, const struct target *t,
		   const struct store_progress *progress, struct image_source *out, struct err *err)
{
	struct fetcher fetcher;

	if (t->path) {
		*out = (struct image_source){.trust = asked_trust(want, t)};
		if (wanted_digest(want))
			snprintf(out->digest, sizeof(out->digest), "%s", wanted_digest(want));
	} else {
		http_fetcher(&fetcher, progress);
		if (source_resolve(want, s->dir, &fetcher, progress, out, err) < 0)
			return -1;
		if (want->offline && !(out->digest[0] && blob_there(s, out->digest))) {
			image_source_done(out);
			return err_set(
				err, ERR_DOWNLOAD,
				"'%s' is not in the cache, and --offline forbids to fetch it",
				want->name ? want->name : want->url);
		}
	}
	if (out->trust >= least(want))
		return 0;
	err_set(err, ERR_VERIFY,
		"what is known of '%s' is '%s', and '%s' is the least that is accepted%s",
		t->path	     ? t->path
		: want->name ? want->name
			     : want->url,
		trust_name(out->trust), trust_name(least(want)),
		out->trust == TRUST_UNVERIFIED
			? ": add digest: sha256:<hex> as its publisher gives it, or accept "
			  "whatever comes with --insecure"
			: "");
	image_source_done(out);
	return -1;
}

/* Something went wrong that another try with the same bytes may not meet. */
static bool worth_keeping(enum err_kind kind)
{
	return kind == ERR_HOST || kind == ERR_INTERRUPTED || kind == ERR_DOWNLOAD ||
	       kind == ERR_CONFLICT;
}

/* What was fetched, checked and let in. */
static int admit(struct store *s, const struct image_want *want, const struct target *t,
		 const char *key, struct image_source *source, const struct fetch_request *req,
		 const struct fetched *got, const struct store_progress *progress, int *hold,
		 struct err *err)
{
	struct image_want as = *want;
	struct image_record rec = {.bytes = got->bytes};
	const char *from = t->path ? t->path : got->url ? got->url : source->urls[0];
	int rc;

	if (source->has_format && !want->has_format) {
		as.has_format = true;
		as.format = source->format;
	}
	if (source_check_image(source, req->part, err) < 0)
		return -1;
	snprintf(rec.digest, sizeof(rec.digest), "%s", got->digest);
	snprintf(rec.signer, sizeof(rec.signer), "%s", source->signer);
	rec.trust = proven_trust(want, source);
	if (rec.trust < TRUST_SIGNED)
		rec.signer[0] = '\0';
	rec.source = xstrdup(from);
	rec.name = source->name ? xstrdup(source->name) : NULL;
	rec.user = source->user ? xstrdup(source->user) : NULL;
	rc = blob_commit(s, key, got->packed ? req->image : req->part, !got->packed, &as, progress,
			 &rec, hold, err);
	image_record_done(&rec);
	return rc;
}

static bool nothing_came(const char *part)
{
	struct stat st;

	return stat(part, &st) == 0 && st.st_size == 0;
}

/*
 * The caller holds the lock of the key. On success *digest is in the cache, and *hold is what
 * blob_commit says.
 */
static int fetch(struct store *s, const struct image_want *want, const struct target *t,
		 const char *key, struct image_source *source,
		 const struct store_progress *progress, char digest[DIGEST_TEXT], int *hold,
		 struct err *err)
{
	auto_free char *part = cache_tmp(s, key, ".part"),
		       *sidecar = cache_tmp(s, key, ".part.json");
	auto_free char *image = cache_tmp(s, key, ".image");
	auto_free char *stage = xasprintf("%s %s", t->path ? "copying" : "downloading",
					  t->path ? t->path : source->urls[0]);
	struct fetch_request req = {
		.urls = (const char *const *)source->urls,
		.src_fd = t->fd,
		.part = part,
		.image = image,
		.hash = HASH_SHA256,
		.digest = source->digest[0] ? source->digest : NULL,
		.size = source->size,
		.max_bytes = store_max_bytes(want),
	};
	struct fetched got = {0};
	const char *hex;
	bool came;
	int rc;

	if (req.digest && digest_parse(req.digest, &req.hash, &hex, err) < 0)
		return -1;
	unlink(image); /* of a process that was killed */
	progress_stage(progress, stage);
	rc = fetch_image(&req, progress, &got, err);
	came = rc == 0;
	if (came)
		rc = admit(s, want, t, key, source, &req, &got, progress, hold, err);
	if (rc < 0 && (came || t->path)) /* a download's own errors name their URL */
		err_wrap(err, "%s", t->path ? t->path : got.url ? got.url : source->urls[0]);
	if (rc == 0)
		snprintf(digest, DIGEST_TEXT, "%s", got.digest);
	/* A copy of a file of this host can be had again. */
	if (rc == 0 || t->path || (came && !worth_keeping(err->kind)) || nothing_came(part)) {
		unlink(part);
		unlink(sidecar);
	}
	unlink(image);
	if (came)
		fetched_done(&got);
	return rc;
}

/*
 * What the source is known to be, if that is in the cache. Without a digest to go by, the index
 * says what it was; and where the image itself is signed, only the record says that somebody
 * looked.
 */
static bool known(struct store *s, const struct target *t, const struct image_source *source,
		  char digest[DIGEST_TEXT])
{
	auto_free char *path = NULL;
	struct image_record rec;
	bool enough;

	if (source->digest[0])
		snprintf(digest, DIGEST_TEXT, "%s", source->digest);
	else if (!index_lookup(s, t->key, digest))
		return false;
	if (!blob_there(s, digest))
		return false;
	if (source->digest[0] && !source->signature.len)
		return true;
	path = blob_path(s, digest, ".json");
	if (image_record_load(path, &rec, NULL) < 0)
		return false;
	enough = rec.trust >= source->trust;
	image_record_done(&rec);
	return enough;
}

/* One try: 1 got it, 0 it went away again before we could hold on to it, -1. */
static int get(struct store *s, const struct image_want *want, const struct target *t,
	       struct image_source *source, const struct store_progress *progress,
	       struct image_have *out, struct err *err)
{
	const char *key = source->digest[0] ? source->digest : t->key;
	enum trust asked = asked_trust(want, t);
	bool certain = source->digest[0] && !source->signature.len; /* else the record says it */
	enum trust proven = certain ? proven_trust(want, source) : TRUST_UNVERIFIED;
	auto_close int lock = -1, hold = -1; /* until we have a lease */
	char digest[DIGEST_TEXT];
	bool fetched = false;
	int rc = 0;

	if (!known(s, t, source, digest)) {
		lock = cache_lock(s, key, LOCK_MAKE, progress, err);
		if (lock < 0)
			return -1;
		/* Whoever held the lock may have fetched it. */
		if (!known(s, t, source, digest)) {
			rc = fetch(s, want, t, key, source, progress, digest, &hold, err);
			fetched = rc == 0;
		}
		cache_lock_share(lock); /* the key may be the digest: room for the lease */
	}
	if (rc == 0 && (!wanted_digest(want) || want->name))
		rc = index_record(s, t->key, digest, err);
	if (rc == 0)
		rc = use(s, want, digest, proven, source->signer, asked, progress, out, err);
	if (rc == 1)
		out->was_cached = !fetched;
	return rc;
}

enum { TRIES = 8 }; /* against somebody who removes it between its making and our hold on it */

int store_get(struct store *s, const struct image_want *want, const struct store_progress *progress,
	      struct image_have *out, struct err *err)
{
	/* A name without a lock file is whatever its publisher says today. */
	bool ask = want->name && !wanted_digest(want) && !want->offline, resolved = false;
	struct err unread = {0};
	struct image_source source;
	struct target t;
	int rc;

	err = err ? err : &unread; /* its kind decides what is kept */
	rc = target_init(&t, want, err);
	if (rc == 0 && !ask)
		rc = find(s, want, &t, progress, out, err);
	if (rc == 0) {
		rc = resolve(s, want, &t, progress, &source, err);
		resolved = rc == 0;
		for (int tries = 0; rc == 0 && tries < TRIES; tries++)
			rc = get(s, want, &t, &source, progress, out, err);
		if (rc == 0)
			rc = err_set(err, ERR_CONFLICT,
				     "another croft removes this image: try again");
		if (resolved)
			image_source_done(&source);
	}
	target_done(&t);
	return rc < 0 ? -1 : 0;
}
