/* SPDX-License-Identifier: Apache-2.0
 *
 * Images in and out of the cache by file: see manage.h. What a bundle says of itself is a claim. It
 * is believed when its user has the digest of that claim from elsewhere; otherwise its image is a
 * local file like any other, under the digest of its own bytes, so that no bundle can put bytes of
 * its choice in the place of somebody else's image.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/guard.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/outfile.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/cache/bundle.h"
#include "images/store/cache/content.h"
#include "images/store/cache/internal.h"
#include "images/store/manage.h"

static const char bundle_prefix[] = "bundle:";

static void bundle_digest(const char *record, size_t n, char out[DIGEST_TEXT])
{
	struct hash *h = hash_new(HASH_SHA256, NULL);

	if (!h)
		abort();
	hash_update(h, record, n);
	hash_final(h, out);
	hash_free(h);
	memcpy(out, bundle_prefix, strlen(bundle_prefix)); /* as long as "sha256:" */
	static_assert(sizeof(bundle_prefix) == sizeof("sha256:"),
		      "one takes the place of the other");
}

/* --- out -------------------------------------------------------------------------------------- */

/* The caller has the lock. */
static int write_bundle(const struct image_entry *e, const struct image_record *rec, int out,
			const struct store_progress *progress, char digest[DIGEST_TEXT],
			struct err *err)
{
	struct image_record about = *rec;
	auto_close int fd = open(e->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	auto_free char *text = NULL;

	if (fd < 0)
		return err_sys(err, ERR_HOST, "cannot open '%s'", e->path);
	about.kept = (struct kept){.size = rec->kept.size}; /* the rest is of this host */
	text = image_record_text(&about, err);
	if (!text)
		return -1;
	bundle_digest(text, strlen(text), digest);
	return bundle_write(out, text, fd, rec->kept.size, progress, err);
}

int store_export(struct store *s, const struct image_entry *e, const char *path,
		 const struct store_progress *progress, char digest[DIGEST_TEXT], struct err *err)
{
	auto_close int lock = cache_lock(s, e->record.digest, LOCK_USE, progress, err);
	struct image_record rec;
	struct outfile out;
	int rc;

	if (lock < 0)
		return -1;
	rc = blob_check(s, e->record.digest, true, progress, &rec, err);
	if (rc != 1)
		return rc < 0 ? -1
			      : err_set(err, ERR_VERIFY, "'%s' is damaged", image_entry_title(e));
	rc = outfile_open(&out, path, 0666, err);
	if (rc == 0) {
		progress_stage(progress, "writing the bundle");
		rc = write_bundle(e, &rec, out.fd, progress, digest, err);
		if (rc == 0)
			rc = outfile_commit(&out, err);
		outfile_done(&out);
	}
	image_record_done(&rec);
	return rc;
}

/* --- in --------------------------------------------------------------------------------------- */

/* The bundle's image into `tmp`, and its record, whose content digest the image has. */
static int unpack(int bundle, const char *tmp, const struct store_progress *progress,
		  struct image_record *rec, char digest[DIGEST_TEXT], struct err *err)
{
	auto_close int out = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	auto_buf struct buf result = BUF_INIT(sizeof(uint64_t) + IMAGE_RECORD_MAX);
	struct bundle_read read = {
		.fd = bundle, .out_fd = out, .max_bytes = store_max_bytes(&(struct image_want){0})};
	const char *text;
	uint64_t size;
	int good;

