/* SPDX-License-Identifier: Apache-2.0
 *
 * The content-addressed cache: blobs under the name of their digest, a JSON record beside each, and
 * an index from sources that name no digest to what they were found to be. A blob appears by rename
 * after it was hashed, checked as an image and synced; so what stands in blobs/ is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/util.h"
#include "images/store/cache/content.h"
#include "images/store/cache/expand.h"
#include "images/store/cache/internal.h"

const char *trust_name(enum trust trust)
{
	static const char *const names[] = {
		[TRUST_UNVERIFIED] = "unverified", [TRUST_LOCAL] = "local",
		[TRUST_CHECKSUM] = "checksum",	   [TRUST_DIGEST] = "digest",
		[TRUST_SIGNED] = "signed",
	};
	static_assert(ARRAY_LEN(names) == TRUST_LEVELS, "every level has a name");

	return names[trust];
}

bool trust_parse(const char *name, enum trust *out)
{
	for (enum trust t = TRUST_UNVERIFIED; t < TRUST_LEVELS; t++) {
		if (!strcmp(name, trust_name(t))) {
			*out = t;
			return true;
		}
	}
	return false;
}

struct store *store_open(const char *dir, struct err *err)
{
	static const char *const parts[] = {"tmp", "locks", "index", "blobs/sha256",
					    "blobs/sha512"};
	struct store *s = NEW(struct store);

	s->dir = xstrdup(dir);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		auto_free char *path = path_join(dir, parts[i]);

		if (access(path, W_OK) < 0 && dir_make(path, 0700, err) < 0) {
			err_wrap(err, "image cache");
			store_close(s);
			return NULL;
		}
	}
	cache_sweep(s, PART_AGE_S);
	return s;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	free(s->dir);
	free(s);
}

char *blob_path(const struct store *s, const char *digest, const char *suffix)
{
	const char *hex;
	enum hash_kind kind;

	if (digest_parse(digest, &kind, &hex, NULL) < 0)
		return NULL;
	return xasprintf("%s/blobs/%s/%s%s", s->dir, hash_name(kind), hex, suffix);
}

bool blob_there(const struct store *s, const char *digest)
{
	auto_free char *blob = blob_path(s, digest, ""), *record = blob_path(s, digest, ".json");

	return blob && access(blob, F_OK) == 0 && access(record, F_OK) == 0;
}

/* --- what is there ---------------------------------------------------------------------------- */

/*
 * Not deleted: a VM may have its disk on it, and a damaged base is more than none when the source
 * is gone. One is kept; `image prune` removes it when no VM needs it, or the image is whole again.
 */
static int put_aside(const char *blob, const char *record, const struct store_progress *progress,
		     struct err *err)
{
	auto_free char *aside = xasprintf("%s.damaged", blob);
	auto_free char *text = xasprintf(
		"'%s' is not what it was when it was checked: somebody changed it, or the "
		"disk did; it was renamed to '%s' and has to be fetched again",
		blob, path_base(aside));

	/* Who came first has renamed it. */
	if (rename(blob, aside) < 0 && errno != ENOENT)
		return err_sys(err, ERR_HOST, "cannot rename '%s'", blob);
	progress_note(progress, text);
	return file_remove(record, err);
}

/* A record of version 1 has no content digest: its file was kept as it came. */
static const char *expected_content(const struct image_record *rec)
{
	return rec->content[0] ? rec->content : rec->digest;
}

int blob_check(const struct store *s, const char *digest, bool always,
	       const struct store_progress *progress, struct image_record *out, struct err *err)
{
	auto_free char *blob = blob_path(s, digest, ""), *record = blob_path(s, digest, ".json");
	struct image_record rec;
	auto_close int fd = -1;
	struct stat st;
	int good = 1;

	if (!blob || access(record, F_OK) < 0)
		return 0;
	fd = open(blob, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_HOST, "cannot open '%s'", blob);
	if (image_record_load(record, &rec, err) < 0)
		return -1;
	if (strcmp(rec.digest, digest)) {
		image_record_done(&rec);
		return err_set(err, ERR_CORRUPT, "'%s' is about another image: remove it", record);
	}
	if (always || !kept_same(&rec.kept, &st)) {
		progress_stage(progress, "checking the cached image");
		good = content_check(fd, expected_content(&rec), progress, err);
		if (good == 0)
			good = put_aside(blob, record, progress, err);
		else if (good == 1 && !kept_same(&rec.kept, &st)) {
			if (!rec.content[0])
				snprintf(rec.content, sizeof(rec.content), "%s", rec.digest);
			rec.kept = kept_of(&st);
			good = image_record_save(record, &rec, err) < 0 ? -1 : 1;
		}
	}
	if (good == 1)
		*out = rec;
	else
		image_record_done(&rec);
	return good;
}

struct image_lease {
	int fd;
};

void image_lease_free(struct image_lease *lease)
{
	if (!lease)
		return;
	close(lease->fd);
	free(lease);
}

