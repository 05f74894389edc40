/* SPDX-License-Identifier: Apache-2.0
 *
 * Fetching an image: see fetch.h. Here the pieces meet: mirrors.h says whom to ask, http.h asks,
 * part.h keeps what comes, pipeline.h hashes and unpacks it meanwhile.
 */
#include "images/store/fetch/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/sparse.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/cache/internal.h"
#include "images/store/fetch/http.h"
#include "images/store/fetch/mirrors.h"
#include "images/store/fetch/part.h"
#include "images/store/fetch/pipeline.h"
#include "images/store/fetch/url.h"

enum { COPY_BYTES = 1 << 20 };
/* Free space beside the image: records, directories, other people's logs. */
#define MARGIN (4 * MIB)

struct fetch {
	const struct fetch_request *request;
	const struct store_progress *progress;
	struct http *http;
	struct part part;
	struct pipeline pipe;
	bool piping;
	bool fresh;	/* the kept bytes do not fit the server's file: ask for all of it */
	uint64_t kept;	/* bytes of an earlier call that are still used */
	uint64_t total; /* bytes of the whole, as far as known */
};

/* --- what is checked before bytes are taken --- */

static int check_room(const char *path, uint64_t need, struct err *err)
{
	auto_free char *dir = path_dir(path);
	char want[SIZE_TEXT], all[SIZE_TEXT], have[SIZE_TEXT];
	struct statvfs fs;
	uint64_t room;

	if (statvfs(dir, &fs) < 0)
		return err_sys(err, ERR_HOST, "cannot look at the file system of '%s'", dir);
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (!need || room >= need + MARGIN)
		return 0;
	return err_set(err, ERR_HOST,
		       "%s are still to come, which takes %s with a margin, and '%s' has %s free: "
		       "make room there, or name another cache directory",
		       format_size(need, want, sizeof(want)),
		       format_size(need + MARGIN, all, sizeof(all)), dir,
		       format_size(room, have, sizeof(have)));
}

static int check_length(const struct fetch *f, uint64_t total, struct err *err)
{
	const struct fetch_request *r = f->request;

	if (r->size && total && total != r->size)
		return err_set(err, ERR_VERIFY,
			       "has %" PRIu64 " bytes and should have %" PRIu64
			       ": this is not the file that was meant; look at its source",
			       total, r->size);
	if (total > r->max_bytes)
		return err_set(err, ERR_VERIFY, "has %" PRIu64 " bytes, and the limit is %" PRIu64,
			       total, r->max_bytes);
	return 0;
}

/* --- the network --- */

static int start_pipeline(struct fetch *f, struct err *err)
{
	const struct fetch_request *r = f->request;

	f->piping = pipeline_start(&f->pipe, f->part.fd, r->image, r->hash, r->max_bytes, err) == 0;
	return f->piping ? 0 : -1;
}

/* What is kept is of no use: says so, and is ready for byte 0. */
static int start_over(struct fetch *f, const char *why, struct err *err)
{
	auto_free char *text = NULL;
	char kept[SIZE_TEXT];

	if (!f->part.bytes)
		return 0;
	text = xasprintf("the download starts over, without the %s that were there: %s",
			 format_size(f->part.bytes, kept, sizeof(kept)), why);
	progress_note(f->progress, text);
	pipeline_stop(&f->pipe); /* its readers, before the bytes go away under them */
	f->kept = 0;
	if (part_drop(&f->part, err) < 0)
		return -1;
	return start_pipeline(f, err);
}

static int on_begin(void *ctx, const struct http_reply *reply, struct err *err)
{
	struct fetch *f = ctx;

	if (check_length(f, reply->origin.total, err) < 0)
		return -1;
	f->total = reply->origin.total ? reply->origin.total : f->request->size;
	if (!reply->offset) {
		if (start_over(f, "the server has another file now, or sends no parts", err) < 0 ||
		    part_begin(&f->part, &reply->origin, err) < 0)
			return -1;
	}
	return check_room(f->request->part, f->total > f->part.bytes ? f->total - f->part.bytes : 0,
			  err);
}

/* Hands on what was written. If there is a digest, it knows better than an unpacker that failed. */
static int announce(struct fetch *f, uint64_t written, struct err *err)
{
	if (!written)
		return 0;
	if (pipeline_add(&f->pipe, written, err) < 0)
		return -1;
	if (!pipeline_failed(&f->pipe) ||
	    (f->request->digest && f->pipe.unpack_err.kind != ERR_HOST))
		return 0;
	*err = f->pipe.unpack_err;
	return -1;
}

static int on_bytes(void *ctx, const void *data, size_t n, struct err *err)
{
	struct fetch *f = ctx;
	const struct fetch_request *r = f->request;
	uint64_t most = r->size ? r->size : r->max_bytes, written;
	int rc;

	if (n > most - min_u64(f->part.bytes, most))
		return err_set(err, ERR_VERIFY, "sends more than the %" PRIu64 " bytes that it %s",
			       most, r->size ? "should have" : "may have");
	rc = part_append(&f->part, data, n, &written, err);
	progress_bytes(f->progress, f->part.bytes, f->total);
	return announce(f, written, err) < 0 ? -1 : rc;
}

