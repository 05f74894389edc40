/* SPDX-License-Identifier: Apache-2.0
 *
 * Defaults that are computed from other keys. They are put into the normalised tree, so that
 * `croft config` shows them and the rest of the program never computes them again.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/util.h"
#include "provision/spec/address.h"
#include "provision/spec/load.h"

struct yaml_node *tree_at(const struct yaml_node *node, const char *path)
{
	char key[64];

	while (node && *path) {
		size_t n = strcspn(path, ".");

		assert(n < sizeof(key));
		memcpy(key, path, n);
		key[n] = '\0';
		node = yaml_get(node, key);
		path += n + (path[n] == '.');
	}
	return (struct yaml_node *)node;
}

const char *tree_text(const struct yaml_node *node, const char *path)
{
	const struct yaml_node *at = tree_at(node, path);

	return at && at->kind == YAML_SCALAR ? at->text : NULL;
}

bool tree_flag(const struct yaml_node *node, const char *path)
{
	const char *text = tree_text(node, path);

	return text && !strcmp(text, "true");
}

const char *user_name(const struct yaml_node *user)
{
	return user->kind == YAML_SCALAR ? user->text : tree_text(user, "name");
}

bool has_seed(const struct yaml_node *tree)
{
	const char *word = tree_text(tree, "cloud_init");

	return !word || strcmp(word, "none") != 0;
}

/* A value that nobody wrote stands where its map stands. */
static void set(struct load *l, struct yaml_node *map, const char *key, const char *text)
{
	struct yaml_node *value = yaml_str(l->reader.arena, text);

	value->at = map->at;
	value->source = map->source;
	yaml_set(l->reader.arena, map, key, value);
}

static void derive_names(struct load *l)
{
	struct arena *a = l->reader.arena;
	const char *name = tree_text(l->tree, "name"), *host, *dot;

	if (!name && !yaml_get(l->written, "name")) {
		name = l->default_name;
		if (name)
			set(l, l->tree, "name", name);
		else
			load_error(l, l->tree, "write name: NAME",
				   "name: missing, and the file's name makes none");
	}
	host = tree_text(l->tree, "hostname");
	if (!host && name && has_seed(l->tree) && !yaml_get(l->written, "hostname"))
		set(l, l->tree, "hostname", name);
	dot = host ? strchr(host, '.') : NULL;
	if (dot) {
		struct yaml_node *node = tree_at(l->tree, "hostname");

		if (!tree_at(l->tree, "fqdn"))
			set(l, l->tree, "fqdn", host);
		node->text = arena_strndup(a, host, (size_t)(dot - host));
		node->len = strlen(node->text);
	}
}

const struct yaml_node *written_network(const struct load *l, const char *name)
{
	const struct yaml_node *networks = yaml_get(l->written, "networks");

	for (size_t i = 0; networks && networks->kind == YAML_SEQ && i < networks->n; i++) {
		const char *is = tree_text(networks->items[i], "name");

		if (is && !strcmp(is, name))
			return networks->items[i];
	}
	return yaml_get(networks, name);
}

static void derive_networks(struct load *l)
{
	struct arena *a = l->reader.arena;
	const struct yaml_node *networks = tree_at(l->tree, "networks");
	const char *name = tree_text(l->tree, "name");

	for (size_t i = 0; networks && i < networks->n; i++) {
		const char *key = networks->pairs[i].key->text;
		const struct yaml_node *written = written_network(l, key);
		struct yaml_node *nic = networks->pairs[i].value;
		uint8_t mac[6];

		/* What was written and is not here was wrong, and complained about. */
		if (!yaml_get(written, "mode") && tree_at(nic, "bridge"))
			set(l, nic, "mode", "bridge");
		if (!yaml_get(written, "mac") && name) {
			mac_derive(name, name, (unsigned)i, mac);
			set(l, nic, "mac", mac_text(a, mac));
		}
	}
}

static bool seems_qcow2(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char magic[4];

	return text_ends(path, ".qcow2") ||
	       (fd >= 0 && pread(fd, magic, 4, 0) == 4 && !memcmp(magic, "QFI\xfb", 4));
}

/*
 * A format is never guessed: a guest could turn its raw disk into a qcow2 file that names another
 * file of the host. So what only seems to be qcow2 is a question, not an answer.
 */
static void derive_disks(struct load *l)
{
	const struct yaml_node *disks = tree_at(l->tree, "disks");

	for (size_t i = 0; disks && i < disks->n; i++) {
		struct yaml_node *disk = disks->items[i];
		const struct yaml_node *path = tree_at(disk, "path");

		if (!tree_at(disk, "name"))
			set(l, disk, "name", arena_printf(l->reader.arena, "disk%zu", i + 1));
		if (tree_at(disk, "format"))
			continue;
		if (path && seems_qcow2(path->text))
			load_error(l, path, "write format: qcow2 (or raw, if you mean it)",
				   "disks[%zu].path: seems to be qcow2, and without format: the "
				   "guest would get it as raw",
				   i);
		set(l, disk, "format", path ? "raw" : "qcow2");
	}
}

static void derive_boot(struct load *l)
{
	struct yaml_node *boot = tree_at(l->tree, "boot");

	if (boot && !tree_at(boot, "mode") && !tree_at(l->written, "boot.mode"))
		set(l, boot, "mode", tree_at(boot, "kernel") ? "kernel" : "auto");
}

void derive(struct load *l)
{
	derive_names(l);
	derive_networks(l);
	derive_disks(l);
	derive_boot(l);
}