void image_have_done(struct image_have *have)
{
	image_lease_free(have->lease);
	free(have->path);
	free(have->source);
	free(have->user);
	*have = (struct image_have){0};
}

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

int blob_use(const struct store *s, const char *digest, const struct store_progress *progress,
	     struct image_record *rec, struct image_have *out, struct err *err)
{
	auto_free char *record = blob_path(s, digest, ".json");
	auto_close int fd = -1;
	int found;

	if (!blob_there(s, digest))
		return 0;
	fd = cache_lock(s, digest, LOCK_USE, progress, err);
	found = fd < 0 ? -1 : blob_check(s, digest, false, progress, rec, err);
	if (found != 1)
		return found;
	utimensat(AT_FDCWD, record, NULL, 0); /* when it was last used: for `image prune` */
	*out = (struct image_have){
		.path = blob_path(s, digest, ""),
		.format = rec->format,
		.virtual_size = rec->virtual_size,
		.trust = rec->trust,
		.source = copy(rec->source),
		.user = copy(rec->user),
		.bytes = rec->bytes,
		.was_cached = true,
		.lease = NEW(struct image_lease),
	};
	snprintf(out->digest, sizeof(out->digest), "%s", rec->digest);
	snprintf(out->content, sizeof(out->content), "%s", rec->content);
	snprintf(out->signer, sizeof(out->signer), "%s", rec->signer);
	out->lease->fd = take_fd(&fd);
	return 1;
}

char *image_boot_dir(const char *cache, const char *digest)
{
	char *dir = xasprintf("%s/boot/%s", cache, digest), *colon = strrchr(dir, ':');

	if (colon)
		*colon = '-';
	return dir;
}

int blob_remove(const struct store *s, const char *digest, struct err *err)
{
	auto_free char *blob = blob_path(s, digest, ""), *record = blob_path(s, digest, ".json");
	auto_free char *boot = image_boot_dir(s->dir, digest);

	/* The record first: a file without one is not an image of the cache. */
	if (file_remove(record, err) < 0 || file_remove(blob, err) < 0)
		return -1;
	return dir_remove(boot, err);
}

/* --- the index -------------------------------------------------------------------------------- */

static char *index_path(const struct store *s, const char *key)
{
	char hex[2 * HASH_SHA256_BYTES + 1];

	hash_text(key, hex);
	return xasprintf("%s/index/%s", s->dir, hex);
}

bool index_lookup(const struct store *s, const char *key, char digest[DIGEST_TEXT])
{
	auto_free char *path = index_path(s, key);
	auto_buf struct buf text = BUF_INIT(DIGEST_TEXT);
	const char *hex;
	enum hash_kind kind;

	if (file_read(path, &text, NULL) < 0 || digest_parse(buf_str(&text), &kind, &hex, NULL) < 0)
		return false; /* an entry that cannot be read is an entry that is not there */
	snprintf(digest, DIGEST_TEXT, "%s", buf_str(&text));
	return true;
}

int index_record(const struct store *s, const char *key, const char *digest, struct err *err)
{
	auto_free char *path = index_path(s, key);

	return file_replace(path, digest, strlen(digest), 0644, err);
}

/* --- the way in ------------------------------------------------------------------------------- */

/* Is it a disk image that may come from outside, of the format that was asked for? */
static int check_image(int fd, const struct image_want *want, struct image_record *rec,
		       uint64_t *file_size, struct err *err)
{
	struct blk_info info;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, ERR_HOST, "cannot stat");
	*file_size = (uint64_t)st.st_size;
	if (want->has_format && want->format == BLK_RAW)
		info = (struct blk_info){.format = BLK_RAW, .virtual_size = (uint64_t)st.st_size};
	else if (blk_check_foreign(fd, store_max_bytes(want), &info, err) < 0)
		return -1;
	if (want->has_format && want->format != info.format)
		return err_set(err, ERR_VERIFY, "is %s, and the spec says format: %s",
			       blk_format_name(info.format), blk_format_name(want->format));
	if (info.virtual_size < 512 || info.virtual_size % 512)
		return err_set(err, ERR_VERIFY,
			       "is no disk image: %" PRIu64
			       " bytes is not a whole number of 512-byte sectors",
			       info.virtual_size);
	rec->came = rec->format = info.format;
	rec->virtual_size = info.virtual_size;
	return 0;
}

/* Said before an hour of work, not after it. */
static int check_space(const struct store *s, uint64_t bytes, struct err *err)
{
	char need[SIZE_TEXT], have[SIZE_TEXT];
	struct statvfs fs;

	if (statvfs(s->dir, &fs) < 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= bytes)
		return 0;
	return err_set(err, ERR_HOST,
		       "expanding the image takes %s, and '%s' has %s free (`croft image prune` "
		       "makes room)",
		       format_size(bytes, need, sizeof(need)), s->dir,
		       format_size((uint64_t)fs.f_bavail * fs.f_frsize, have, sizeof(have)));
}

