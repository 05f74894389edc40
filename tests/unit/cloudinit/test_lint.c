/* SPDX-License-Identifier: Apache-2.0
 *
 * What seed_lint says about documents: the complaint, its place, its help; and what it lets pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "cloudinit/mime.h"
#include "cloudinit/seed.h"

/* All complaints, one a line: "E 3:5 message | help". The caller frees. */
static char *complaints(enum seed_file file, const struct source *src)
{
	struct arena *a = arena_new();
	struct diags ds;
	struct buf out = BUF_INIT(1 << 20);

	diags_init(&ds, a);
	seed_lint(file, src, a, &ds);
	for (size_t i = 0; i < ds.n; i++) {
		const struct diag *d = &ds.list[i];
		unsigned shift = d->at.line && d->source ? d->source->line_offset : 0;

		buf_printf(&out, "%c %u:%u %s%s%s\n", d->level == DIAG_ERROR ? 'E' : 'W',
			   d->at.line + shift, d->at.column, d->message, d->help ? " | " : "",
			   d->help ? d->help : "");
	}
	diags_done(&ds);
	arena_free(a);
	return buf_take(&out);
}

static void says(enum seed_file file, const char *text, const char *want)
{
	struct source src = {.name = "f", .text = text, .len = strlen(text)};
	auto_free char *got = complaints(file, &src);

	if (strcmp(got, want) != 0)
		fail_msg("for\n%s\ngot  %swant %s", text, *got ? got : "nothing\n",
			 *want ? want : "nothing\n");
}

/* One complaint among the others begins so. */
static void mentions(enum seed_file file, const char *text, const char *want)
{
	struct source src = {.name = "f", .text = text, .len = strlen(text)};
	auto_free char *got = complaints(file, &src);

	if (!strstr(got, want))
		fail_msg("for\n%s\ngot  %sbut not %s", text, *got ? got : "nothing\n", want);
}

static void test_passes(void **state)
{
	static const char *const texts[] = {
		"",
		"#cloud-config\n",
		"#cloud-config\n{}\n",
		"#cloud-config\r\npackages: [git]\r\n",
		"#!/bin/sh\necho hello\n",
		"#! /usr/bin/env python3",
		"#include\nhttp://a.test/b\n# a comment\n\nhttps://c.test/\n",
		"#include http://a.test/\n",
		"#include-once http://a.test/\n",
		"#cloud-boothook\n#!/bin/sh\n",
		"#part-handler\ndef list_types(): pass\n",
		"#cloud-config-jsonp\n[]\n",
		"#cloud-config-archive\n- '#!/bin/sh'\n- {type: text/cloud-config, content: "
		"'{}'}\n",
		"## template: jinja\n#cloud-config\nhostname: {{ v1.name }}\n",
		"## template: jinja\n{% if a %}\n#cloud-config\n{% endif %}\n",
		"## template: jinja\n#cloud-config\nhostname: web\n",
		"#cloud-config\n"
		"users:\n- default\n- name: a\n  groups: [wheel]\n  sudo: null\n  lock_passwd: no\n"
		"  ssh_authorized_keys:\n  - ssh-ed25519 AAAA\n- {name: b, uid: 1001, sudo: "
		"'ALL=(ALL) ALL'}\n"
		"write_files:\n- {path: /a, content: x, permissions: '0644', append: true}\n"
		"packages:\n- git\n- [nginx, 1.2-3]\n- snap: [lxd]\n"
		"runcmd:\n- echo a\n- [ls, -l, 3]\n-\n"
		"chpasswd: {expire: false, users: [{name: a, password: b, type: text}]}\n"
		"power_state: {mode: reboot, delay: now, timeout: 30, condition: true}\n"
		"growpart: {mode: auto, devices: [/]}\nresize_rootfs: noblock\nssh_pwauth: yes\n"
		"manage_etc_hosts: localhost\nntp:\nmounts: [[/dev/vdb, /data]]\n"
		"swap: {filename: /swap, size: auto}\napt: {sources: {x: {source: ppa:a/b}}}\n"
		"final_message: done\ntimezone: Europe/Berlin\nlocale: C.UTF-8\nssh_keys: "
		"{rsa_private: x}\n"
		"merge_how: list(append)\nvendor_data: {enabled: true}\ndisable_root: off\n",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		says(SEED_USER_DATA, texts[i], "");
		says(SEED_VENDOR_DATA, texts[i], "");
	}
}

