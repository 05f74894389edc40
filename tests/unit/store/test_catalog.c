/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalog: the built-in one is without mistakes, files are merged by the names of
 * distributions, names are looked up, and each mistake is told with its line and column.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/util.h"
#include "images/store/catalog/catalog.h"

static char path[] = "/tmp/croft-catalog-XXXXXX";

static struct catalog *check(const char *text)
{
	const char *files[] = {path, "/nonexistent/catalog.yaml", NULL};

	assert_int_equal(file_put(path, text, strlen(text), 0644, NULL), 0);
	return catalog_check(files);
}

static void find(struct catalog *c, const char *name, const char *arch, struct catalog_image *out)
{
	struct err err = {0};

	if (catalog_find(c, name, arch, out, &err) < 0)
		fail_msg("%s: %s", name, err.msg);
}

/* --- the built-in one -------------------------------------------------------------- */

static void built_in(void **state)
{
	static const char *const distros[] = {"almalinux",     "alpine", "arch",
					      "centos-stream", "debian", "fedora",
					      "opensuse",      "rocky",	 "ubuntu"};
	struct catalog *c = catalog_check(NULL);
	struct catalog_version v;
	size_t at = 0, seen = 0;

	(void)state;
	if (catalog_diags(c)->n)
		diags_print(catalog_diags(c), stdout, false);
	assert_int_equal(catalog_diags(c)->n, 0);
	while (catalog_next(c, &at, &v)) {
		if (v.is_default)
			assert_string_equal(v.distro, distros[seen++]);
		assert_non_null(v.user);
		assert_non_null(v.arches[0]);
		assert_true(v.trust == TRUST_SIGNED || v.trust == TRUST_CHECKSUM);
	}
	assert_int_equal(seen, ARRAY_LEN(distros));
	catalog_close(c);
}

static void names(void **state)
{
	static const struct {
		const char *given, *name;
	} good[] = {
		{"debian", "debian:13"},
		{"debian:13", "debian:13"},
		{"debian:bookworm", "debian:12"},
		{"debian/generic", "debian:13/generic"},
		{"ubuntu:lts/minimal", "ubuntu:26.04/minimal"},
		{"almalinux:9/ext4", "almalinux:9/ext4"},
		{"arch", "arch:rolling"},
		{"opensuse:tumbleweed", "opensuse:tumbleweed"},
		{"centos-stream:9", "centos-stream:9"},
	};
	static const struct {
		const char *given, *arch, *says;
		enum err_kind kind;
	} bad[] = {
		{"debain", NULL, "did you mean 'debian'", ERR_NOT_FOUND},
		{"debian:131", NULL, "did you mean '13'", ERR_NOT_FOUND},
		{"ubuntu:24.04/minimial", NULL, "did you mean 'minimal'", ERR_NOT_FOUND},
		{"fedora:44/minimal", NULL, "there are none", ERR_NOT_FOUND},
		{"arch", "aarch64", "not published for aarch64", ERR_NOT_FOUND},
		{"", NULL, "no image's name", ERR_SPEC},
		{":13", NULL, "no image's name", ERR_SPEC},
		{"debian:", NULL, "no image's name", ERR_SPEC},
		{"debian:13:14", NULL, "no image's name", ERR_SPEC},
		{"debian/a/b", NULL, "no image's name", ERR_SPEC},
		{"debian/generic:13", NULL, "no image's name", ERR_SPEC},
		{"deb ian", NULL, "no image's name", ERR_SPEC},
		{"debian:13/", NULL, "no image's name", ERR_SPEC},
	};
	struct err none = {0};
	struct catalog *c = catalog_open(NULL, &none);
	struct catalog_image i;

	(void)state;
	assert_non_null(c);
	for (size_t k = 0; k < ARRAY_LEN(good); k++) {
		find(c, good[k].given, "x86_64", &i);
		assert_string_equal(i.name, good[k].name);
	}
	for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
		struct err err = {0};

		assert_int_equal(catalog_find(c, bad[k].given, bad[k].arch ? bad[k].arch : "x86_64",
					      &i, &err),
				 -1);
		if (err.kind != bad[k].kind || !strstr(err.msg, bad[k].says))
			fail_msg("%s: %s", bad[k].given, err.msg);
	}
	catalog_close(c);
}

