/* SPDX-License-Identifier: Apache-2.0
 *
 * Every key of a spec, once. Rows stand in the order in which `croft config` writes them; a row
 * that is `planned` is known, and refused as not supported yet.
 */
#include "base/util.h"
#include "provision/spec/field.h"
#include "provision/spec/spec.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define TIB	   (KIB * GIB)

/* Known, not supported yet; `move` is what to do meanwhile, or NULL. */
#define PLANNED(name, move)                                                                        \
	{                                                                                          \
		.path = name, .planned = true, .help = move                                        \
	}

const struct field root_field = {.path = "", .type = &type_map, .help = "the spec"};

const struct field fields[] = {
	{
		.path = "version",
		.type = &type_int,
		.min = 1,
		.max = 1,
		.initial = "1",
		.help = "the version of this format: 1",
	},
	{
		.path = "name",
		.type = &type_name,
		.initial_note = "the file's name without .yaml; for croft.yaml, its directory's "
				"name",
		.change = CHANGE_RECREATE,
		.help = "the name of the project and of its VM",
		.details = "State, sockets and taps on the host carry the name, and the MAC "
			   "addresses of the VM's NICs derive from it, so a VM by another name is "
			   "another VM.",
		.example = "name: shop",
	},

	/* --- image ----------------------------------------------------------------- */
	{
		.path = "image",
		.type = &type_image,
		.required = true,
		.change = CHANGE_RECREATE,
		.help = "the disk image that the VM's disk begins as",
		.details = "The image itself is never written to; the VM's disk is an overlay on "
			   "it.",
		.example = "image: debian:13",
	},
	{
		.path = "image.path",
		.type = &type_path,
		.change = CHANGE_RECREATE,
		.help = "a file of the host",
		.example = "image:\n  path: ~/images/debian-12-generic-amd64.qcow2",
	},
	{
		.path = "image.url",
		.type = &type_url,
		.change = CHANGE_RECREATE,
		.help = "where to fetch the image from",
		.details = "It is fetched once, checked against the digest and kept in the cache.",
		.example = "image:\n"
			   "  url: https://cloud.debian.org/images/cloud/bookworm/latest/"
			   "debian-12-generic-amd64.qcow2\n"
			   "  digest: \"sha512:...\"",
	},
	{
		.path = "image.digest",
		.type = &type_digest,
		.change = CHANGE_RECREATE,
		.help = "what the image's bytes have to hash to",
		.details = "Without one, and without signature:, an image at a URL is "
			   "fetched over http or https only with --insecure. Beside name: "
			   "it pins what the name may be.",
	},
	{
		.path = "image.format",
		.type = &type_enum,
		.words = WORDS("raw", "qcow2"),
		.initial_note = "what the file says it is",
		.change = CHANGE_RECREATE,
		.help = "the format of the image",
	},
	{
		.path = "image.name",
		.type = &type_image_name,
		.change = CHANGE_RECREATE,
		.help = "a name in the catalog: name, name:version or name:version/variant",
		.details = "`croft image search` lists them, and croft-catalog(5) says how to add "
			   "more. Which file a name is today is looked up once and written to "
			   "croft.lock beside the spec; from then on it is that file until `croft "
			   "lock --update`.",
		.example = "image: debian:13",
	},
	{
		.path = "image.variant",
		.type = &type_name,
		.change = CHANGE_RECREATE,
		.help = "the variant of the name, where that does not say it",
		.example = "image: { name: \"ubuntu:24.04\", variant: minimal }",
	},
	{
		.path = "image.arch",
		.type = &type_enum,
		.words = WORDS("x86_64", "aarch64"),
		.initial_note = "the host's",
		.change = CHANGE_RECREATE,
		.help = "the architecture of the image",
		.details =
			"Only one of the host's own architecture can be started: croft runs guests "
			"on KVM and emulates no CPU.",
	},
	{
		.path = "image.verify",
		.type = &type_enum,
		.words = WORDS("signature", "checksum", "digest", "none"),
		.initial_note = "the best that the publisher offers",
		.change = CHANGE_LIVE,
		.help = "the least that has to speak for the image's bytes",
		.details = "signature: a signature by a key that the catalog or signature: "
			   "pins. digest: the digest that the spec or croft.lock names. "
			   "checksum: the publisher's checksum file, which is as good as "
			   "the TLS connection it came by. none: nothing, which also needs "
			   "--insecure. More is taken where there is more. With checksum, a "
			   "publisher's signature is checked if gpgv is installed, and "
			   "without gpgv the checksum does.",
	},
	{
		.path = "image.signature",
		.type = &type_map,
		.change = CHANGE_RECREATE,
		.help = "who signs the image at url",
		.example = "image:\n"
			   "  url: https://example.org/images/image.qcow2\n"
			   "  signature:\n"
			   "    url: https://example.org/images/SHA256SUMS.gpg\n"
			   "    key: ./example-org.asc",
	},
	{
		.path = "image.signature.url",
		.type = &type_url,
		.required = true,
		.change = CHANGE_RECREATE,
		.help = "where the OpenPGP signature is",
		.details =
			"One whose name is that of the image and .asc, .sig, .gpg or .sign is over "
			"the image. Another with such an ending is over the file without it, a "
			"checksum file that has to name the image. One without is a clearsigned "
			"checksum file.",
	},
	{
		.path = "image.signature.key",
		.type = &type_path,
		.required = true,
		.change = CHANGE_RECREATE,
		.help = "the file with the public key, armoured or not; only what it "
			"signed is accepted",
	},
	PLANNED("image.kernel", "write boot: { kernel: FILE }"),
	PLANNED("image.initrd", "write boot: { kernel: FILE, initrd: FILE }"),

	/* --- the machine ----------------------------------------------------------- */
	{
		.path = "cpus",
		.type = &type_map,
		.short_key = "count",
		.initial = "2",
		.change = CHANGE_RESTART,
		.help = "virtual CPUs",
		.example = "cpus: 4",
	},
	{
		.path = "cpus.count",
		.type = &type_int,
		.min = 1,
		.max = 64,
		.required = true,
		.change = CHANGE_RESTART,
		.help = "how many CPUs the VM sees",
	},
	PLANNED("cpus.max", NULL),
	PLANNED("cpus.pin", NULL),
	PLANNED("cpus.model", NULL),
	{
		.path = "memory",
		.type = &type_map,
		.short_key = "size",
		.initial = "1GiB",
		.change = CHANGE_RESTART,
		.help = "main memory",
		.example = "memory: 4GiB",
	},
	{
		.path = "memory.size",
		.type = &type_size,
		.min = 64 * MIB,
		.max = 4 * TIB,
		.step = MIB,
		.required = true,
		.change = CHANGE_RESTART,
		.help = "how much memory the VM has, in whole MiB",
	},
	PLANNED("memory.max", NULL),
	PLANNED("memory.balloon", NULL),
	PLANNED("memory.hugepages", NULL),
	PLANNED("memory.shared", NULL),
	{
		.path = "disk",
		.type = &type_map,
		.short_key = "size",
		.initial_note = "the larger of the image's size and 10GiB",
		.change = CHANGE_GROW,
		.help = "the VM's disk",
		.details = "It takes room on the host only as it is written. A disk can grow, and "
			   "the guest's root file system with it; it never shrinks.",
		.example = "disk: 20GiB",
	},
	{
		.path = "disk.size",
		.type = &type_size,
		.min = MIB,
		.max = 64 * TIB,
		.step = 512,
		.required = true,
		.change = CHANGE_GROW,
		.help = "the size that the guest sees, at least the image's",
	},
	PLANNED("disk.format", NULL),
	PLANNED("disk.cache", NULL),
	PLANNED("disk.discard", NULL),
	PLANNED("disk.io", NULL),
	{
		.path = "disks",
		.type = &type_list,
		.max = SPEC_MAX_DISKS,
		.change = CHANGE_RESTART,
		.help = "further disks: files of the host, or new ones kept with the VM",
		.example = "disks:\n  - size: 50GiB\n  - { path: /srv/data.raw, format: raw, "
			   "read_only: true }",
	},
	{
		.path = "disks[]",
		.type = &type_map,
		.short_key = "path",
		.required = true,
		.change = CHANGE_RESTART,
		.help = "one disk; either path or size",
	},
	{
		.path = "disks[].name",
		.type = &type_name,
		.initial_note = "disk and its place in the list: disk1, disk2, ...",
		.change = CHANGE_RESTART,
		.help = "what the disk is known by: the serial in the guest, and the file of one "
			"that croft makes",
		.details = "At most 20 characters. Without names, the place in the list says which "
			   "disk is which. So write the names that the disks have before "
			   "you take one out or change their order.",
		.example = "disks:\n  - { name: data, size: 50GiB }",
	},
	{
		.path = "disks[].path",
		.type = &type_path,
		.change = CHANGE_RESTART,
		.help = "an existing file; the guest writes to it unless read_only",
	},
	{
		.path = "disks[].size",
		.type = &type_size,
		.min = MIB,
		.max = 64 * TIB,
		.step = 512,
		.change = CHANGE_GROW,
		.help = "the size of a disk that croft makes, and removes with the VM",
	},
	{
		.path = "disks[].format",
		.type = &type_enum,
		.words = WORDS("raw", "qcow2"),
		.initial_note = "raw for a path, qcow2 for a size",
		.change = CHANGE_RESTART,
		.help = "the format of the file; never guessed",
		.details = "A path that ends in .qcow2, or a file that begins as qcow2 files do, "
			   "needs it written.",
	},
	{
		.path = "disks[].read_only",
		.type = &type_bool,
		.initial = "false",
		.change = CHANGE_RESTART,
		.help = "whether the guest may only read it",
	},
	PLANNED("disks[].source", "write path: FILE"),
	PLANNED("disks[].serial", "write name: NAME, which is the serial too"),
	PLANNED("disks[].bus", NULL),
	PLANNED("disks[].boot", NULL),

	/* --- network --------------------------------------------------------------- */
	{
		.path = "networks",
		.type = &type_networks,
		.max = SPEC_MAX_NICS,
		.change = CHANGE_RESTART,
		.help = "one NIC for each name",
		.details = "A file describes one VM, so a name holds both the network on the host "
			   "(mode, bridge, create, host_address) and the VM's NIC in it (address, "
			   "gateway, dns, mac). Without networks the VM has no NIC, and croft ssh "
			   "cannot reach it.",
		.example = "networks:\n"
			   "  lan:\n"
			   "    bridge: br0\n"
			   "    address: 10.0.0.5/24\n"
			   "    gateway: 10.0.0.1\n"
			   "    dns: [ 10.0.0.1 ]",
	},
	{
		.path = "networks.*",
		.type = &type_map,
		.change = CHANGE_RESTART,
		.help = "a network and the VM's NIC in it",
	},
	{
		.path = "networks.*.mode",
		.type = &type_enum,
		.words = WORDS("bridge"),
		.later = WORDS("user", "isolated"),
		.initial_note = "bridge where bridge: is given",
		.change = CHANGE_RESTART,
		.help = "how the NIC is connected",
	},
	{
		.path = "networks.*.bridge",
		.type = &type_bridge,
		.change = CHANGE_RESTART,
		.help = "the bridge of the host that the NIC's tap joins",
	},
	{
		.path = "networks.*.create",
		.type = &type_bool,
		.initial = "false",
		.change = CHANGE_RESTART,
		.help = "whether croft makes the bridge when it is not there, and removes what it "
			"made",
	},
	{
		.path = "networks.*.host_address",
		.type = &type_cidr,
		.change = CHANGE_RESTART,
		.help = "the host's own address on a bridge that croft makes",
		.example = "networks:\n"
			   "  lan:\n"
			   "    bridge: croft0\n"
			   "    create: true\n"
			   "    host_address: 10.77.0.1/24\n"
			   "    address: 10.77.0.10/24",
	},
	{
		.path = "networks.*.address",
		.type = &type_cidr,
		.initial_note = "whatever the network's DHCP server says",
		.change = CHANGE_REAPPLY,
		.help = "the guest's static address",
	},
	{
		.path = "networks.*.gateway",
		.type = &type_ip,
		.change = CHANGE_REAPPLY,
		.help = "the guest's default route; needs address",
	},
	{
		.path = "networks.*.dns",
		.type = &type_list,
		.max = SPEC_MAX_DNS,
		.one = true,
		.later = WORDS("true", "false"),
		.change = CHANGE_REAPPLY,
		.help = "name servers of the guest",
	},
	{
		.path = "networks.*.dns[]",
		.type = &type_ip,
		.change = CHANGE_REAPPLY,
		.help = "the address of a name server",
	},
	{
		.path = "networks.*.mac",
		.type = &type_mac,
		.initial_note = "derived from the names of project and VM and the NIC's number",
		.change = CHANGE_RESTART,
		.help = "the NIC's MAC address",
		.details = "The derived address is the first six bytes of "
			   "SHA-256(\"croft:PROJECT/VM/INDEX\"), INDEX counting from 0, made a "
			   "locally administered unicast address. It never changes as long as the "
			   "names stay.",
	},
	PLANNED("networks.*.subnet", NULL),
	PLANNED("networks.*.internet", NULL),
	PLANNED("networks.*.tap", NULL),
	PLANNED("networks.*.mtu", NULL),
	PLANNED("networks.*.queues", NULL),
	PLANNED("networks.*.default_route",
		"leave gateway out where there is to be no default route"),

	/* --- what cloud-init does -------------------------------------------------- */
	/*
	 * It reads the seed in every boot, and has modules that run in every boot: host name and
	 * bootcmd. All the rest is done once per instance-id, which stays (step_seed.c).
	 */
	{
		.path = "hostname",
		.type = &type_hostname,
		.max = 253,
		.initial_note = "the VM's name",
		.change = CHANGE_RESTART,
		.help = "the guest's host name",
		.details = "With dots in it, what stands before the first is the host name and the "
			   "whole is fqdn.",
		.example = "hostname: db.shop.test",
	},
	{
		.path = "fqdn",
		.type = &type_hostname,
		.max = 253,
		.change = CHANGE_RESTART,
		.help = "the guest's host name with its domain",
	},
	{
		.path = "user",
		.type = &type_map,
		.short_key = "name",
		.children = "users[]",
		.initial_note = "the image's own: debian, fedora, ...",
		.change = CHANGE_REAPPLY,
		.cloud_key = "user",
		.help = "the image's default user under another name; who croft ssh logs in as",
		.details = "The account keeps what the distribution gives its default user, such "
			   "as sudo. The keys of users[] change that.",
		.example = "user: alice",
	},
	{
		.path = "users",
		.type = &type_list,
		.empty = true,
		.change = CHANGE_REAPPLY,
		.cloud_key = "users",
		.help = "accounts of the guest",
		.details = "Without 'default' among them the image's default user is not made, and "
			   "the top level's ssh_authorized_keys and password, which are the "
			   "default user's, go to nobody; croft ssh then logs in as the first of "
			   "the list. An empty list makes no user at all. A map with the name "
			   "default adds its keys to the default user.",
		.example = "users:\n"
			   "  - default\n"
			   "  - name: bob\n"
			   "    groups: [ sudo ]\n"
			   "    ssh_authorized_keys: [ ~/.ssh/bob.pub ]",
	},
	{
		.path = "users[]",
		.type = &type_map,
		.words = WORDS("default"),
		.short_key = "name",
		.required = true,
		.change = CHANGE_REAPPLY,
		.help = "default, a name, or a map",
	},
	{
		.path = "users[].name",
		.type = &type_user,
		.required = true,
		.help = "the login name",
	},
	{
		.path = "users[].gecos",
		.type = &type_line,
		.help = "the person's name",
	},
	{
		.path = "users[].primary_group",
		.type = &type_user,
		.initial_note = "a group by the user's name",
		.help = "the account's own group",
	},
	{
		.path = "users[].groups",
		.type = &type_list,
		.one = true,
		.help = "further groups; they are made where they do not exist",
	},
	{
		.path = "users[].groups[]",
		.type = &type_user,
		.help = "the name of a group",
	},
	{
		.path = "users[].sudo",
		.type = &type_line,
		.help = "a rule for sudo: what stands after the name in sudoers(5)",
		.example = "users:\n  - name: bob\n    sudo: ALL=(ALL) NOPASSWD:ALL",
	},
	{
		.path = "users[].shell",
		.type = &type_guest_path,
		.help = "the login shell",
	},
	{
		.path = "users[].homedir",
		.type = &type_guest_path,
		.initial_note = "/home and the name",
		.help = "the home directory",
	},
	{
		.path = "users[].no_create_home",
		.type = &type_bool,
		.help = "make no home directory",
	},
	{
		.path = "users[].uid",
		.type = &type_int,
		.min = 0,
		.max = 4294967294,
		.initial_note = "the next one that is free",
		.help = "the user's number",
	},
	{
		.path = "users[].system",
		.type = &type_bool,
		.help = "a system account without a home directory",
	},
	{
		.path = "users[].lock_passwd",
		.type = &type_bool,
		.initial_note = "true",
		.help = "whether logging in by password is impossible",
	},
	{
		.path = "users[].passwd",
		.type = &type_hash,
		.help = "the hash of the password of an account that is new",
	},
	{
		.path = "users[].hashed_passwd",
		.type = &type_hash,
		.help = "the hash of the password, also of an account that the image has",
	},
	{
		.path = "users[].plain_text_passwd",
		.type = &type_password,
		.help = "the password itself, readable by whoever reads the seed",
	},
	{
		.path = "users[].ssh_authorized_keys",
		.type = &type_list,
		.one = true,
		.help = "public keys that may log in",
	},
	{
		.path = "users[].ssh_authorized_keys[]",
		.type = &type_ssh_key,
		.help = "a key, or a file of keys",
	},
	{
		.path = "users[].ssh_redirect_user",
		.type = &type_bool,
		.help = "refuse SSH logins and name the default user",
	},
	{
		.path = "users[].no_user_group",
		.type = &type_bool,
		.help = "make no group by the user's name",
	},
	{
		.path = "users[].create_groups",
		.type = &type_bool,
		.initial_note = "true",
		.help = "whether groups that do not exist are made",
	},
	{
		.path = "users[].no_log_init",
		.type = &type_bool,
		.help = "do not set up lastlog and faillog",
	},
	{
		.path = "users[].selinux_user",
		.type = &type_line,
		.help = "the SELinux user",
	},
	{
		.path = "users[].expiredate",
		.type = &type_line,
		.help = "the day on which the account is disabled, in quotes: \"2030-12-31\"",
	},
	{
		.path = "users[].inactive",
		.type = &type_line,
		.help = "days after which an expired password disables the account, in quotes",
	},
	PLANNED("users[].ssh_import_id", "write ssh_authorized_keys"),
	{
		.path = "ssh_authorized_keys",
		.type = &type_list,
		.one = true,
		.change = CHANGE_REAPPLY,
		.cloud_key = "ssh_authorized_keys",
		.help = "public keys that may log in as the default user",
		.details = "A file is read on the host when the spec is read. A private key is "
			   "refused.",
		.example = "ssh_authorized_keys: [ ~/.ssh/id_ed25519.pub ]",
	},
	{
		.path = "ssh_authorized_keys[]",
		.type = &type_ssh_key,
		.change = CHANGE_REAPPLY,
		.help = "a key, or a file of keys",
	},
	{
		.path = "password",
		.type = &type_password,
		.change = CHANGE_REAPPLY,
		.cloud_key = "password",
		.help = "the default user's password, for the console",
		.details = "It does not have to be changed at the first login. Logging in by "
			   "password over SSH stays as the image has it, which is off in most.",
		.example = "password: $$6$$vMPpC2$$...",
	},
	{
		.path = "packages",
		.type = &type_list,
		.change = CHANGE_REAPPLY,
		.cloud_key = "packages",
		.help = "packages to install at the first boot",
		.example = "packages:\n  - nginx\n  - [ postgresql, 15+248 ]",
	},
	{
		.path = "packages[]",
		.type = &type_package,
		.change = CHANGE_REAPPLY,
		.help = "a package, or one in a certain version",
	},
	{
		.path = "write_files",
		.type = &type_list,
		.change = CHANGE_REAPPLY,
		.cloud_key = "write_files",
		.help = "files to write in the guest",
		.example = "write_files:\n"
			   "  - path: /etc/motd\n"
			   "    content: |\n"
			   "      Hello.\n"
			   "    permissions: \"0644\"",
	},
	{
		.path = "write_files[]",
		.type = &type_map,
		.required = true,
		.change = CHANGE_REAPPLY,
		.help = "one file",
	},
	{
		.path = "write_files[].path",
		.type = &type_guest_path,
		.required = true,
		.help = "where the file goes",
	},
	{
		.path = "write_files[].content",
		.type = &type_text,
		.literal = true,
		.initial_note = "nothing: an empty file",
		.help = "what is in it; ${} stays as it is",
	},
	{
		.path = "write_files[].owner",
		.type = &type_owner,
		.initial_note = "root:root",
		.help = "whom it belongs to",
	},
	{
		.path = "write_files[].permissions",
		.type = &type_mode,
		.initial_note = "\"0644\"",
		.help = "who may do what with it",
	},
	{
		.path = "write_files[].encoding",
		.type = &type_enum,
		.words = WORDS("text/plain", "b64", "base64", "gz+b64", "gz+base64", "gzip+b64",
			       "gzip+base64"),
		.later = WORDS("gz", "gzip"), /* YAML needs its !!binary to hold such a text */
		.initial_note = "text/plain",
		.help = "how the content is to be decoded first",
	},
	{
		.path = "write_files[].append",
		.type = &type_bool,
		.initial_note = "false",
		.help = "add to a file that exists",
	},
	{
		.path = "write_files[].defer",
		.type = &type_bool,
		.initial_note = "false",
		.help = "write it after users were made and packages installed",
	},
	PLANNED("write_files[].source", "write content:"),
	PLANNED("write_files[].interpolate", NULL),
	{
		.path = "bootcmd",
		.type = &type_list,
		.change = CHANGE_RESTART,
		.cloud_key = "bootcmd",
		.help = "commands to run early in every boot",
	},
	{
		.path = "bootcmd[]",
		.type = &type_command,
		.change = CHANGE_RESTART,
		.help = "a command",
	},
	{
		.path = "runcmd",
		.type = &type_list,
		.change = CHANGE_REAPPLY,
		.cloud_key = "runcmd",
		.help = "commands to run at the end of the first boot",
		.details = "A dollar for the shell is written $$, as everywhere in the spec.",
		.example = "runcmd:\n  - systemctl enable --now nginx\n  - [ touch, \"/root/it is "
			   "done\" ]",
	},
	{
		.path = "runcmd[]",
		.type = &type_command,
		.change = CHANGE_REAPPLY,
		.help = "a command",
	},
	{
		.path = "timezone",
		.type = &type_timezone,
		.initial_note = "the image's own",
		.change = CHANGE_REAPPLY,
		.cloud_key = "timezone",
		.help = "the guest's time zone",
		.example = "timezone: Europe/Berlin",
	},
	{
		.path = "locale",
		.type = &type_locale,
		.initial_note = "the image's own",
		.change = CHANGE_REAPPLY,
		.cloud_key = "locale",
		.help = "the guest's language",
		.example = "locale: en_US.UTF-8",
	},
	{
		.path = "cloud_init",
		.type = &type_map,
		.words = WORDS("none"),
		.change = CHANGE_REAPPLY,
		.help = "your own documents for cloud-init; none: no seed at all",
		.details = "They are added to what croft makes of the keys above; in user_data, a "
			   "key of your own wins. croft checks them on the host, and its "
			   "complaints name the lines of your file. ${} stays as it is.",
		.example = "cloud_init:\n"
			   "  user_data: |\n"
			   "    #cloud-config\n"
			   "    package_upgrade: true",
	},
	{
		.path = "cloud_init.user_data",
		.type = &type_document,
		.literal = true,
		.change = CHANGE_REAPPLY,
		.help = "cloud-config, a script, or whatever else cloud-init takes as user-data",
	},
	{
		.path = "cloud_init.vendor_data",
		.type = &type_document,
		.literal = true,
		.change = CHANGE_REAPPLY,
		.help = "as user_data, with less weight",
	},
	{
		.path = "cloud_init.meta_data",
		.type = &type_config,
		.literal = true,
		.change = CHANGE_REAPPLY,
		.help = "further keys of meta-data",
		.example = "cloud_init:\n  meta_data: { local-hostname: web }",
	},
	{
		.path = "cloud_init.network_config",
		.type = &type_config,
		.words = WORDS("auto"),
		.literal = true,
		.initial_note = "auto: made from networks",
		.change = CHANGE_REAPPLY,
		.help = "network configuration, version 1 or 2, instead of croft's own",
		.details = "The guest hears nothing of address, gateway and dns in networks then; "
			   "address still says where croft ssh finds it.",
	},
	PLANNED("cloud_init.datasource", NULL),
	PLANNED("cloud_init.reapply", NULL),
	PLANNED("cloud_init.interpolate", NULL),

	/* --- boot and console ------------------------------------------------------ */
	{
		.path = "boot",
		.type = &type_map,
		.initial = "{}",
		.change = CHANGE_RESTART,
		.help = "how the VM boots",
	},
	{
		.path = "boot.mode",
		.type = &type_enum,
		.words = WORDS("auto", "kernel"),
		.later = WORDS("bios", "uefi"),
		.initial_note = "kernel where kernel: is given, else auto",
		.change = CHANGE_RESTART,
		.help = "auto: what the image's own boot loader is set up to boot; kernel: the "
			"files named here",
	},
	{
		.path = "boot.kernel",
		.type = &type_path,
		.change = CHANGE_RESTART,
		.help = "a kernel on the host: bzImage, or an ELF file with a PVH entry",
		.example =
			"boot:\n  kernel: ./linux\n  initrd: ./initrd.gz\n  cmdline: console=ttyS0",
	},
	{
		.path = "boot.initrd",
		.type = &type_path,
		.change = CHANGE_RESTART,
		.help = "the initial RAM disk that goes with kernel",
	},
	{
		.path = "boot.cmdline",
		.type = &type_cmdline,
		.initial_note = "the boot entry's own",
		.change = CHANGE_RESTART,
		.help = "the kernel's command line, instead of the boot entry's",
	},
	{
		.path = "boot.cmdline_append",
		.type = &type_cmdline,
		.change = CHANGE_RESTART,
		.help = "what to add at the end of the command line, before the -- and what follows it for init",
		.example = "boot: { cmdline_append: systemd.log_level=debug }",
	},
	PLANNED("boot.entry", NULL),
	PLANNED("boot.firmware", NULL),
	PLANNED("boot.secure_boot", NULL),
	PLANNED("boot.tpm", NULL),
	PLANNED("boot.timeout", NULL),
	{
		.path = "console",
		.type = &type_map,
		.initial = "{}",
		.change = CHANGE_RESTART,
		.help = "the serial console",
	},
	{
		.path = "console.log",
		.type = &type_bool,
		.initial = "true",
		.change = CHANGE_RESTART,
		.help = "whether what the guest says on it is kept in a file (croft console --log)",
	},
	PLANNED("console.type", NULL),
	PLANNED("console.log_max", NULL),
	PLANNED("console.socket", NULL),

	/* --- known, not supported yet ---------------------------------------------- */
	PLANNED("vms", "write one VM a file: image: and the other keys at the top level"),
	PLANNED("defaults", "write one VM a file: image: and the other keys at the top level"),
	PLANNED("base", NULL),
	PLANNED("params", "use ${NAME} from the environment"),
	PLANNED("volumes", "write disks: [ { size: 50GiB } ]"),
	PLANNED("mounts", NULL),
	PLANNED("ports", "give the VM an address on a bridge: networks: { lan: { bridge: br0 } }"),
	PLANNED("keyboard", "write it in cloud_init.user_data"),
	PLANNED("groups", "write it in cloud_init.user_data"),
	PLANNED("ssh_import_id", "write ssh_authorized_keys"),
	PLANNED("package_update", "write it in cloud_init.user_data"),
	PLANNED("package_upgrade", "write it in cloud_init.user_data"),
	PLANNED("ntp", "write it in cloud_init.user_data"),
	PLANNED("ca_certs", "write it in cloud_init.user_data"),
	PLANNED("mirrors", "write apt: in cloud_init.user_data"),
	PLANNED("growpart", "write it in cloud_init.user_data"),
	PLANNED("environment", "write /etc/environment with write_files"),
	PLANNED("env_file", "write /etc/environment with write_files"),
	PLANNED("devices", NULL),
	PLANNED("ready", NULL),
	PLANNED("provision", "write runcmd"),
	PLANNED("depends_on", NULL),
	PLANNED("replicas", NULL),
	PLANNED("restart", NULL),
	PLANNED("autostart", NULL),
	PLANNED("shutdown", NULL),
	PLANNED("snapshot", NULL),
	PLANNED("ephemeral", NULL),
	PLANNED("protect", NULL),
	PLANNED("limits", NULL),
	PLANNED("profiles", NULL),
	PLANNED("labels", NULL),
	PLANNED("annotations", NULL),
	PLANNED("arch", NULL),
	PLANNED("tests", NULL),
	PLANNED("collect", NULL),
};

const size_t nfields = ARRAY_LEN(fields);

const struct type *const all_types[] = {
	&type_bool,	  &type_int,	  &type_size,	  &type_enum,	  &type_line,
	&type_text,	  &type_name,	  &type_path,	  &type_url,	  &type_digest,
	&type_image_name, &type_document, &type_config,	  &type_cmdline,  &type_hostname,
	&type_ip,	  &type_cidr,	  &type_mac,	  &type_bridge,	  &type_ssh_key,
	&type_user,	  &type_owner,	  &type_password, &type_hash,	  &type_guest_path,
	&type_mode,	  &type_package,  &type_command,  &type_timezone, &type_locale,
	&type_map,	  &type_list,	  &type_image,	  &type_networks, NULL,
};
