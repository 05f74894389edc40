/* SPDX-License-Identifier: Apache-2.0
 *
 * Types that the guest understands, through cloud-init: accounts, files, packages, commands. They
 * are as strict as cloud-init's own schema, and where cloud-init would quietly do something else
 * than what was meant, stricter.
 */
#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "provision/spec/field.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static void not_a(struct value *v, const char *what, const char *help)
{
	v->problem = arena_printf(v->reader->arena, "'%s' is not %s", v->text, what);
	v->help = help;
}

/* --- accounts ---------------------------------------------------------------------- */

/* What useradd takes on the distributions there are: shadow's is_valid_name, made no looser. */
static bool is_user(const char *s, size_t n)
{
	return n >= 1 && n <= 32 && strchr(LOWER UPPER "_", s[0]) &&
	       strspn(s, LOWER UPPER DIGITS "_.-") >= n;
}

static void check_user(struct value *v)
{
	if (!is_user(v->text, strlen(v->text)))
		not_a(v, "the name of a user or group",
		      "letters, digits, '_', '-' and '.', at most 32");
}

const struct type type_user = {
	.name = "account",
	.help = "the name of a user or group in the guest",
	.read = read_text,
	.check = check_user,
	.pattern = "^[A-Za-z_][A-Za-z0-9_.-]{0,31}$",
};

static void check_owner(struct value *v)
{
	size_t n = strcspn(v->text, ":");

	if (!is_user(v->text, n) ||
	    (v->text[n] && !is_user(v->text + n + 1, strlen(v->text + n + 1))))
		not_a(v, "an owner", "write user or user:group");
}

const struct type type_owner = {
	.name = "owner",
	.help = "user or user:group",
	.read = read_text,
	.check = check_owner,
	.pattern = "^[A-Za-z_][A-Za-z0-9_.-]{0,31}(:[A-Za-z_][A-Za-z0-9_.-]{0,31})?$",
};

/* $id$salt$hash, or with parameters in between (crypt(5)). */
static bool is_hash(const char *s)
{
	const char *second = s[0] == '$' ? strchr(s + 1, '$') : NULL;

	return second && second > s + 1 && strchr(second + 1, '$') && !strchr(s, ':');
}

/* What every cloud-init knows for a hash: cc_set_passwords takes any other for the password. */
static bool is_known_hash(const char *s)
{
	static const char *const known[] = {"$1$", "$2a$", "$2y$", "$5$", "$6$"};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (text_starts(s, known[i]))
			return true;
	return false;
}

static void check_password(struct value *v)
{
	if (!*v->text) {
		v->problem = "is empty";
	} else if (!strcmp(v->text, "R") || !strcmp(v->text, "RANDOM")) {
		v->problem = arena_printf(v->reader->arena,
					  "cloud-init takes '%s' as the wish for a random password",
					  v->text);
		v->help = "write another password";
	} else if (!is_hash(v->text)) {
		caution(v->reader, v->place, v->node, "write its hash: openssl passwd -6",
			"the seed carries this password in plain text");
	} else if (!is_known_hash(v->text)) {
		caution(v->reader, v->place, v->node, "write a SHA-512 hash: openssl passwd -6",
			"cloud-init of Debian 12 and older takes this hash for the password "
			"itself");
	}
}

const struct type type_password = {
	.name = "password",
	.help = "a password or, better, its hash as crypt(5) describes it ($6$..., made by openssl "
		"passwd -6); "
		"each $ is written $$",
	.read = read_text,
	.check = check_password,
};

static void check_hash(struct value *v)
{
	if (is_hash(v->text) || !strcmp(v->text, "!") || !strcmp(v->text, "*"))
		return;
	v->problem = "this is not the hash of a password";
	v->help = "make one: openssl passwd -6 (and write each $ as $$)";
}

const struct type type_hash = {
	.name = "password hash",
	.help = "the hash of a password as crypt(5) describes it ($6$..., made by openssl passwd "
		"-6); "
		"each $ is written $$",
	.read = read_text,
	.check = check_hash,
};

/* --- files ------------------------------------------------------------------------- */

static void check_guest_path(struct value *v)
{
	size_t n = strlen(v->text);

	if (v->text[0] != '/')
		not_a(v, "an absolute path", "paths in the guest begin with '/'");
	else if (n < 2 || v->text[n - 1] == '/')
		not_a(v, "the path of a file", NULL);
}

const struct type type_guest_path = {
	.name = "path in the guest",
	.help = "an absolute path",
	.read = read_text,
	.check = check_guest_path,
	.pattern = "^/",
};

/* YAML 1.1 reads 0644 as 420, and 1.2 as 644: only in quotes it is what everybody means. */
static void check_mode(struct value *v)
{
	struct arena *a = v->reader->arena;
	size_t n = strlen(v->text);
	bool octal = n >= 3 && n <= 5 && strspn(v->text, "01234567") == n &&
		     (n < 5 || v->text[0] == '0');

	if (!octal)
		not_a(v, "a file's permissions", "write them in octal and in quotes: \"0644\"");
	else if (v->node->plain && v->text == v->node->text) {
		v->problem = arena_printf(
			a, "YAML reads %s as a number, and which one depends on its version",
			v->text);
		v->help = arena_printf(a, "put it in quotes: \"%s\"", v->text);
	} else if (n == 3)
		v->text = arena_printf(a, "0%s", v->text);
}

