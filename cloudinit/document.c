/* SPDX-License-Identifier: Apache-2.0
 *
 * Kinds of documents: see document.h.
 */
#include "cloudinit/document.h"

#include <ctype.h>
#include <limits.h>
#include <strings.h>
#include <zlib.h>

#include "base/util.h"

/* cloud-init looks no further for MIME-Version (user_data.py, convert_string). */
enum { MIME_SEARCH_BYTES = 4096 };

static const struct kind {
	const char *header, *content_type;
} kinds[DOC_KINDS] = {
	[DOC_MIME] = {NULL, "multipart/mixed"},
	[DOC_CLOUD_CONFIG] = {"#cloud-config", "text/cloud-config"},
	[DOC_CLOUD_CONFIG_ARCHIVE] = {"#cloud-config-archive", "text/cloud-config-archive"},
	[DOC_CLOUD_CONFIG_JSONP] = {"#cloud-config-jsonp", "text/cloud-config-jsonp"},
	[DOC_SCRIPT] = {"#!", "text/x-shellscript"},
	[DOC_BOOTHOOK] = {"#cloud-boothook", "text/cloud-boothook"},
	[DOC_PART_HANDLER] = {"#part-handler", "text/part-handler"},
	[DOC_INCLUDE] = {"#include", "text/x-include-url"},
	[DOC_INCLUDE_ONCE] = {"#include-once", "text/x-include-once-url"},
	[DOC_JINJA] = {"## template: jinja", "text/jinja2"},
};

const char *document_content_type(enum document_kind kind)
{
	return kinds[kind].content_type;
}

const char *document_header(enum document_kind kind)
{
	return kinds[kind].header;
}

bool document_looks_like_mime(const char *text, size_t len)
{
	static const char word[] = "mime-version:";
	size_t n = min_u64(len, MIME_SEARCH_BYTES);

	for (size_t i = 0; i + sizeof(word) - 1 <= n; i++)
		if (!strncasecmp(text + i, word, sizeof(word) - 1))
			return true;
	return false;
}

enum document_kind document_kind(const char *text, size_t len)
{
	enum document_kind found = DOC_UNKNOWN;
	size_t longest = 0;

	while (len && isspace((unsigned char)*text)) {
		text++;
		len--;
	}
	if (!len)
		return DOC_EMPTY;
	for (unsigned k = 0; k < DOC_KINDS; k++) {
		size_t n = kinds[k].header ? strlen(kinds[k].header) : 0;

		/* The longest that fits: "#cloud-config" begins "#cloud-config-archive" too. */
		if (n > longest && n <= len && !strncasecmp(text, kinds[k].header, n)) {
			longest = n;
			found = k;
		}
	}
	if (found == DOC_UNKNOWN && document_looks_like_mime(text, len))
		return DOC_MIME;
	return found;
}

bool document_is_gzip(const char *data, size_t len)
{
	return len > 2 && !memcmp(data, "\x1f\x8b\x08", 3); /* RFC 1952, 2.3.1: deflate */
}

static int unpack(z_stream *z, struct buf *out, struct err *err)
{
	unsigned char block[16384];
	int status;

	do {
		z->next_out = block;
		z->avail_out = sizeof(block);
		status = inflate(z, Z_NO_FLUSH);
		if (status != Z_OK && status != Z_STREAM_END)
			return err_set(err, ERR_CORRUPT, "damaged gzip data: %s",
				       z->msg ? z->msg : "it is cut short");
		buf_put(out, block, sizeof(block) - z->avail_out);
		if (out->overflow)
			return err_set(err, ERR_SPEC, "gzip data unpacks to more than %zu bytes",
				       out->ceiling);
		/* RFC 1952, 2.2: a file may be several members, one after another. */
		if (status == Z_STREAM_END && z->avail_in && inflateReset(z) != Z_OK)
			return err_set(err, ERR_FAILED, "zlib does not begin again");
	} while (status != Z_STREAM_END || z->avail_in);
	return 0;
}

int document_unpack(const char *data, size_t len, struct buf *out, struct err *err)
{
	z_stream z = {.next_in = (unsigned char *)data, .avail_in = (uInt)len};
	int rc;

	assert(len <= UINT_MAX);
	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) /* 16: gzip, and its checksum */
		return err_set(err, ERR_FAILED, "zlib cannot start: out of memory");
	rc = unpack(&z, out, err);
	inflateEnd(&z);
	return rc;
}
