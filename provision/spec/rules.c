/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules between keys: what contradicts, what needs something else, what will not do what it seems
 * to. Each is a function of the normalised tree; a key that is missing because it was wrong has
 * been complained about already.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "base/util.h"
#include "images/store/catalog/catalog.h"
#include "provision/spec/address.h"
#include "provision/spec/load.h"

#define text_in(l, ...) arena_printf((l)->reader.arena, __VA_ARGS__)

/* Files are opened when they are needed; that one is not there yet is worth a word before. */
static void warn_missing(struct load *l, const char *what, const struct yaml_node *path)
{
	struct stat st;

	if (!path)
		return;
	if (stat(path->text, &st) < 0)
		load_warn(l, path, "correct the path, or put the file there before the VM starts",
			  "%s: there is no file '%s'", what, path->text);
	else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		load_warn(l, path, "name a file, or a block device",
			  "%s: '%s' is neither a file nor a block device", what, path->text);
}

/* --- image, disks, boot ------------------------------------------------------------ */

/* Exactly one of them says which image. */
static void check_image_which(struct load *l, const struct yaml_node *image)
{
	static const char *const keys[] = {"path", "url", "name"};
	const struct yaml_node *written = yaml_get(l->written, "image");
	const char *first = NULL;
	bool tried = false;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct yaml_node *n = tree_at(image, keys[i]);

		tried |= written && written->kind == YAML_MAP && yaml_get(written, keys[i]);
		if (n && first)
			load_error(l, n, "keep one of them", "image: %s and %s exclude each other",
				   first, keys[i]);
		else if (n)
			first = keys[i];
	}
	if (!first && !tried && written && written->kind == YAML_MAP)
		load_error(l, image,
			   "write name: NAME, path: FILE, or url: URL with digest: \"sha256:...\"",
			   "image: no name, path or url");
}

static void check_image(struct load *l)
{
	const struct yaml_node *image = tree_at(l->tree, "image"), *path, *url, *n;
	bool local;

	if (!image)
		return;
	check_image_which(l, image);
	path = tree_at(image, "path");
	url = tree_at(image, "url");
	if (url && !text_starts(url->text, "file:") && !tree_at(l->written, "image.digest") &&
	    !tree_at(l->written, "image.signature"))
		load_warn(l, url, "write digest: with the publisher's checksum",
			  "image: without a digest this is fetched with --insecure only");
	n = tree_at(image, "signature");
	local = path || (url && text_starts(url->text, "file:"));
	if (n && local)
		load_error(l, n, "write digest: with what the file has to be",
			   "image.signature: is for an image that is fetched");
	else if (n && tree_at(image, "name"))
		load_error(l, n, "the catalog has the keys of its names",
			   "image.signature: is for an image at a url");
	n = tree_at(image, "verify");
	if (n && local && (!strcmp(n->text, "signature") || !strcmp(n->text, "checksum")))
		load_error(l, n, "write digest: with what the file has to be, and verify: digest",
			   "image.verify: nobody publishes a file of this host");
	n = tree_at(image, "variant");
	if (n && (path || url))
		load_error(l, n, NULL, "image.variant: is for an image with a name");
	else if (n && tree_text(image, "name") && strchr(tree_text(image, "name"), '/'))
		load_error(l, n, "keep one of them",
			   "image.variant: the name has a variant already");
	n = tree_at(image, "arch");
	if (n && strcmp(n->text, catalog_host_arch()))
		load_error(l, n, "leave arch: out, or use another host",
			   "image.arch: this host is %s, and KVM runs guests of the host's own "
			   "architecture",
			   catalog_host_arch());
	warn_missing(l, "image.path", path);
	warn_missing(l, "image.signature.key", tree_at(image, "signature.key"));
}

static void check_disk_paths(struct load *l, const struct yaml_node *disks, size_t i)
{
	const struct yaml_node *path = tree_at(disks->items[i], "path"), *image;
	bool shared = tree_flag(disks->items[i], "read_only");

	image = tree_at(l->tree, "image.path");
	if (image && !strcmp(image->text, path->text) && !shared)
		load_error(l, path, "copy the image, or write read_only: true",
			   "disks[%zu].path: the image's own file would be written to", i);
	for (size_t j = 0; j < i; j++) {
		const char *other = tree_text(disks->items[j], "path");

		if (other && !strcmp(other, path->text) &&
		    !(shared && tree_flag(disks->items[j], "read_only")))
			load_error(l, path, "one disk a file, or read_only: true for each",
				   "disks[%zu].path: the file is disks[%zu] already", i, j);
	}
	warn_missing(l, text_in(l, "disks[%zu].path", i), path);
}

