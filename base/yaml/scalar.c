/* SPDX-License-Identifier: Apache-2.0
 *
 * What a plain scalar means: by YAML 1.2's core schema (10.3.2), which croft follows, and where
 * YAML 1.1 (type repository; what cloud-init's PyYAML implements) reads something else into it.
 */
#include <ctype.h>
#include <string.h>

#include "base/util.h"
#include "base/yaml/yaml.h"

static bool one_of(const char *s, const char *const words[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s, words[i]))
			return true;
	return false;
}
#define ONE_OF(s, ...)                                                                             \
	one_of(s, (const char *const[]){__VA_ARGS__},                                              \
	       ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static const char *skip_sign(const char *s)
{
	return s + (*s == '-' || *s == '+');
}

/* At least one of `set`, up to the end. */
static bool all_of(const char *s, const char *set)
{
	return *s && !s[strspn(s, set)];
}

/* The first character of anything but a text; most texts are known to be one by it. */
static bool begins_special(const char *s)
{
	return strchr("~.+-=<0123456789nNtTfFyYoO", *s); /* and the empty text */
}

#define DIGITS "0123456789"
#define HEX    DIGITS "abcdefABCDEF"

static bool is_int(const char *s)
{
	if (s[0] == '0' && s[1] == 'o')
		return all_of(s + 2, "01234567");
	if (s[0] == '0' && s[1] == 'x')
		return all_of(s + 2, HEX);
	return all_of(skip_sign(s), DIGITS);
}

/* [-+]? ( \. D+ | D+ ( \. D* )? ) ( [eE] [-+]? D+ )?, with `digits` for D */
static bool is_decimal(const char *s, const char *digits)
{
	const char *p = skip_sign(s);
	size_t whole, fraction = 0;

	whole = strspn(p, digits);
	p += whole;
	if (*p == '.') {
		fraction = strspn(p + 1, digits);
		p += 1 + fraction;
	}
	if (!whole && !fraction)
		return false;
	return !*p || ((*p == 'e' || *p == 'E') && all_of(skip_sign(p + 1), DIGITS));
}

static bool is_float(const char *s)
{
	return is_decimal(s, DIGITS) || ONE_OF(skip_sign(s), ".inf", ".Inf", ".INF") ||
	       ONE_OF(s, ".nan", ".NaN", ".NAN");
}

enum yaml_type yaml_type(const struct yaml_node *n)
{
	const char *s = n->text;

	if (n->kind != YAML_SCALAR || !n->plain || n->tag || n->len != strlen(s) ||
	    !begins_special(s))
		return YAML_TEXT;
	if (ONE_OF(s, "", "~", "null", "Null", "NULL"))
		return YAML_NULL;
	if (ONE_OF(s, "true", "True", "TRUE", "false", "False", "FALSE"))
		return YAML_BOOL;
	if (is_int(s))
		return YAML_INT;
	return is_float(s) ? YAML_FLOAT : YAML_TEXT;
}

bool yaml_is_null(const struct yaml_node *n)
{
	return n && n->kind == YAML_SCALAR && yaml_type(n) == YAML_NULL;
}

/* 22:22 is 1342: [-+]? D [D_]* ( : [0-5]? D )+ ( \. [D_]* )? */
static bool is_base60(const char *s)
{
	const char *p = skip_sign(s);

	if (!isdigit((unsigned char)*p))
		return false;
	p += strspn(p, DIGITS "_");
	if (*p != ':')
		return false;
	while (*p == ':') {
		size_t n = strspn(p + 1, DIGITS);

		if (n < 1 || n > 2 || (n == 2 && p[1] > '5'))
			return false;
		p += 1 + n;
	}
	return !*p || (*p == '.' && !p[1 + strspn(p + 1, DIGITS "_")]);
}

/* 2026-11-23, alone or with a time after it */
static bool is_date(const char *s)
{
	size_t year = strspn(s, DIGITS), month, day;

	if (year != 4 || s[4] != '-')
		return false;
	month = strspn(s + 5, DIGITS);
	if (month < 1 || month > 2 || s[5 + month] != '-')
		return false;
	s += 6 + month;
	day = strspn(s, DIGITS);
	return day >= 1 && day <= 2 && (!s[day] || strchr("Tt \t", s[day]));
}

const char *yaml_surprise(const char *s)
{
	const char *p = skip_sign(s);

	if (!begins_special(s))
		return NULL;
	if (ONE_OF(s, "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON",
		   "off", "Off", "OFF"))
		return "a boolean";
	if (p[0] == '0' && all_of(p + 1, "01234567_"))
		return "an octal number";
	if (p[0] == '0' && p[1] == 'b' && all_of(p + 2, "01_"))
		return "a binary number";
	if (p[0] == '0' && p[1] == 'x' && all_of(p + 2, HEX "_") && (p > s || strchr(p, '_')))
		return "a number";
	if (is_base60(s))
		return "a number in base 60";
	if (is_date(s))
		return "a date";
	if (strchr(s, '_') && isdigit((unsigned char)p[*p == '.']) && is_decimal(s, DIGITS "_"))
		return "a number";
	return ONE_OF(s, "=", "<<") ? "an operator" : NULL;
}