static void test_header(void **state)
{
	static const char help[] =
		"begin the file with a line that says '#cloud-config' and nothing else\n";
	char want[400];

	(void)state;
	snprintf(want, sizeof(want),
		 "E 1:1 cloud-init ignores this file: '#cloud-config' is missing | %s", help);
	says(SEED_USER_DATA, "packages: [git]\n", want);
	says(SEED_USER_DATA, "# my machine\n\npackages:\n- git\n", want);
	snprintf(want, sizeof(want),
		 "E 1:1 cloud-init ignores this file: its first line is not '#cloud-config' | %s",
		 help);
	says(SEED_USER_DATA, "# cloud-config\npackages: [git]\n", want);
	says(SEED_USER_DATA, "#cloud_config\npackages: [git]\n", want);
	says(SEED_USER_DATA, "cloud-config:\n  packages: [git]\n", want);
	mentions(SEED_USER_DATA, "hello\n",
		 "E 1:1 cloud-init ignores this file: it does not know what it is");
	mentions(SEED_USER_DATA, "{\"a\": [}\n",
		 "E 1:1 cloud-init ignores this file: it does not know");
	mentions(SEED_USER_DATA, "\xef\xbb\xbf#cloud-config\n{}\n",
		 "E 1:1 cloud-init ignores this file: it begins "
		 "with a byte order mark");
	mentions(SEED_USER_DATA, "## template: jinja\npackages: [{{ a }}]\n",
		 "E 2:1 cloud-init will not know what the rendered template is | write "
		 "'#cloud-config' below");
	mentions(SEED_USER_DATA, "## template: jinja\npackages: [git]\n",
		 "E 2:1 cloud-init ignores this file: ");
}

static void test_scripts(void **state)
{
	(void)state;
	mentions(SEED_USER_DATA, "#!/bin/sh\r\necho\r\n",
		 "E 1:1 the line ends with a carriage return");
	mentions(SEED_USER_DATA, "#!\necho\n", "E 1:1 no interpreter after '#!'");
	mentions(SEED_USER_DATA, "#! \r\n", "E 1:1 no interpreter after '#!'");
	mentions(SEED_USER_DATA, "\n#!/bin/sh\n", "E 1:1 a script must begin with '#!'");
	mentions(SEED_USER_DATA, "#include\nhttp://a.test/\nb.test\n", "E 3:1 #include takes URLs");
	mentions(SEED_USER_DATA, "#include\n# nothing\n", "E 1:1 #include names no URL");
	mentions(SEED_USER_DATA, "#cloud-config-archive\na: b\n",
		 "E 2:1 a cloud-config-archive must be a list");
	mentions(SEED_USER_DATA, "#cloud-config-archive\n- type: text/plain\n",
		 "E 2:3 an item of a cloud-config-archive");
}

static void test_keys(void **state)
{
	(void)state;
	says(SEED_USER_DATA, "#cloud-config\npackges: [git]\n",
	     "E 2:1 'packges' is not a key of cloud-config | did you mean 'packages'?\n");
	says(SEED_USER_DATA, "#cloud-config\nzzzzzzzz: 1\n",
	     "W 2:1 'zzzzzzzz' is not a key of cloud-config that cloud-init 22 to 25 knows; it is "
	     "ignored there\n");
	says(SEED_USER_DATA, "#cloud-config\nusers:\n- name: a\n  lock_paswd: true\n",
	     "E 4:3 'lock_paswd' is not a key of users | did you mean 'lock_passwd'?\n");
	says(SEED_USER_DATA, "#cloud-config\nwrite_files:\n- content: x\n",
	     "E 3:3 write_files: 'path' is missing\n");
	says(SEED_USER_DATA, "#cloud-config\nssh_keys: {ed25519_privat: x}\n",
	     "E 2:12 'ed25519_privat' is not a key of ssh_keys | did you mean "
	     "'ed25519_private'?\n");
	/* the reader's complaints and ours in one run */
	mentions(SEED_USER_DATA, "#cloud-config\npackages: [a]\npackages: [b]\nruncmd: 1\n",
		 "E 3:1 duplicate key 'packages'");
	mentions(SEED_USER_DATA, "#cloud-config\npackages: [a]\npackages: [b]\nruncmd: 1\n",
		 "E 4:9 runcmd must be a list\n");
}

