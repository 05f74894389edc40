/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: words to a struct cli, by the tables in cli.h. Options may stand before or after
 * the command, between its words and between its arguments; `--` ends them.
 */
#include "cli/cli.h"

#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/util.h"

const struct option_def global_options[] = {
	{"file", 'f', "FILE", false, "the spec (default: croft.yaml or croft.yml, upward from here)"},
	{"chdir", 'C', "DIR", false, "work as if started in DIR"},
	{"output", 'o', "FORMAT", false, "table or json"},
	{"quiet", 'q', NULL, false, "no progress and no hints"},
	{"no-color", 0, NULL, false, "no colours (also: NO_COLOR in the environment)"},
	{"help", 'h', NULL, false, "show help"},
	{"version", 0, NULL, false, "show the version"},
	{0},
};

enum { GLOBAL_FILE, GLOBAL_CHDIR, GLOBAL_OUTPUT, GLOBAL_QUIET, GLOBAL_NO_COLOR, GLOBAL_HELP, GLOBAL_VERSION };

const char *cli_option(const struct cli *cli, const char *name)
{
	for (unsigned i = 0; cli->command->options && cli->command->options[i].name; i++)
		if (!strcmp(cli->command->options[i].name, name))
			return cli->values[i];
	assert(!"a command asks for an option that is not in its table");
	return NULL;
}

/* A command's own word: its verb when it belongs to the noun, NULL when it does not. */
static const char *word_of(const struct command *c, const char *noun)
{
	size_t n = noun ? strlen(noun) : 0;

	if (!noun)
		return strchr(c->name, ' ') ? NULL : c->name;
	return !strncmp(c->name, noun, n) && c->name[n] == ' ' ? c->name + n + 1 : NULL;
}

bool cli_is_noun(const char *word)
{
	for (unsigned i = 0; commands[i]; i++)
		if (word_of(commands[i], word))
			return true;
	return false;
}

const struct command *cli_command(const char *noun, const char *word, struct err *err)
{
	const char *names[64], *near, *before = noun ? noun : "", *blank = noun ? " " : "";
	char words[128];
	size_t n = 0;

	for (unsigned i = 0; commands[i] && n < ARRAY_LEN(names); i++) {
		const struct command *c = commands[i];
		const char *name = word_of(c, noun);

		if (!name)
			continue;
		if (!strcmp(name, word) || (c->alias && !strcmp(c->alias, word)))
			return c;
		names[n++] = name;
		if (c->alias && n < ARRAY_LEN(names))
			names[n++] = c->alias;
	}
	snprintf(words, sizeof(words), "%s%s%s", before, blank, word);
	if (cli_planned(words, err))
		return NULL;
	near = text_nearest(word, names, n);
	if (near)
		err_set(err, ERR_USAGE, "no command '%s'; did you mean 'croft %s%s%s'?", words, before,
			blank, near);
	else
		err_set(err, ERR_USAGE, "no command '%s'; see 'croft %s%s--help'", words, before, blank);
	return NULL;
}

static const struct option_def *find_long(const struct option_def *table, const char *name, size_t n)
{
	for (; table && table->name; table++)
		if (strlen(table->name) == n && !strncmp(table->name, name, n))
			return table;
	return NULL;
}

static const struct option_def *find_letter(const struct option_def *table, char letter)
{
	for (; table && table->name; table++)
		if (table->letter == letter)
			return table;
	return NULL;
}

struct parser {
	int argc, at;
	char **argv;
	struct cli *cli;
	const char *noun; /* of a command whose verb is still to come */
	const char *globals[ARRAY_LEN(global_options)];
};

static void store(struct parser *p, const struct option_def *option, const char *value)
{
	const struct option_def *own = p->cli->command ? p->cli->command->options : NULL;

	if (option >= global_options && option < global_options + ARRAY_LEN(global_options))
		p->globals[option - global_options] = value;
	else
		p->cli->values[option - own] = value;
}

static int unknown_option(const struct parser *p, const char *word, struct err *err)
{
	const struct option_def *tables[] = {p->cli->command ? p->cli->command->options : NULL,
					     global_options};
	const char *name = p->cli->command ? p->cli->command->name : p->noun ? p->noun : "";
	const char *names[64], *near;
	char plain[64], words[128];
	size_t n = 0;

	for (unsigned t = 0; t < ARRAY_LEN(tables); t++)
		for (unsigned i = 0; tables[t] && tables[t][i].name && n < ARRAY_LEN(names); i++)
			names[n++] = tables[t][i].name;
	snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(word, "="), word);
	snprintf(words, sizeof(words), "%s %s", name, plain);
	if (cli_planned(words, err) || cli_planned(plain, err))
		return -1;
	near = text_nearest(plain + strspn(plain, "-"), names, n);
	err_set(err, ERR_USAGE, "unknown option '%s'", plain);
	if (near)
		return err_hint(err, "did you mean --%s?", near);
	return err_hint(err, "see 'croft %s%s--help'", name, *name ? " " : "");
}

