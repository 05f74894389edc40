/* SPDX-License-Identifier: Apache-2.0
 *
 * From the normalised tree to struct spec_vm, and back to the form that `croft config` writes.
 * Values were checked by their types: what is read here again cannot fail, and what is missing
 * after a complaint stays zero.
 */
#include <string.h>

#include "base/num.h"
#include "base/util.h"
#include "provision/spec/address.h"
#include "provision/spec/load.h"

static uint64_t number_at(const struct yaml_node *n, const char *path)
{
	const char *text = tree_text(n, path);
	uint64_t v = 0;

	if (text)
		parse_u64(text, &v, NULL);
	return v;
}

static uint64_t size_at(const struct yaml_node *n, const char *path)
{
	const char *text = tree_text(n, path);
	uint64_t v = 0;

	if (text)
		parse_size(text, &v, NULL, NULL);
	return v;
}

/* The words of the row stand in the order of the enum. */
static int word_at(const struct yaml_node *n, const char *key, const struct field *f)
{
	const char *text = tree_text(n, key);

	for (int i = 0; text && f->words[i]; i++)
		if (!strcmp(text, f->words[i]))
			return i;
	return 0;
}
static_assert(BLK_RAW == 0 && BLK_QCOW2 == 1 && BLK_FORMATS == 2, "the words of *.format");
static_assert(BOOT_AUTO == 0 && BOOT_KERNEL == 1, "the words of boot.mode");

static const struct field *row(const char *path)
{
	const struct field *deepest;
	const char *rest;

	return field_find(path, &deepest, &rest);
}

static void build_image(struct arena *a, const struct yaml_node *n, struct spec_image *image)
{
	/* In the order of the words of image.verify. */
	static const enum trust levels[] = {TRUST_SIGNED, TRUST_CHECKSUM, TRUST_DIGEST,
					    TRUST_UNVERIFIED};
	const char *variant;

	if (!n)
		return;
	variant = tree_text(n, "variant");
	image->at = n->at;
	image->path = tree_text(n, "path");
	image->url = tree_text(n, "url");
	image->name = tree_text(n, "name");
	if (image->name && variant)
		image->name = arena_printf(a, "%s/%s", image->name, variant);
	image->digest = tree_text(n, "digest");
	image->arch = tree_text(n, "arch");
	image->has_verify = tree_at(n, "verify");
	if (image->has_verify)
		image->verify = levels[word_at(n, "verify", row("image.verify"))];
	image->signature_url = tree_text(n, "signature.url");
	image->signature_key = tree_text(n, "signature.key");
	image->has_format = tree_at(n, "format");
	image->format = (enum blk_format)word_at(n, "format", row("image.format"));
}

static void build_nic(const char *name, const struct yaml_node *n, bool mac_given,
		      struct spec_nic *nic)
{
	const struct yaml_node *dns = tree_at(n, "dns");
	const char *mac = tree_text(n, "mac");

	nic->at = n->at;
	nic->name = name;
	nic->bridge = tree_text(n, "bridge");
	nic->create = tree_flag(n, "create");
	nic->host_address = tree_text(n, "host_address");
	nic->address = tree_text(n, "address");
	nic->gateway = tree_text(n, "gateway");
	for (size_t i = 0; dns && i < dns->n && i < SPEC_MAX_DNS; i++)
		nic->dns[nic->ndns++] = dns->items[i]->text;
	nic->mac_given = mac_given;
	if (mac)
		mac_parse(mac, nic->mac);
}

static void build_nics(struct load *l, struct spec_vm *vm)
{
	const struct yaml_node *networks = tree_at(l->tree, "networks");

	for (size_t i = 0; networks && i < networks->n && i < SPEC_MAX_NICS; i++) {
		const char *name = networks->pairs[i].key->text;

		build_nic(name, networks->pairs[i].value, yaml_get(written_network(l, name), "mac"),
			  &vm->nics[vm->nnics++]);
	}
}

static void build_disks(struct load *l, struct spec_vm *vm)
{
	const struct yaml_node *disks = tree_at(l->tree, "disks");
	const struct yaml_node *written = yaml_get(l->written, "disks");

	for (size_t i = 0; disks && i < disks->n && i < SPEC_MAX_DISKS; i++) {
		const struct yaml_node *n = disks->items[i];
		struct spec_disk *disk = &vm->disks[vm->ndisks++];

		disk->at = n->at;
		disk->name = tree_text(n, "name");
		disk->name_given = tree_at(written->items[i], "name");
		disk->path = tree_text(n, "path");
		disk->size = size_at(n, "size");
		disk->format = (enum blk_format)word_at(n, "format", row("disks[].format"));
		disk->read_only = tree_flag(n, "read_only");
	}
}

