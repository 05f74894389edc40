/* SPDX-License-Identifier: Apache-2.0
 *
 * Specs. An input whose first byte is even is the spec itself. Any other is a list of changes to a
 * valid spec, which the rest of the first byte puts together from the sections below: two bytes say
 * where, one says what (a byte replaced, removed, doubled, a line removed or doubled, or a piece of
 * YAML that means something put in). So most inputs are nearly valid, and break one thing.
 *
 * A spec that loads has a long form that loads to itself; one that does not has said why.
 */
#include "base/util.h"
#include "provision/spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static const char head[] = "version: 1\n"
			   "name: shop\n";

/* Each is valid behind the head and beside the others; the first is always there. */
static const char *const sections[] = {
	"image: { url: \"https://example.test/a.qcow2\", digest: \"sha256:"
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\", format: qcow2 }\n",

	"cpus: 2\n"
	"memory: { size: 1.5GiB }\n"
	"disk: 20GB\n"
	"hostname: web.example.test\n"
	"disks: [ { size: 1GiB }, { path: /nowhere/a.raw, read_only: true } ]\n",

	"user: alice\n"
	"users:\n"
	"  - default\n"
	"  - name: bob\n"
	"    groups: [ sudo, adm ]\n"
	"    uid: 1500\n"
	"    lock_passwd: false\n"
	"    hashed_passwd: $$6$$salt$$hash\n"
	"    expiredate: \"2030-12-31\"\n"
	"ssh_authorized_keys:\n"
	"  - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN/C41IrCtu/I9CzpSbKQy/BiOg9gj2mtWTM7jAqAPEe a\n"
	"password: \"$$6$$salt$$hash\"\n",

	"packages: [ vim, [ nginx, \"1.22\" ] ]\n"
	"write_files:\n"
	"  - { path: /etc/motd, content: \"a\\nb $c\\n\", permissions: \"0644\", owner: root:root "
	"}\n"
	"  - path: /b\n"
	"    content: |\n"
	"      two\n"
	"        lines\n"
	"    encoding: text/plain\n"
	"    append: true\n",

	"bootcmd: [ \"echo a\" ]\n"
	"runcmd:\n"
	"  - systemctl start nginx\n"
	"  - [ touch, /root/done ]\n"
	"  - echo ${CROFT_FUZZ:-x} $$HOME\n"
	"timezone: Europe/Berlin\n"
	"locale: en_US.UTF-8\n",

	"cloud_init:\n"
	"  user_data: |\n"
	"    #cloud-config\n"
	"    packages: [ a ]\n"
	"    runcmd:\n"
	"      - ls\n"
	"  meta_data: { local-hostname: web }\n"
	"  network_config: auto\n",

	"networks:\n"
	"  lan: &net { bridge: br0, address: 10.0.0.5/24, gateway: 10.0.0.1, dns: [ 9.9.9.9 ] }\n"
	"  wan: { <<: *net, mode: bridge, mac: \"52:54:00:12:34:56\", address: \"fd00::5/64\",\n"
	"         gateway: \"fd00::1\", create: true, host_address: \"fd00::2/64\" }\n",

	"boot: { mode: kernel, kernel: /nowhere/linux, initrd: /nowhere/initrd, cmdline: a, "
	"cmdline_append: b }\n"
	"console: { log: true }\n"
	"x-note: [ anything ]\n",
};

static const char *const pieces[] = {
	"null",
	"true",
	"yes",
	"0644",
	"22:22",
	"\"",
	"'",
	"{",
	"}",
	"[",
	"]",
	"&a ",
	"*a",
	"*net",
	"<<: ",
	"|",
	">",
	"!!str ",
	"!x ",
	"- ",
	": ",
	"\t",
	"\n",
	"#",
	"${A}",
	"${A:-b}",
	"$",
	"$$",
	"~",
	"none",
	"99999999999999999999",
	"-1",
	"1TiB",
	"255.255.255.255/32",
	"::/0",
	"ff:ff:ff:ff:ff:ff",
	"../",
	"/",
	"\xc3\xa4",
	"\xff",
	"\\x00",
	"%",
	"? ",
	"x-a: 1\n",
	"vms: {}\n",
	"name: \n",
	"image: /a\n",
	"image: debian:13\n",
	"image: ubuntu:24.04/minimal\n",
	"cloud_init: none\n",
	"networks: [ lan ]\n",
	"users: []\n",
};

