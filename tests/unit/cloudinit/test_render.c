/* SPDX-License-Identifier: Apache-2.0
 *
 * The four documents. How they look whole is in tests/golden/seed; here is which document goes
 * where, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "cloudinit/seed.h"

static struct source text_source(const char *text)
{
	return (struct source){.name = "user.yaml", .text = text, .len = strlen(text)};
}

static struct seed render(const struct seed_input *in)
{
	struct seed seed;
	struct err err = {0};

	if (seed_render(in, &seed, &err) < 0)
		fail_msg("%s", err.msg);
	return seed;
}

static void fails(const struct seed_input *in, enum err_kind kind, const char *words)
{
	struct seed seed;
	struct err err = {0};

	assert_int_equal(seed_render(in, &seed, &err), -1);
	if (!strstr(err.msg, words))
		fail_msg("'%s' does not say '%s'", err.msg, words);
	assert_int_equal(err.kind, kind);
}

static void expect(const struct seed_input *in, enum seed_file f, const char *text)
{
	struct seed seed = render(in);

	assert_string_equal(buf_str(&seed.files[f]), text);
	seed_done(&seed);
}

/* The words are there, in this order. */
static void expect_order(const struct seed_input *in, enum seed_file f, const char *first,
			 const char *second)
{
	struct seed seed = render(in);
	const char *text = buf_str(&seed.files[f]), *a = strstr(text, first),
		   *b = strstr(text, second);

	if (!a || !b || a > b)
		fail_msg("not '%s' before '%s' in:\n%s", first, second, text);
	seed_done(&seed);
}

static struct yaml_node *sugar(struct arena *a, const char *key, const char *value)
{
	struct yaml_node *map = yaml_map(a), *list = yaml_seq(a);

	yaml_add(a, list, yaml_str(a, value));
	yaml_set(a, map, key, list);
	return map;
}

static void test_user_data_alone(void **state)
{
	struct arena *a = arena_new();
	struct seed_input in = {.instance_id = "i"};
	struct source user = text_source("\n#cloud-config\n  # kept as it is\r\npackages: [git]");

	(void)state;
	expect(&in, SEED_USER_DATA, "#cloud-config\n{}\n");
	in.cloud_config = yaml_map(a);
	expect(&in, SEED_USER_DATA, "#cloud-config\n{}\n");
	in.user_data = &user;
	expect(&in, SEED_USER_DATA, user.text);
	in.cloud_config = sugar(a, "packages", "vim");
	user = text_source(" \n");
	expect(&in, SEED_USER_DATA, "#cloud-config\npackages:\n  - vim\n");
	arena_free(a);
}

/* The user's part first and croft's beneath it, unless the user says how to merge. */
static void test_user_data_merged(void **state)
{
	static const char *const last[] = {
		"#cloud-config\nmerge_how: list(append)+dict()+str()\nruncmd: [mine]\n",
		"#cloud-config\n# first\nmerge_type: dict()\nruncmd: [mine]\n",
		"#cloud-config-jsonp\n[{\"op\": \"add\", \"path\": \"/mine\", \"value\": 1}]\n",
		"MIME-Version: 1.0\nX-Merge-Type: dict()\n\nruncmd: [mine]\n",
	};
	static const char *const first[] = {
		"#cloud-config\nruncmd: [mine]\n",
		"#!/bin/sh\nmine\n",
		"#include http://mine/\n",
		"## template: jinja\n#cloud-config\nruncmd: [mine {{ v1.region }}]\n",
		"#cloud-config\nwrite_files:\n- content: |\n    merge_how: not a key\n  path: "
		"/mine\n",
		"Content-Type: multipart/mixed; boundary=b\nMIME-Version: "
		"1.0\n\n--b\n\nmine\n--b--\n",
		"what is mine?\n",
	};
	struct arena *a = arena_new();
	struct source user;
	struct seed_input in = {.instance_id = "i",
				.user_data = &user,
				.cloud_config = sugar(a, "runcmd", "croft's")};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(first); i++) {
		user = text_source(first[i]);
		expect_order(&in, SEED_USER_DATA, "mine", "croft's");
		expect_order(&in, SEED_USER_DATA, "Content-Type: text/cloud-config", "croft's");
		expect_order(&in, SEED_USER_DATA,
			     "\nMerge-Type: list(prepend)+dict(no_replace,recurse_list)+str()\n",
			     "croft's");
	}
	for (unsigned i = 0; i < ARRAY_LEN(last); i++) {
		user = text_source(last[i]);
		expect_order(&in, SEED_USER_DATA, "croft's", "mine");
	}
	arena_free(a);
}

