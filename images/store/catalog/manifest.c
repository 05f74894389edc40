/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifest that Debian's build of cloud images puts beside each image: a list of objects, of
 * which one of kind Upload describes each file. Its labels hold format and version, an annotation
 * holds the digest in base64 without padding, and data.ref the file's place below the mirror.
 */
#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/catalog/json.h"
#include "images/store/catalog/resolve.h"

/* "sha512:<base64>" to "sha512:<hex>". */
static bool decode_digest(const char *text, char digest[DIGEST_TEXT])
{
	enum { ROOM = 96 };
	char padded[ROOM + 1];
	unsigned char bytes[ROOM];
	size_t n, want;
	int len;

	if (text_starts(text, "sha512:"))
		want = 64;
	else if (text_starts(text, "sha256:"))
		want = 32;
	else
		return false;
	text += strlen("sha512:");
	n = strlen(text);
	while (n && text[n - 1] == '=')
		n--;
	/* EVP_DecodeBlock passes over blanks at the ends. */
	if (n != (want * 8 + 5) / 6 || isspace((unsigned char)text[0]))
		return false;
	memcpy(padded, text, n);
	while (n % 4)
		padded[n++] = '=';
	len = EVP_DecodeBlock(bytes, (const unsigned char *)padded, (int)n);
	if (len < 0 || (size_t)len < want)
		return false;
	n = (size_t)snprintf(digest, DIGEST_TEXT, "sha%zu:", want * 8);
	for (size_t i = 0; i < want; i++)
		n += (size_t)snprintf(digest + n, DIGEST_TEXT - n, "%02x", bytes[i]);
	return true;
}

static int read_upload(const json_t *upload, const char *from, struct found *out, struct err *err)
{
	const json_t *metadata = json_object_get(upload, "metadata");
	const char *version =
		json_text(json_object_get(metadata, "labels"), "cloud.debian.org/version");
	const char *digest =
		json_text(json_object_get(metadata, "annotations"), "cloud.debian.org/digest");
	const char *ref = json_text(json_object_get(upload, "data"), "ref");
	struct found f = {0};

	if (!version || !serial_copy(version, f.serial))
		return err_set(err, ERR_VERIFY, "'%s' gives no version of the build", from);
	if (!digest || !decode_digest(digest, f.digest))
		return err_set(err, ERR_VERIFY,
			       "'%s' gives no digest that croft can read ('%.40s')", from,
			       digest ? digest : "");
	if (ref && !path_copy(ref, f.path))
		return err_set(err, ERR_VERIFY, "'%s' gives a place that is no path ('%.40s')",
			       from, ref);
	snprintf(f.name, sizeof(f.name), "%s", path_base(f.path));
	*out = f;
	return 0;
}

int manifest_find(const char *text, size_t n, const char *from, const char *format,
		  struct found *out, struct err *err)
{
	json_t *root = json_read(text, n, from, err);
	const json_t *items = json_object_get(root, "items"), *item;
	int rc = -1;
	size_t i;

	if (!root)
		return -1;
	json_array_foreach(items, i, item)
	{
		const char *kind = json_text(item, "kind");
		const json_t *labels = json_object_get(json_object_get(item, "metadata"), "labels");
		const char *has = json_text(labels, "upload.cloud.debian.org/image-format");

		if (kind && !strcmp(kind, "Upload") && has && !strcmp(has, format)) {
			rc = read_upload(item, from, out, err);
			break;
		}
	}
	if (i == json_array_size(items))
		err_set(err, ERR_NOT_FOUND, "'%s' describes no image in the format %s", from,
			format);
	json_decref(root);
	return rc;
}