static void test_kinds(void **state)
{
	(void)state;
	says(SEED_USER_DATA, "#cloud-config\npackages: {git: 1}\n",
	     "E 2:11 packages must be a list, not a map\n");
	says(SEED_USER_DATA, "#cloud-config\npackages: git\n", "E 2:11 packages must be a list\n");
	/* the classic: an unquoted colon makes the command a map */
	says(SEED_USER_DATA, "#cloud-config\nruncmd:\n- echo a: b\n",
	     "E 3:3 an item of runcmd must be a text, a list or nothing, not a map\n");
	says(SEED_USER_DATA, "#cloud-config\nhostname: [a]\n",
	     "E 2:11 hostname must be a text, not a list\n");
	says(SEED_USER_DATA, "#cloud-config\npackage_update: maybe\n",
	     "E 2:17 package_update must be true or false\n");
	says(SEED_USER_DATA, "#cloud-config\npackage_update: 'true'\n", "");
	says(SEED_USER_DATA, "#cloud-config\npackages:\n",
	     "W 2:10 packages is empty; cloud-init expects a list | remove the key, or give it a "
	     "value\n");
	says(SEED_USER_DATA, "#cloud-config\npassword: 123456\n",
	     "W 2:11 password: cloud-init reads 123456 as a whole number, not as a text | put it "
	     "in quotes\n");
	says(SEED_USER_DATA, "#cloud-config\npassword: 12_34\n",
	     "E 2:11 password: cloud-init reads 12_34 as a number, not as a text | put it in "
	     "quotes\n");
	says(SEED_USER_DATA, "#cloud-config\nhostname: no\n",
	     "E 2:11 hostname: cloud-init reads no as a boolean, not as a text | put it in "
	     "quotes\n");
	says(SEED_USER_DATA, "#cloud-config\nwrite_files:\n- {path: /a, permissions: 0644}\n",
	     "W 3:27 permissions: cloud-init reads 0644 as an octal number, not as a text | put it "
	     "in quotes\n");
	says(SEED_USER_DATA, "#cloud-config\npassword: !!str 123456\n", "");
	says(SEED_USER_DATA, "#cloud-config\npassword: 0o600\n", "");
	says(SEED_USER_DATA, "#cloud-config\npassword: 1e3\n", "");
	mentions(SEED_USER_DATA, "#cloud-config\npassword: 1.5\n",
		 "cloud-init reads 1.5 as a number");
	mentions(SEED_USER_DATA, "#cloud-config\npassword: 1.5e+3\n",
		 "cloud-init reads 1.5e+3 as a number");
	says(SEED_USER_DATA, "#cloud-config\npower_state: {mode: rebot}\n",
	     "E 2:21 mode: 'rebot' is not a value that cloud-init knows | did you mean "
	     "'reboot'?\n");
	says(SEED_USER_DATA, "#cloud-config\npower_state: {mode: reboot, timeout: soon}\n",
	     "W 2:38 timeout should be a whole number\n");
	says(SEED_USER_DATA, "#cloud-config\n- a\n",
	     "E 2:1 a cloud-config must be a map | write keys and values, such as 'packages: [ git "
	     "]'\n");
}

static void test_deprecated(void **state)
{
	(void)state;
	mentions(SEED_USER_DATA, "#cloud-config\nchpasswd:\n  list: |\n    a:b\n",
		 "W 3:3 'list' is deprecated in chpasswd | write users:");
	says(SEED_USER_DATA, "#cloud-config\napt_update: true\n",
	     "W 2:1 'apt_update' is deprecated in cloud-config | write package_update\n");
	says(SEED_USER_DATA, "#cloud-config\nnetwork: {version: 2}\n",
	     "W 2:1 'network' has no effect in cloud-config | network settings belong into "
	     "network-config\n");
	mentions(SEED_USER_DATA, "#cloud-config\nvendor_data: {enabled: false}\n",
		 "W 2:24 without vendor-data the guest makes host keys of its own");
	says(SEED_META_DATA, "network-interfaces: |\n  auto eth0\n",
	     "W 1:1 'network-interfaces' is deprecated in meta-data | use network-config: "
	     "cloud-init 24.3 and "
	     "later ignore this\n");
}