/* --- a file ------------------------------------------------------------------------ */

#define MINE                                                                                       \
	"debian:\n"                                                                                \
	"  title: Ours\n"                                                                          \
	"  arches: { x86_64: amd64 }\n"                                                            \
	"  mirrors: [ \"https://images.example.test/\" ]\n"                                        \
	"  user: us\n"                                                                             \
	"  path: \"{version}/{flavour}-{arch}.qcow2\"\n"                                           \
	"  checksums: \"{dir}/SHA256SUMS\"\n"                                                      \
	"  signature: \"{dir}/SHA256SUMS.asc\"\n"                                                  \
	"  keys: [ { url: \"https://images.example.test/key\", fingerprint: "                      \
	"0123456789abcdef0123456789ABCDEF01234567 } ]\n"                                           \
	"  set: { flavour: plain }\n"                                                              \
	"  versions:\n"                                                                            \
	"    \"2\": { aliases: [stable] }\n"                                                       \
	"    \"1\": { signature: null, keys: null, user: them }\n"                                 \
	"  variants:\n"                                                                            \
	"    fancy: { set: { flavour: fancy } }\n"

static void layers(void **state)
{
	struct catalog *c = check(MINE);
	struct catalog_image i;

	(void)state;
	assert_int_equal(catalog_diags(c)->n, 0);
	find(c, "debian:stable/fancy", "x86_64",
	     &i); /* ours stands for the built-in one, as a whole */
	assert_string_equal(i.path, "2/fancy-amd64.qcow2");
	assert_string_equal(i.checksums, "{dir}/SHA256SUMS");
	assert_int_equal(i.trust, TRUST_SIGNED);
	assert_string_equal(i.keys[0].fingerprint, "0123456789ABCDEF0123456789ABCDEF01234567");
	assert_string_equal(i.user, "us");
	assert_int_equal(i.rule, RULE_EXACT);
	find(c, "debian:1", "x86_64", &i);
	assert_int_equal(i.trust, TRUST_CHECKSUM);
	assert_string_equal(i.user, "them");
	assert_int_equal(i.nkeys, 0);
	find(c, "ubuntu", "x86_64", &i); /* and the others stay */
	catalog_close(c);
}

