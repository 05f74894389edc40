/* SPDX-License-Identifier: Apache-2.0
 *
 * Variables of the GRUB interpreter and how words become arguments: an unquoted variable is split
 * at blanks and vanishes when empty, a quoted one stays one piece. Unquoted '*' and '?' in the last
 * component of a path stand for the names that are there; GRUB has them in all components. All text
 * is charged to a budget, since a script can double a variable in a loop.
 */
#include "images/inspect/grub_run.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"

void grub_note(struct grub *g, unsigned line, const char *fmt, ...)
{
	char where[24] = "", text[256];
	va_list ap;

	if (g->notes++ >= GRUB_MAX_NOTES)
		return;
	if (line)
		snprintf(where, sizeof(where), ":%u", line);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	trail(g->vol, "%s%s: %s", g->file, where, text);
}

static void exhaust(struct grub *g, const char *what)
{
	if (!g->exhausted)
		trail(g->vol, "%s: stopped: %s", g->file, what);
	g->exhausted = true;
}

bool grub_step(struct grub *g, unsigned cost)
{
	g->steps += cost;
	if (g->steps > GRUB_MAX_STEPS)
		exhaust(g, "it runs too long");
	return !g->exhausted && !g->done;
}

static bool pay_text(struct grub *g, size_t n)
{
	g->text += n + 16;
	if (g->text > GRUB_MAX_TEXT)
		exhaust(g, "its variables grow too large");
	return !g->exhausted;
}

/* --- variables --- */

static struct grub_var *find_var(const struct grub *g, const char *name)
{
	struct grub_var *v = g->scope->vars;

	while (v && strcmp(v->name, name))
		v = v->next;
	return v;
}

const char *grub_get(const struct grub *g, const char *name)
{
	const struct grub_var *v = find_var(g, name);

	return v ? v->value : NULL;
}

static struct grub_var *new_var(struct grub *g, const char *name)
{
	struct grub_var *v;

	if (g->scope->nvars == GRUB_MAX_VARS) {
		exhaust(g, "it has too many variables");
		return NULL;
	}
	v = arena_zalloc(g->arena, sizeof(*v));
	v->name = name;
	v->next = g->scope->vars;
	g->scope->vars = v;
	g->scope->nvars++;
	return v;
}

void grub_set(struct grub *g, const char *name, const char *value)
{
	struct grub_var *v = find_var(g, name);
	size_t n = strlen(value);

	if (!pay_text(g, n + strlen(name)))
		return;
	/* GRUB takes them off when this one is written: "(hd0,gpt1)" and "hd0,gpt1" are the
	 * same. */
	if (!strcmp(name, "root") && n > 1 && value[0] == '(' && value[n - 1] == ')')
		value = arena_strndup(g->arena, value + 1, n - 2);
	if (!v)
		v = new_var(g, arena_strdup(g->arena, name));
	if (v)
		v->value = arena_strdup(g->arena, value);
}

void grub_unset(struct grub *g, const char *name)
{
	struct grub_var **p = &g->scope->vars;

	while (*p && strcmp((*p)->name, name))
		p = &(*p)->next;
	if (*p) {
		*p = (*p)->next;
		g->scope->nvars--;
	}
}

void grub_export(struct grub *g, const char *name)
{
	struct grub_var *v = find_var(g, name);

	if (!v) {
		grub_set(g, name, "");
		v = find_var(g, name);
	}
	if (v)
		v->exported = true;
}

void grub_open_scope(struct grub *g)
{
	struct grub_scope *s = arena_zalloc(g->arena, sizeof(*s));

	s->outer = g->scope;
	for (const struct grub_var *v = g->scope ? g->scope->vars : NULL; v; v = v->next) {
		struct grub_var *copy;

		if (!v->exported || !pay_text(g, 0))
			continue;
		copy = arena_zalloc(g->arena, sizeof(*copy));
		*copy = *v;
		copy->next = s->vars;
		s->vars = copy;
		s->nvars++;
	}
	g->scope = s;
}

void grub_close_scope(struct grub *g)
{
	g->scope = g->scope->outer;
}

/* --- words --- */

/* $?, $#, $*, $@, $1 ... or a variable; never NULL. `scratch` holds what has to be made. */
static const char *value_of(const struct grub *g, const char *name, struct buf *scratch)
{
	const char *value;

	buf_reset(scratch);
	if (isdigit((unsigned char)name[0])) {
		unsigned long n = strlen(name) > 4 ? GRUB_MAX_ARGS : strtoul(name, NULL, 10);

		return n < g->args.argc ? g->args.argv[n] : "";
	}
	if (!strcmp(name, "?"))
		buf_printf(scratch, "%d", g->status);
	else if (!strcmp(name, "#"))
		buf_printf(scratch, "%u", g->args.argc ? g->args.argc - 1 : 0);
	else if (!strcmp(name, "*") || !strcmp(name, "@"))
		for (unsigned i = 1; i < g->args.argc; i++)
			buf_printf(scratch, "%s%s", i > 1 ? " " : "", g->args.argv[i]);
	else if ((value = grub_get(g, name)))
		return value;
	return buf_str(scratch);
}