/*
 * The validator under which bytes of `url` go on. An ETag is one server's name for a file; another
 * mirror, or where a redirect may lead today, has the same file if its date is the same, and the
 * digest says in the end whether that was true.
 */
static const char *validator(const struct fetch *f, const char *shown)
{
	const struct part_origin *o = &f->part.origin;
	bool elsewhere = o->redirected || strcmp(o->url, shown) != 0;

	if (elsewhere && f->request->digest && o->last_modified[0])
		return o->last_modified;
	if (strcmp(o->url, shown) != 0)
		return "";
	return o->etag[0] ? o->etag : o->last_modified;
}

static enum http_end attempt(void *ctx, const char *url, struct http_answer *answer,
			     struct err *err)
{
	struct fetch *f = ctx;
	auto_free char *shown = url_shown(url), *stage = NULL;
	struct http_request r = {
		.url = url,
		.stall_s = f->request->stall_s,
		.progress = f->progress,
		.begin = on_begin,
		.data = on_bytes,
		.ctx = f,
	};
	enum http_end end;
	uint64_t written = 0;

	*answer = (struct http_answer){.final_url = NULL};
	if (f->part.bytes) {
		r.if_range = validator(f, shown);
		r.total = f->part.origin.total;
		/* At least one byte is asked for, so that the answer knows the file. */
		r.offset = r.if_range[0] && !f->fresh ? f->part.bytes : 0;
		if (r.total && r.offset >= r.total)
			r.offset = 0;
	}
	stage = r.offset ? xasprintf("downloading %s from byte %" PRIu64, shown, r.offset)
			 : xasprintf("downloading %s", shown);
	progress_stage(f->progress, stage);
	end = http_get(f->http, &r, answer, err);
	f->fresh = end == HTTP_AGAIN;
	/* What came before a cut counts, be the cut a full disk. */
	if (f->part.filled) {
		struct err late = {.kind = ERR_NONE};
		int rc = part_flush(&f->part, &written, &late);

		if ((announce(f, written, &late) < 0 || rc < 0) && end != HTTP_STOP) {
			*err = late;
			end = HTTP_STOP;
		}
	}
	if (end == HTTP_DONE && f->total && f->part.bytes < f->total) {
		err_set(err, ERR_DOWNLOAD,
			"%" PRIu64 " of %" PRIu64 " bytes came (the connection broke: try again)",
			f->part.bytes, f->total);
		end = HTTP_RETRY;
	}
	if (end == HTTP_DONE && part_whole(&f->part, err) < 0)
		end = HTTP_STOP;
	return end;
}

static uint64_t fetched_so_far(void *ctx)
{
	return ((struct fetch *)ctx)->part.bytes;
}

static unsigned first_mirror(const struct fetch *f)
{
	for (unsigned i = 0; f->part.bytes && f->request->urls[i]; i++) {
		auto_free char *shown = url_shown(f->request->urls[i]);

		if (!strcmp(shown, f->part.origin.url))
			return i;
	}
	return 0;
}

static const char other_file[] = "this is not the file that was meant; if its publisher replaced "
				 "it, take the new digest from there";
static const char other_bytes[] = "this is not the file that was meant, or what was kept of an "
				  "earlier download was not; the same again fetches all of it";

/* What all sources end with. */
static int finish(struct fetch *f, struct fetched *out, struct err *err)
{
	const struct fetch_request *r = f->request;

	if (pipeline_digest(&f->pipe, f->progress, out->digest, err) < 0)
		return -1;
	if (r->digest && strcmp(r->digest, out->digest) != 0)
		return err_set(err, ERR_VERIFY, "is %s and should be %s: %s", out->digest,
			       r->digest, f->kept ? other_bytes : other_file);
	if (pipeline_image(&f->pipe, f->progress, err) < 0)
		return -1;
	out->bytes = f->pipe.have;
	out->packed = f->pipe.packing != PACK_NONE;
	return 0;
}

/* Everything that needs no server: what is there already, room, who hashes and unpacks. */
static int prepare(struct fetch *f, struct err *err)
{
	const struct fetch_request *r = f->request;

	if (part_open(&f->part, r->part, r->digest, err) < 0)
		return -1;
	f->kept = f->part.bytes;
	f->total = r->size ? r->size : f->part.origin.total;
	f->http = http_open(err);
	if (!f->http || check_room(r->part, r->size > f->kept ? r->size - f->kept : 0, err) < 0 ||
	    start_pipeline(f, err) < 0)
		return -1;
	return pipeline_add(&f->pipe, f->kept, err);
}

