/* SPDX-License-Identifier: Apache-2.0
 *
 * Drives cloudinit/ without the rest of croft, for golden files, outside judges and the benchmark:
 *
 *     mkseed render INPUT.yaml DIR      the four documents as files
 *     mkseed iso INPUT.yaml FILE        the seed disk
 *     mkseed pack DIR FILE              a seed disk of the documents in DIR
 *     mkseed lint user-data FILE        complaints on stderr; exit code 1 when there are errors
 *     mkseed keys                       the table's top-level keys and the kinds of their values
 *
 * INPUT.yaml says what struct seed_input holds, under the same names.
 */
#include <stdio.h>

#include "base/file.h"
#include "base/num.h"
#include "base/util.h"
#include "cloudinit/check.h"
#include "cloudinit/seed.h"

static int fail(const struct err *err)
{
	fprintf(stderr, "mkseed: %s\n", err->msg);
	return 1;
}

/* A file as a source; everything lives until the program ends. */
static int load(struct arena *a, const char *path, struct source **out, struct err *err)
{
	struct buf text = BUF_INIT(SEED_MAX_DOCUMENT + 1);
	struct source *src = arena_zalloc(a, sizeof(*src));
	char *copy;

	if (file_read(path, &text, err) < 0)
		return -1;
	copy = arena_zalloc(a, text.len + 1);
	memcpy(copy, buf_str(&text), text.len);
	*src = (struct source){.name = path, .text = copy, .len = text.len};
	buf_done(&text);
	*out = src;
	return 0;
}

static const char *text_of(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *n = yaml_get(map, key);

	return n && n->kind == YAML_SCALAR ? n->text : NULL;
}

static const struct source *document(struct arena *a, const struct yaml_node *map, const char *key)
{
	const struct yaml_node *n = yaml_get(map, key);
	struct source *src = arena_zalloc(a, sizeof(*src));

	if (!n)
		return NULL;
	*src = (struct source){.name = key, .text = n->text, .len = n->len};
	return src;
}

static int read_nic(const struct yaml_node *map, struct seed_nic *nic, struct err *err)
{
	const struct yaml_node *dns = yaml_get(map, "dns");
	const char *mac = text_of(map, "mac");
	uint8_t *m = nic->mac;

	if (!mac ||
	    sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6)
		return err_set(err, ERR_SPEC, "a nic needs a mac");
	nic->address = text_of(map, "address");
	nic->gateway = text_of(map, "gateway");
	for (; dns && nic->ndns < dns->n && nic->ndns < SEED_MAX_DNS; nic->ndns++)
		nic->dns[nic->ndns] = dns->items[nic->ndns]->text;
	return 0;
}

static int read_input(struct arena *a, const char *path, struct seed_input *in, struct err *err)
{
	const struct yaml_node *top, *nics;
	struct source *src;
	struct diags ds;

	if (load(a, path, &src, err) < 0)
		return -1;
	diags_init(&ds, a);
	top = yaml_parse(src, a, &ds);
	if (!top || ds.errors) {
		diags_print(&ds, stderr, false);
		return err_set(err, ERR_SPEC, "%s is wrong", path);
	}
	*in = (struct seed_input){
		.instance_id = text_of(top, "instance_id"),
		.hostname = text_of(top, "hostname"),
		.fqdn = text_of(top, "fqdn"),
		.cloud_config = yaml_get(top, "cloud_config"),
		.user_data = document(a, top, "user_data"),
		.vendor_data = document(a, top, "vendor_data"),
		.meta_data = document(a, top, "meta_data"),
		.network_config = document(a, top, "network_config"),
		.host_key_private = text_of(top, "host_key_private"),
		.host_key_public = text_of(top, "host_key_public"),
	};
	if (!in->instance_id)
		return err_set(err, ERR_SPEC, "%s: instance_id is missing", path);
	nics = yaml_get(top, "nics");
	for (; nics && in->nnics < nics->n && in->nnics < SEED_MAX_NICS; in->nnics++)
		if (read_nic(nics->items[in->nnics], &in->nics[in->nnics], err) < 0)
			return -1;
	return 0;
}