/* The arguments so far and the one under construction. */
struct splitter {
	struct grub *g;
	const char **argv;
	size_t cap;
	unsigned argc;
	struct buf word;
	struct buf pattern; /* the word for fnmatch */
	bool open;	    /* a word has begun, be it empty */
	bool wild;	    /* it has an unquoted '*' or '?' */
};

static void put(struct splitter *s, char c, bool quoted)
{
	bool wild = (c == '*' || c == '?') && !quoted;

	if (!wild && strchr("*?[\\", c))
		buf_putc(&s->pattern, '\\');
	buf_putc(&s->pattern, c);
	buf_putc(&s->word, c);
	s->wild |= wild;
	s->open = true;
}

static void add_word(struct splitter *s, const char *word)
{
	if (s->argc == GRUB_MAX_ARGS) {
		exhaust(s->g, "a command has too many arguments");
		return;
	}
	s->argv = xgrow(s->argv, &s->cap, s->argc + 1, sizeof(*s->argv));
	s->argv[s->argc++] = arena_strdup(s->g->arena, word);
}

struct matching {
	struct splitter *s;
	const char *dir, *pattern; /* dir ends with '/' */
	bool found;
};

static bool add_match(void *ctx, const char *name)
{
	struct matching *m = ctx;
	struct grub *g = m->s->g;
	const char *path;

	if (!grub_step(g, 1))
		return true;
	if (fnmatch(m->pattern, name, 0) != 0)
		return false;
	path = arena_printf(g->arena, "%s%s", m->dir, name);
	if (!pay_text(g, strlen(path)))
		return true;
	add_word(m->s, path);
	m->found = true;
	return false;
}

/* The files that the word stands for, in the directory's order; false when there is none. */
static bool add_matches(struct splitter *s)
{
	const char *word = buf_str(&s->word), *slash = strrchr(word, '/'), *path;
	struct matching m = {.s = s, .pattern = strrchr(buf_str(&s->pattern), '/')};
	struct fsys *fs;
	int vol;

	if (!slash || !grub_step(s->g, 10))
		return false;
	m.dir = arena_strndup(s->g->arena, word, (size_t)(slash - word) + 1);
	m.pattern++;
	if (!grub_resolve(s->g, m.dir, &vol, &path))
		return false;
	fs = volume_fs(s->g->vol, vol);
	if (fs)
		fsys_list(fs, path, add_match, &m, NULL);
	return m.found;
}

static void end_word(struct splitter *s)
{
	if (s->open && !(s->wild && add_matches(s)))
		add_word(s, buf_str(&s->word));
	buf_reset(&s->word);
	buf_reset(&s->pattern);
	s->open = s->wild = false;
}

static void add_piece(struct splitter *s, const struct piece *p, struct buf *scratch)
{
	const char *text = p->is_var ? value_of(s->g, p->text, scratch) : p->text;

	if (!pay_text(s->g, strlen(text)))
		return;
	if (!p->is_var || p->quoted)
		s->open = true;
	for (; *text; text++) {
		if (p->is_var && !p->quoted && isspace((unsigned char)*text))
			end_word(s);
		else
			put(s, *text, p->quoted);
	}
}

bool grub_expand(struct grub *g, const struct word *words, struct grub_args *out)
{
	struct splitter s = {
		.g = g, .word = BUF_INIT(GRUB_MAX_TEXT), .pattern = BUF_INIT(2 * GRUB_MAX_TEXT)};
	auto_buf struct buf scratch = BUF_INIT(GRUB_MAX_TEXT);
	size_t size;

	for (const struct word *w = words; w && !g->exhausted; w = w->next) {
		for (const struct piece *p = w->first; p && !g->exhausted; p = p->next)
			add_piece(&s, p, &scratch);
		end_word(&s);
	}
	buf_done(&s.word);
	buf_done(&s.pattern);
	size = s.argc * sizeof(*s.argv);
	out->argc = s.argc;
	out->argv = arena_zalloc(g->arena, size + sizeof(*s.argv));
	if (size)
		memcpy(out->argv, s.argv, size);
	free(s.argv);
	return !g->exhausted;
}

const char *grub_expand_text(struct grub *g, const char *text)
{
	auto_buf struct buf out = BUF_INIT(GRUB_MAX_TEXT);
	auto_buf struct buf scratch = BUF_INIT(GRUB_MAX_TEXT);

	while (*text) {
		size_t plain = strcspn(text, "$"), brace, n;
		const char *name;

		buf_put(&out, text, plain);
		text += plain;
		if (!*text)
			break;
		brace = text[1] == '{';
		name = text + 1 + brace;
		for (n = 0; isalnum((unsigned char)name[n]) || name[n] == '_'; n++)
			;
		if (!n || (brace && name[n] != '}')) {
			buf_putc(&out, *text++);
			continue;
		}
		name = arena_strndup(g->arena, name, n);
		buf_puts(&out, value_of(g, name, &scratch));
		text += 1 + brace + n + brace;
		if (!pay_text(g, out.len))
			break;
	}
	return arena_strdup(g->arena, buf_str(&out));
}
