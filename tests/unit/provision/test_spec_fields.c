/* SPDX-License-Identifier: Apache-2.0
 *
 * The field table: its shape, and what is made of it for readers (explain, schema, manual). Every
 * example in it is loaded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>

#include "base/file.h"
#include "base/util.h"
#include "provision/spec/field.h"
#include "provision/spec/spec.h"

static char *home; /* a directory with keys in it: $HOME of the examples */

static int make_home(void **state)
{
	static const char key[] =
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN/C41IrCtu/I9CzpSbKQy/BiOg9gj2mtWTM7jAqAPEe "
		"a@b\n";
	static const char *const names[] = {"id_ed25519.pub", "bob.pub"};
	char template[] = "/tmp/croft-test-XXXXXX";
	auto_free char *ssh = NULL;

	(void)state;
	home = xstrdup(mkdtemp(template));
	ssh = path_join(home, ".ssh");
	if (dir_make(ssh, 0700, NULL) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *path = path_join(ssh, names[i]);

		if (file_replace(path, key, strlen(key), 0600, NULL) < 0)
			return -1;
	}
	setenv("HOME", home, 1);
	return 0;
}

static int drop_home(void **state)
{
	(void)state;
	dir_remove(home, NULL);
	free(home);
	return 0;
}

/* "networks.*.address" -> "networks.*" -> "networks" -> "" */
static void parent_of(const char *path, char *out, size_t n)
{
	size_t len = strlen(path);

	snprintf(out, n, "%s", path);
	if (len > 2 && !strcmp(path + len - 2, "[]"))
		out[len - 2] = '\0';
	else if (strrchr(out, '.'))
		*strrchr(out, '.') = '\0';
	else
		out[0] = '\0';
}

/* field_next relies on it: what is below a row follows it without a gap. */
static void test_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < nfields; i++) {
		char parent[128];
		size_t j = i;

		parent_of(fields[i].path, parent, sizeof(parent));
		if (!*parent)
			continue;
		while (j-- > 0 && strcmp(fields[j].path, parent) != 0)
			if (strncmp(fields[j].path, parent, strlen(parent)) != 0)
				fail_msg("%s stands apart from %s", fields[i].path, parent);
		if (j == SIZE_MAX)
			fail_msg("%s has no row %s before it", fields[i].path, parent);
	}
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < nfields; i++) {
		const struct field *f = &fields[i];

		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(f->path, fields[j].path);
		if (f->planned) {
			assert_null(f->type);
			continue;
		}
		assert_non_null(f->type);
		assert_non_null(f->help);
		assert_false(f->help[strlen(f->help) - 1] == '.');
		assert_true(f->type != &type_enum || f->words);
		assert_true(f->type != &type_int || f->max);
		assert_true(f->type != &type_size || f->max);
		assert_true(f->type != &type_hostname || f->max);
		assert_true((f->type != &type_list && f->type != &type_networks) || field_item(f));
		assert_true(!f->short_key || field_child(f, f->short_key));
		assert_false(f->initial && f->initial_note);
		if (f->cloud_key)
			assert_true(f->change == CHANGE_REAPPLY || f->change == CHANGE_RESTART);
	}
}

static void test_every_type_is_documented(void **state)
{
	(void)state;
	for (size_t i = 0; i < nfields; i++) {
		bool found = fields[i].planned;

		for (size_t j = 0; all_types[j] && !found; j++)
			found = all_types[j] == fields[i].type;
		if (!found)
			fail_msg("the type of %s is not in all_types", fields[i].path);
	}
}

static void find(const char *path, const char *expected)
{
	const struct field *deepest, *f;
	const char *rest;

	f = field_find(path, &deepest, &rest);
	if (!expected) {
		assert_null(f);
		return;
	}
	assert_non_null(f);
	assert_string_equal(f->path, expected);
}

static void test_find(void **state)
{
	(void)state;
	find("", "");
	find("image", "image");
	find("image.path", "image.path");
	find("networks.*.address", "networks.*.address");
	find("networks.lan.address", "networks.*.address");
	find("networks.address", "networks.*.address");
	find("networks.lan", "networks.*");
	find("disks.size", "disks[].size");
	find("disks[].size", "disks[].size");
	find("disks[0].size", "disks[].size");
	find("disks[]", "disks[]");
	find("user.shell", "users[].shell");
	find("users[].groups[]", "users[].groups[]");
	find("ports", "ports");
	find("image.nothing", NULL);
	find("networks.lan.nothing", NULL);
	find("disks[", NULL);
	find("disks.[", NULL);
	find(".", NULL);
	find("image.", "image");
	find("image..path", NULL);
	find("cpus.count.more", NULL);
	find("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	     NULL);
}

static char *explain(const char *key, struct err *err)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	spec_explain(key, out, err);
	fclose(out);
	return text;
}

