/* SPDX-License-Identifier: Apache-2.0
 *
 * GRUB's `test` and `[`: terms side by side are joined by "and" with or without -a, -o separates,
 * '!' turns the next term, parentheses group. Operators are recognised by their position, as GRUB
 * does, so
 * `[ -n = -n ]` compares strings.
 */
#include "images/inspect/grub_run.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"

struct expr {
	struct grub *g;
	const struct grub_args *a;
	unsigned at, end;
};

/* --- operators --- */

static long number(const char *s)
{
	return strtol(s, NULL, 0);
}

/* Numbers behind the common beginning of two names: vmlinuz-2 -plt vmlinuz-11. */
static int compare_prefixed(const char *a, const char *b)
{
	size_t same = 0;
	unsigned long x, y;

	while (a[same] && a[same] == b[same])
		same++;
	while (same && isdigit((unsigned char)a[same - 1]))
		same--;
	x = strtoul(a + same, NULL, 10);
	y = strtoul(b + same, NULL, 10);
	return (x > y) - (x < y);
}

enum compare { EQ, NE, LT, LE, GT, GE };

static bool holds(enum compare op, long c)
{
	switch (op) {
	case EQ:
		return c == 0;
	case NE:
		return c != 0;
	case LT:
		return c < 0;
	case LE:
		return c <= 0;
	case GT:
		return c > 0;
	default:
		return c >= 0;
	}
}

static int by_text(const char *a, const char *b)
{
	return strcmp(a, b);
}

static int by_number(const char *a, const char *b)
{
	long x = number(a), y = number(b);

	return (x > y) - (x < y);
}

static const struct {
	const char *name;
	enum compare op;
	int (*compare)(const char *, const char *);
} binary[] = {
	{"=", EQ, by_text},
	{"==", EQ, by_text},
	{"!=", NE, by_text},
	{"<", LT, by_text},
	{"<=", LE, by_text},
	{">", GT, by_text},
	{">=", GE, by_text},
	{"-eq", EQ, by_number},
	{"-ne", NE, by_number},
	{"-lt", LT, by_number},
	{"-le", LE, by_number},
	{"-gt", GT, by_number},
	{"-ge", GE, by_number},
	{"-plt", LT, compare_prefixed},
	{"-pgt", GT, compare_prefixed},
};

static bool node_of(struct expr *x, const char *path, struct fnode *node)
{
	struct fsys *fs;
	int vol;

	if (!grub_step(x->g, 5) || !grub_resolve(x->g, path, &vol, &path))
		return false;
	fs = volume_fs(x->g->vol, vol);
	return fs && fsys_find(fs, path, node, NULL) == 0;
}

static bool unary(struct expr *x, char op, const char *arg)
{
	struct fnode node;

	switch (op) {
	case 'n':
		return *arg;
	case 'z':
		return !*arg;
	case 'e':
		return node_of(x, arg, &node);
	case 'd':
		return node_of(x, arg, &node) && node.kind == FNODE_DIR;
	case 'f':
		return node_of(x, arg, &node) && node.kind != FNODE_DIR;
	default:
		return node_of(x, arg, &node) && node.kind == FNODE_FILE && node.size; /* 's' */
	}
}

/* --- terms --- */

static const char *arg_at(const struct expr *x, unsigned ahead)
{
	return x->at + ahead < x->end ? x->a->argv[x->at + ahead] : NULL;
}

/* A test of three or two arguments, if there is one here. */
static bool take_test(struct expr *x, bool *value)
{
	const char *first = arg_at(x, 0), *second = arg_at(x, 1), *third = arg_at(x, 2);

	if (third)
		for (size_t i = 0; i < ARRAY_LEN(binary); i++)
			if (!strcmp(second, binary[i].name)) {
				x->at += 3;
				*value = holds(binary[i].op, binary[i].compare(first, third));
				return true;
			}
	if (second && first[0] == '-' && first[1] && strchr("nzedfs", first[1]) && !first[2]) {
		x->at += 2;
		*value = unary(x, first[1], second);
		return true;
	}
	return false;
}

/*
 * Up to the end or to the ')' that belongs to it. Parentheses are kept on a stack of our own, so
 * that their depth costs no stack of the process.
 */
static bool evaluate(struct expr *x)
{
	enum { MAX_GROUPS = 32 };
	struct group {
		bool any, all,
			invert; /* an earlier -o part held; this part holds; '!' before the term */
	} group[MAX_GROUPS] = {{.all = true}};
	unsigned depth = 0;

	while (x->at < x->end) {
		struct group *top = &group[depth];
		const char *arg = arg_at(x, 0);
		bool value;

		if (!take_test(x, &value)) {
			x->at++;
			if (!strcmp(arg, "!")) {
				top->invert = !top->invert;
				continue;
			}
			if (!strcmp(arg, "-a"))
				continue;
			if (!strcmp(arg, "-o")) {
				top->any |= top->all;
				top->all = true;
				continue;
			}
			if (!strcmp(arg, "(")) {
				if (depth + 1 == MAX_GROUPS)
					return false;
				group[++depth] = (struct group){.all = true};
				continue;
			}
			value = *arg; /* a text alone: not empty */
			if (!strcmp(arg, ")")) {
				value = top->any || top->all;
				if (!depth)
					return value;
				top = &group[--depth];
			}
		}
		top->all = top->all && value != top->invert;
		top->invert = false;
	}
	return group[0].any || group[0].all;
}

int grub_test(struct grub *g, const struct grub_args *a)
{
	struct expr x = {.g = g, .a = a, .at = 1, .end = a->argc};

	if (x.end > 1 && !strcmp(a->argv[x.end - 1], "]"))
		x.end--;
	if (x.at == x.end)
		return GRUB_FALSE;
	return evaluate(&x) ? GRUB_TRUE : GRUB_FALSE;
}