/* virtio-blk has room for 20 characters; three names are those of the disks that each VM has. */
static void check_disk_name(struct load *l, const struct yaml_node *disks, size_t i)
{
	static const char *const taken[] = {"root", "disk", "cidata"};
	const struct yaml_node *name = tree_at(disks->items[i], "name");

	if (strlen(name->text) > 20)
		load_error(l, name, "the guest sees it as a serial number: at most 20 characters",
			   "disks[%zu].name: '%s' is too long", i, name->text);
	for (size_t j = 0; j < ARRAY_LEN(taken); j++)
		if (!strcmp(name->text, taken[j]))
			load_error(l, name, "write another name",
				   "disks[%zu].name: '%s' is the VM's own", i, name->text);
	for (size_t j = 0; j < i; j++)
		if (!strcmp(name->text, tree_text(disks->items[j], "name")))
			load_error(l, name, "write another name",
				   "disks[%zu].name: disks[%zu] is '%s' already", i, j, name->text);
}

static void check_disks(struct load *l)
{
	const struct yaml_node *disks = tree_at(l->tree, "disks");

	for (size_t i = 0; disks && i < disks->n; i++) {
		const struct yaml_node *disk = disks->items[i], *size = tree_at(disk, "size");

		check_disk_name(l, disks, i);
		if (tree_at(disk, "path") && size)
			load_error(l, size, "keep one of them",
				   "disks[%zu]: path and size exclude each other", i);
		else if (tree_at(disk, "path"))
			check_disk_paths(l, disks, i);
		else if (size && tree_flag(disk, "read_only"))
			load_error(l, disk, "leave read_only out, or name a file with path:",
				   "disks[%zu]: a new disk that cannot be written to stays empty",
				   i);
	}
}

/* An item that has neither may have lost one to a complaint: look at what was written. */
static void check_disks_complete(struct load *l)
{
	const struct yaml_node *disks = yaml_get(l->written, "disks");

	for (size_t i = 0; disks && disks->kind == YAML_SEQ && i < disks->n; i++) {
		const struct yaml_node *disk = disks->items[i];

		if (disk->kind == YAML_MAP && !yaml_get(disk, "path") && !yaml_get(disk, "size") &&
		    !yaml_get(disk, "source"))
			load_error(l, disk, "write path: FILE, or size: 50GiB",
				   "disks[%zu]: neither path nor size", i);
	}
}

static void check_boot(struct load *l)
{
	const struct yaml_node *boot = tree_at(l->tree, "boot"), *kernel, *initrd, *line, *append;
	const char *mode = tree_text(boot, "mode");

	if (!boot || !mode)
		return;
	kernel = tree_at(boot, "kernel");
	initrd = tree_at(boot, "initrd");
	if (!strcmp(mode, "kernel") && !kernel && !tree_at(l->written, "boot.kernel"))
		load_error(l, tree_at(boot, "mode"), "write kernel: FILE",
			   "boot: mode kernel needs kernel");
	if (!strcmp(mode, "auto") && kernel)
		load_error(l, kernel, "write mode: kernel",
			   "boot.kernel: has no effect in mode auto, which takes the image's own "
			   "kernel");
	if (initrd && !kernel && !tree_at(l->written, "boot.kernel"))
		load_error(l, initrd, "write kernel: FILE",
			   "boot.initrd: has no effect without kernel");
	line = tree_at(boot, "cmdline");
	append = tree_at(boot, "cmdline_append");
	if (line && append && strlen(line->text) + 1 + strlen(append->text) > SPEC_MAX_CMDLINE)
		load_error(l, append, NULL,
			   "boot.cmdline_append: %zu characters together with cmdline, and a "
			   "kernel takes %d at most",
			   strlen(line->text) + 1 + strlen(append->text), SPEC_MAX_CMDLINE);
	warn_missing(l, "boot.kernel", kernel);
	warn_missing(l, "boot.initrd", initrd);
}

/* --- networks ---------------------------------------------------------------------- */

/* A NIC under examination; addresses are valid where their flag says so. */
struct nic {
	const char *name;
	const struct yaml_node *node, *address_node;
	struct address address;
	bool has_address;
};

