/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking after the cache: see manage.h.
 */
#include "images/store/manage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/cache/internal.h"

enum { STALE_PART_S = 24 * 3600, SHORTEST_PREFIX = 4 };

/* --- what is there ---------------------------------------------------------------------------- */

static void add(struct store *s, const char *digest, struct image_list *list)
{
	auto_free char *record = blob_path(s, digest, ".json");
	struct image_entry e = {.path = blob_path(s, digest, "")};
	struct stat file, used;
	struct err why = {0};

	if (image_record_load(record, &e.record, &why) < 0)
		e.problem = xstrdup(why.msg);
	else if (strcmp(e.record.digest, digest))
		e.problem = xasprintf("'%s' is about another image", record);
	if (stat(e.path, &file) == 0)
		e.on_disk = (uint64_t)file.st_blocks * 512;
	else if (!e.problem)
		e.problem = xasprintf("'%s' is missing", e.path);
	if (stat(record, &used) == 0)
		e.used = used.st_mtim.tv_sec;
	snprintf(e.record.digest, sizeof(e.record.digest), "%s", digest);
	list->entries = xgrow(list->entries, &list->cap, list->n + 1, sizeof(*list->entries));
	list->entries[list->n++] = e;
}

static int by_use(const void *a, const void *b)
{
	const struct image_entry *x = a, *y = b;

	if (x->used != y->used)
		return x->used < y->used ? 1 : -1;
	return strcmp(x->record.digest, y->record.digest);
}

int image_list_load(struct store *s, struct image_list *list, struct err *err)
{
	*list = (struct image_list){0};
	for (enum hash_kind kind = 0; kind < HASH_KINDS; kind++) {
		auto_free char *path = xasprintf("%s/blobs/%s", s->dir, hash_name(kind));
		auto_closedir DIR *d = opendir(path);
		struct dirent *e;

		if (!d) {
			image_list_done(list);
			return err_sys(err, ERR_HOST, "cannot read '%s'", path);
		}
		while ((e = readdir(d))) {
			auto_free char *digest = NULL;
			enum hash_kind k;
			const char *hex;

			if (!text_ends(e->d_name, ".json"))
				continue;
			digest = xasprintf("%s:%.*s", hash_name(kind),
					   (int)(strlen(e->d_name) - strlen(".json")), e->d_name);
			if (digest_parse(digest, &k, &hex, NULL) == 0)
				add(s, digest, list);
		}
	}
	if (list->n)
		qsort(list->entries, list->n, sizeof(*list->entries), by_use);
	return 0;
}

void image_list_done(struct image_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		image_record_done(&list->entries[i].record);
		free(list->entries[i].path);
		free(list->entries[i].problem);
	}
	free(list->entries);
	*list = (struct image_list){0};
}

const char *image_entry_title(const struct image_entry *e)
{
	return e->record.name	  ? e->record.name
	       : e->record.source ? e->record.source
				  : e->record.digest;
}

/* A digest or its beginning, with or without the algorithm. */
static bool is_prefix(const char *text, const char *digest)
{
	const char *hex = strchr(digest, ':') + 1;

	return strlen(text) >= SHORTEST_PREFIX &&
	       (text_starts(hex, text) || (strchr(text, ':') && text_starts(digest, text)));
}

static bool is_called(const struct image_entry *e, const char *text)
{
	return (e->record.name && !strcmp(e->record.name, text)) ||
	       (e->record.source && !strcmp(e->record.source, text)) ||
	       is_prefix(text, e->record.digest);
}

const struct image_entry *image_list_find(const struct image_list *list, const char *text,
					  struct err *err)
{
	auto_buf struct buf candidates = BUF_INIT(400);
	const struct image_entry *found = NULL;
	size_t hits = 0;

	for (size_t i = 0; i < list->n; i++) {
		if (!is_called(&list->entries[i], text))
			continue;
		found = &list->entries[i];
		buf_printf(&candidates, "%s%.24s", hits++ ? ", " : "", found->record.digest);
	}
	if (hits == 1)
		return found;
	if (!hits)
		err_set(err, ERR_NOT_FOUND,
			"there is no image '%s' in the cache (`croft image ls` shows what there "
			"is)",
			text);
	else
		err_set(err, ERR_USAGE, "'%s' is %zu images: write more of the digest (%s%s)", text,
			hits, buf_str(&candidates), candidates.overflow ? ", ..." : "");
	return NULL;
}

