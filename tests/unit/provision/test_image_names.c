/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of images that no catalog has are mistakes in the spec, with their place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "provision/image.h"

static struct spec *check(const char *image)
{
	auto_buf struct buf text = BUF_INIT(4096);
	struct spec *spec;

	buf_printf(&text, "version: 1\nname: test\nimage: %s\n", image);
	spec = spec_check_text("croft.yaml", "/nonexistent/croft.yaml", buf_str(&text), text.len);
	assert_int_equal(spec->diags.errors, 0);
	image_check_names(spec);
	return spec;
}

static void test_names_that_are_there(void **state)
{
	static const char *const names[] = {"debian", "debian:13", "debian:trixie", "ubuntu:24.04/minimal"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_spec struct spec *spec = check(names[i]);

		assert_int_equal(spec->diags.errors, 0);
	}
}

static void test_names_that_are_not(void **state)
{
	static const struct {
		const char *name, *says;
	} cases[] = {
		{"debain:13", "did you mean 'debian'"},
		{"debian:99", "there are 13, 12, 11"},
		{"debian:13/tiny", "there is generic"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_spec struct spec *spec = check(cases[i].name);
		const struct diag *d = NULL;

		assert_int_equal(spec->diags.errors, 1);
		for (size_t k = 0; k < spec->diags.n; k++)
			if (spec->diags.list[k].level == DIAG_ERROR)
				d = &spec->diags.list[k];
		assert_non_null(d);
		assert_int_equal(d->at.line, 3);
		assert_int_equal(d->at.column, 8);
		assert_non_null(strstr(d->message, cases[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_that_are_there),
		cmocka_unit_test(test_names_that_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