/* Replaces `cut` bytes at `at` by a piece. */
static void splice(struct buf *b, size_t at, size_t cut, const char *piece, size_t n)
{
	struct buf out = BUF_INIT(1 << 20);

	cut = min_u64(cut, b->len - at);
	buf_put(&out, b->data, at);
	buf_put(&out, piece, n);
	buf_put(&out, b->data + at + cut, b->len - at - cut);
	buf_done(b);
	*b = out;
}

static void change(struct buf *b, size_t at, uint8_t what)
{
	size_t line = at, len;

	if (!b->len)
		return;
	at %= b->len;
	line = at;
	while (line && b->data[line - 1] != '\n')
		line--;
	len = strcspn(b->data + line, "\n") + 1;
	if (what < 96)
		splice(b, at, 1, (const char *)&what, 1);
	else if (what < 112)
		splice(b, at, what - 95u, "", 0);
	else if (what < 120)
		splice(b, line, len, "", 0);
	else if (what < 128)
		splice(b, line, 0, "  ", 2);
	else
		splice(b, at, what & 32 ? 0 : 4, pieces[what % ARRAY_LEN(pieces)],
		       strlen(pieces[what % ARRAY_LEN(pieces)]));
}

/* The image and every section whose bit is set. */
static void put_valid(unsigned bits, struct buf *out)
{
	buf_puts(out, head);
	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		if (!i || bits >> i & 1)
			buf_puts(out, sections[i]);
}

static struct spec *load(const char *text, size_t len)
{
	return spec_check_text("croft.yaml", "/nowhere/shop/croft.yaml", text, len);
}

static FILE *nowhere;

static void check(const char *text, size_t len)
{
	struct spec *spec = load(text, len), *again;
	auto_buf struct buf one = BUF_INIT(64 << 20), two = BUF_INIT(64 << 20);

	diags_print(&spec->diags, nowhere, false);
	if (!spec->diags.errors) {
		const struct spec_vm *vm = &spec->vms[0];

		if (spec->nvms != 1 || !vm->name || !vm->hostname || !vm->cpus || !vm->memory ||
		    !!vm->image.path + !!vm->image.url + !!vm->image.name != 1 ||
		    vm->nnics > SPEC_MAX_NICS)
			abort();
		for (unsigned i = 0; i < vm->nnics; i++)
			if (!vm->nics[i].bridge || vm->nics[i].mac[0] & 1)
				abort();
		yaml_emit(spec->normalised, &one);
		again = load(buf_str(&one), one.len);
		if (one.len <= YAML_MAX_BYTES && again->diags.errors)
			abort();
		if (!again->diags.errors) {
			yaml_emit(again->normalised, &two);
			if (strcmp(buf_str(&one), buf_str(&two)) != 0)
				abort();
		}
		spec_free(again);
	}
	spec_free(spec);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	setenv("HOME", "/nowhere/home", 1);
	nowhere = fopen("/dev/null", "w");
	for (unsigned bits = 0; bits < 1u << ARRAY_LEN(sections); bits++) {
		auto_buf struct buf text = BUF_INIT(1 << 16);
		auto_spec struct spec *spec = NULL;

		put_valid(bits, &text);
		spec = load(buf_str(&text), text.len);
		if (spec->diags.errors) {
			diags_print(&spec->diags, stderr, false);
			abort(); /* then nothing here would test what it says */
		}
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf struct buf text = BUF_INIT(1 << 20);

	if (!size)
		return 0;
	if (!(data[0] & 1)) {
		check((const char *)data + 1, size - 1);
		return 0;
	}
	put_valid(data[0], &text);
	for (size_t i = 1; i + 3 <= size && i < 1 + 3 * 8; i += 3)
		change(&text, get_le16(data + i), data[i + 2]);
	check(buf_str(&text), text.len);
	return 0;
}