static void check_bridge_keys(struct load *l, const struct nic *n)
{
	const struct yaml_node *bridge = tree_at(n->node, "bridge");
	const struct yaml_node *host = tree_at(n->node, "host_address");
	const struct yaml_node *written = written_network(l, n->name);
	struct address ip;

	if (!tree_at(n->node, "mode") && !bridge && !yaml_get(written, "mode") &&
	    !yaml_get(written, "bridge"))
		load_error(l, n->node, text_in(l, "write %s: { bridge: br0 }", n->name),
			   "networks.%s: mode user, the default, is not supported yet", n->name);
	else if (tree_at(n->node, "mode") && !bridge && !yaml_get(written, "bridge"))
		load_error(l, n->node, "write bridge: br0", "networks.%s: mode bridge needs bridge",
			   n->name);
	if (!host || !address_parse_prefix(host->text, &ip))
		return;
	if (!tree_flag(n->node, "create"))
		load_error(l, host, "write create: true, or give the bridge its address yourself",
			   "networks.%s.host_address: only for a bridge that croft makes", n->name);
	if (n->has_address && address_same(&ip, &n->address))
		load_error(l, host, NULL, "networks.%s.host_address: is the guest's address too",
			   n->name);
	else if (n->has_address && ip.family == n->address.family &&
		 !address_same_network(&n->address, &ip))
		load_warn(l, host, "use one network for both",
			  "networks.%s.host_address: outside of %s, so host and guest do not see "
			  "each other",
			  n->name, n->address_node->text);
}

static void check_gateway(struct load *l, const struct nic *n)
{
	const struct yaml_node *gateway = tree_at(n->node, "gateway");
	const struct yaml_node *written = written_network(l, n->name);
	struct address ip, in_net;

	if (!gateway || !address_parse(gateway->text, &ip))
		return;
	in_net = ip;
	in_net.prefix = n->address.prefix;
	if (!n->has_address) {
		if (!yaml_get(written, "address"))
			load_error(l, gateway,
				   "write address: too; with DHCP the server names the gateway",
				   "networks.%s.gateway: needs a static address", n->name);
	} else if (ip.family != n->address.family) {
		load_error(l, gateway, NULL, "networks.%s.gateway: of another family than %s",
			   n->name, n->address_node->text);
	} else if (address_same(&ip, &n->address)) {
		load_error(l, gateway, NULL, "networks.%s.gateway: is the guest's own address",
			   n->name);
	} else if (!address_is_link_local(&ip) && !address_same_network(&n->address, &ip)) {
		load_error(l, gateway,
			   "a gateway is reached directly: use an address of that network",
			   "networks.%s.gateway: %s is outside of %s", n->name, gateway->text,
			   n->address_node->text);
	} else if (address_is_network(&in_net) || address_is_broadcast(&in_net)) {
		load_error(l, gateway, NULL, "networks.%s.gateway: %s is %s", n->name,
			   gateway->text,
			   address_is_network(&in_net) ? "the address of the network itself"
						       : "the network's broadcast address");
	}
}

static void check_same(struct load *l, const struct nic *a, const struct nic *b)
{
	const struct yaml_node *mac_a = tree_at(a->node, "mac"), *mac_b = tree_at(b->node, "mac");

	if (mac_a && mac_b && !strcmp(mac_a->text, mac_b->text))
		load_error(l, mac_b, NULL, "networks.%s.mac: %s has this address already", b->name,
			   a->name);
	if (a->has_address && b->has_address && address_same(&a->address, &b->address))
		load_error(l, b->address_node, NULL,
			   "networks.%s.address: %s has this address already", b->name, a->name);
	if (tree_at(a->node, "gateway") && tree_at(b->node, "gateway") && a->has_address &&
	    b->has_address && a->address.family == b->address.family)
		load_warn(l, tree_at(b->node, "gateway"), "keep one",
			  "networks.%s.gateway: %s has a default route already", b->name, a->name);
}

static void check_networks(struct load *l)
{
	const struct yaml_node *networks = tree_at(l->tree, "networks");
	const struct yaml_node *written = yaml_get(l->written, "networks");
	struct nic nics[SPEC_MAX_NICS];
	size_t n = networks ? networks->n : 0;

	if (!written || (written->kind != YAML_SCALAR && !written->n))
		load_warn(l, written ? written : l->tree,
			  "write networks: { lan: { bridge: br0 } }",
			  "without networks the VM has no NIC, and croft ssh cannot reach it");
	for (size_t i = 0; i < n && i < SPEC_MAX_NICS; i++) {
		struct nic *nic = &nics[i];

		*nic = (struct nic){.name = networks->pairs[i].key->text,
				    .node = networks->pairs[i].value};
		nic->address_node = tree_at(nic->node, "address");
		nic->has_address = nic->address_node &&
				   address_parse_prefix(nic->address_node->text, &nic->address);
		check_bridge_keys(l, nic);
		check_gateway(l, nic);
		for (size_t j = 0; j < i; j++)
			check_same(l, &nics[j], nic);
	}
}

/* --- cloud-init -------------------------------------------------------------------- */

/* What the guest is not told of: croft makes no network-config of it. */
static void warn_unheard(struct load *l, const char *why, const char *help)
{
	static const char *const keys[] = {"address", "gateway", "dns"};
	const struct yaml_node *networks = tree_at(l->tree, "networks");

	for (size_t i = 0; networks && i < networks->n; i++)
		for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
			const struct yaml_node *n = tree_at(networks->pairs[i].value, keys[k]);

			if (n)
				load_warn(l, n, help, "networks.%s.%s: %s",
					  networks->pairs[i].key->text, keys[k], why);
		}
}

