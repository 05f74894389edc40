/* SPDX-License-Identifier: Apache-2.0
 *
 * Types that every format has: booleans, numbers, words, sizes, texts and names.
 */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/text.h"
#include "base/util.h"
#include "provision/spec/field.h"

/* A quoted number or boolean is a text, unless a variable made it: those arrive as text only. */
static bool is_quoted(const struct value *v)
{
	return !v->node->plain && v->text == v->node->text;
}

static void plain_schema(struct arena *a, const char *kind, struct yaml_node *out)
{
	yaml_set(a, out, "type", yaml_str(a, kind));
}

/* --- bool -------------------------------------------------------------------------- */

static void check_bool(struct value *v)
{
	static const char *const yes[] = {"y", "yes", "on", "true"}, *const no[] = {"n", "no",
										    "off", "false"};

	if (!strcmp(v->text, "true") || !strcmp(v->text, "false")) {
		if (is_quoted(v)) {
			v->problem = "this is a text, and a boolean was expected";
			v->help = "remove the quotes";
		}
		return;
	}
	v->problem = arena_printf(v->reader->arena, "'%s' is not a boolean", v->text);
	v->help = "write true or false";
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (!strcasecmp(v->text, yes[i]))
			v->help = "write true";
		if (!strcasecmp(v->text, no[i]))
			v->help = "write false";
	}
}

static void schema_bool(struct arena *a, const struct field *f, struct yaml_node *out)
{
	(void)f;
	plain_schema(a, "boolean", out);
}

const struct type type_bool = {
	.name = "boolean",
	.help = "true or false; yes, no, on and off are errors, because YAML's versions disagree "
		"on them",
	.read = read_text,
	.check = check_bool,
	.bare = true,
	.any = true,
	.schema = schema_bool,
};

/* --- int --------------------------------------------------------------------------- */

static void check_int(struct value *v)
{
	const struct field *f = v->place->field;
	struct arena *a = v->reader->arena;
	struct err err = {0};
	uint64_t n;

	if (is_quoted(v)) {
		v->problem = "this is a text, and a number was expected";
		v->help = "remove the quotes";
	} else if (!*v->text || v->text[strspn(v->text, "0123456789")]) {
		v->problem = arena_printf(a, "'%s' is not a whole number", v->text);
	} else if (v->text[0] == '0' && v->text[1]) {
		v->problem = arena_printf(a, "'%s' is an octal number to YAML 1.1", v->text);
		v->help = "remove the leading zero";
	} else if (f->min == f->max && parse_uint(v->text, f->min, f->max, &n, NULL) < 0) {
		v->problem = arena_printf(a, "%s is not known to this croft", v->text);
		v->help = arena_printf(a, "write %" PRIu64, f->min);
	} else if (parse_uint(v->text, f->min, f->max, &n, &err) < 0) {
		v->problem = arena_strdup(a, err.msg);
	}
}

static void schema_int(struct arena *a, const struct field *f, struct yaml_node *out)
{
	plain_schema(a, "integer", out);
	yaml_set(a, out, "minimum", yaml_plain(a, arena_printf(a, "%" PRIu64, f->min)));
	yaml_set(a, out, "maximum", yaml_plain(a, arena_printf(a, "%" PRIu64, f->max)));
}

const struct type type_int = {
	.name = "number",
	.help = "a whole decimal number",
	.read = read_text,
	.check = check_int,
	.bare = true,
	.any = true,
	.schema = schema_int,
};

/* --- enum -------------------------------------------------------------------------- */

static bool has_word(const char *const *words, const char *text)
{
	for (size_t i = 0; words && words[i]; i++)
		if (!strcmp(words[i], text))
			return true;
	return false;
}