int store_verify(struct store *s, const char *digest, const struct store_progress *progress,
		 struct err *err)
{
	auto_close int lock = cache_lock(s, digest, LOCK_USE, progress, err);
	struct image_record rec;
	int good = lock < 0 ? -1 : blob_check(s, digest, true, progress, &rec, err);

	if (good == 1)
		image_record_done(&rec);
	return good;
}

/* --- removing --------------------------------------------------------------------------------- */

/* Some process has the file open as a disk: croft's VMM, or a tool of QEMU's
 * (images/disk/lock.c). */
static bool is_open(const char *path)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

/* From here to the lock's end nobody else begins to use it. Returns the lock. */
static int claim(struct store *s, const struct image_entry *e, const struct image_guard *guard,
		 struct err *err)
{
	auto_close int lock = cache_trylock(s, e->record.digest, LOCK_MAKE, err);

	if (lock < 0)
		return -1;
	if (guard && guard->unused(guard->ctx, e, err) < 0)
		return -1;
	if (is_open(e->path))
		return err_set(err, ERR_CONFLICT, "a VM or a tool of QEMU's has '%s' open",
			       e->path);
	return take_fd(&lock);
}

int store_remove(struct store *s, const struct image_entry *e, const struct image_guard *guard,
		 struct err *err)
{
	auto_close int lock = claim(s, e, guard, err);

	if (lock < 0)
		return err_wrap(err, "%s", image_entry_title(e));
	return blob_remove(s, e->record.digest, err);
}

/* --- pruning ---------------------------------------------------------------------------------- */

/* 1 removed (or would be), 0 it is in use. */
static int drop(struct store *s, const struct image_prune *how, const struct image_guard *guard,
		struct image_entry *e, uint64_t *freed, struct err *err)
{
	struct err why = {0};
	auto_close int lock = claim(s, e, guard, &why);

	if (lock < 0 && why.kind == ERR_CONFLICT)
		return 0;
	if (lock < 0 || (!how->dry_run && blob_remove(s, e->record.digest, &why) < 0)) {
		if (err)
			*err = why;
		return -1;
	}
	how->removed(how->ctx, e);
	*freed += e->on_disk;
	return 1;
}

struct sweep {
	struct store *store;
	const struct image_guard *guard;
	bool dry_run;
	uint64_t freed;
};

/* What was being written under another name (base/file.c) when croft was killed. */
static bool is_stale_tmp(const char *name, const struct stat *st)
{
	return name[0] == '.' && S_ISREG(st->st_mode) &&
	       time(NULL) - st->st_mtim.tv_sec > STALE_PART_S;
}

/*
 * Removes every file of a directory below the cache that is `gone`, which may take a lock to be
 * sure of it until it is.
 */
static void clear(struct sweep *s, const char *dir,
		  bool (*gone)(const struct sweep *, const char *dir, const char *name, int *lock))
{
	auto_free char *path = path_join(s->store->dir, dir);
	auto_closedir DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		auto_close int lock = -1;
		struct stat st;

		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (e->d_name[0] == '.' ? !is_stale_tmp(e->d_name, &st)
					: !gone(s, path, e->d_name, &lock))
			continue;
		s->freed += (uint64_t)st.st_blocks * 512;
		if (!s->dry_run)
			unlinkat(dirfd(d), e->d_name, 0);
	}
}

/*
 * What lost its record in a removal that was cut short, or was put aside. As long as nothing has
 * taken its place a VM may need it, whatever became of it.
 */