static void test_content_types(void **state)
{
	static const struct {
		const char *text, *type;
	} cases[] = {
		{"#!/bin/sh\n", "text/x-shellscript"},
		{"#include http://a/\n", "text/x-include-url"},
		{"#include-once\nhttp://a/\n", "text/x-include-once-url"},
		{"#cloud-boothook\n", "text/cloud-boothook"},
		{"#part-handler\n", "text/part-handler"},
		{"#cloud-config-archive\n", "text/cloud-config-archive"},
		{"#cloud-config-jsonp\n", "text/cloud-config-jsonp"},
		{"## template: jinja\n", "text/jinja2"},
		{"unknown\n", "text/plain"},
	};
	struct arena *a = arena_new();
	struct source user;
	struct seed_input in = {
		.instance_id = "i", .user_data = &user, .cloud_config = sugar(a, "runcmd", "x")};
	char line[80];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		user = text_source(cases[i].text);
		snprintf(line, sizeof(line), "\nContent-Type: %s; charset", cases[i].type);
		expect_order(&in, SEED_USER_DATA, line, cases[i].text);
	}
	/* A message is taken in whole, with its own headers. */
	user = text_source("Content-Type: multipart/mixed; boundary=b\nMIME-Version: 1.0\n\n--b\n");
	expect_order(&in, SEED_USER_DATA, "=\nContent-Type: multipart/mixed; boundary=b\n",
		     "\n\n--b\n");
	arena_free(a);
}

