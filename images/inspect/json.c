/* SPDX-License-Identifier: Apache-2.0
 *
 * The findings as JSON, for `image inspect -o json`. All text has been made UTF-8 before (clean.c).
 */
#include "images/inspect/inspect.h"

#include <jansson.h>
#include <string.h>

#include "base/mem.h"

static void set(json_t *obj, const char *key, json_t *value)
{
	json_object_set_new(obj, key, value ? value : json_null());
}

/* Empty means unknown, which JSON says with null. */
static void set_text(json_t *obj, const char *key, const char *text)
{
	set(obj, key, *text ? json_string(text) : NULL);
}

static void set_bytes(json_t *obj, const char *key, uint64_t n)
{
	set(obj, key, json_integer((json_int_t)n));
}

static json_t *part_json(const struct inspect_part *p)
{
	json_t *o = json_object();

	set(o, "number", json_integer(p->number));
	set_bytes(o, "offset", p->off);
	set_bytes(o, "size", p->size);
	set_text(o, "type", p->type);
	set_text(o, "type_name", p->type_name);
	set_text(o, "name", p->name);
	set_text(o, "partuuid", p->partuuid);
	set_text(o, "fs", p->fs);
	set_text(o, "label", p->fs_label);
	set_text(o, "uuid", p->fs_uuid);
	set(o, "dirty", json_boolean(p->fs_dirty));
	set(o, "replayed", json_boolean(p->fs_replayed));
	set_text(o, "note", p->note);
	return o;
}

static json_t *image_json(const struct blk_info *i)
{
	json_t *o = json_object();

	set_text(o, "format", blk_format_name(i->format));
	set_bytes(o, "virtual_size", i->virtual_size);
	set_bytes(o, "file_size", i->file_size);
	set_bytes(o, "allocated", i->allocated);
	if (i->format == BLK_QCOW2) {
		set(o, "version", json_integer(i->qcow2_version));
		set_bytes(o, "cluster_size", i->cluster_size);
		set(o, "dirty", json_boolean(i->dirty));
		set(o, "corrupt", json_boolean(i->corrupt));
		set(o, "encrypted", json_boolean(i->encrypted));
		set_text(o, "backing", i->backing);
		set_text(o, "unknown_features", i->unknown_features);
	}
	return o;
}

static json_t *os_json(const struct os_release *os)
{
	json_t *o = json_object();

	set_text(o, "id", os->id);
	set_text(o, "version_id", os->version_id);
	set_text(o, "pretty_name", os->pretty_name);
	set_text(o, "id_like", os->id_like);
	return o;
}

static json_t *boot_json(const struct boot_entry *b)
{
	json_t *o = json_object(), *initrds = json_array();

	for (unsigned i = 0; i < b->ninitrd; i++)
		json_array_append_new(initrds, json_string(b->initrd[i]));
	set_text(o, "source", boot_source_name(b->source));
	set(o, "partition", json_integer(b->part));
	set_text(o, "config", b->config);
	set_text(o, "title", b->title);
	set_text(o, "kernel", b->kernel);
	set(o, "initrd", initrds);
	set(o, "cmdline", json_string(b->cmdline));
	return o;
}

static json_t *kernel_json(const struct kernel_facts *k)
{
	json_t *o = json_object();

	set_text(o, "kind", k->kind);
	set_text(o, "version", k->version);
	set(o, "pvh", json_boolean(k->pvh));
	if (!strcmp(k->kind, "bzImage")) {
		set(o, "protocol", json_integer(k->protocol));
		set(o, "entry64", json_boolean(k->entry64));
		set(o, "relocatable", json_boolean(k->relocatable));
		set(o, "above4g", json_boolean(k->above4g));
		set_bytes(o, "cmdline_size", k->cmdline_size);
		set_bytes(o, "init_size", k->init_size);
		set_bytes(o, "initrd_addr_max", k->initrd_addr_max);
		set_bytes(o, "pref_address", k->pref_address);
		set_text(o, "payload", k->payload);
	}
	return o;
}

char *inspect_json(const struct inspect *in)
{
	json_t *o = json_object(), *parts = json_array();
	char *text, *copy;

	for (unsigned i = 0; i < in->nparts; i++)
		json_array_append_new(parts, part_json(&in->part[i]));
	/* A caller that looked at a bare device has no image to tell of. */
	set(o, "image", in->image.file_size ? image_json(&in->image) : NULL);
	set_bytes(o, "disk_size", in->disk_size);
	set_text(o, "table", in->table);
	set(o, "gpt_backup", json_boolean(in->gpt_backup));
	set(o, "partitions", parts);
	set(o, "root",
	    in->root_part < in->nparts ? json_integer(in->part[in->root_part].number) : NULL);
	set(o, "os", in->root_part < in->nparts ? os_json(&in->os) : NULL);
	set(o, "boot", in->boot.source != BOOT_NONE ? boot_json(&in->boot) : NULL);
	set_text(o, "note", in->boot_note);
	set(o, "kernel", in->kernel.kind[0] ? kernel_json(&in->kernel) : NULL);

	text = json_dumps(o, JSON_INDENT(2));
	json_decref(o);
	copy = xstrdup(text ? text : "{}");
	free(text);
	return copy;
}
