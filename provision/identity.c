/* SPDX-License-Identifier: Apache-2.0
 *
 * The private key that goes with a spec's public one: beside a .pub file that the spec names, else
 * among the user's own in ~/.ssh. Which of them it is, the key itself says. So `croft ssh` offers
 * one key, the right one, instead of whatever an agent holds (six wrong ones, and sshd hangs up).
 */
#include "provision/identity.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"

enum { KEY_FILE_BYTES = 65536 };

/* Type and blob of an authorized_keys line are equal, whatever options and comment they have. */
static bool same_key(const char *line, const char *pub)
{
	size_t type = strcspn(pub, " \t"), blob;
	auto_free char *both = NULL;

	if (!pub[type])
		return false;
	blob = strcspn(pub + type + 1, " \t\r\n");
	both = xstrndup(pub, type + 1 + blob);
	return blob > 16 && strstr(line, both);
}

static bool lists_key(const struct yaml_node *keys, const char *pub)
{
	for (size_t i = 0; keys && keys->kind == YAML_SEQ && i < keys->n; i++)
		if (keys->items[i]->kind == YAML_SCALAR && same_key(keys->items[i]->text, pub))
			return true;
	return false;
}

/* The guest gets this key, for its default user or one of `users`. */
static bool is_given(const struct yaml_node *config, const char *pub)
{
	const struct yaml_node *users = config ? yaml_get(config, "users") : NULL;

	if (!config)
		return false;
	if (lists_key(yaml_get(config, "ssh_authorized_keys"), pub))
		return true;
	for (size_t i = 0; users && users->kind == YAML_SEQ && i < users->n; i++)
		if (users->items[i]->kind == YAML_MAP &&
		    lists_key(yaml_get(users->items[i], "ssh_authorized_keys"), pub))
			return true;
	return false;
}

/* The private key beside a public one that the guest gets, or NULL. */
static char *try_pub(const char *path, const struct spec_vm *vm)
{
	auto_buf struct buf pub = BUF_INIT(KEY_FILE_BYTES);
	auto_free char *private_key = NULL;

	if (!text_ends(path, ".pub"))
		return NULL;
	private_key = xstrndup(path, strlen(path) - strlen(".pub"));
	if (access(private_key, R_OK) < 0 || file_read(path, &pub, NULL) < 0 ||
	    !is_given(vm->cloud_config, buf_str(&pub)))
		return NULL;
	return realpath(private_key, NULL);
}

/* Every text of the spec that looks like the path of a public key. yaml_parse bounds the depth. */
static char *try_named(const struct yaml_node *n, const char *dir, const struct spec_vm *vm)
{
	char *found = NULL;

	if (n->kind == YAML_SCALAR) {
		auto_free char *path =
			text_ends(n->text, ".pub") ? path_expand(n->text, dir) : NULL;

		return path ? try_pub(path, vm) : NULL;
	}
	for (size_t i = 0; i < n->n && !found; i++)
		found = try_named(n->kind == YAML_SEQ ? n->items[i] : n->pairs[i].value, dir, vm);
	return found;
}

static char *try_spec(const struct spec *spec, const struct spec_vm *vm)
{
	auto_buf struct buf text = BUF_INIT(YAML_MAX_BYTES);
	auto_free char *dir = path_dir(spec->path);
	struct source source;
	struct yaml_node *root;
	struct arena *arena;
	struct diags diags;
	char *found;

	if (file_read(spec->path, &text, NULL) < 0)
		return NULL;
	arena = arena_new();
	diags_init(&diags, arena);
	source = (struct source){.name = spec->path, .text = buf_str(&text), .len = text.len};
	root = yaml_parse(&source, arena, &diags);
	found = root ? try_named(root, dir, vm) : NULL;
	diags_done(&diags);
	arena_free(arena);
	return found;
}

static char *try_home(const struct spec_vm *vm)
{
	auto_free char *dir = path_expand("~/.ssh", NULL);
	auto_closedir DIR *d = opendir(dir);
	char *found = NULL;
	struct dirent *e;

	while (d && !found && (e = readdir(d))) {
		auto_free char *path = path_join(dir, e->d_name);

		found = try_pub(path, vm);
	}
	return found;
}

char *identity_find(const struct spec *spec, const struct spec_vm *vm)
{
	char *found = try_spec(spec, vm);

	return found ? found : try_home(vm);
}
