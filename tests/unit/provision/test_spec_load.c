/* SPDX-License-Identifier: Apache-2.0
 *
 * From a file to struct spec: how it is found and named, what the structure says, what is handed
 * out when there are errors. What each key may say is tests/spec's matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "provision/spec/spec.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN/C41IrCtu/I9CzpSbKQy/BiOg9gj2mtWTM7jAqAPEe a@b"

static char *scratch;

static int make_scratch(void **state)
{
	char template[] = "/tmp/croft-test-XXXXXX";
	auto_free char *dir = xstrdup(mkdtemp(template));

	(void)state;
	scratch = realpath(dir, NULL);
	return chdir(scratch);
}

static int drop_scratch(void **state)
{
	(void)state;
	if (chdir("/") < 0)
		return -1;
	dir_remove(scratch, NULL);
	free(scratch);
	return 0;
}

static void put(const char *name, const char *text)
{
	auto_free char *path = path_join(scratch, name), *dir = path_dir(path);

	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	assert_int_equal(file_replace(path, text, strlen(text), 0600, NULL), 0);
}

static struct spec *check(const char *text)
{
	return spec_check_text("t.yaml", "/nowhere/t.yaml", text, strlen(text));
}

static struct spec *check_valid(const char *text)
{
	struct spec *spec = check(text);

	if (spec->diags.errors)
		diags_print(&spec->diags, stderr, false);
	assert_int_equal(spec->diags.errors, 0);
	assert_int_equal(spec->nvms, 1);
	return spec;
}

static void test_defaults(void **state)
{
	auto_spec struct spec *spec = check_valid("image: ./a.qcow2\n");
	const struct spec_vm *vm = spec->vms;

	(void)state;
	assert_string_equal(spec->project, "t");
	assert_string_equal(vm->name, "t");
	assert_string_equal(vm->image.path, "/nowhere/a.qcow2");
	assert_null(vm->image.url);
	assert_null(vm->image.digest);
	assert_false(vm->image.has_format);
	assert_int_equal(vm->cpus, 2);
	assert_int_equal(vm->memory, GIB);
	assert_int_equal(vm->disk, 0);
	assert_string_equal(vm->hostname, "t");
	assert_null(vm->fqdn);
	assert_null(vm->user);
	assert_true(vm->seed);
	assert_int_equal(vm->cloud_config->n, 0);
	assert_null(vm->user_data.source);
	assert_int_equal(vm->nnics, 0);
	assert_int_equal(vm->ndisks, 0);
	assert_int_equal(vm->boot.mode, BOOT_AUTO);
	assert_null(vm->boot.cmdline);
	assert_true(vm->console_log);
}

static void test_everything(void **state)
{
	auto_spec struct spec *spec = check_valid(
		"name: shop\n"
		"image: { url: \"https://example.test/a\", format: qcow2, digest: \"sha256:"
		"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\" }\n"
		"cpus: 64\n"
		"memory: 1536MiB\n"
		"disk: 20GB\n"
		"hostname: web.shop.test\n"
		"user: alice\n"
		"networks:\n"
		"  lan: { bridge: br0, create: true, host_address: 10.0.0.1/24, address: "
		"10.0.0.5/24,\n"
		"         gateway: 10.0.0.1, dns: [ 10.0.0.1, \"fd00::1\" ], mac: "
		"52:54:00:AA:00:01 }\n"
		"  wan: { bridge: br1 }\n"
		"disks: [ { size: 50GiB }, { path: b.img, format: qcow2, read_only: true } ]\n"
		"boot: { kernel: ./linux, initrd: /initrd, cmdline: a, cmdline_append: b }\n"
		"console: { log: false }\n");
	const struct spec_vm *vm = spec->vms;

	(void)state;
	assert_string_equal(spec->project, "shop");
	assert_string_equal(vm->image.url, "https://example.test/a");
	assert_string_equal(
		vm->image.digest,
		"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	assert_true(vm->image.has_format);
	assert_int_equal(vm->image.format, BLK_QCOW2);
	assert_int_equal(vm->image.at.line, 2);
	assert_int_equal(vm->cpus, 64);
	assert_int_equal(vm->memory, 1536 * MIB);
	assert_int_equal(vm->disk, 20000000000);
	assert_string_equal(vm->hostname, "web");
	assert_string_equal(vm->fqdn, "web.shop.test");
	assert_string_equal(vm->user, "alice");

	assert_int_equal(vm->nnics, 2);
	assert_string_equal(vm->nics[0].name, "lan");
	assert_string_equal(vm->nics[0].bridge, "br0");
	assert_true(vm->nics[0].create);
	assert_string_equal(vm->nics[0].host_address, "10.0.0.1/24");
	assert_string_equal(vm->nics[0].address, "10.0.0.5/24");
	assert_string_equal(vm->nics[0].gateway, "10.0.0.1");
	assert_int_equal(vm->nics[0].ndns, 2);
	assert_string_equal(vm->nics[0].dns[1], "fd00::1");
	assert_true(vm->nics[0].mac_given);
	assert_memory_equal(vm->nics[0].mac, "\x52\x54\x00\xaa\x00\x01", 6);
	assert_false(vm->nics[1].mac_given);
	assert_int_equal(vm->nics[1].mac[0] & 3, 2);
	assert_null(vm->nics[1].address);

	assert_int_equal(vm->ndisks, 2);
	assert_string_equal(vm->disks[0].name, "disk1");
	assert_int_equal(vm->disks[0].size, 50 * GIB);
	assert_null(vm->disks[0].path);
	assert_int_equal(vm->disks[0].format, BLK_QCOW2);
	assert_string_equal(vm->disks[1].path, "/nowhere/b.img");
	assert_int_equal(vm->disks[1].format, BLK_QCOW2);
	assert_true(vm->disks[1].read_only);

	assert_int_equal(vm->boot.mode, BOOT_KERNEL);
	assert_string_equal(vm->boot.kernel, "/nowhere/linux");
	assert_string_equal(vm->boot.initrd, "/initrd");
	assert_string_equal(vm->boot.cmdline, "a");
	assert_string_equal(vm->boot.cmdline_append, "b");
	assert_false(vm->console_log);
}

static void test_cloud_config(void **state)
{
	auto_spec struct spec *spec = check_valid(
		"image: ./a\n"
		"ssh_authorized_keys: \"" KEY "\"\n"
		"password: \"$$6$$salt$$hash\"\n"
		"users: []\n" /* no user, where no list is the image's default user */
		"packages: []\n"
		"write_files: [ { path: /a, content: \"$x\", permissions: \"0644\" } ]\n"
		"runcmd: [ \"echo $$HOME\" ]\n"
		"timezone: UTC\n");
	auto_buf struct buf yaml = BUF_INIT(1 << 16);

	(void)state;
	yaml_emit(spec->vms->cloud_config, &yaml);
	assert_string_equal(buf_str(&yaml),
			    "users: []\n"
			    "ssh_authorized_keys:\n  - " KEY "\n"
			    "password: $6$salt$hash\n"
			    "write_files:\n"
			    "  - path: /a\n    content: $x\n    permissions: \"0644\"\n"
			    "runcmd:\n  - echo $HOME\n"
			    "timezone: UTC\n"
			    "chpasswd:\n  expire: false\n");
}