static void check_enum(struct value *v)
{
	const struct field *f = v->place->field;
	struct arena *a = v->reader->arena;
	auto_buf struct buf list = BUF_INIT(1024);
	const char *near;
	size_t n = 0;

	if (has_word(f->words, v->text))
		return;
	for (; f->words[n]; n++)
		buf_printf(&list, "%s%s", n ? ", " : "", f->words[n]);
	v->help = arena_printf(a, "write %s%s", f->words[1] ? "one of " : "", buf_str(&list));
	if (has_word(f->later, v->text)) {
		v->problem = arena_printf(a, "%s: not supported yet", v->text);
		return;
	}
	v->problem = arena_printf(a, "'%s' is unknown", v->text);
	near = text_nearest(v->text, f->words, n);
	if (near)
		v->help = arena_printf(a, "did you mean '%s'?", near);
}

static void schema_enum(struct arena *a, const struct field *f, struct yaml_node *out)
{
	struct yaml_node *words = yaml_seq(a);

	for (size_t i = 0; f->words[i]; i++)
		yaml_add(a, words, yaml_str(a, f->words[i]));
	yaml_set(a, out, "enum", words);
}

const struct type type_enum = {
	.name = "word",
	.help = "one of the words listed",
	.read = read_text,
	.check = check_enum,
	.any = true,
	.schema = schema_enum,
};

/* --- size -------------------------------------------------------------------------- */

static void check_size(struct value *v)
{
	const struct field *f = v->place->field;
	struct arena *a = v->reader->arena;
	char low[SIZE_TEXT], high[SIZE_TEXT], exact[SIZE_TEXT];
	const char *note = NULL;
	struct err err = {0};
	uint64_t bytes;

	if (parse_size(v->text, &bytes, &note, &err) < 0) {
		v->problem = arena_strdup(a, err.msg);
		return;
	}
	if (bytes < f->min || bytes > f->max) {
		format_size_exact(f->min, low, sizeof(low));
		format_size_exact(f->max, high, sizeof(high));
		v->problem = arena_printf(a, "%s is not within %s to %s", v->text, low, high);
		return;
	}
	if (f->step && bytes % f->step) {
		format_size_exact(f->step, low, sizeof(low));
		format_size_exact(align_down(bytes, f->step), high, sizeof(high));
		v->problem = arena_printf(a, "%s is not a multiple of %s", v->text, low);
		v->help = arena_printf(a, "write %s", high);
		return;
	}
	if (note)
		caution(v->reader, v->place, v->node, NULL, "'%s' is %s", v->text, note);
	v->text = arena_strdup(a, format_size_exact(bytes, exact, sizeof(exact)));
}

const struct type type_size = {
	.name = "size",
	.help = "a number with a unit: 512MiB, 4GiB, 1.5GiB (powers of 1024), 20GB (of 1000); "
		"a number without a unit is an error, because every tool takes it for another",
	.read = read_text,
	.check = check_size,
	.any = true,
	.pattern = "^[0-9]+(\\.[0-9]{1,6})?([KMGT]i?B?|kB|B)$",
};

/* --- texts ------------------------------------------------------------------------- */

static void check_line(struct value *v)
{
	for (const char *c = v->text; *c; c++)
		if ((unsigned char)*c < ' ' && *c != '\t')
			v->problem = "contains a control character";
	if (!*v->text)
		v->problem = "is empty";
}

const struct type type_line = {
	.name = "text",
	.help = "one line of text, in quotes where YAML could read a number, date or boolean into "
		"it",
	.read = read_text,
	.check = check_line,
};

const struct type type_text = {
	.name = "block of text",
	.help = "any text; a block of lines is written below 'key: |'",
	.read = read_text,
	.lines = true,
};

static void check_name(struct value *v)
{
	if (text_is_name(v->text))
		return;
	v->problem = arena_printf(v->reader->arena, "'%s' is not a name", v->text);
	v->help = "use a-z, 0-9 and '-', at most 63";
}

const struct type type_name = {
	.name = "name",
	.help = "1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit",
	.read = read_text,
	.check = check_name,
	.pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
};