static int write_documents(const struct seed *seed, const char *dir, struct err *err)
{
	for (unsigned f = 0; f < SEED_FILES; f++) {
		auto_free char *path = path_join(dir, seed_file_name(f));
		const struct buf *b = &seed->files[f];

		if (b->len && file_replace(path, b->data, b->len, 0644, err) < 0)
			return -1;
	}
	return 0;
}

static int write_iso(const struct seed *seed, const char *path, struct err *err)
{
	auto_buf struct buf iso = BUF_INIT(SEED_MAX_ISO);

	if (seed_iso(seed, &iso, err) < 0)
		return -1;
	return file_replace(path, iso.data, iso.len, 0644, err);
}

static int run_render(struct arena *a, const char *input, const char *out, bool iso,
		      struct err *err)
{
	struct seed_input in;
	struct seed seed;
	int rc;

	if (read_input(a, input, &in, err) < 0 || seed_render(&in, &seed, err) < 0)
		return -1;
	rc = iso ? write_iso(&seed, out, err) : write_documents(&seed, out, err);
	seed_done(&seed);
	return rc;
}

static int run_pack(const char *dir, const char *out, struct err *err)
{
	struct seed seed;
	int rc = 0;

	for (unsigned f = 0; f < SEED_FILES; f++) {
		auto_free char *path = path_join(dir, seed_file_name(f));

		seed.files[f] = BUF_INIT(SEED_MAX_FILE);
		if (rc == 0 && access(path, F_OK) == 0)
			rc = file_read(path, &seed.files[f], err);
	}
	if (rc == 0)
		rc = write_iso(&seed, out, err);
	seed_done(&seed);
	return rc;
}

static int run_lint(struct arena *a, const char *name, const char *path, struct err *err)
{
	struct source *src;
	struct diags ds;

	if (load(a, path, &src, err) < 0)
		return -1;
	for (unsigned f = 0; f < SEED_FILES; f++) {
		if (strcmp(name, seed_file_name(f)) != 0)
			continue;
		diags_init(&ds, a);
		seed_lint(f, src, a, &ds);
		diags_print(&ds, stderr, false);
		return ds.errors ? err_set(err, ERR_SPEC, "%zu errors", ds.errors) : 0;
	}
	return err_set(err, ERR_USAGE, "%s: not a document of a seed", name);
}

static void print_keys(const struct key *keys)
{
	static const char *const names[] = {"text", "int", "float", "bool", "null", "list", "map"};

	for (; keys->name; keys++) {
		printf("%s", keys->name);
		for (unsigned i = 0; i < ARRAY_LEN(names); i++)
			if (keys->kinds & 1U << i)
				printf(" %s", names[i]);
		printf("%s\n", keys->instead ? " deprecated" : "");
	}
}

int main(int argc, char **argv)
{
	struct arena *a = arena_new();
	struct err err = {0};
	const char *verb = argc > 1 ? argv[1] : "";
	int rc = -1;

	if (!strcmp(verb, "keys")) {
		print_keys(cloud_config_keys);
		rc = 0;
	} else if (argc != 4) {
		err_set(&err, ERR_USAGE, "mkseed render|iso|pack|lint|keys ...");
	} else if (!strcmp(verb, "render") || !strcmp(verb, "iso")) {
		rc = run_render(a, argv[2], argv[3], !strcmp(verb, "iso"), &err);
	} else if (!strcmp(verb, "pack")) {
		rc = run_pack(argv[2], argv[3], &err);
	} else if (!strcmp(verb, "lint")) {
		rc = run_lint(a, argv[2], argv[3], &err);
	} else {
		err_set(&err, ERR_USAGE, "%s: not a verb", verb);
	}
	arena_free(a);
	return rc < 0 ? fail(&err) : 0;
}