/* Expands into a new file `raw`. 1 done; 0 there is nothing compressed in it. */
static int expand(const struct store *s, int fd, const char *raw, uint64_t file_size,
		  const struct store_progress *progress, struct image_record *rec, struct err *err)
{
	struct blk_layer layer = {
		.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), .format = BLK_QCOW2, .name = "image"};
	auto_close int out = -1;
	struct survey survey;

	if (layer.fd < 0)
		return err_sys(err, ERR_HOST, "cannot open the image");
	auto_blk struct blk *src = blk_open(&layer, 1, BLK_RDONLY, err);
	if (!src || image_survey(src, file_size, progress, &survey, err) < 0)
		return -1;
	if (!survey.packed)
		return 0;
	if (check_space(s, survey.expanded, err) < 0)
		return -1;
	out = open(raw, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (out < 0)
		return err_sys(err, ERR_HOST, "cannot create '%s'", raw);
	progress_stage(progress, "expanding the image");
	if (image_expand(src, out, raw, progress, rec->content, err) < 0)
		return -1;
	rec->format = BLK_RAW;
	return 1;
}

int blob_publish(const struct store *s, const char *key, const char *tmp,
		 const struct store_progress *progress, struct image_record *rec, int *hold,
		 struct err *err)
{
	auto_free char *blob = blob_path(s, rec->digest, ""),
		       *record = blob_path(s, rec->digest, ".json");
	auto_free char *dir = path_dir(blob);
	auto_close int fd = open(tmp, O_RDWR | O_CLOEXEC | O_NOFOLLOW), lock = -1;
	struct stat st;

	*hold = -1;
	/* Another source may be found to have the same digest at the same time. */
	if (strcmp(key, rec->digest)) {
		lock = cache_lock(s, rec->digest, LOCK_MAKE, progress, err);
		if (lock < 0)
			return -1;
	}
	if (fd < 0 || fchmod(fd, 0400) < 0 || fsync(fd) < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_HOST, "cannot write '%s'", tmp);
	rec->kept = kept_of(&st);
	rec->fetched = time(NULL);
	/* The record first: a blob that is seen is whole. */
	if (image_record_save(record, rec, err) < 0)
		return -1;
	if (rename(tmp, blob) < 0)
		return err_sys(err, ERR_HOST, "cannot rename '%s' to '%s'", tmp, blob);
	if (dir_sync(dir, err) < 0)
		return -1;
	if (lock >= 0)
		cache_lock_share(lock);
	*hold = take_fd(&lock);
	return 0;
}

/*
 * Another source had the same bytes: what is there stays, for VMs may stand on it, and learns what
 * was proven now. 1 it is there; 0; -1.
 */
static int there_already(const struct store *s, const struct image_record *rec,
			 const struct store_progress *progress, int *hold, struct err *err)
{
	auto_free char *record = blob_path(s, rec->digest, ".json");
	auto_close int lock = -1;
	struct image_record old;
	int there;

	if (!blob_there(s, rec->digest))
		return 0;
	lock = cache_lock(s, rec->digest, LOCK_USE, progress, err);
	there = lock < 0 ? -1 : blob_check(s, rec->digest, false, progress, &old, err);
	if (there != 1)
		return there;
	if (rec->trust > old.trust) {
		old.trust = rec->trust;
		snprintf(old.signer, sizeof(old.signer), "%s", rec->signer);
		there = image_record_save(record, &old, err) < 0 ? -1 : 1;
	}
	image_record_done(&old);
	if (there == 1)
		*hold = take_fd(&lock);
	return there;
}

int blob_commit(const struct store *s, const char *key, const char *tmp, bool as_came,
		const struct image_want *want, const struct store_progress *progress,
		struct image_record *rec, int *hold, struct err *err)
{
	auto_free char *raw = cache_tmp(s, key, ".raw");
	auto_close int fd = open(tmp, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t file_size;
	int expanded = 0, rc;

	*hold = -1;
	if (strcmp(key, rec->digest) && (rc = there_already(s, rec, progress, hold, err)) != 0)
		return rc < 0 ? -1 : 0;
	if (fd < 0)
		return err_sys(err, ERR_HOST, "cannot open '%s'", tmp);
	if (check_image(fd, want, rec, &file_size, err) < 0)
		return -1;
	if (rec->format == BLK_QCOW2)
		expanded = expand(s, fd, raw, file_size, progress, rec, err);
	rc = expanded < 0 ? -1 : 0;
	if (expanded == 0 && as_came)
		snprintf(rec->content, sizeof(rec->content), "%s", rec->digest);
	else if (expanded == 0)
		rc = content_tree(fd, progress, rec->content, err);
	if (rc == 0)
		rc = blob_publish(s, key, expanded ? raw : tmp, progress, rec, hold, err);
	if (rc < 0 && expanded)
		unlink(raw);
	return rc;
}