/* Lines are those of the file, also inside a message. */
static void test_mime(void **state)
{
	static const char message[] = "MIME-Version: 1.0\n"
				      "Content-Type: multipart/mixed; boundary=\"b\"\n"
				      "\n"
				      "--b\n"
				      "Content-Type: text/cloud-config\n"
				      "\n"
				      "packges: [git]\n"
				      "--b\n"
				      "Content-Type: text/x-shellscript; charset=utf-8\n"
				      "\n"
				      "echo\n"
				      "--b\n"
				      "Content-Type: multipart/alternative; boundary=c\n"
				      "\n"
				      "--c\n"
				      "\n"
				      "#cloud-config\n"
				      "runcmd: 1\n"
				      "--c--\n"
				      "--b\n"
				      "Content-Type: text/x-shellscript-per-boot\n"
				      "\n"
				      "#!/bin/sh\n"
				      "--b\n"
				      "Content-Type: application/octet-stream\n"
				      "\n"
				      "anything\n"
				      "--b--\n";

	(void)state;
	says(SEED_USER_DATA, message,
	     "E 7:1 'packges' is not a key of cloud-config | did you mean 'packages'?\n"
	     "E 11:1 a script needs '#!' on its first line | begin it with #!/bin/sh\n"
	     "E 18:9 runcmd must be a list\n");
	mentions(SEED_USER_DATA, "MIME-Version: 1.0\nContent-Type: multipart/mixed\n\n",
		 "E 1:1 a multipart message needs a boundary");
	mentions(SEED_USER_DATA,
		 "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--y\n",
		 "E 1:1 a multipart message without a part: no line is '--x'");
	mentions(SEED_USER_DATA, "\nMIME-Version: 1.0\nContent-Type: multipart/mixed\n",
		 "E 1:1 the headers of a MIME message begin on its first line");
	says(SEED_USER_DATA, "MIME-Version: 1.0\nContent-Type: text/cloud-config\n\nruncmd: 1\n",
	     "E 4:9 runcmd must be a list\n");
}

static void test_encoded_parts(void **state)
{
	struct buf message = BUF_INIT(1 << 16);

	(void)state;
	buf_puts(&message, "MIME-Version: 1.0\nContent-Type: text/cloud-config\n"
			   "Content-Transfer-Encoding: base64\n\n");
	base64_encode("#cloud-config\nruncmd: 1\n", 24, &message);
	says(SEED_USER_DATA, buf_str(&message), "E 2:9 runcmd must be a list\n");
	buf_puts(&message, "*\n");
	mentions(SEED_USER_DATA, buf_str(&message), "E 5:1 this part is not base64");
	buf_done(&message);
}

