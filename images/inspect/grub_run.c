/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements of the GRUB interpreter. A syntax error costs the line it is in, an unknown command is
 * false, and a limit stops everything: in each case the menu that exists by then decides.
 */
#include "images/inspect/grub_run.h"

#include <string.h>

#include "base/buf.h"
#include "base/util.h"

/* A new list of arguments is in force while a function or a menu entry runs. */
void grub_call(struct grub *g, const struct stmt *body, const struct grub_args *args)
{
	struct grub_args saved = g->args;

	if (g->depth == GRUB_MAX_DEPTH) {
		trail(g->vol, "%s: functions call each other deeper than %d", g->file,
		      GRUB_MAX_DEPTH);
		g->exhausted = true;
		return;
	}
	g->depth++;
	g->args = *args;
	grub_run_list(g, body);
	if (g->flow == FLOW_RETURN)
		g->flow = FLOW_NONE;
	g->args = saved;
	g->depth--;
}

static struct grub_function *find_function(const struct grub *g, const char *name)
{
	struct grub_function *f = g->functions;

	while (f && strcmp(f->name, name))
		f = f->next;
	return f;
}

static int define(struct grub *g, const struct stmt *s)
{
	struct grub_function *f = find_function(g, s->name);

	if (!f) {
		if (g->nfunctions++ == GRUB_MAX_FUNCTIONS) {
			g->exhausted = true;
			return GRUB_FALSE;
		}
		f = arena_zalloc(g->arena, sizeof(*f));
		f->name = s->name;
		f->next = g->functions;
		g->functions = f;
	}
	f->body = s->body;
	return GRUB_TRUE;
}

/* `name=value`, the first argument alone, when nothing else has that name. */
static bool assign(struct grub *g, const char *text)
{
	const char *eq = strchr(text, '=');

	if (!eq || eq == text)
		return false;
	grub_set(g, arena_strndup(g->arena, text, (size_t)(eq - text)), eq + 1);
	return true;
}

static int run_named(struct grub *g, const struct grub_args *args)
{
	grub_command *command = grub_find_command(args->argv[0]);
	const struct grub_function *f;
	int status;

	if (command)
		return command(g, args);
	f = find_function(g, args->argv[0]);
	if (f) {
		g->status = GRUB_TRUE;
		grub_call(g, f->body, args);
		return g->status;
	}
	if (grub_is_ignored(args->argv[0], &status))
		return status;
	if (assign(g, args->argv[0]))
		return GRUB_TRUE;
	grub_note(g, args->stmt->line, "unknown command '%.40s'", args->argv[0]);
	return GRUB_FALSE;
}

static int run_command(struct grub *g, const struct stmt *s)
{
	struct grub_args args;
	bool invert;
	int status;

	if (!grub_expand(g, s->words, &args))
		return GRUB_FALSE;
	args.stmt = s;
	invert = args.argc && !strcmp(args.argv[0], "!");
	if (invert) {
		args.argc--;
		args.argv++;
	}
	if (!args.argc)
		return GRUB_TRUE;
	status = run_named(g, &args);
	return invert ? !status : status;
}

static int run_if(struct grub *g, const struct stmt *s)
{
	/* elif hangs in the else: a loop, since nothing bounds how many there are. */
	for (;; s = s->other) {
		int cond = grub_run_list(g, s->cond);

		if (g->flow != FLOW_NONE)
			return cond;
		if (cond == GRUB_TRUE)
			return grub_run_list(g, s->body);
		if (!s->other || s->other->kind != STMT_IF || s->other->next)
			return s->other ? grub_run_list(g, s->other) : GRUB_TRUE;
		if (!grub_step(g, 1))
			return GRUB_FALSE;
	}
}

/* After the body of a loop: whether the loop ends. */
static bool leave_loop(struct grub *g)
{
	if (g->exhausted)
		return true;
	if (g->flow == FLOW_NONE)
		return false;
	if (g->flow == FLOW_RETURN)
		return true;
	if (g->loops > 1) {
		g->loops--;
		return true;
	}
	if (g->flow == FLOW_BREAK) {
		g->flow = FLOW_NONE;
		return true;
	}
	g->flow = FLOW_NONE;
	return false;
}

static int run_loop(struct grub *g, const struct stmt *s)
{
	int status = GRUB_TRUE;

	while (grub_step(g, 1)) {
		bool holds = grub_run_list(g, s->cond) == GRUB_TRUE;

		if (g->flow != FLOW_NONE || holds == s->until)
			break;
		status = grub_run_list(g, s->body);
		if (leave_loop(g))
			break;
	}
	return status;
}

static int run_for(struct grub *g, const struct stmt *s)
{
	struct grub_args values;
	int status = GRUB_TRUE;

	if (!grub_expand(g, s->words, &values))
		return GRUB_FALSE;
	for (unsigned i = 0; i < values.argc && grub_step(g, 1); i++) {
		grub_set(g, s->name, values.argv[i]);
		status = grub_run_list(g, s->body);
		if (leave_loop(g))
			break;
	}
	return status;
}

int grub_run_list(struct grub *g, const struct stmt *s)
{
	int status = GRUB_TRUE;

	for (; s && g->flow == FLOW_NONE && grub_step(g, 1); s = s->next) {
		switch (s->kind) {
		case STMT_COMMAND:
			status = run_command(g, s);
			break;
		case STMT_IF:
			status = run_if(g, s);
			break;
		case STMT_LOOP:
			status = run_loop(g, s);
			break;
		case STMT_FOR:
			status = run_for(g, s);
			break;
		case STMT_FUNCTION:
			status = define(g, s);
			break;
		}
		g->status = status;
	}
	return status;
}

/* Statement by statement, as GRUB reads it: what comes before an error has taken effect. */
static void run_text(struct grub *g, const struct buf *text)
{
	struct grub_parser p;
	struct stmt *s = NULL;
	struct err err = {0};
	int rc;

	grub_parser_init(&p, g->arena, buf_str(text), text->len);
	while (!g->exhausted && (rc = grub_parse(&p, &s, &err)) != 0) {
		if (rc < 0) {
			grub_note(g, 0, "%s", err.msg);
			grub_step(g, 1);
			continue;
		}
		s->next = NULL;
		grub_run_list(g, s);
		if (g->flow == FLOW_RETURN)
			break;
		g->flow = FLOW_NONE;
	}
	g->flow = FLOW_NONE;
}

int grub_run_file(struct grub *g, int vol, const char *path, struct err *err)
{
	auto_buf struct buf text = BUF_INIT(GRUB_MAX_SOURCE - g->source);
	const char *outer = g->file;
	struct fsys *fs = volume_fs(g->vol, vol);

	if (!fs)
		return err_set(err, ERR_UNSUPPORTED, "%s", g->vol->in->part[vol].note);
	if (g->depth == GRUB_MAX_DEPTH)
		return err_set(err, ERR_CORRUPT, "'%s': sourced deeper than %d files", path,
			       GRUB_MAX_DEPTH);
	if (fsys_read_file(fs, path, &text, err) < 0)
		return -1;
	g->source += text.len;
	g->depth++;
	g->file = path;
	run_text(g, &text);
	g->file = outer;
	g->depth--;
	return 0;
}