/* One mistake each, in an entry that is right otherwise. */
static void mistakes(void **state)
{
	static const struct {
		const char *text, *says;
		unsigned line, column;
	} bad[] = {
		{"x: 1\n", "'key: value' lines are expected here", 1, 4},
		{"- x\n", "a catalog is a map", 1, 1},
		{"X: { title: x, arches: [x86_64], mirrors: [\"https://x/\"], path: a, versions: { "
		 "v: {} } }\n",
		 "'X' cannot be a name in the catalog", 1, 1},
		{"x:\n  titel: x\n", "unknown key 'titel'", 2, 3},
		{"x:\n  title: x\n", "x: 'versions:' is missing", 1, 1},
		{"x:\n  title: x\n  arches: [riscv64]\n",
		 "'riscv64' is no architecture that croft knows", 3, 12},
		{"x:\n  mirrors: [\"http://x/\"]\n",
		 "'http://x/' is no address that a catalog may name", 2, 13},
		{"x:\n  mirrors: []\n", "a list is expected here", 2, 12},
		{"x:\n  user: -oProxyCommand\n", "'-oProxyCommand' is no user's name", 2, 9},
		{"x:\n  path: ../x\n", "'../x' is no path below a mirror", 2, 9},
		{"x:\n  path: /x\n", "'/x' is no path below a mirror", 2, 9},
		{"x:\n  checksums: ftp://x/y\n",
		 "'ftp://x/y' is no address that a catalog may name", 2, 14},
		{"x:\n  keys: [ { url: \"https://x/\" } ]\n", "'fingerprint:' is missing", 2, 11},
		{"x:\n  keys: [ { url: \"https://x/\", fingerprint: 7DB87C81 } ]\n",
		 "'7DB87C81' is no full fingerprint", 2, 45},
		{"x:\n  keys: [ { uri: \"https://x/\", fingerprint: 7DB87C81 } ]\n",
		 "unknown key 'uri'", 2, 13},
		{"x:\n  clearsigned: yes\n", "true or false is expected here", 2, 16},
		{"x:\n  find: { manifest: a }\n", "manifest: needs 'item:'", 2, 9},
		{"x:\n  find: { listing: a, match: b }\n", "this is no pattern for a name", 2, 30},
		{"x:\n  find: { listing: a, redirect: b, match: \"b*\" }\n",
		 "this names more than one rule", 2, 9},
		{"x:\n  find: { match: \"b*\" }\n", "this names no rule", 2, 9},
		{"x:\n  set: { a: \"b c\" }\n", "this cannot be a part of a path", 2, 13},
		{"x:\n  versions: { v: { title: x } }\n", "unknown key 'title'", 2, 20},
		{"x:\n  versions: {}\n", "a distribution needs a version", 2, 13},
		{"x:\n  aliases: [a]\n", "unknown key 'aliases'", 2, 3},
		{"x:\n\ttitle: x\n", NULL, 2, 1},
		{"x:\n  title: x\nx:\n  title: y\n", NULL, 3, 1},
		/* What shows when the templates are filled in. */
		{"x: { title: x, arches: [x86_64], mirrors: [\"https://x/\"], versions: { v: {} "
		 "},\n  path: \"{cod}/x\" }\n",
		 "'{cod}' stands for nothing here (x:v, x86_64)", 2, 9},
		{"x: { title: x, arches: [x86_64], mirrors: [\"https://x/\"], versions: { v: {} "
		 "},\n  path: \"{file}\" }\n",
		 "'{file}' stands for nothing here (x:v, x86_64)", 2, 9},
		{"x: { title: x, arches: [x86_64], mirrors: [\"https://x/\"], versions: { v: {} } "
		 "}\n",
		 "x:v: 'path:' is missing", 1, 71},
		{"x: { title: x, arches: [x86_64], mirrors: [\"https://x/\"], path: p, checksums: "
		 "c, signature: s,\n"
		 "  versions: { v: {} } }\n",
		 "x:v: a signature needs 'keys:'", 2, 15},
		{"x: { title: x, arches: [x86_64], mirrors: [\"https://x/\"], path: p, signature: "
		 "s,\n"
		 "  versions: { v: {} } }\n",
		 "x:v: a signature of a checksum file needs 'checksums:'", 2, 15},
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
		struct catalog *c = check(bad[k].text);
		const struct diags *ds = catalog_diags(c);
		bool found = false;

		for (size_t i = 0; i < ds->n; i++)
			found |= ds->list[i].level == DIAG_ERROR &&
				 ds->list[i].at.line == bad[k].line &&
				 ds->list[i].at.column == bad[k].column &&
				 (!bad[k].says || !strcmp(ds->list[i].message, bad[k].says));
		if (!found) {
			diags_print(ds, stdout, false);
			fail_msg("case %zu: no '%s' at %u:%u", k, bad[k].says, bad[k].line,
				 bad[k].column);
		}
		catalog_close(c);
	}
}

/* The first complaint, where it stands, and how many more there are. */
static void refused(void **state)
{
	const char *files[] = {path, NULL};
	struct err err = {0};
	struct catalog *c = check("x:\n  path: ../x\n");

	(void)state;
	catalog_close(c);
	assert_null(catalog_open(files, &err));
	assert_int_equal(err.kind, ERR_SPEC);
	assert_non_null(strstr(err.msg, path));
	assert_non_null(strstr(err.msg, ":2:9: '../x' is no path below a mirror"));
	assert_non_null(strstr(err.msg, "and 4 more"));
}

static int open_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	close(fd);
	return fd < 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(built_in), cmocka_unit_test(names),   cmocka_unit_test(layers),
		cmocka_unit_test(mistakes), cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, open_file, remove_file);
}
