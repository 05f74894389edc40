/* SPDX-License-Identifier: Apache-2.0
 *
 * From the spec to the store's question: see image.h.
 */
#include "provision/image.h"

#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/catalog/catalog.h"
#include "provision/provision.h"

void image_catalogs(const char *spec_path, char *owned[2], const char *files[3])
{
	auto_free char *dir = spec_path ? path_dir(spec_path) : NULL;
	size_t n = 0;

	owned[0] = dir ? path_join(dir, "croft-catalog.yaml") : NULL;
	owned[1] = croft_config_file("catalog.yaml");
	for (size_t i = 0; i < 2; i++)
		if (owned[i])
			files[n++] = owned[i];
	files[n] = NULL;
}

/* The spec's own digest is newer than a lock that says something else. */
static const struct image_source *locked(const struct image_ask *a, const char *digest)
{
	const struct lock_item *item = lock_find(&a->lock, a->what, a->arch);

	if (!item || (digest && strcmp(digest, item->source.digest)))
		return NULL;
	return &item->source;
}

int image_ask(const char *spec_path, const struct spec_image *i, struct image_ask *out,
	      struct err *err)
{
	*out = (struct image_ask){
		.want =
			{
				.path = i->path,
				.url = i->url,
				.name = i->name,
				.arch = i->arch,
				.digest = i->digest,
				.has_format = i->has_format,
				.format = i->format,
				.verify = i->has_verify ? i->verify : TRUST_UNVERIFIED,
				.signature = {i->signature_url, i->signature_key},
			},
		.what = i->path	 ? i->path
			: i->url ? i->url
				 : i->name,
		.arch = i->arch ? i->arch : catalog_host_arch(),
		.lockable = i->name || (i->url && !text_starts(i->url, "file://")),
	};
	image_catalogs(spec_path, out->catalogs, out->files);
	out->want.catalogs = out->files;
	if (!spec_path || !out->lockable)
		return 0;
	if (lock_load(spec_path, &out->lock, err) < 0) {
		image_ask_done(out);
		return -1;
	}
	out->want.pinned = out->locked = locked(out, i->digest);
	return 0;
}

static void check_name(struct spec *spec, const struct spec_image *image)
{
	struct image_ask ask;
	struct catalog *catalog;
	struct catalog_image found;
	struct err err = {0};

	if (!image->name || image_ask(spec->path, image, &ask, NULL) < 0)
		return;
	catalog = ask.locked ? NULL : catalog_open(ask.files, NULL);
	if (catalog && catalog_find(catalog, image->name, ask.arch, &found, &err) < 0)
		diag_error(&spec->diags, spec->source, image->at,
			   "croft image search lists what there is", "image: %s", err.msg);
	catalog_close(catalog);
	image_ask_done(&ask);
}

/* A catalog or a lock file that cannot be read is its own complaint, made where they are used. */
void image_check_names(struct spec *spec)
{
	for (unsigned i = 0; i < spec->nvms; i++)
		check_name(spec, &spec->vms[i].image);
}

void image_ask_done(struct image_ask *a)
{
	for (size_t i = 0; i < ARRAY_LEN(a->catalogs); i++)
		free(a->catalogs[i]);
	lock_done(&a->lock);
	*a = (struct image_ask){0};
}
