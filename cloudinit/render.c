/* SPDX-License-Identifier: Apache-2.0
 *
 * From what the spec says to the four documents of a NoCloud seed.
 *
 * How documents are merged. cloud-init takes the parts of a MIME message in turn and merges each
 * cloud-config into what it has, by the merge type that the incoming part names (doc "Merging user
 * data sections"). People expect that their own words win and that lists add up. No merge type does
 * that for a part that comes later: "replace" replaces lists as well. So the user's document comes
 * first, and croft's part after it with
 *
 *     list(prepend)+dict(no_replace,recurse_list)+str()
 *
 * that is: keep what is there, go into maps, and put croft's list items in front. A document that
 * names a merge type of its own, and a JSON patch, which needs something to patch, come last and
 * decide.
 */
#include "cloudinit/seed.h"

#include <strings.h>

#include "base/util.h"
#include "cloudinit/document.h"
#include "cloudinit/mime.h"
#include "cloudinit/network.h"

#define BENEATH "list(prepend)+dict(no_replace,recurse_list)+str()"

static const char *const file_names[SEED_FILES] = {
	[SEED_USER_DATA] = "user-data",
	[SEED_META_DATA] = "meta-data",
	[SEED_NETWORK_CONFIG] = "network-config",
	[SEED_VENDOR_DATA] = "vendor-data",
};

const char *seed_file_name(enum seed_file f)
{
	return file_names[f];
}

/* --- merging documents ----------------------------------------------------------------------- */

/* A document of the user's: as it came, and as cloud-init will see it. */
struct document {
	enum document_kind kind;
	const struct source *raw;
	const char *text;
	size_t len;
	struct buf unpacked;
};

static int open_document(const struct source *src, struct document *d, struct err *err)
{
	static const struct source none = {.text = ""};

	if (!src)
		src = &none;
	if (src->len > SEED_MAX_DOCUMENT)
		return err_set(err, ERR_SPEC, "'%s' is larger than %d MiB", src->name,
			       SEED_MAX_DOCUMENT >> 20);
	d->raw = src;
	d->text = src->text;
	d->len = src->len;
	if (document_is_gzip(src->text, src->len)) {
		if (document_unpack(src->text, src->len, &d->unpacked, err) < 0)
			return err_wrap(err, "'%s'", src->name);
		d->text = buf_str(&d->unpacked);
		d->len = d->unpacked.len;
	}
	d->kind = document_kind(d->text, d->len);
	return 0;
}

/* A line begins with the word, in any case: a key of a cloud-config or a header of a MIME part. */
static bool has_line(const struct document *d, const char *word)
{
	const char *end = d->text + d->len, *nl;
	size_t n = strlen(word);

	for (const char *p = d->text; (size_t)(end - p) >= n; p = nl + 1) {
		if (!strncasecmp(p, word, n))
			return true;
		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			break;
	}
	return false;
}

static bool decides_merging(const struct document *d)
{
	return d->kind == DOC_CLOUD_CONFIG_JSONP || has_line(d, "merge_how:") ||
	       has_line(d, "merge_type:") || has_line(d, "merge-type:") ||
	       has_line(d, "x-merge-type:");
}

static struct mime_part user_part(const struct document *d, const char *name)
{
	const char *type = document_content_type(d->kind);

	return (struct mime_part){
		.content_type = d->kind == DOC_MIME ? NULL
				: type		    ? type
						    : "text/plain",
		.name = name,
		.data = d->text,
		.len = d->len,
	};
}

enum { CROFT_PARTS = 2 };

static int put_merged(const struct mime_part croft[], size_t n, const struct document *user,
		      const char *name, struct buf *out, struct err *err)
{
	struct mime_part parts[CROFT_PARTS + 1];
	bool given = user->kind != DOC_EMPTY, last = decides_merging(user);
	size_t count = 0;

	assert(n <= CROFT_PARTS);
	if (given && !last)
		parts[count++] = user_part(user, name);
	for (size_t i = 0; i < n; i++)
		parts[count++] = croft[i];
	if (given && last)
		parts[count++] = user_part(user, name);

	if (count == 0) {
		buf_puts(out, "#cloud-config\n{}\n");
		return 0;
	}
	/* One document alone keeps its bytes, unless cloud-init would take it for a message. */
	if (count == 1 &&
	    !(parts[0].content_type && document_looks_like_mime(parts[0].data, parts[0].len))) {
		buf_put(out, given ? user->raw->text : parts[0].data,
			given ? user->raw->len : parts[0].len);
		return 0;
	}
	return mime_write(parts, count, out, err);
}