static int fetch_remote(struct fetch *f, struct fetched *out, struct err *err)
{
	const struct fetch_request *r = f->request;
	struct http_answer answer = {.final_url = NULL};
	struct mirrors m = {
		.urls = r->urls,
		.backoff_ms = r->backoff_ms,
		.progress = f->progress,
		.attempt = attempt,
		.offset = fetched_so_far,
		.ctx = f,
	};

	if (prepare(f, err) < 0) {
		auto_free char *shown = url_shown(r->urls[0] ? r->urls[0] : "");

		return err_wrap(err, "%s at byte %" PRIu64, shown, f->kept);
	}
	/* All of it may be there, and the digest will say whether it is that. */
	if (!r->digest || !f->kept || f->kept != f->total) {
		m.first = first_mirror(f);
		if (mirrors_try(&m, &answer, err) < 0)
			return -1;
		free(answer.final_url);
	}
	out->url = xstrdup(f->part.origin.url);
	if (finish(f, out, err) < 0)
		return err_wrap(err, "%s at byte %" PRIu64, out->url, f->part.bytes);
	return 0;
}

/* --- this host's own files --- */

/*
 * A copy, so that nobody pulls an overlay's base away by editing or deleting it; where the file
 * system can share the blocks it is a reflink and only the reading for the hash remains. Holes stay
 * holes.
 */
static int copy(struct fetch *f, int src, const struct stat *st, struct err *err)
{
	auto_free char *block = xmalloc(COPY_BYTES);
	struct sparse to = {.fd = f->part.fd};
	uint64_t off = 0, size = (uint64_t)st->st_size;
	size_t got;

	if (ioctl(to.fd, FICLONE, src) == 0)
		return 0;
	if (check_room(f->request->part, min_u64(size, (uint64_t)st->st_blocks * 512), err) < 0)
		return -1;
	for (; off < size; off += got) {
		if (progress_interrupted(f->progress))
			return err_set(err, ERR_INTERRUPTED, "interrupted at byte %" PRIu64, off);
		if (pread_all(src, block, min_u64(size - off, COPY_BYTES), off, &got) < 0 || !got)
			return err_sys(err, ERR_FAILED, "cannot read at offset %" PRIu64, off);
		if (sparse_put(&to, off, block, got) < 0)
			return err_sys(err, ERR_HOST, "cannot write '%s' at offset %" PRIu64,
				       f->part.path, off);
		progress_bytes(f->progress, off + got, size);
	}
	return ftruncate(to.fd, (off_t)size) < 0
		       ? err_sys(err, ERR_HOST, "cannot write '%s'", f->part.path)
		       : 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The hash and the unpacker read the source itself; the part is a copy, and only of what is no
 * archive. */
static int fetch_local(struct fetch *f, int src, struct fetched *out, struct err *err)
{
	const struct fetch_request *r = f->request;
	struct stat before, after;

	if (fstat(src, &before) < 0 || !S_ISREG(before.st_mode))
		return err_set(err, ERR_SPEC, "is not a file");
	if (check_length(f, (uint64_t)before.st_size, err) < 0)
		return -1;
	if (part_open(&f->part, r->part, r->digest, err) < 0 || part_drop(&f->part, err) < 0)
		return -1;
	f->piping = pipeline_start(&f->pipe, src, r->image, r->hash, r->max_bytes, err) == 0;
	if (!f->piping || pipeline_add(&f->pipe, (uint64_t)before.st_size, err) < 0)
		return -1;
	if (f->pipe.packing == PACK_NONE && copy(f, src, &before, err) < 0)
		return -1;
	if (finish(f, out, err) < 0)
		return -1;
	if (fstat(src, &after) < 0 || !same_file(&before, &after))
		return err_set(err, ERR_CONFLICT,
			       "changed while it was copied: try again when it is still");
	if (out->packed)
		part_remove(&f->part);
	return 0;
}

static int fetch_path(struct fetch *f, const char *url, struct fetched *out, struct err *err)
{
	auto_free char *path = url_path(url, err);
	auto_close int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;

	if (!path)
		return -1;
	if (fd < 0)
		return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED,
			       "cannot open '%s'", path);
	out->url = xstrdup(url);
	return fetch_local(f, fd, out, err) < 0 ? err_wrap(err, "'%s'", path) : 0;
}

/* --- all of it --- */

/* Bytes that are known to be wrong, or an archive that can never be used, are not gone on from. */
static bool worthless(enum err_kind kind)
{
	return kind == ERR_VERIFY || kind == ERR_CORRUPT;
}

int fetch_image(const struct fetch_request *request, const struct store_progress *progress,
		struct fetched *out, struct err *err)
{
	struct fetch f = {.request = request, .progress = progress, .part.fd = -1};
	struct fetched got = {.url = NULL};
	struct err why = {.kind = ERR_NONE};
	int rc;

	if (request->src_fd >= 0)
		rc = fetch_local(&f, request->src_fd, &got, &why);
	else if (request->urls[0] && url_is_file(request->urls[0]))
		rc = fetch_path(&f, request->urls[0], &got, &why);
	else
		rc = fetch_remote(&f, &got, &why);
	if (f.piping)
		pipeline_stop(&f.pipe);
	if (rc < 0) {
		unlink(request->image);
		if (f.part.path && (request->src_fd >= 0 || worthless(why.kind)))
			part_remove(&f.part);
		fetched_done(&got);
		if (err)
			*err = why;
	} else {
		*out = got;
	}
	part_close(&f.part);
	http_close(f.http);
	return rc;
}

void fetched_done(struct fetched *f)
{
	free(f->url);
	*f = (struct fetched){.url = NULL};
}