static const char *login(const char *users)
{
	auto_free char *text = xasprintf("image: ./a\n%s\n", users);
	auto_spec struct spec *spec = check_valid(text);
	static char name[64];

	if (!spec->vms->user)
		return NULL;
	snprintf(name, sizeof(name), "%s", spec->vms->user);
	return name;
}

static void test_login_user(void **state)
{
	(void)state;
	assert_null(login(""));
	assert_string_equal(login("user: alice"), "alice");
	assert_string_equal(login("user: { name: alice }\nusers: [ bob ]"), "alice");
	assert_string_equal(login("users: [ bob, carol ]"), "bob");
	assert_null(login("users: [ bob, default ]"));
	assert_null(login("users: [ bob, { name: default, uid: 1000 } ]"));
	assert_null(login("users: []"));
}

/* Derived addresses do not change with what is around them. */
static void test_mac_stays(void **state)
{
	auto_spec struct spec *a =
		check_valid("name: test\nimage: ./a\nnetworks: { lan: { bridge: br0 } }\n");
	auto_spec struct spec *b = check_valid("name: test\nimage: ./b\ncpus: 8\n"
					       "networks: [ { name: x, bridge: br9 } ]\n");

	(void)state;
	assert_memory_equal(a->vms->nics[0].mac, "\x06\xe9\xd3\xa1\x84\x9a", 6);
	assert_memory_equal(b->vms->nics[0].mac, a->vms->nics[0].mac, 6);
}