static int merge(const struct mime_part croft[], size_t n, const struct source *user,
		 const char *name, struct buf *out, struct err *err)
{
	struct document d = {.unpacked = BUF_INIT(SEED_MAX_DOCUMENT)};
	int rc = open_document(user, &d, err);

	if (rc == 0)
		rc = put_merged(croft, n, &d, name, out, err);
	buf_done(&d.unpacked);
	return rc;
}

/* --- the four documents ---------------------------------------------------------------------- */

static struct mime_part cloud_config_part(const struct buf *text)
{
	return (struct mime_part){.content_type = document_content_type(DOC_CLOUD_CONFIG),
				  .name = "croft",
				  .merge = BENEATH,
				  .data = buf_str(text),
				  .len = text->len};
}

static int render_user_data(const struct seed_input *in, struct buf *out, struct err *err)
{
	auto_buf struct buf sugar = BUF_INIT(SEED_MAX_FILE);
	struct mime_part part;

	if (!in->cloud_config || !in->cloud_config->n)
		return merge(NULL, 0, in->user_data, "user-data", out, err);
	buf_puts(&sugar, "#cloud-config\n");
	yaml_emit(in->cloud_config, &sugar);
	part = cloud_config_part(&sugar);
	return merge(&part, 1, in->user_data, "user-data", out, err);
}

/* Scripts of vendor-data run once for an instance, and whatever else the user runs is not in their
 * way. */
static const char fstrim_script[] =
	"#!/bin/sh\n"
	"# The disk gives freed blocks back to the host: tell it about them once a week.\n"
	"systemctl cat fstrim.timer >/dev/null 2>&1 || exit 0\n"
	"systemctl is-enabled --quiet fstrim.timer || systemctl enable --now fstrim.timer\n";

static struct yaml_node *growpart(struct arena *a)
{
	struct yaml_node *map = yaml_map(a), *devices = yaml_seq(a);

	yaml_set(a, map, "mode", yaml_str(a, "auto"));
	yaml_add(a, devices, yaml_str(a, "/"));
	yaml_set(a, map, "devices", devices);
	return map;
}

/*
 * The host key comes with vendor-data, so that user-data stays what the user wrote. ssh_deletekeys
 * removes keys that were baked into the image; with ssh_keys given, no others are generated.
 */
static void set_host_key(struct arena *a, struct yaml_node *config, const struct seed_input *in)
{
	struct yaml_node *keys = yaml_map(a);

	yaml_set(a, keys, "ed25519_private", yaml_str(a, in->host_key_private));
	yaml_set(a, keys, "ed25519_public", yaml_str(a, in->host_key_public));
	yaml_set(a, config, "ssh_deletekeys", yaml_plain(a, "true"));
	yaml_set(a, config, "ssh_keys", keys);
}

/*
 * What every VM gets unless its user says otherwise. datasource_list is not among it: when
 * vendor-data is read the search is over. The disk's label and the SMBIOS serial ds=nocloud end it
 * before it begins.
 */
static void emit_vendor_config(const struct seed_input *in, struct buf *out)
{
	struct arena *a = arena_new();
	struct yaml_node *config = yaml_map(a);

	/* local-hostname in meta-data cannot say both names; user-data still overrides these. */
	if (in->hostname && in->fqdn) {
		yaml_set(a, config, "hostname", yaml_str(a, in->hostname));
		yaml_set(a, config, "fqdn", yaml_str(a, in->fqdn));
	}
	yaml_set(a, config, "growpart", growpart(a));
	yaml_set(a, config, "resize_rootfs", yaml_plain(a, "true"));
	if (in->host_key_private && in->host_key_public)
		set_host_key(a, config, in);
	buf_puts(out, "#cloud-config\n# croft's settings for this VM; user-data overrides them\n");
	yaml_emit(config, out);
	arena_free(a);
}