/* printf '#cloud-config\npackages: [git]\n' | gzip -n9 */
static const char packed[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x53\x4e\xce\xc9\x2f\x4d\xd1"
			     "\x4d\xce\xcf\x4b\xcb\x4c\xe7\x2a"
			     "\x48\x4c\xce\x4e\x4c\x4f\x2d\xb6\x52\x88\x4e\xcf\x2c\x89\xe5\x02\x00"
			     "\xfc\xd5\x75\xf6\x1e\x00\x00\x00";

static void test_gzip(void **state)
{
	struct arena *a = arena_new();
	struct source user = {.name = "user.gz", .text = packed, .len = sizeof(packed) - 1};
	struct seed_input in = {.instance_id = "i", .user_data = &user};
	struct seed seed = render(&in);

	(void)state;
	assert_int_equal(seed.files[SEED_USER_DATA].len, sizeof(packed) - 1);
	assert_memory_equal(seed.files[SEED_USER_DATA].data, packed, sizeof(packed) - 1);
	seed_done(&seed);

	in.cloud_config = sugar(a, "packages", "vim");
	expect_order(&in, SEED_USER_DATA, "#cloud-config\npackages: [git]\n", "vim");
	user.len = 20;
	fails(&in, ERR_CORRUPT, "'user.gz'");
	arena_free(a);
}

/* cloud-init would take these for MIME messages: they are put into one. */
static void test_mistaken_for_mime(void **state)
{
	struct arena *a = arena_new();
	struct source user = text_source("#!/bin/sh\necho MIME-Version: 1.0\n");
	struct seed_input in = {.instance_id = "i",
				.cloud_config = sugar(a, "runcmd", "echo MIME-Version: 1")};

	(void)state;
	expect_order(&in, SEED_USER_DATA, "Content-Type: multipart/mixed", "echo MIME-Version: 1");
	in.cloud_config = NULL;
	in.user_data = &user;
	expect_order(&in, SEED_USER_DATA, "Content-Type: multipart/mixed",
		     "#!/bin/sh\necho MIME-Version");
	user = text_source("MIME-Version: 1.0\nContent-Type: text/cloud-config\n\n{}\n");
	expect(&in, SEED_USER_DATA, user.text);
	arena_free(a);
}

static void test_meta_data(void **state)
{
	struct source meta = text_source("local-hostname: mine\nregion: eu\nlist: [1, no]\n");
	struct seed_input in = {.instance_id = "iid-1", .hostname = "web"};

	(void)state;
	expect(&in, SEED_META_DATA, "instance-id: iid-1\nlocal-hostname: web\n");
	in.meta_data = &meta;
	expect(&in, SEED_META_DATA,
	       "instance-id: iid-1\nlocal-hostname: mine\nregion: eu\nlist:\n  - 1\n  - no\n");
	meta = text_source("- a\n");
	fails(&in, ERR_SPEC, "meta-data: user.yaml: meta-data is a map");
	meta = text_source("a: 1\na: 2\n");
	meta.line_offset = 10;
	fails(&in, ERR_SPEC, "meta-data: user.yaml:12:1: ");
	meta = text_source("a: [\n");
	fails(&in, ERR_SPEC, "user.yaml:");
	/* Names that YAML 1.1 reads as something else stay texts. */
	in = (struct seed_input){.instance_id = "1_000", .hostname = "no"};
	expect(&in, SEED_META_DATA, "instance-id: \"1_000\"\nlocal-hostname: \"no\"\n");
}

static void test_network(void **state)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
	struct source own = text_source("version: 1\nconfig: []\n");
	struct seed_input in = {.instance_id = "i", .nnics = 1};
	struct seed_nic *nic = &in.nics[0];

	(void)state;
	memcpy(nic->mac, mac, 6);
	expect(&in, SEED_NETWORK_CONFIG,
	       "version: 2\nethernets:\n  eth0:\n    match:\n      macaddress: "
	       "\"52:54:00:12:34:56\"\n"
	       "    dhcp4: true\n");
	nic->address = "10.0.0.5/24";
	nic->gateway = "10.0.0.1";
	expect_order(&in, SEED_NETWORK_CONFIG, "    addresses:\n      - 10.0.0.5/24\n",
		     "    routes:\n      - to: 0.0.0.0/0\n        via: 10.0.0.1\n");
	nic->address = "fd00::5/64";
	nic->gateway = "fd00::1";
	nic->dns[0] = "fd00::53";
	nic->dns[1] = "1.1.1.1";
	nic->ndns = 2;
	expect_order(&in, SEED_NETWORK_CONFIG, "    gateway6: fd00::1\n",
		     "    nameservers:\n      addresses:\n        - fd00::53\n        - 1.1.1.1\n");
	in.network_config = &own;
	expect(&in, SEED_NETWORK_CONFIG, own.text);
	in.network_config = NULL;
	in.nnics = 0;
	expect(&in, SEED_NETWORK_CONFIG, "");
}