static void test_explain_every_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < nfields; i++) {
		struct err err = {0};
		auto_free char *text = explain(fields[i].path, &err);

		assert_int_equal(err.kind, ERR_NONE);
		assert_non_null(strstr(text, fields[i].planned ? "not supported yet" : "type"));
		for (const char *p = text; *p; p += strcspn(p, "\n") + 1)
			if (strcspn(p, "\n") > 100)
				fail_msg("a long line about %s: %s", fields[i].path, p);
	}
}

static void test_explain(void **state)
{
	struct err err = {0};
	auto_free char *all = explain(NULL, &err), *cpus = explain("cpus.count", &err);
	auto_free char *wrong = explain("networks.lan.adress", &err);
	auto_free char *packages = explain("packages", &err), *bootcmd = explain("bootcmd", &err);

	(void)state;
	for (const struct field *f = field_next(&root_field, NULL); f;
	     f = field_next(&root_field, f))
		assert_non_null(strstr(all, f->path));
	assert_non_null(strstr(cpus, "number, 1 to 64"));
	/* The instance-id stays, so cloud-init does not run its once-per-instance parts again. */
	assert_non_null(strstr(packages, "reapply: used at a VM's first boot"));
	assert_non_null(strstr(bootcmd, "restart: comes into force at the next start"));
	assert_string_equal(wrong, "");
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(err.msg, "a spec has no key 'networks.lan.adress' "
				     "(did you mean 'address' in 'networks.*'?)");
	err = (struct err){0};
	free(explain("memroy", &err));
	assert_string_equal(err.msg, "a spec has no key 'memroy' (did you mean 'memory'?)");
}

/* --- examples ---------------------------------------------------------------------- */

static bool mentions(const char *example, const char *key)
{
	size_t n = strlen(key);

	return !strncmp(example, key, n) && example[n] == ':';
}

/* The keys around an example that it needs to be a whole spec. */
static void test_examples(void **state)
{
	size_t loaded = 0;

	(void)state;
	for (size_t i = 0; i < nfields; i++) {
		const char *e = fields[i].example;
		auto_buf struct buf text = BUF_INIT(1 << 16);
		auto_spec struct spec *spec = NULL;

		if (!e || strstr(e, "...")) /* "..." stands for what no example can have */
			continue;
		if (!mentions(e, "name"))
			buf_puts(&text, "name: test\n");
		if (!mentions(e, "image"))
			buf_puts(&text, "image: ./a.qcow2\n");
		buf_printf(&text, "%s\n", e);
		spec = spec_check_text("t.yaml", "/nowhere/t.yaml", buf_str(&text), text.len);
		if (spec->diags.errors) {
			diags_print(&spec->diags, stderr, false);
			fail_msg("the example of %s does not load:\n%s", fields[i].path,
				 buf_str(&text));
		}
		loaded++;
	}
	assert_true(loaded > 15);
}

/* --- schema and manual ------------------------------------------------------------- */

static void test_schema(void **state)
{
	auto_buf struct buf text = BUF_INIT(1 << 22);
	json_error_t error;
	json_t *j, *properties;

	(void)state;
	spec_schema(&text);
	assert_false(text.overflow);
	j = json_loads(buf_str(&text), 0, &error);
	if (!j)
		fail_msg("line %d: %s", error.line, error.text);
	assert_string_equal(json_string_value(json_object_get(j, "$schema")),
			    "https://json-schema.org/draft/2020-12/schema");
	properties = json_object_get(j, "properties");
	for (const struct field *f = field_next(&root_field, NULL); f;
	     f = field_next(&root_field, f))
		assert_int_equal(!json_object_get(properties, field_key(f)), f->planned);
	assert_true(json_is_false(json_object_get(j, "additionalProperties")));
	json_decref(j);
}

static void test_manual(void **state)
{
	auto_free char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	spec_manual(out);
	fclose(out);
	for (size_t i = 0; i < nfields; i++) {
		const char *key = fields[i].planned ? fields[i].path : field_key(&fields[i]);
		auto_free char *item = xasprintf(".It Ic %s", key);

		if (!strstr(fields[i].path, "[]") && !strchr(key, '*') && !strstr(text, item))
			fail_msg("the manual does not speak of %s", fields[i].path);
	}
	assert_null(strstr(text, "\n\n")); /* mdoc wants .Pp */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_every_type_is_documented),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_explain_every_row),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests(tests, make_home, drop_home);
}