/* printf '#cloud-config\npackages: [git]\n' | gzip -n9 */
static const char packed[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x53\x4e\xce\xc9\x2f\x4d\xd1"
			     "\x4d\xce\xcf\x4b\xcb\x4c\xe7\x2a"
			     "\x48\x4c\xce\x4e\x4c\x4f\x2d\xb6\x52\x88\x4e\xcf\x2c\x89\xe5\x02\x00"
			     "\xfc\xd5\x75\xf6\x1e\x00\x00\x00";

static void test_gzip(void **state)
{
	struct source src = {.name = "f.gz", .text = packed, .len = sizeof(packed) - 1};
	auto_free char *fine = complaints(SEED_USER_DATA, &src), *cut = NULL;

	(void)state;
	assert_string_equal(fine, "");
	src.len = 30;
	cut = complaints(SEED_USER_DATA, &src);
	assert_int_equal(strncmp(cut, "E 0:0 damaged gzip data", 23), 0);
}

/* Messages in messages, and a file that is too large. */
static void test_limits(void **state)
{
	struct buf text = BUF_INIT(SEED_MAX_DOCUMENT + 4096);
	struct source src = {.name = "f"};
	auto_free char *got = NULL;

	(void)state;
	buf_puts(&text, "MIME-Version: 1.0\n");
	for (int i = 0; i < 20; i++)
		buf_printf(&text, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
	mentions(SEED_USER_DATA, buf_str(&text), "E 0:0 documents are nested more than 4 deep");

	buf_reset(&text);
	buf_puts(&text, "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n");
	for (int i = 0; i < 70; i++)
		buf_puts(&text, "--b\n\n#!/bin/sh\n");
	mentions(SEED_USER_DATA, buf_str(&text), "W 0:0 only the first 64 parts were checked");

	buf_reset(&text);
	while (text.len <= SEED_MAX_DOCUMENT)
		buf_puts(&text, "#cloud-config\n");
	src.text = text.data;
	src.len = text.len;
	got = complaints(SEED_USER_DATA, &src);
	assert_string_equal(got, "E 0:0 larger than 4 MiB\n");

	/* A million wrong keys are not a million comparisons. */
	buf_reset(&text);
	buf_puts(&text, "#cloud-config\n");
	for (unsigned i = 0; text.len < 900000; i++)
		buf_printf(&text, "wrong_key_%u: 1\n", i);
	mentions(SEED_USER_DATA, buf_str(&text), "wrong_key_0");
	buf_done(&text);
}

static void test_meta_data(void **state)
{
	(void)state;
	says(SEED_META_DATA, "", "");
	says(SEED_META_DATA, "instance-id: a\nlocal-hostname: b\nanything: [1]\npublic-keys: [k]\n",
	     "");
	says(SEED_META_DATA, "- a\n",
	     "E 1:1 meta-data must be a map | write keys and values, such as 'local-hostname: "
	     "web'\n");
	says(SEED_META_DATA, "instance_id: a\n",
	     "W 1:1 'instance_id' has no effect in meta-data | write instance-id\n");
	says(SEED_META_DATA, "local-hostname: [a]\n",
	     "E 1:17 local-hostname must be a text, not a list\n");
}

static void test_network_config(void **state)
{
	(void)state;
	says(SEED_NETWORK_CONFIG,
	     "network:\n  version: 2\n  ethernets:\n    any0:\n      match: {macaddress: "
	     "'52:54:00:12:34:56'}\n"
	     "      dhcp4: yes\n      addresses: [10.0.0.5/24]\n      gateway6: fd00::1\n"
	     "      nameservers: {addresses: [1.1.1.1], search: [a.test]}\n"
	     "      routes: [{to: 0.0.0.0/0, via: 10.0.0.1, metric: 100}]\n",
	     "");
	says(SEED_NETWORK_CONFIG,
	     "version: 1\nconfig:\n- {type: physical, name: eth0, subnets: [{type: dhcp4}]}\n"
	     "- {type: nameserver, address: [1.1.1.1]}\n",
	     "");
	says(SEED_NETWORK_CONFIG, "config: disabled\n", "");
	says(SEED_NETWORK_CONFIG, "network: {config: disabled}\n", "");
	says(SEED_NETWORK_CONFIG, "ethernets: {}\n",
	     "E 1:1 network-config: 'version' is missing | write 'version: 2' above "
	     "'ethernets:'\n");
	says(SEED_NETWORK_CONFIG, "version: 3\n",
	     "E 1:10 network-config: cloud-init knows the versions 1 and 2\n");
	says(SEED_NETWORK_CONFIG, "[]\n", "E 1:1 network-config must be a map\n");
	says(SEED_NETWORK_CONFIG, "version: 1\n",
	     "E 1:1 network-config version 1: 'config' is missing\n");
	says(SEED_NETWORK_CONFIG, "version: 1\nconfig: [{type: phsical}]\n",
	     "E 2:17 type: 'phsical' is not a value that cloud-init knows | did you mean "
	     "'physical'?\n");
	says(SEED_NETWORK_CONFIG, "version: 2\nethernets: {a: {adresses: [10.0.0.5/24]}}\n",
	     "E 2:17 'adresses' is not a key of ethernets 'a' | did you mean 'addresses'?\n");
	says(SEED_NETWORK_CONFIG, "version: 2\nethernets: {a: {gateway4: 10.0.0.1}}\n",
	     "W 2:17 'gateway4' is deprecated in ethernets 'a' | write routes: [ { to: 0.0.0.0/0, "
	     "via: ... } ]\n");
	says(SEED_NETWORK_CONFIG, "version: 2\nethernets: {a: {addresses: [10.0.0.5]}}\n",
	     "E 2:29 an item of addresses: '10.0.0.5' needs a prefix length, as in 10.0.0.5/24\n");
	says(SEED_NETWORK_CONFIG, "version: 2\nethernets: {a: {gateway6: router.test}}\n",
	     "E 2:27 gateway6: 'router.test' is not an IPv4 or IPv6 address\n");
	says(SEED_NETWORK_CONFIG, "version: 2\nethernets: {a: {match: {macaddress: '52:54:00'}}}\n",
	     "E 2:37 macaddress: '52:54:00' is not a MAC address, such as 52:54:00:12:34:56\n");
	says(SEED_NETWORK_CONFIG,
	     "version: 2\nethernets: {a: {match: {macaddress: 52:54:00:AA:BB:CCC}}}\n",
	     "E 2:37 macaddress: '52:54:00:AA:BB:CCC' is longer than a MAC address\n");
	/* all digits below sixty: YAML 1.1 reads a number in base 60 */
	says(SEED_NETWORK_CONFIG,
	     "version: 2\nethernets: {a: {match: {macaddress: 52:54:00:12:34:56}}}\n",
	     "E 2:37 macaddress: cloud-init reads 52:54:00:12:34:56 as a number in base 60, not as "
	     "a text | put "
	     "it in quotes\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passes),	  cmocka_unit_test(test_header),
		cmocka_unit_test(test_scripts),	  cmocka_unit_test(test_keys),
		cmocka_unit_test(test_kinds),	  cmocka_unit_test(test_deprecated),
		cmocka_unit_test(test_mime),	  cmocka_unit_test(test_encoded_parts),
		cmocka_unit_test(test_gzip),	  cmocka_unit_test(test_limits),
		cmocka_unit_test(test_meta_data), cmocka_unit_test(test_network_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