/* Who `croft ssh` is: the default user by its new name, or the first of a list without it. */
static const char *login_user(const struct load *l)
{
	const struct yaml_node *users = tree_at(l->tree, "users");
	const char *first = NULL;

	if (tree_text(l->tree, "user.name"))
		return tree_text(l->tree, "user.name");
	for (size_t i = 0; users && i < users->n; i++) {
		const char *name = user_name(users->items[i]);

		if (name && !strcmp(name, "default"))
			return NULL;
		if (!first)
			first = name;
	}
	return first;
}

/* Every key that the table passes on to cloud-init; most empty lists are no lists to it. */
static struct yaml_node *build_cloud_config(struct load *l)
{
	struct arena *a = l->reader.arena;
	struct yaml_node *out = yaml_map(a), *chpasswd;

	for (const struct field *f = field_next(&root_field, NULL); f;
	     f = field_next(&root_field, f)) {
		struct yaml_node *value = f->cloud_key ? yaml_get(l->tree, f->path) : NULL;

		if (value && (value->kind != YAML_SEQ || value->n || f->empty))
			yaml_set(a, out, f->cloud_key, value);
	}
	if (yaml_get(out, "password")) {
		/* cloud-init's default would have the password changed at the first login. */
		chpasswd = yaml_map(a);
		yaml_set(a, chpasswd, "expire", yaml_plain(a, "false"));
		yaml_set(a, out, "chpasswd", chpasswd);
	}
	return out;
}

void build(struct load *l, struct spec_vm *vm)
{
	const struct yaml_node *t = l->tree, *boot = tree_at(t, "boot");

	vm->at = t->at;
	vm->name = tree_text(t, "name");
	build_image(l->spec->arena, tree_at(t, "image"), &vm->image);
	vm->cpus = (unsigned)number_at(t, "cpus.count");
	vm->memory = size_at(t, "memory.size");
	vm->disk = size_at(t, "disk.size");
	vm->hostname = tree_text(t, "hostname") ? tree_text(t, "hostname") : vm->name;
	vm->fqdn = tree_text(t, "fqdn");
	vm->user = login_user(l);
	vm->seed = has_seed(t);
	vm->cloud_config = build_cloud_config(l);
	build_nics(l, vm);
	build_disks(l, vm);
	vm->boot.mode = (enum boot_mode)word_at(boot, "mode", row("boot.mode"));
	vm->boot.kernel = tree_text(boot, "kernel");
	vm->boot.initrd = tree_text(boot, "initrd");
	vm->boot.cmdline = tree_text(boot, "cmdline");
	vm->boot.cmdline_append = tree_text(boot, "cmdline_append");
	vm->console_log = tree_flag(t, "console.log");
}

/* --- and back ---------------------------------------------------------------------- */

static struct yaml_node *written_scalar(struct arena *a, const struct field *f,
					const struct yaml_node *n)
{
	struct yaml_node *out = yaml_str(a, f->literal ? n->text : interpolate_escape(a, n->text));

	out->plain = n->plain;
	return out;
}

struct yaml_node *written_form(struct arena *a, const struct field *f, const struct yaml_node *n)
{
	const struct field *item = field_item(f);
	struct yaml_node *out;

	if (n->kind == YAML_SCALAR)
		return written_scalar(a, f, n);
	if (n->kind == YAML_SEQ) {
		out = yaml_seq(a);
		for (size_t i = 0; i < n->n; i++)
			yaml_add(a, out, written_form(a, item ? item : f, n->items[i]));
		return out;
	}
	if (f->literal) /* a document in the form of a map: not ours to touch */
		return (struct yaml_node *)n;
	out = yaml_map(a);
	if (item) {
		for (size_t i = 0; i < n->n; i++)
			yaml_set(a, out, n->pairs[i].key->text,
				 written_form(a, item, n->pairs[i].value));
		return out;
	}
	for (const struct field *c = field_next(f, NULL); c; c = field_next(f, c)) {
		const struct yaml_node *value = yaml_get(n, field_key(c));

		if (value)
			yaml_set(a, out, field_key(c), written_form(a, c, value));
	}
	return out;
}
