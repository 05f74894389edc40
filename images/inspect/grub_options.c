/* SPDX-License-Identifier: Apache-2.0
 *
 * Options of GRUB's commands, by the rules of its own argument parser: they may stand anywhere;
 * short ones may be joined (-nu); a value follows "=" or is the next word, and where it is optional
 * that word must not begin with '-'.
 */
#include "images/inspect/grub_run.h"

#include <string.h>

#include "base/util.h"

struct parse {
	const struct grub_args *a;
	struct grub_option *options;
	size_t n;
	unsigned at;
};

static struct grub_option *find_long(const struct parse *p, const char *name, size_t len)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strncmp(p->options[i].name, name, len) && !p->options[i].name[len])
			return &p->options[i];
	return NULL;
}

static struct grub_option *find_short(const struct parse *p, char brief)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->options[i].brief == brief)
			return &p->options[i];
	return NULL;
}

/* The next word, if the option takes it as its value. */
static const char *next_value(struct parse *p, const struct grub_option *o)
{
	const char *next = p->at + 1 < p->a->argc ? p->a->argv[p->at + 1] : NULL;

	if (!next || o->value == GRUB_NO_VALUE ||
	    (o->value == GRUB_MAY_HAVE_VALUE && next[0] == '-' && next[1]))
		return NULL;
	p->at++;
	return next;
}

/* What is unknown belongs to another GRUB (a hint for some firmware) and is passed over. */
static void take_long(struct parse *p, const char *arg)
{
	size_t len = strcspn(arg, "=");
	struct grub_option *o = find_long(p, arg, len);

	if (!o)
		return;
	o->set = true;
	o->arg = arg[len] ? arg + len + 1 : next_value(p, o);
}

static bool take_short(struct parse *p, const char *letters)
{
	for (const char *c = letters; *c; c++)
		if (!find_short(p, *c))
			return false;
	for (; *letters; letters++) {
		struct grub_option *o = find_short(p, *letters);

		o->set = true;
		if (!letters[1])
			o->arg = next_value(p, o);
	}
	return true;
}

void grub_parse_options(struct grub *g, const struct grub_args *a, struct grub_option options[],
			size_t n, struct grub_args *rest)
{
	struct parse p = {.a = a, .options = options, .n = n, .at = 1};

	*rest = (struct grub_args){.stmt = a->stmt};
	rest->argv = arena_zalloc(g->arena, (a->argc + 1) * sizeof(*rest->argv));
	rest->argv[rest->argc++] = a->argv[0];
	for (bool only_words = false; p.at < a->argc; p.at++) {
		const char *arg = a->argv[p.at];

		if (!only_words && !strcmp(arg, "--"))
			only_words = true;
		else if (!only_words && arg[0] == '-' && arg[1] == '-')
			take_long(&p, arg + 2);
		else if (only_words || arg[0] != '-' || !arg[1] || !take_short(&p, arg + 1))
			rest->argv[rest->argc++] = arg;
	}
}