static int render_vendor_data(const struct seed_input *in, struct buf *out, struct err *err)
{
	auto_buf struct buf text = BUF_INIT(SEED_MAX_FILE);
	struct mime_part parts[CROFT_PARTS];

	emit_vendor_config(in, &text);
	parts[0] = cloud_config_part(&text);
	parts[1] = (struct mime_part){.content_type = document_content_type(DOC_SCRIPT),
				      .name = "croft-fstrim",
				      .data = fstrim_script,
				      .len = sizeof(fstrim_script) - 1};
	return merge(parts, 2, in->vendor_data, "vendor-data", out, err);
}

/* The first complaint as an error; seed_lint is what shows them all. */
static int first_error(const struct diags *ds, struct err *err)
{
	for (size_t i = 0; i < ds->n; i++) {
		const struct diag *d = &ds->list[i];

		if (d->level == DIAG_ERROR)
			return err_set(err, ERR_SPEC, "%s:%u:%u: %s", d->source->name,
				       d->at.line + d->source->line_offset,
				       d->at.column + d->source->column_offset, d->message);
	}
	return err_set(err, ERR_SPEC, "not readable as YAML");
}

/* The user's map over croft's. */
static int merge_meta_data(struct arena *a, struct yaml_node *meta, const struct source *user,
			   struct err *err)
{
	const struct yaml_node *map;
	struct diags ds;
	int rc = 0;

	diags_init(&ds, a);
	map = yaml_parse(user, a, &ds);
	if (!map || ds.errors) {
		rc = first_error(&ds, err);
	} else if (map->kind != YAML_MAP) {
		rc = err_set(err, ERR_SPEC, "%s: meta-data is a map, such as 'local-hostname: web'",
			     user->name);
	} else {
		for (size_t i = 0; i < map->n; i++)
			yaml_set(a, meta, map->pairs[i].key->text, map->pairs[i].value);
	}
	diags_done(&ds);
	return rc;
}

static int render_meta_data(const struct seed_input *in, struct buf *out, struct err *err)
{
	struct arena *a = arena_new();
	struct yaml_node *meta = yaml_map(a);
	int rc = 0;

	/* Without it all seeds are the same instance, "nocloud" (DataSourceNoCloud.py). */
	yaml_set(a, meta, "instance-id", yaml_str(a, in->instance_id));
	if (in->hostname)
		yaml_set(a, meta, "local-hostname", yaml_str(a, in->hostname));
	if (in->meta_data)
		rc = merge_meta_data(a, meta, in->meta_data, err);
	yaml_emit(meta, out);
	arena_free(a);
	return rc;
}

static int render_network_config(const struct seed_input *in, struct buf *out, struct err *err)
{
	if (!in->network_config)
		return network_render(in->nics, in->nnics, out, err);
	buf_put(out, in->network_config->text, in->network_config->len);
	return 0;
}

static int (*const renderers[SEED_FILES])(const struct seed_input *, struct buf *, struct err *) = {
	[SEED_USER_DATA] = render_user_data,
	[SEED_META_DATA] = render_meta_data,
	[SEED_NETWORK_CONFIG] = render_network_config,
	[SEED_VENDOR_DATA] = render_vendor_data,
};

int seed_render(const struct seed_input *in, struct seed *out, struct err *err)
{
	struct seed seed;

	assert(in->instance_id && *in->instance_id);
	for (unsigned f = 0; f < SEED_FILES; f++)
		seed.files[f] = BUF_INIT(SEED_MAX_FILE);
	for (unsigned f = 0; f < SEED_FILES; f++) {
		int rc = renderers[f](in, &seed.files[f], err);

		if (rc == 0 && seed.files[f].overflow)
			rc = err_set(err, ERR_SPEC, "larger than %d MiB", SEED_MAX_FILE >> 20);
		if (rc < 0) {
			seed_done(&seed);
			return err_wrap(err, "%s", file_names[f]);
		}
	}
	*out = seed;
	return 0;
}

void seed_done(struct seed *seed)
{
	for (unsigned f = 0; f < SEED_FILES; f++)
		buf_done(&seed->files[f]);
}