	if (out < 0)
		return err_sys(err, ERR_HOST, "cannot create '%s'", tmp);
	if (guard_run(bundle_read_work, &read, out, read.max_bytes, &result, err) < 0)
		return -1;
	if (result.len < sizeof(size))
		return err_set(err, ERR_CORRUPT, "the bundle could not be read");
	memcpy(&size, result.data, sizeof(size));
	text = (const char *)result.data + sizeof(size);
	if (size > read.max_bytes || ftruncate(out, (off_t)size) < 0)
		return err_sys(err, ERR_HOST, "cannot size '%s'", tmp);
	bundle_digest(text, result.len - sizeof(size), digest);
	if (image_record_parse(text, result.len - sizeof(size), rec, err) < 0)
		return err_wrap(err, "the bundle's record");
	if (rec->content[0] && rec->kept.size == size) {
		progress_stage(progress, "checking the image");
		good = content_check(out, rec->content, progress, err);
		if (good == 1)
			return 0;
		if (good < 0) {
			image_record_done(rec);
			return -1;
		}
	}
	err_set(err, ERR_VERIFY,
		"the bundle's image is not what its record says: it was damaged on its way");
	image_record_done(rec);
	return -1;
}

/*
 * As what it may enter. 1: as the record says; 0: as a local file with the digest of its bytes, now
 * in rec; -1.
 */
static int decide(int fd, const char *digest, const char *bundle,
		  const struct store_progress *progress, struct image_record *rec, struct err *err)
{
	bool expanded = text_starts(rec->content, "tree:");

	if (digest && !strcmp(digest, bundle))
		return 1;
	/* Its bytes are what came from the publisher: then content_check has checked the digest,
	 * too. */
	if (!expanded && !strcmp(rec->content, rec->digest) &&
	    (!digest || !strcmp(digest, rec->digest)))
		return 0;
	if (digest && expanded && !strcmp(digest, rec->digest))
		return err_set(err, ERR_VERIFY,
			       "the bundle says that its image is %s, but holds it expanded, which "
			       "cannot be compared "
			       "with that: name the digest that `croft image export` printed "
			       "(bundle:<hex>)",
			       digest);
	if (digest)
		return err_set(err, ERR_VERIFY, "the bundle is %s, and you say %s", bundle, digest);
	progress_stage(progress, "hashing the image");
	return content_digest(fd, HASH_SHA256, progress, rec->digest, err) < 0 ? -1 : 0;
}

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static void replace(char **text, const char *with)
{
	free(*text);
	*text = copy(with);
}

static int import_bundle(struct store *s, int bundle, const char *path,
			 const struct image_import *how, const struct store_progress *progress,
			 char digest[DIGEST_TEXT], int *hold, struct err *err)
{
	/* Of this import alone; the digest's lock is taken when there is one. */
	auto_free char *key = xasprintf("import:%s:%d:%" PRIu64, path, (int)getpid(), now_ms());
	auto_close int lock = cache_lock(s, key, LOCK_MAKE, progress, err), fd = -1;
	auto_free char *tmp = cache_tmp(s, key, ".image");
	char found[DIGEST_TEXT];
	struct image_record rec;
	int believed;

	if (lock < 0 || unpack(bundle, tmp, progress, &rec, found, err) < 0) {
		unlink(tmp);
		return -1;
	}
	fd = open(tmp, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	believed = fd < 0 ? err_sys(err, ERR_HOST, "cannot open '%s'", tmp)
			  : decide(fd, how->digest, found, progress, &rec, err);
	rec.trust = how->digest ? TRUST_DIGEST : TRUST_LOCAL;
	rec.signer[0] = '\0';
	if (believed == 0) {
		rec.bytes = rec.kept.size;
		replace(&rec.source, path);
		replace(&rec.name, NULL);
		replace(&rec.user, NULL);
	}
	/* What is here already was proven no worse, and VMs may stand on it. */
	if (believed == 1 && blob_there(s, rec.digest))
		believed = 0;
	else if (believed == 1)
		believed = blob_publish(s, key, tmp, progress, &rec, hold, err);
	else if (believed == 0)
		believed = blob_commit(s, key, tmp, true, &(struct image_want){0}, progress, &rec,
				       hold, err);
	snprintf(digest, DIGEST_TEXT, "%s", rec.digest);
	image_record_done(&rec);
	unlink(tmp);
	return believed < 0 ? -1 : 0;
}

/* So that --offline finds it by name. */
static int give_name(struct store *s, const char *digest, const char *name, struct err *err)
{
	auto_close int lock = cache_lock(s, digest, LOCK_USE, NULL, err);
	auto_free char *record = blob_path(s, digest, ".json"), *key = name_key(name, NULL);
	struct image_record rec;
	int rc;

	if (lock < 0 || image_record_load(record, &rec, err) < 0)
		return -1;
	replace(&rec.name, name);
	rc = image_record_save(record, &rec, err);
	image_record_done(&rec);
	return rc < 0 ? -1 : index_record(s, key, digest, err);
}

int store_import(struct store *s, const char *path, const struct image_import *how,
		 const struct store_progress *progress, struct image_have *out, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), hold = -1;
	struct image_want want = {.path = path, .digest = how->digest};
	char digest[DIGEST_TEXT];
	struct image_record rec;
	int rc;

	if (fd < 0)
		return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED,
			       "cannot open '%s'", path);
	if (!bundle_detect(fd)) {
		if (store_get(s, &want, progress, out, err) < 0)
			return -1;
		rc = how->name ? give_name(s, out->digest, how->name, err) : 0;
		if (rc < 0)
			image_have_done(out);
		return rc;
	}
	progress_stage(progress, "unpacking the bundle");
	if (import_bundle(s, fd, path, how, progress, digest, &hold, err) < 0)
		return err_wrap(err, "%s", path);
	if (how->name && give_name(s, digest, how->name, err) < 0)
		return -1;
	rc = blob_use(s, digest, progress, &rec, out, err);
	if (rc == 1)
		image_record_done(&rec);
	return rc == 1	? 0
	       : rc < 0 ? -1
			: err_set(err, ERR_CONFLICT, "another croft removed the image: try again");
}