static bool blob_is_gone(const struct sweep *s, const char *dir, const char *name, int *lock)
{
	auto_free char *path = path_join(dir, name);
	auto_free char *digest =
		xasprintf("%s:%.*s", path_base(dir), (int)strcspn(name, "."), name);
	bool damaged = text_ends(name, ".damaged"), whole = blob_there(s->store, digest);
	struct image_entry e = {.path = path};

	if (text_ends(name, ".json") || (whole && !damaged))
		return false;
	snprintf(e.record.digest, sizeof(e.record.digest), "%s", digest);
	*lock = claim(s->store, &e, whole ? NULL : s->guard, NULL);
	return *lock >= 0 && (damaged || !blob_there(s->store, digest));
}

static bool index_is_gone(const struct sweep *s, const char *dir, const char *name, int *lock)
{
	auto_free char *path = path_join(dir, name);
	auto_buf struct buf text = BUF_INIT(DIGEST_TEXT);

	(void)lock;
	return file_read(path, &text, NULL) < 0 || !blob_there(s->store, buf_str(&text));
}

/* Who waits for a lock looks again whether it is still the file of that name (lock.c). */
static bool lock_is_free(const struct sweep *s, const char *dir, const char *name, int *lock)
{
	(void)dir;
	*lock = cache_trylock_name(s->store, name, LOCK_MAKE, NULL);
	return *lock >= 0;
}

/* Of the files that have no other link: a VM's directory may share them. */
static uint64_t bytes_below(const char *path)
{
	auto_closedir DIR *d = opendir(path);
	uint64_t bytes = 0;
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d)))
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_nlink == 1)
			bytes += (uint64_t)st.st_blocks * 512;
	return bytes;
}

/*
 * boot/<algo>-<hex> without its image, and .<algo>-<hex>.<pid>, which becomes that when it is whole
 * (provision/boot.c). Who makes one holds a lease on the image.
 */
static bool boot_is_gone(const struct sweep *s, const char *name, int *lock)
{
	bool begun = name[0] == '.';
	auto_free char *digest = xstrndup(name + begun, strcspn(name + begun, "."));
	char *dash = strchr(digest, '-');
	enum hash_kind kind;
	const char *hex;

	if (dash)
		*dash = ':';
	if (digest_parse(digest, &kind, &hex, NULL) < 0 || (!begun && blob_there(s->store, digest)))
		return false;
	*lock = cache_trylock(s->store, digest, LOCK_MAKE, NULL);
	return *lock >= 0 && (begun || !blob_there(s->store, digest));
}

static void clear_boot(struct sweep *s)
{
	auto_free char *boot = path_join(s->store->dir, "boot");
	auto_closedir DIR *d = opendir(boot);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		auto_free char *path = path_join(boot, e->d_name);
		auto_close int lock = -1;

		if (!boot_is_gone(s, e->d_name, &lock))
			continue;
		s->freed += bytes_below(path);
		if (!s->dry_run)
			dir_remove(path, NULL);
	}
}

int store_prune(struct store *s, const struct image_prune *how, const struct image_guard *guard,
		uint64_t *freed, struct err *err)
{
	struct sweep sweep = {.store = s, .guard = guard, .dry_run = how->dry_run};
	struct image_list list;
	uint64_t left = 0;
	int rc = 0;

	*freed = 0;
	if (image_list_load(s, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < list.n; i++)
		left += list.entries[i].on_disk;
	/* From the least recently used to the most. */
	for (size_t i = list.n; rc == 0 && i-- > 0;) {
		struct image_entry *e = &list.entries[i];
		bool old = time(NULL) - e->used >= (int64_t)how->older_s;
		bool too_much = how->has_max && left > how->max_bytes;
		int dropped =
			(how->unused && old) || too_much ? drop(s, how, guard, e, freed, err) : 0;

		if (dropped == 1)
			left -= e->on_disk;
		rc = dropped < 0 ? -1 : 0;
	}
	image_list_done(&list);
	if (rc < 0)
		return -1;
	clear(&sweep, "blobs/sha256", blob_is_gone);
	clear(&sweep, "blobs/sha512", blob_is_gone);
	clear(&sweep, "index", index_is_gone);
	clear_boot(&sweep);
	*freed += sweep.freed;
	if (!how->dry_run) {
		cache_sweep(s, STALE_PART_S);
		clear(&sweep, "locks", lock_is_free);
	}
	return 0;
}