/* --name, --name=value, --name value, -x, -x value, -xvalue; flags may be bundled: -qy. */
static int parse_option(struct parser *p, struct err *err)
{
	const struct option_def *own = p->cli->command ? p->cli->command->options : NULL;
	const struct option_def *option;
	const char *word = p->argv[p->at], *value = NULL;

	if (word[1] == '-') {
		size_t n = strcspn(word + 2, "=");

		option = find_long(own, word + 2, n);
		if (!option)
			option = find_long(global_options, word + 2, n);
		if (!option)
			return unknown_option(p, word, err);
		if (word[2 + n])
			value = word + 3 + n;
		if (value && !option->value)
			return err_set(err, ERR_USAGE, "--%s takes no value", option->name);
	} else {
		for (word++;; word++) {
			option = find_letter(own, *word);
			if (!option)
				option = find_letter(global_options, *word);
			if (!option)
				return unknown_option(p, p->argv[p->at], err);
			if (option->value || !word[1])
				break;
			store(p, option, "");
		}
		if (word[1])
			value = word + 1;
	}
	if (option->value && !option->optional && !value) {
		if (++p->at >= p->argc)
			return err_set(err, ERR_USAGE, "--%s needs a value: %s", option->name,
				       option->value);
		value = p->argv[p->at];
	}
	store(p, option, value ? value : "");
	return 0;
}

/* no-color.org and bixense.com/clicolors: a variable that is empty says nothing. */
static bool wants_colour(bool tty)
{
	const char *no = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE");

	if (no && *no)
		return false;
	return tty || (force && *force && strcmp(force, "0") != 0);
}

static int apply_globals(struct parser *p, struct err *err)
{
	struct cli *cli = p->cli;
	const char *format = p->globals[GLOBAL_OUTPUT], *dir = p->globals[GLOBAL_CHDIR];
	char words[64];

	cli->spec_path = p->globals[GLOBAL_FILE];
	cli->quiet = p->globals[GLOBAL_QUIET];
	cli->tty = isatty(STDERR_FILENO);
	cli->colour = !p->globals[GLOBAL_NO_COLOR] && wants_colour(cli->tty);
	if (dir && chdir(dir) < 0)
		return err_sys(err, ERR_USAGE, "-C %s", dir);
	if (!format)
		return 0;
	if (!strcmp(format, "json"))
		cli->output = OUT_JSON;
	else if (strcmp(format, "table") != 0) {
		snprintf(words, sizeof(words), "-o %s", format);
		if (cli_planned(words, err))
			return -1;
		return err_set(err, ERR_USAGE, "-o %s: not an output format (table, json)", format);
	}
	if (cli->output == OUT_JSON && !cli->command->json)
		return err_set(err, ERR_USAGE, "'croft %s' has no JSON output", cli->command->name);
	return 0;
}

static int check_arguments(const struct cli *cli, struct err *err)
{
	const struct command *c = cli->command;

	if (cli->nargs < c->min_args)
		return err_set(err, ERR_USAGE, "'croft %s' needs %s; see 'croft %s --help'", c->name,
			       c->args ? c->args : "an argument", c->name);
	if (c->max_args >= 0 && cli->nargs > c->max_args)
		return err_set(err, ERR_USAGE, "'croft %s' does not take '%s'; see 'croft %s --help'",
			       c->name, cli->args[c->max_args], c->name);
	if (cli->rest && !c->passthrough)
		return err_set(err, ERR_USAGE, "'croft %s' takes nothing after '--'", c->name);
	return 0;
}

int cli_parse(int argc, char **argv, struct cli *out, struct err *err)
{
	struct parser p = {.argc = argc, .argv = argv, .at = 1, .cli = out};

	*out = (struct cli){0};
	for (; p.at < argc; p.at++) {
		const char *word = argv[p.at];

		if (!strcmp(word, "--")) {
			out->rest = (const char *const *)argv + p.at + 1;
			break;
		}
		if (word[0] == '-' && word[1]) {
			if (parse_option(&p, err) < 0)
				return -1;
			continue;
		}
		if (out->command) {
			if (out->nargs == ARGS_MAX)
				return err_set(err, ERR_USAGE, "more than %d arguments", ARGS_MAX);
			out->args[out->nargs++] = word;
			continue;
		}
		if (!p.noun && cli_is_noun(word)) {
			p.noun = word;
			continue;
		}
		out->command = cli_command(p.noun, word, err);
		if (!out->command)
			return -1;
	}
	if (p.globals[GLOBAL_VERSION]) {
		printf("croft %s\n", CROFT_VERSION);
		return 1;
	}
	if (p.globals[GLOBAL_HELP]) {
		if (out->command)
			help_command(out->command, stdout);
		else if (p.noun)
			help_noun(p.noun, stdout);
		else
			help_all(stdout);
		return 1;
	}
	if (!out->command && p.noun)
		return err_set(err, ERR_USAGE, "'croft %s' needs a verb; see 'croft %s --help'", p.noun,
			       p.noun);
	if (!out->command) {
		help_all(stderr);
		return err_set(err, ERR_USAGE, "no command was given");
	}
	if (apply_globals(&p, err) < 0)
		return -1;
	return check_arguments(out, err);
}
