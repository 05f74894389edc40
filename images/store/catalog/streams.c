/* SPDX-License-Identifier: Apache-2.0
 *
 * Simplestreams ("products:1.0"): products, each with versions by serial, each with items by name
 * that have path, size and sha256. Paths are relative to what "streams/" lies in.
 */
#include <string.h>

#include "base/file.h"
#include "base/util.h"
#include "images/store/catalog/json.h"
#include "images/store/catalog/resolve.h"

static int read_item(const json_t *item, const char *serial, const char *from, struct found *out,
		     struct err *err)
{
	const char *path = json_text(item, "path"), *sha256 = json_text(item, "sha256");
	const json_t *size = json_object_get(item, "size");
	struct found f = {0};
	const char *hex;
	enum hash_kind kind;

	if (!serial_copy(serial, f.serial))
		return err_set(err, ERR_VERIFY, "'%s' has a version that is no serial ('%.40s')",
			       from, serial);
	if (!path || !path_copy(path, f.path) || strlen(path_base(path)) >= sizeof(f.name))
		return err_set(err, ERR_VERIFY, "'%s' gives a place that is no path ('%.40s')",
			       from, path ? path : "");
	snprintf(f.name, sizeof(f.name), "%s", path_base(f.path));
	if (sha256) {
		snprintf(f.digest, sizeof(f.digest), "sha256:%.64s", sha256);
		if (strlen(sha256) != 64 || digest_parse(f.digest, &kind, &hex, NULL) < 0)
			return err_set(err, ERR_VERIFY,
				       "'%s' gives a digest that is none ('%.80s')", from, sha256);
	}
	if (json_integer_value(size) > 0)
		f.size = (uint64_t)json_integer_value(size);
	*out = f;
	return 0;
}

int streams_find(const char *text, size_t n, const char *from, const char *product,
		 const char *item, struct found *out, struct err *err)
{
	json_t *root = json_read(text, n, from, err), *versions, *version;
	const char *serial, *newest = NULL;
	const json_t *found = NULL;
	int rc = -1;

	if (!root)
		return -1;
	versions = json_object_get(json_object_get(json_object_get(root, "products"), product),
				   "versions");
	json_object_foreach(versions, serial, version)
	{
		const json_t *has = json_object_get(json_object_get(version, "items"), item);

		if (has && (!newest || serial_compare(serial, newest) > 0)) {
			newest = serial;
			found = has;
		}
	}
	if (found)
		rc = read_item(found, newest, from, out, err);
	else if (versions)
		err_set(err, ERR_NOT_FOUND, "'%s' has no '%s' of '%s'", from, item, product);
	else
		err_set(err, ERR_NOT_FOUND, "'%s' does not know '%s'", from, product);
	json_decref(root);
	return rc;
}
