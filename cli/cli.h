/* SPDX-License-Identifier: Apache-2.0
 *
 * The frame of the command line: a command is one file cli/cmd_x.c with one `const struct command`
 * table, and one line in commands[] (commands.c). Options are data too: parsing, `--help` and the
 * manual's COMMANDS section come from the table.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

enum output { OUT_TABLE, OUT_JSON };

enum { OPTIONS_MAX = 16, ARGS_MAX = 64 };

struct option_def {
	const char *name;  /* "timeout", given as --timeout */
	char letter;	   /* 'f', or 0 */
	const char *value; /* what --help calls its value ("FILE"), or NULL for a flag */
	bool optional;	   /* --wait and --wait=ssh are both fine (the value needs the '=') */
	const char *help;
};

struct cli;

struct command {
	const char *name;    /* "up", or "image inspect" for noun and verb */
	const char *alias;   /* or NULL */
	const char *args;    /* "[VM]", "FILE", "[VM] [-- CMD...]", or NULL */
	const char *summary; /* one line */
	const char *details; /* paragraphs for --help, or NULL */
	const struct option_def *options; /* ends with a zeroed entry; NULL: none of its own */
	int min_args, max_args; /* before `--`; -1: up to ARGS_MAX */
	bool passthrough;	/* takes `-- CMD...` */
	bool json;		/* honours -o json; without it the option is refused */
	/* Returns the exit code; on -1 the error is printed and its kind becomes the exit code. */
	int (*run)(struct cli *, struct err *);
};

/* What a command gets to see: the parsed line and the global options. */
struct cli {
	const struct command *command;
	const char *spec_path; /* -f FILE, or NULL: search */
	enum output output;    /* -o table|json */
	bool quiet;	       /* -q: no progress, no hints */
	bool colour, tty;      /* of stderr: colours may be used; progress may be redrawn */
	const char *values[OPTIONS_MAX]; /* by index in command->options[]; flags hold "" when given */
	const char *args[ARGS_MAX];	 /* positional */
	int nargs;
	const char *const *rest; /* after `--`, NULL-terminated, or NULL */
};

/* The value of an option: NULL when not given, "" for a flag or an optional value left out. */
const char *cli_option(const struct cli *, const char *name);

/*
 * Reads the command line into *out. Returns 0; 1 when help or the version was asked for and printed;
 * -1 with ERR_USAGE. argv must outlive *out.
 */
int cli_parse(int argc, char **argv, struct cli *out, struct err *err);

/*
 * The command of a word, or of a noun and its verb; `noun` NULL: a word alone. NULL with ERR_USAGE:
 * there is none, and perhaps one that was meant.
 */
const struct command *cli_command(const char *noun, const char *word, struct err *err);
bool cli_is_noun(const char *word); /* "image" */

/* Known and not supported yet ("snapshot", "up --dry-run")? Then err says so. */
bool cli_planned(const char *words, struct err *err);

void help_all(FILE *);				     /* `croft --help` */
void help_noun(const char *noun, FILE *);	     /* `croft image --help` */
void help_command(const struct command *, FILE *); /* `croft up --help` */
/* The options that every command takes, for parsing and help; ends with a zeroed entry. */
extern const struct option_def global_options[];

extern const struct command *const commands[]; /* NULL-terminated */

#endif
