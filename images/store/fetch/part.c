/* SPDX-License-Identifier: Apache-2.0
 *
 * See part.h. The record is written before the first byte, so bytes without one are of no known
 * file.
 */
#include "images/store/fetch/part.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"

enum { BLOCK_BYTES = 256 << 10, RECORD_MAX = 16 << 10 };

/* --- the record --- */

/* Which start of this machine it is; "" where nobody knows, which equals nothing. */
static void boot_id(char out[64])
{
	auto_buf struct buf b = BUF_INIT(63);

	if (file_read("/proc/sys/kernel/random/boot_id", &b, NULL) < 0)
		buf_reset(&b);
	snprintf(out, 64, "%.*s", (int)strcspn(buf_str(&b), "\n"), buf_str(&b));
}

static int record_write(const struct part *p, const struct part_origin *o, struct err *err)
{
	auto_free char *text = NULL;
	char boot[64];
	json_t *j;

	boot_id(boot);
	j = json_pack("{s:i, s:s, s:s, s:s, s:b, s:I, s:s, s:s}", "version", 1, "url", o->url,
		      "etag", o->etag, "last_modified", o->last_modified, "redirected",
		      o->redirected, "size", (json_int_t)o->total, "digest",
		      p->digest ? p->digest : "", "boot", boot);
	text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
	json_decref(j);
	if (!text)
		return err_set(err, ERR_DOWNLOAD,
			       "the server's answer is not text that can be kept");
	return file_put(p->record, text, strlen(text), 0600, err);
}

static bool copy_text(char *dst, size_t n, const char *src)
{
	for (const char *c = src; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false; /* it would be sent to a server again */
	return (size_t)snprintf(dst, n, "%s", src) < n;
}

/* True when the bytes are the beginning of what is wanted, as far as one can know here. */
static bool record_read(struct part *p)
{
	auto_buf struct buf text = BUF_INIT(RECORD_MAX);
	const char *url, *etag, *modified, *digest, *boot;
	struct part_origin o = {.total = 0};
	int version, redirected;
	json_int_t size;
	char now[64];
	bool good = false;
	json_t *j;

	if (file_read(p->record, &text, NULL) < 0)
		return false;
	j = json_loadb(buf_str(&text), text.len, 0, NULL);
	if (j && json_unpack(j, "{s:i, s:s, s:s, s:s, s:b, s:I, s:s, s:s}", "version", &version,
			     "url", &url, "etag", &etag, "last_modified", &modified, "redirected",
			     &redirected, "size", &size, "digest", &digest, "boot", &boot) == 0) {
		boot_id(now);
		good = version == 1 && size >= 0 && copy_text(o.url, sizeof(o.url), url) &&
		       copy_text(o.etag, sizeof(o.etag), etag) &&
		       copy_text(o.last_modified, sizeof(o.last_modified), modified) &&
		       !strcmp(digest, p->digest ? p->digest : "") &&
		       (p->digest || (*now && !strcmp(boot, now)));
		o.total = (uint64_t)size;
		o.redirected = redirected;
	}
	json_decref(j);
	if (good)
		p->origin = o;
	return good;
}

/* --- the bytes --- */

int part_open(struct part *p, const char *path, const char *digest, struct err *err)
{
	struct stat st;

	*p = (struct part){
		.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
			   0600),
		.path = xstrdup(path),
		.record = xasprintf("%s.json", path),
		.digest = digest ? xstrdup(digest) : NULL,
		.block = xmalloc(BLOCK_BYTES),
	};
	if (p->fd < 0 || fstat(p->fd, &st) < 0 || (!S_ISREG(st.st_mode) && (errno = EINVAL))) {
		err_sys(err, ERR_HOST, "cannot open '%s'", path);
		part_close(p);
		return -1;
	}
	p->bytes = (uint64_t)st.st_size;
	if (p->bytes && (!record_read(p) || (p->origin.total && p->bytes > p->origin.total)))
		p->bytes = 0;
	/* All is there and no digest says that it is right: the server is asked again, for one
	 * byte. */
	else if (p->bytes && p->bytes == p->origin.total && !p->digest)
		p->bytes--;
	if (p->bytes != (uint64_t)st.st_size && ftruncate(p->fd, (off_t)p->bytes) < 0) {
		err_sys(err, ERR_HOST, "cannot shorten '%s'", path);
		part_close(p);
		return -1;
	}
	return 0;
}

void part_close(struct part *p)
{
	if (p->fd >= 0)
		close(take_fd(&p->fd));
	free(take_ptr(p->path));
	free(take_ptr(p->record));
	free(take_ptr(p->digest));
	free(take_ptr(p->block));
}

void part_remove(struct part *p)
{
	unlink(p->path);
	unlink(p->record);
}

int part_drop(struct part *p, struct err *err)
{
	p->filled = 0;
	p->bytes = 0;
	if (ftruncate(p->fd, 0) < 0)
		return err_sys(err, ERR_HOST, "cannot empty '%s'", p->path);
	return 0;
}

int part_begin(struct part *p, const struct part_origin *o, struct err *err)
{
	if (part_drop(p, err) < 0 || record_write(p, o, err) < 0)
		return -1;
	p->origin = *o;
	return 0;
}

int part_flush(struct part *p, uint64_t *written, struct err *err)
{
	uint64_t off = p->bytes - p->filled;
	size_t done = 0;

	/* Not pwrite_all: of a write that the disk ends, the part that fitted counts. */
	while (done < p->filled) {
		ssize_t n = pwrite(p->fd, p->block + done, p->filled - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			const int sys = errno;

			p->bytes = off + done;
			p->filled = 0;
			*written += done;
			errno = sys;
			err_sys(err, ERR_HOST, "cannot write '%s' at offset %" PRIu64, p->path,
				p->bytes);
			return sys == ENOSPC || sys == EDQUOT
				       ? err_hint(err, "make room there; the same again goes on "
						       "from that byte")
				       : err_hint(err, "what came is kept");
		}
		done += (size_t)n;
	}
	p->filled = 0;
	*written += done;
	return 0;
}

int part_append(struct part *p, const void *data, size_t n, uint64_t *written, struct err *err)
{
	*written = 0;
	while (n) {
		size_t some = min_u64(n, BLOCK_BYTES - p->filled);

		memcpy(p->block + p->filled, data, some);
		p->filled += some;
		p->bytes += some;
		data = (const char *)data + some;
		n -= some;
		if (p->filled == BLOCK_BYTES && part_flush(p, written, err) < 0)
			return -1;
	}
	return 0;
}

int part_whole(struct part *p, struct err *err)
{
	if (p->origin.total)
		return 0;
	p->origin.total = p->bytes;
	return record_write(p, &p->origin, err);
}