static void test_network_refuses(void **state)
{
	static const struct {
		struct seed_nic nic;
		const char *words;
	} cases[] = {
		{{.address = "10.0.0.5"}, "needs a prefix length"},
		{{.address = "/24"}, "is not an IPv4 or IPv6 address"},
		{{.address = "10.0.0.5/33"},
		 "address '10.0.0.5/33' needs a prefix length of 1 to 32"},
		{{.address = "10.0.0.5/0"}, "prefix length"},
		{{.address = "10.0.0.5/"}, "prefix length"},
		{{.address = "10.0.0.5/24/1"}, "prefix length"},
		{{.address = "fd00::5/129"}, "prefix length"},
		{{.address = "10.0.0.500/24"}, "'10.0.0.500/24' is not"},
		{{.address = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/24"},
		 "address"},
		{{.gateway = "10.0.0.1\ndhcp6: true"}, "gateway"},
		{{.dns = {"8.8.8.8", "dns.test"}, .ndns = 2}, "dns 'dns.test'"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct seed_input in = {.instance_id = "i", .nnics = 2};

		in.nics[1] = cases[i].nic;
		fails(&in, ERR_SPEC, cases[i].words);
		fails(&in, ERR_SPEC, "network-config: network interface 1: ");
	}
}

static void test_vendor_data(void **state)
{
	struct source own = text_source("#cloud-config\nruncmd: [mine]\n");
	struct seed_input in = {.instance_id = "i",
				.hostname = "web",
				.fqdn = "web.test",
				.host_key_private = "-----BEGIN\nkey\n-----END\n",
				.host_key_public = "ssh-ed25519 AAAA\n"};

	(void)state;
	expect_order(&in, SEED_VENDOR_DATA, "\nhostname: web\nfqdn: web.test\n",
		     "\nssh_deletekeys: true\n");
	expect_order(&in, SEED_VENDOR_DATA,
		     "ssh_keys:\n  ed25519_private: |\n    -----BEGIN\n    key\n",
		     "  ed25519_public: |\n    ssh-ed25519 AAAA\n");
	expect_order(&in, SEED_VENDOR_DATA, "growpart:", "fstrim.timer");
	in.vendor_data = &own;
	expect_order(&in, SEED_VENDOR_DATA, "runcmd: [mine]", "growpart:");
	in.host_key_private = in.host_key_public = NULL;
	in.fqdn = NULL;
	{
		struct seed seed = render(&in);

		assert_null(strstr(buf_str(&seed.files[SEED_VENDOR_DATA]), "ssh_"));
		assert_null(strstr(buf_str(&seed.files[SEED_VENDOR_DATA]), "hostname"));
		seed_done(&seed);
	}
}

static void test_too_large(void **state)
{
	struct buf text = BUF_INIT(SEED_MAX_DOCUMENT + 8192);
	struct source user = {.name = "big"};
	struct seed_input in = {.instance_id = "i", .user_data = &user};
	struct arena *a = arena_new();

	(void)state;
	buf_puts(&text, "#!/bin/sh\n");
	while (text.len < SEED_MAX_DOCUMENT)
		buf_puts(&text, "\xff"); /* base64 makes it a third longer */
	user.text = text.data;
	user.len = text.len;
	in.cloud_config = sugar(a, "runcmd", "x");
	{
		struct seed seed = render(&in);

		seed_done(&seed);
	}
	buf_putc(&text, 'x');
	user.text = text.data;
	user.len = text.len;
	fails(&in, ERR_SPEC, "user-data: 'big' is larger than 4 MiB");
	buf_done(&text);
	arena_free(a);
}

static void test_host_key(void **state)
{
	char *priv = NULL, *pub = NULL, *path;
	struct err err = {0};

	(void)state;
	if (access("/usr/bin/ssh-keygen", X_OK) < 0)
		skip();
	if (seed_host_key("-croft web", &priv, &pub, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(strncmp(priv, "-----BEGIN OPENSSH PRIVATE KEY-----\n", 36), 0);
	assert_int_equal(strncmp(pub, "ssh-ed25519 ", 12), 0);
	assert_non_null(strstr(pub, " -croft web\n"));
	free(priv);
	free(pub);

	path = strdup(getenv("PATH"));
	setenv("PATH", "/nowhere", 1);
	priv = pub = NULL;
	assert_int_equal(seed_host_key("c", &priv, &pub, &err), -1);
	assert_null(priv);
	assert_int_equal(err.kind, ERR_HOST);
	assert_non_null(strstr(err.msg, "cannot run 'ssh-keygen'"));
	assert_non_null(strstr(err.msg, "openssh-client"));
	setenv("PATH", path, 1);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user_data_alone),	  cmocka_unit_test(test_user_data_merged),
		cmocka_unit_test(test_content_types),	  cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_mistaken_for_mime), cmocka_unit_test(test_meta_data),
		cmocka_unit_test(test_network),		  cmocka_unit_test(test_network_refuses),
		cmocka_unit_test(test_vendor_data),	  cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_host_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