const struct type type_mode = {
	.name = "permissions",
	.help = "three or four octal digits in quotes: \"0644\"",
	.read = read_text,
	.check = check_mode,
	.any = true,
	.pattern = "^0?[0-7]{3,4}$",
};

/* --- packages and commands --------------------------------------------------------- */

static const struct field text_field = {.path = "", .type = &type_text};
static const struct field line_field = {.path = "", .type = &type_line};

static struct yaml_node *read_texts(struct reader *r, const struct place *place,
				    const struct field *item, const struct yaml_node *node)
{
	struct yaml_node *out = yaml_seq(r->arena);

	out->at = node->at;
	out->source = node->source;
	for (size_t i = 0; i < node->n; i++) {
		struct place at = {place, item, NULL, i, false};
		struct yaml_node *text = read_value(r, &at, node->items[i]);

		if (text)
			yaml_add(r->arena, out, text);
	}
	return out;
}

static void schema_texts(struct arena *a, unsigned min, unsigned max, struct yaml_node *out)
{
	struct yaml_node *list = yaml_seq(a), *text = yaml_map(a), *texts = yaml_map(a);

	yaml_set(a, text, "type", yaml_str(a, "string"));
	yaml_set(a, texts, "type", yaml_str(a, "array"));
	yaml_set(a, texts, "items", text);
	yaml_set(a, texts, "minItems", yaml_plain(a, arena_printf(a, "%u", min)));
	if (max)
		yaml_set(a, texts, "maxItems", yaml_plain(a, arena_printf(a, "%u", max)));
	yaml_add(a, list, text);
	yaml_add(a, list, texts);
	yaml_set(a, out, "anyOf", list);
}

static void check_package(struct value *v)
{
	if (!*v->text || v->text[strcspn(v->text, " \t,;")])
		not_a(v, "the name of a package", "one package an item");
}

static struct yaml_node *read_package(struct reader *r, const struct place *place,
				      const struct yaml_node *node)
{
	if (node->kind != YAML_SEQ)
		return read_text(r, place, node);
	if (node->n != 2) {
		complain(r, place, node, "write name, or [ name, version ]",
			 "a package has a name and perhaps a version");
		return NULL;
	}
	return read_texts(r, place, &line_field, node);
}

static void schema_package(struct arena *a, const struct field *f, struct yaml_node *out)
{
	(void)f;
	schema_texts(a, 2, 2, out);
}

const struct type type_package = {
	.name = "package",
	.help = "the name of a package, or [ name, version ]",
	.read = read_package,
	.check = check_package,
	.schema = schema_package,
};

static void check_command(struct value *v)
{
	if (!v->text[strspn(v->text, " \t\n")])
		v->problem = "is empty";
}

static struct yaml_node *read_command(struct reader *r, const struct place *place,
				      const struct yaml_node *node)
{
	if (node->kind == YAML_MAP) { /* "- echo a: b" */
		complain(r, place, node, "put quotes around a command that contains ': '",
			 "YAML reads this command as a map");
		return NULL;
	}
	if (node->kind != YAML_SEQ)
		return read_text(r, place, node);
	if (!node->n) {
		complain(r, place, node, NULL, "is empty");
		return NULL;
	}
	return read_texts(r, place, &text_field, node);
}

static void schema_command(struct arena *a, const struct field *f, struct yaml_node *out)
{
	(void)f;
	schema_texts(a, 1, 0, out);
}

const struct type type_command = {
	.name = "command",
	.help = "a line for the shell, or a list of the program and its arguments for no shell to "
		"touch",
	.read = read_command,
	.check = check_command,
	.lines = true,
	.schema = schema_command,
};

/* --- places ------------------------------------------------------------------------ */

static void check_timezone(struct value *v)
{
	if (!isalpha((unsigned char)v->text[0]) ||
	    v->text[strspn(v->text, LOWER UPPER DIGITS "_+-/")])
		not_a(v, "a time zone", "write one of /usr/share/zoneinfo: Europe/Berlin, UTC");
}

const struct type type_timezone = {
	.name = "time zone",
	.help = "a name below /usr/share/zoneinfo of the guest: Europe/Berlin, UTC",
	.read = read_text,
	.check = check_timezone,
	.pattern = "^[A-Za-z][A-Za-z0-9_+/-]*$",
};

static void check_locale(struct value *v)
{
	if (!isalpha((unsigned char)v->text[0]) ||
	    v->text[strspn(v->text, LOWER UPPER DIGITS "_.@-")])
		not_a(v, "a locale", "write en_US.UTF-8, or C.UTF-8");
}

const struct type type_locale = {
	.name = "locale",
	.help = "language, country and encoding: en_US.UTF-8",
	.read = read_text,
	.check = check_locale,
	.pattern = "^[A-Za-z][A-Za-z0-9_.@-]*$",
};
