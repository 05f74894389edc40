/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of images: see record.h. Version 1, of which only digest, format, sizes, trust and source
 * are known, is read too: its files were kept as they came, and are checked again before their
 * first use.
 */
#include "images/store/cache/record.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "images/store/cache/content.h"

enum { VERSION = 2, TEXT_MAX = 4096 };

/* --- writing ---------------------------------------------------------------------------------- */

char *image_record_text(const struct image_record *r, struct err *err)
{
	json_t *j = json_pack(
		"{s:i, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:s*, s:s*, s:s*, s:s*, s:I, s:{s:I, "
		"s:I, s:I}}",
		"version", VERSION, "digest", r->digest, "content", r->content, "came",
		blk_format_name(r->came), "format", blk_format_name(r->format), "virtual_size",
		(json_int_t)r->virtual_size, "bytes", (json_int_t)r->bytes, "trust",
		trust_name(r->trust), "signer", r->signer[0] ? r->signer : NULL, "source",
		r->source, "name", r->name, "user", r->user, "fetched", (json_int_t)r->fetched,
		"kept", "size", (json_int_t)r->kept.size, "inode", (json_int_t)r->kept.inode,
		"mtime_ns", (json_int_t)r->kept.mtime_ns);
	char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;

	json_decref(j);
	if (!text)
		err_set(err, ERR_FAILED, "cannot describe '%s' as JSON: is its name UTF-8?",
			r->source ? r->source : r->digest);
	return text;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* What JSON has, before anything is believed. */
struct raw {
	int version;
	const char *digest, *content, *came, *format, *trust, *signer, *source, *name, *user;
	json_int_t virtual_size, bytes, fetched, size, inode, mtime_ns;
};

static int bad(const char *key, struct err *err)
{
	return err_set(err, ERR_CORRUPT, "'%s' is missing or makes no sense", key);
}

static int unpack(json_t *j, struct raw *r, struct err *err)
{
	json_error_t why;

	*r = (struct raw){0};
	if (json_unpack_ex(j, &why, 0, "{s:i}", "version", &r->version) < 0)
		return bad("version", err);
	if (r->version == 1) {
		if (json_unpack_ex(j, &why, 0, "{s:s, s:s, s:I, s:s, s?s, s:I, s?I}", "digest",
				   &r->digest, "format", &r->format, "virtual_size",
				   &r->virtual_size, "trust", &r->trust, "source", &r->source,
				   "size", &r->bytes, "fetched", &r->fetched) < 0)
			return err_set(err, ERR_CORRUPT, "%s", why.text);
		r->came = r->format;
		return 0;
	}
	if (r->version != VERSION)
		return err_set(err, ERR_CORRUPT, "version %d is not known to this croft",
			       r->version);
	if (json_unpack_ex(j, &why, 0,
			   "{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s?s, s?s, s?s, s?s, s:I, s:{s:I, "
			   "s:I, s:I}}",
			   "digest", &r->digest, "content", &r->content, "came", &r->came, "format",
			   &r->format, "virtual_size", &r->virtual_size, "bytes", &r->bytes,
			   "trust", &r->trust, "signer", &r->signer, "source", &r->source, "name",
			   &r->name, "user", &r->user, "fetched", &r->fetched, "kept", "size",
			   &r->size, "inode", &r->inode, "mtime_ns", &r->mtime_ns) < 0)
		return err_set(err, ERR_CORRUPT, "%s", why.text);
	return 0;
}

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static bool text_fits(const char *s)
{
	return !s || strlen(s) <= TEXT_MAX;
}

static int believe(const struct raw *r, struct image_record *out, struct err *err)
{
	struct image_record rec = {
		.virtual_size = (uint64_t)r->virtual_size,
		.bytes = (uint64_t)r->bytes,
		.fetched = r->fetched,
		.kept = {(uint64_t)r->size, (uint64_t)r->inode, r->mtime_ns},
	};
	enum hash_kind kind;
	const char *hex;

	if (digest_parse(r->digest, &kind, &hex, NULL) < 0)
		return bad("digest", err);
	if (r->content && !content_valid(r->content))
		return bad("content", err);
	if (blk_format_parse(r->came, &rec.came, NULL) < 0 ||
	    blk_format_parse(r->format, &rec.format, NULL) < 0)
		return bad("format", err);
	if (r->virtual_size <= 0 || r->bytes < 0 || r->size < 0 || r->virtual_size % 512)
		return bad("virtual_size", err);
	if (!trust_parse(r->trust, &rec.trust))
		return bad("trust", err);
	if (r->signer && (strlen(r->signer) >= sizeof(rec.signer) ||
			  strspn(r->signer, "0123456789ABCDEFabcdef") != strlen(r->signer)))
		return bad("signer", err);
	if (!text_fits(r->source) || !text_fits(r->name) || !text_fits(r->user))
		return bad("source", err);
	snprintf(rec.digest, sizeof(rec.digest), "%s", r->digest);
	snprintf(rec.content, sizeof(rec.content), "%s", r->content ? r->content : "");
	snprintf(rec.signer, sizeof(rec.signer), "%s", r->signer ? r->signer : "");
	rec.source = copy(r->source);
	rec.name = copy(r->name);
	rec.user = copy(r->user);
	*out = rec;
	return 0;
}

int image_record_parse(const char *text, size_t n, struct image_record *out, struct err *err)
{
	json_error_t why;
	json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
	struct raw raw;
	int rc;

	if (!j)
		return err_set(err, ERR_CORRUPT, "line %d: %s", why.line, why.text);
	rc = unpack(j, &raw, err);
	if (rc == 0)
		rc = believe(&raw, out, err);
	json_decref(j);
	return rc;
}

/* --- files ------------------------------------------------------------------------------------ */

int image_record_load(const char *path, struct image_record *out, struct err *err)
{
	auto_buf struct buf text = BUF_INIT(IMAGE_RECORD_MAX);

	if (file_read(path, &text, err) < 0)
		return -1;
	if (image_record_parse(buf_str(&text), text.len, out, err) == 0)
		return 0;
	return err_wrap(err, "'%s' is damaged (remove it, and the image is fetched again)", path);
}

int image_record_save(const char *path, const struct image_record *r, struct err *err)
{
	auto_free char *text = image_record_text(r, err);

	return text ? file_replace(path, text, strlen(text), 0644, err) : -1;
}

void image_record_done(struct image_record *r)
{
	free(r->source);
	free(r->name);
	free(r->user);
	*r = (struct image_record){0};
}

struct kept kept_of(const struct stat *st)
{
	return (struct kept){
		.size = (uint64_t)st->st_size,
		.inode = (uint64_t)st->st_ino,
		.mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
	};
}

bool kept_same(const struct kept *k, const struct stat *st)
{
	struct kept now = kept_of(st);

	return k->size == now.size && k->inode == now.inode && k->mtime_ns == now.mtime_ns;
}
