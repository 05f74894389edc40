/* SPDX-License-Identifier: Apache-2.0
 *
 * Help, printed from the tables: `croft --help`, `croft up --help`, `croft help up`, and for the
 * verbs of a noun `croft image --help`.
 */
#include <string.h>

#include "base/util.h"
#include "cli/commands.h"

/* Does the command's own table take the name or the letter of a global option? */
static bool shadowed(const struct option_def *o, const struct option_def *by, bool letter)
{
	for (; by && by->name; by++)
		if (letter ? o->letter && by->letter == o->letter : !strcmp(by->name, o->name))
			return true;
	return false;
}

/* `by` (or NULL) are options that come before these. */
static void print_options(const struct option_def *o, const struct option_def *by, FILE *out)
{
	for (; o && o->name; o++) {
		char left[64], letter[8] = "    ";

		if (shadowed(o, by, false))
			continue;
		if (o->letter && !shadowed(o, by, true))
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		if (!o->value)
			snprintf(left, sizeof(left), "%s--%s", letter, o->name);
		else
			snprintf(left, sizeof(left), o->optional ? "%s--%s[=%s]" : "%s--%s %s", letter,
				 o->name, o->value);
		fprintf(out, "  %-28s %s\n", left, o->help);
	}
}

void help_all(FILE *out)
{
	fputs("croft: from a YAML file to a running virtual machine\n\n"
	      "usage: croft [OPTIONS] COMMAND [ARGUMENTS]\n\ncommands:\n",
	      out);
	for (unsigned i = 0; commands[i]; i++)
		fprintf(out, "  %-16s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\noptions:\n", out);
	print_options(global_options, NULL, out);
	fputs("\nStart: write a croft.yaml (see templates/debian.yaml), then 'croft up --wait' and 'croft ssh'.\n"
	      "'croft COMMAND --help' explains a command, 'croft explain KEY' a key of the spec,\n"
	      "'croft doctor' what this host can do. Manual: croft(1), croft-spec(5).\n",
	      out);
}

void help_noun(const char *noun, FILE *out)
{
	size_t n = strlen(noun);

	fprintf(out, "usage: croft %s VERB [OPTIONS] [ARGUMENTS]\n\nverbs:\n", noun);
	for (unsigned i = 0; commands[i]; i++)
		if (!strncmp(commands[i]->name, noun, n) && commands[i]->name[n] == ' ')
			fprintf(out, "  %-16s %s\n", commands[i]->name + n + 1, commands[i]->summary);
	fprintf(out, "\n'croft %s VERB --help' explains one.\n", noun);
}

void help_command(const struct command *c, FILE *out)
{
	fprintf(out, "%s\n\nusage: croft %s%s%s%s\n", c->summary, c->name,
		c->options ? " [OPTIONS]" : "", c->args ? " " : "", c->args ? c->args : "");
	if (c->alias)
		fprintf(out, "alias: croft %s\n", c->alias);
	if (c->details)
		fprintf(out, "\n%s", c->details);
	if (c->options) {
		fputs("\noptions:\n", out);
		print_options(c->options, NULL, out);
	}
	fputs("\nglobal options:\n", out);
	print_options(global_options, c->options, out);
}

static int run_help(struct cli *cli, struct err *err)
{
	const char *noun = cli->nargs && cli_is_noun(cli->args[0]) ? cli->args[0] : NULL;
	int words = noun ? 2 : 1;
	const struct command *command;

	if (cli->nargs == 0) {
		help_all(stdout);
		return 0;
	}
	if (cli->nargs > words)
		return err_set(err, ERR_USAGE, "'croft help %s' does not take '%s'", cli->args[0],
			       cli->args[words]);
	if (cli->nargs < words) {
		help_noun(noun, stdout);
		return 0;
	}
	command = cli_command(noun, cli->args[words - 1], err);
	if (!command)
		return -1;
	help_command(command, stdout);
	return 0;
}

const struct command cmd_help = {
	.name = "help",
	.args = "[COMMAND]",
	.summary = "show help",
	.max_args = 2,
	.run = run_help,
};

static int run_version(struct cli *cli, struct err *err)
{
	(void)err;
	if (cli->output == OUT_JSON)
		printf("{\"version\": \"%s\"}\n", CROFT_VERSION);
	else
		printf("croft %s\n", CROFT_VERSION);
	return 0;
}

const struct command cmd_version = {
	.name = "version",
	.summary = "show the version",
	.json = true,
	.run = run_version,
};
