/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of the GRUB interpreter, shared by its files: grub_env.c (variables and words),
 * grub_run.c (statements), grub_cmd.c and grub_test.c (commands), grub_menu.c (menu and choice).
 */
#ifndef IMAGES_INSPECT_GRUB_RUN_H
#define IMAGES_INSPECT_GRUB_RUN_H

#include "images/inspect/bls.h"
#include "images/inspect/grub_script.h"
#include "images/inspect/volumes.h"

enum {
	GRUB_MAX_STEPS =
		10000, /* commands, and what searches cost; distributions' files take 250 */
	GRUB_MAX_TEXT = 1 << 20,   /* bytes that expansions may produce in all; they take 10 KB */
	GRUB_MAX_SOURCE = 1 << 19, /* bytes of script, all sourced files together */
	GRUB_MAX_DEPTH = 16,	   /* functions, sourced files and submenus inside each other */
	GRUB_MAX_ARGS = 1024,
	GRUB_MAX_VARS = 1024,
	GRUB_MAX_ENTRIES = 1024, /* of all menus together */
	GRUB_MAX_FUNCTIONS = 1024,
	GRUB_MAX_NOTES = 32,
};

/* GRUB reports errors as numbers; only zero or not is visible to scripts. */
enum grub_status { GRUB_TRUE = 0, GRUB_FALSE = 1 };

struct grub_var {
	const char *name, *value;
	bool exported;
	struct grub_var *next;
};

/* Submenus and `configfile` open a new scope that starts with copies of the exported variables. */
struct grub_scope {
	struct grub_var *vars;
	unsigned nvars;
	struct grub_scope *outer;
};

struct grub_function {
	const char *name;
	struct stmt *body;
	struct grub_function *next;
};

/* argv[0] is the name ("$1" is argv[1]). Strings live in the arena. */
struct grub_args {
	unsigned argc;
	const char **argv;
	const struct stmt *stmt; /* the command they belong to: its line and block */
};

struct grub_entry {
	const char *title, *id;
	struct grub_args args; /* $1 is the title */
	struct stmt *block;
	const struct bls_entry *bls; /* instead of a block */
	bool is_submenu;
	struct grub_entry *next;
};

struct grub_menu {
	struct grub_entry *first, **tail;
	unsigned n;
};

/* A pending break, continue or return. `loops` counts the loops still to be left. */
enum grub_flow { FLOW_NONE, FLOW_BREAK, FLOW_CONTINUE, FLOW_RETURN };

struct grub {
	struct volumes *vol;
	struct arena *arena;
	struct grub_scope *scope;
	struct grub_function *functions;
	unsigned nfunctions, nentries;
	struct grub_menu *menu;
	struct grub_args args; /* of the function or menu entry that runs */
	int status;	       /* "$?" */
	enum grub_flow flow;
	unsigned loops;
	unsigned depth, steps;
	size_t text, source;
	bool exhausted;		/* a limit was reached: nothing runs any more */
	bool done;		/* pick is final: nothing runs any more */
	unsigned notes;		/* lines that grub_note put into the trail */
	const char *file;	/* being run, for the trail */
	struct boot_entry pick; /* what linux and initrd of the running entry said */
	int pick_vol;
	struct boot_env used; /* see struct boot_entry */
};

/* --- grub_env.c --- */

const char *grub_get(const struct grub *, const char *name); /* NULL when unset */
void grub_set(struct grub *, const char *name, const char *value);
void grub_unset(struct grub *, const char *name);
void grub_export(struct grub *, const char *name);
void grub_open_scope(struct grub *);
void grub_close_scope(struct grub *);
/* Replaces variables and splits: words become arguments. False when a limit was reached. */
bool grub_expand(struct grub *, const struct word *, struct grub_args *out);
/* $name and ${name} in a text without any quoting. The arena's. */
const char *grub_expand_text(struct grub *, const char *text);
/* A line for the trail about the file being run; line 0: none. Only the first few are kept. */
void grub_note(struct grub *, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Pays for work; false when the budget is used up (and sets exhausted). */
bool grub_step(struct grub *, unsigned cost);

/* --- grub_run.c --- */

int grub_run_list(struct grub *, const struct stmt *);
int grub_run_file(struct grub *, int vol, const char *path, struct err *err);
void grub_call(struct grub *, const struct stmt *body, const struct grub_args *);

/* --- grub_cmd.c --- */

typedef int grub_command(struct grub *, const struct grub_args *);

/* NULL when GRUB has no such command, or none that matters here. */
grub_command *grub_find_command(const char *name);
/* Commands of GRUB that do nothing here: insmod and such succeed, keystatus and such fail. */
bool grub_is_ignored(const char *name, int *status);

/* --- grub_options.c --- */

enum grub_value { GRUB_NO_VALUE, GRUB_MAY_HAVE_VALUE, GRUB_HAS_VALUE };

struct grub_option {
	const char *name;
	char brief; /* 0: only the long name */
	enum grub_value value;
	bool set;
	const char *arg; /* NULL: none was given */
};

#define GRUB_FLAG(long_name, letter)                                                               \
	{                                                                                          \
		.name = (long_name), .brief = (letter)                                             \
	}
#define GRUB_VALUE(long_name, letter)                                                              \
	{                                                                                          \
		.name = (long_name), .brief = (letter), .value = GRUB_HAS_VALUE                    \
	}

/* Sets the options that are there; rest gets the other words, argv[0] first. */
void grub_parse_options(struct grub *, const struct grub_args *, struct grub_option[], size_t n,
			struct grub_args *rest);

/* --- grub_device.c --- */

grub_command grub_search, grub_search_uuid, grub_search_label, grub_search_file, grub_probe;

/* "(hd0,gpt1)/boot/x", "/boot/x" (on $root) or "(hd0,gpt1)": the volume and the path on it. */
bool grub_resolve(const struct grub *, const char *text, int *vol, const char **path);
int grub_device(const struct grub *, const char *name); /* index, or VOLUME_NONE */
const char *grub_device_name(struct grub *, int vol);	/* "hd0,gpt1" */

/* --- grub_files.c --- */

grub_command grub_source, grub_configfile, grub_load_env, grub_save_env, grub_blscfg, grub_linux,
	grub_initrd;

/* Sets the variables of an environment block: all, or those named in only->argv[1...]. */
int grub_read_env(struct grub *, int vol, const char *path, const struct grub_args *only);
/* Notes that the next_entry of an environment block is to be cleared. */
void grub_use_env(struct grub *, int vol, const char *path);
/* Takes a kernel or an initrd into pick, if the file is there. */
int grub_take_kernel(struct grub *, int vol, const char *path, const char *cmdline);
int grub_take_initrd(struct grub *, int vol, const char *path);

/* --- grub_test.c --- */

grub_command grub_test; /* [ and test */

/* --- grub_menu.c --- */

int grub_add_entry(struct grub *, const struct grub_args *, bool submenu);
int grub_add_bls(struct grub *, int vol, const char *dir, struct bls_list *);
/* Runs what the menu selects, into pick; false when none of its entries can be booted. */
bool grub_boot_menu(struct grub *);

#endif
