/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints the COMMANDS and OPTIONS parts of croft(1) from the command tables: run by the build, which
 * puts it into docs/man/croft.1.in.
 */
#include <string.h>

#include "base/mem.h"
#include "base/util.h"
#include "cli/cli.h"

/*
 * mdoc takes a line that begins with '.' or '\'' as a request, and '\' as an escape; a new sentence
 * begins a new line.
 */
static void text(const char *s)
{
	bool start = true;

	for (; *s; s++) {
		if (*s == '\n' && s[1] == '\n') {
			fputs("\n.Pp", stdout);
			s++;
			start = true;
			putchar('\n');
			continue;
		}
		if (*s == '.' && s[1] == ' ' && !start) {
			fputs(".\n", stdout);
			s++;
			start = true;
			continue;
		}
		if (start && (*s == '.' || *s == '\''))
			fputs("\\&", stdout);
		if (*s == '\\')
			fputs("\\e", stdout);
		else
			putchar(*s);
		start = *s == '\n';
	}
	if (!start)
		putchar('\n');
}

static void sentence(const char *s)
{
	auto_free char *ended = xasprintf("%s.", s);

	text(ended);
}

static void options(const struct option_def *o)
{
	puts(".Bl -tag -width Ds");
	for (; o && o->name; o++) {
		printf(".It ");
		if (o->letter)
			printf("Fl %c , ", o->letter);
		printf("Fl Fl %s", o->name);
		if (o->value)
			printf(o->optional ? " Ns Op = Ns Ar %s" : " Ar %s", o->value);
		putchar('\n');
		text(o->help);
	}
	puts(".El");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "options")) {
		options(global_options);
		return 0;
	}
	for (unsigned i = 0; commands[i]; i++) {
		const struct command *c = commands[i];

		printf(".Ss croft %s%s%s\n", c->name, c->args ? " " : "", c->args ? c->args : "");
		sentence(c->summary);
		if (c->alias)
			printf("Also called\n.Cm %s .\n", c->alias);
		if (c->details) {
			puts(".Pp");
			text(c->details);
		}
		if (c->options)
			options(c->options);
	}
	return ferror(stdout) ? 1 : 0;
}