/* --- names ------------------------------------------------------------------------- */

static void check_name(const char *path, const char *expected)
{
	auto_spec struct spec *spec = spec_check_text(path, path, "image: /a\n", 10);

	if (!expected) {
		assert_int_equal(spec->diags.errors, 1);
		return;
	}
	assert_int_equal(spec->diags.errors, 0);
	assert_string_equal(spec->project, expected);
}

static void test_names(void **state)
{
	(void)state;
	check_name("/srv/shop/croft.yaml", "shop");
	check_name("/srv/shop/croft.yml", "shop");
	check_name("/srv/shop/web.yaml", "web");
	check_name("/srv/shop/web", "web");
	check_name("/srv/My Shop (2)/croft.yaml", "my-shop-2");
	check_name("/srv/x/Web_Server.v2.yaml", "web-server-v2");
	check_name("/srv/x/--a--.yaml", "a");
	check_name("/croft.yaml", NULL);
	check_name("/srv/\xc3\xa4/croft.yaml", NULL);
	check_name("/srv/x/"
		   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		   "aaa.yaml",
		   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

/* --- files ------------------------------------------------------------------------- */

static void test_find(void **state)
{
	auto_free char *here = NULL, *deep = NULL, *other = NULL;
	struct err err = {0};

	(void)state;
	put("p/croft.yaml", "image: ./a\n");
	put("p/q/r/file", "");
	put("p/q/s/croft.yml", "image: ./a\n");
	put("p/q/r/t/croft.yaml/file", ""); /* a directory by that name is none */
	assert_int_equal(chdir("p"), 0);
	here = spec_find(&err);
	assert_string_equal(here, "croft.yaml");
	assert_int_equal(chdir("q/r/t"), 0);
	deep = spec_find(&err);
	assert_non_null(deep);
	assert_true(deep[0] == '/');
	assert_string_equal(path_base(deep), "croft.yaml");
	assert_int_equal(chdir("../../s"), 0);
	other = spec_find(&err);
	assert_string_equal(other, "croft.yml");
	assert_int_equal(chdir("/"), 0);
	assert_null(spec_find(&err));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(chdir(scratch), 0);
}

static void test_load(void **state)
{
	auto_spec struct spec *spec = NULL, *searched = NULL;
	auto_free char *path = path_join(scratch, "l/web.yaml");
	struct err err = {0};

	(void)state;
	put("l/web.yaml", "image: ./a.qcow2\n");
	spec = spec_load("l/web.yaml", &err);
	assert_non_null(spec);
	assert_string_equal(spec->path, path);
	assert_string_equal(spec->project, "web");
	assert_true(spec->diags.n > 0); /* warnings are there to be shown */
	put("l/croft.yaml", "name: found\nimage: ./a.qcow2\n");
	assert_int_equal(chdir("l"), 0);
	searched = spec_load(NULL, &err);
	assert_int_equal(chdir(scratch), 0);
	assert_string_equal(searched->project, "found");
}

static void refuse_file(const char *path, enum err_kind kind, const char *message)
{
	struct err err = {0};

	assert_null(spec_load(path, &err));
	assert_int_equal(err.kind, kind);
	assert_string_equal(err.msg, message);
}

static void test_refused_files(void **state)
{
	(void)state;
	put("bad.yaml", "image: ./a\ncpus: 99\n");
	put("worse.yaml", "imgae: ./a\ncpus: 99\nname: x\n");
	refuse_file("bad.yaml", ERR_SPEC, "bad.yaml:2:7: cpus: 99 is not within 1 to 64");
	refuse_file("worse.yaml", ERR_SPEC,
		    "worse.yaml:1:1: unknown key 'imgae' (and 2 more: croft validate)");
	refuse_file("none.yaml", ERR_NOT_FOUND,
		    "cannot open 'none.yaml': No such file or directory");
	refuse_file(".", ERR_SPEC, "'.' is not a regular file");
	refuse_file("/dev/null", ERR_SPEC, "'/dev/null' is not a regular file");
	assert_int_equal(mkfifo("fifo.yaml", 0600), 0);
	refuse_file("fifo.yaml", ERR_SPEC,
		    "'fifo.yaml' is not a regular file"); /* and nobody waits for it */
}

static void test_too_large(void **state)
{
	auto_free char *text = xmalloc(YAML_MAX_BYTES + 2);
	struct err err = {0};

	(void)state;
	memset(text, '#', YAML_MAX_BYTES + 1);
	text[YAML_MAX_BYTES + 1] = '\0';
	put("large.yaml", text);
	assert_null(spec_load("large.yaml", &err));
	assert_int_equal(err.kind, ERR_SPEC);
}

/* What a spec takes from files and variables is bounded, however often it names them. */
static void test_taken_too_much(void **state)
{
	auto_buf struct buf keys = BUF_INIT(1 << 16), text = BUF_INIT(1 << 16),
			    value = BUF_INIT(1 << 17);
	auto_free char *path = path_join(scratch, "taken.yaml");
	auto_spec struct spec *files = NULL, *variables = NULL;

	(void)state;
	while (keys.len < 60000)
		buf_puts(&keys, KEY "\n");
	put("many.pub", buf_str(&keys));
	buf_puts(&text, "image: ./a\nssh_authorized_keys:\n");
	for (int i = 0; i < 300; i++)
		buf_puts(&text, "  - many.pub\n");
	files = spec_check_text("taken.yaml", path, buf_str(&text), text.len);
	assert_true(files->diags.errors > 0);
	assert_non_null(strstr(files->diags.list[0].message, "too long together"));

	while (value.len < 100000)
		buf_puts(&value, "xxxxxxxxxx");
	setenv("CROFT_TEST_LONG", buf_str(&value), 1);
	buf_reset(&text);
	buf_puts(&text, "image: ./a\nruncmd:\n");
	for (int i = 0; i < 200; i++)
		buf_puts(&text, "  - echo ${CROFT_TEST_LONG}\n");
	variables = spec_check_text("taken.yaml", path, buf_str(&text), text.len);
	unsetenv("CROFT_TEST_LONG");
	assert_true(variables->diags.errors > 0);
	assert_non_null(strstr(variables->diags.list[0].message, "too long with its variables"));
}

/* Other commands want to know which VM a spec means, also while it has a mistake. */
static void test_identity_despite_errors(void **state)
{
	auto_spec struct spec *a = check("name: shop\nimage: debian:12\ncpus: 99\n");
	auto_spec struct spec *b = check("image: ./a\ncpus: [\n");
	auto_spec struct spec *c = check("vms: {}\n");

	(void)state;
	assert_true(a->diags.errors > 0);
	assert_string_equal(a->project, "shop");
	assert_string_equal(a->vms[0].name, "shop");
	assert_true(b->diags.errors > 0);
	assert_string_equal(b->project, "t");
	assert_int_equal(b->nvms, 0);
	assert_int_equal(c->diags.errors, 1);
}

static void test_vm_find(void **state)
{
	auto_spec struct spec *spec = check_valid("name: shop\nimage: ./a\n");
	auto_spec struct spec *none = check("vms: {}\n");
	struct err err = {0};

	(void)state;
	assert_ptr_equal(spec_vm_find(spec, NULL, &err), &spec->vms[0]);
	assert_ptr_equal(spec_vm_find(spec, "shop", &err), &spec->vms[0]);
	assert_null(spec_vm_find(spec, "web", &err));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_null(spec_vm_find(none, NULL, &err));
	spec_free(NULL);
}

/* --- documents --------------------------------------------------------------------- */

static const struct source *user_data(struct spec *spec)
{
	const struct source *s = spec->vms[0].user_data.source;

	assert_non_null(s);
	return s;
}

static void test_inline_document(void **state)
{
	auto_spec struct spec *spec = check("image: ./a\n"
					    "cloud_init:\n"
					    "    user_data: |  # mine\n"
					    "\n"
					    "          #cloud-config\n"
					    "          package_upgrade: true\n");
	const struct source *s = user_data(spec);

	(void)state;
	assert_string_equal(s->name, "t.yaml");
	assert_string_equal(s->text, "\n#cloud-config\npackage_upgrade: true\n");
	assert_int_equal(s->line_offset, 3);
	assert_int_equal(s->column_offset, 10);
	assert_int_equal(spec->vms[0].user_data.at.line, 3);
}

/* Where the lines of the value are not lines of the file, they are not said to be. */
static void test_documents_elsewhere(void **state)
{
	static const char *const texts[] = {
		"cloud_init: { user_data: \"#cloud-config\\na: 1\\n\" }\n",
		"cloud_init:\n  user_data: >\n    #cloud-config\n\n    a: 1\n",
		"cloud_init:\n  user_data: '#cloud-config'\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		auto_free char *text = xasprintf("image: ./a\n%s", texts[i]);
		auto_spec struct spec *spec = check(text);
		const struct source *s = user_data(spec);

		assert_string_equal(s->name, "t.yaml: cloud_init.user_data");
		assert_int_equal(s->line_offset, 0);
		assert_int_equal(s->column_offset, 0);
	}
}

/* An alias is where its anchor is; an anchor in front of the block does not move it. */
static void test_document_by_alias(void **state)
{
	auto_spec struct spec *spec = check("image: ./a\n"
					    "x-doc: &doc |\n"
					    "  #cloud-config\n"
					    "  package_upgrade: true\n"
					    "cloud_init: { user_data: *doc }\n");
	const struct source *s = user_data(spec);

	(void)state;
	assert_int_equal(spec->diags.errors, 0);
	assert_string_equal(s->name, "t.yaml");
	assert_int_equal(s->line_offset, 2);
	assert_int_equal(s->column_offset, 2);
}

static void test_document_file(void **state)
{
	auto_free char *path = path_join(scratch, "doc.yaml"), *doc = path_join(scratch, "my.cfg");
	auto_spec struct spec *spec = NULL;
	static const char text[] =
		"image: ./a\ncloud_init: { user_data: ./my.cfg, meta_data: { a: \"1\" } }\n";
	const struct source *s;

	(void)state;
	put("my.cfg", "#cloud-config\npackage_upgrade: true\n");
	spec = spec_check_text("doc.yaml", path, text, strlen(text));
	assert_int_equal(spec->diags.errors, 0);
	s = user_data(spec);
	assert_string_equal(s->name, doc);
	assert_string_equal(s->text, "#cloud-config\npackage_upgrade: true\n");
	assert_int_equal(s->line_offset, 0);
	s = spec->vms[0].meta_data.source;
	assert_string_equal(s->text, "a: \"1\"\n");
}

static void test_no_seed(void **state)
{
	auto_spec struct spec *spec = check_valid("name: shop\nimage: ./a\ncloud_init: none\n");

	(void)state;
	assert_false(spec->vms[0].seed);
	assert_string_equal(spec->vms[0].hostname, "shop");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_cloud_config),
		cmocka_unit_test(test_login_user),
		cmocka_unit_test(test_mac_stays),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_refused_files),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_taken_too_much),
		cmocka_unit_test(test_identity_despite_errors),
		cmocka_unit_test(test_vm_find),
		cmocka_unit_test(test_inline_document),
		cmocka_unit_test(test_documents_elsewhere),
		cmocka_unit_test(test_document_by_alias),
		cmocka_unit_test(test_document_file),
		cmocka_unit_test(test_no_seed),
	};

	return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