/* Without a seed nobody tells the guest: what was written would silently not happen. */
static void check_no_seed(struct load *l)
{
	for (size_t i = 0; i < l->written->n; i++) {
		const struct yaml_node *key = l->written->pairs[i].key;
		const struct field *f = field_child(&root_field, key->text);

		if (f &&
		    (f->cloud_key || !strcmp(key->text, "hostname") || !strcmp(key->text, "fqdn")))
			load_error(l, key, "remove it, or cloud_init: none",
				   "%s: has no effect with cloud_init: none", key->text);
	}
	warn_unheard(l, "with cloud_init: none nobody tells the guest", "set it in the guest");
}

/* Base64 as Python's decoder takes it: RFC 4648, 4, with line breaks. */
static bool is_base64(const char *s)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = 0, padding = 0;

	for (; *s; s++) {
		if (strchr(" \t\n", *s))
			continue;
		if (*s == '=')
			padding++;
		else if (padding || !strchr(letters, *s))
			return false;
		n++;
	}
	return padding <= 2 && n % 4 == 0;
}

static void check_write_files(struct load *l)
{
	const struct yaml_node *files = tree_at(l->tree, "write_files");

	for (size_t i = 0; files && i < files->n; i++) {
		const struct yaml_node *content = tree_at(files->items[i], "content");
		const char *encoding = tree_text(files->items[i], "encoding");

		if (content && encoding && strcmp(encoding, "text/plain") != 0 &&
		    !is_base64(content->text))
			load_error(l, content, "make it with base64(1)",
				   "write_files[%zu].content: is not in the encoding %s", i,
				   encoding);
	}
}

/* Is the name among the first n users? */
static bool lists_user(const struct yaml_node *users, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		const char *is = user_name(users->items[i]);

		if (is && !strcmp(is, name))
			return true;
	}
	return false;
}

static void check_users(struct load *l)
{
	static const char *const of_default[] = {"ssh_authorized_keys", "password"};
	const struct yaml_node *users = tree_at(l->tree, "users");

	if (!users)
		return;
	for (size_t i = 0; i < users->n; i++) {
		const char *name = user_name(users->items[i]);

		if (name && lists_user(users, i, name)) /* cloud-init would mix the two */
			load_error(l, users->items[i], "keep one of them",
				   "users: '%s' is in the list twice", name);
	}
	if (tree_at(l->tree, "user") || lists_user(users, users->n, "default"))
		return;
	for (size_t i = 0; i < ARRAY_LEN(of_default); i++) {
		const struct yaml_node *node = tree_at(l->tree, of_default[i]);

		if (node)
			load_warn(l, node,
				  "add '- default' to users, or write it with one of the users",
				  "%s: goes to the default user, and users does not list it",
				  of_default[i]);
	}
}

static bool is_given(const struct yaml_node *n)
{
	return n && (n->kind == YAML_SCALAR || n->n);
}

/* A key, a password, somebody with either, or the user's own documents, which may hold anything. */
static bool anybody_can_log_in(const struct load *l)
{
	static const char *const ways[] = {"ssh_authorized_keys",
					   "password",
					   "users",
					   "user.ssh_authorized_keys",
					   "cloud_init.user_data",
					   "cloud_init.vendor_data"};

	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		if (is_given(tree_at(l->written, ways[i])))
			return true;
	return false;
}

static void check_cloud_init(struct load *l)
{
	const char *host = tree_text(l->tree, "hostname");
	const struct yaml_node *fqdn = tree_at(l->tree, "fqdn");
	const struct yaml_node *config = tree_at(l->tree, "cloud_init.network_config");

	if (!has_seed(l->tree)) {
		check_no_seed(l);
		return;
	}
	if (host && fqdn && (!text_starts(fqdn->text, host) || fqdn->text[strlen(host)] != '.'))
		load_warn(l, fqdn, text_in(l, "write %s.DOMAIN", host),
			  "fqdn: does not begin with the host name, %s", host);
	if (config && !(config->kind == YAML_SCALAR && !strcmp(config->text, "auto")))
		warn_unheard(l, "the guest follows cloud_init.network_config instead",
			     "write it there, or leave network_config out");
	check_users(l);
	check_write_files(l);
	if (!anybody_can_log_in(l))
		load_warn(l, l->tree, "write ssh_authorized_keys: [ ~/.ssh/id_ed25519.pub ]",
			  "nobody can log in: there is neither a key nor a password");
}

void check_rules(struct load *l)
{
	check_image(l);
	check_disks(l);
	check_disks_complete(l);
	check_boot(l);
	check_networks(l);
	check_cloud_init(l);
}
