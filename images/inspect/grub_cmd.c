/* SPDX-License-Identifier: Apache-2.0
 *
 * GRUB's commands, as far as they decide what is booted (GRUB manual 2.12, section 18). A command
 * is a function and a row in the table; what only concerns screens, sounds and modules is in the
 * list of ignored names. Nothing is written; save_env notes what has to be (inspect_use).
 */
#include "images/inspect/grub_run.h"

#include <string.h>

#include "base/num.h"
#include "base/util.h"

/* --- variables --- */

static int cmd_set(struct grub *g, const struct grub_args *a)
{
	const char *eq = a->argc > 1 ? strchr(a->argv[1], '=') : NULL;

	if (eq)
		grub_set(g, arena_strndup(g->arena, a->argv[1], (size_t)(eq - a->argv[1])), eq + 1);
	return GRUB_TRUE;
}

static int cmd_unset(struct grub *g, const struct grub_args *a)
{
	for (unsigned i = 1; i < a->argc; i++)
		grub_unset(g, a->argv[i]);
	return GRUB_TRUE;
}

static int cmd_export(struct grub *g, const struct grub_args *a)
{
	for (unsigned i = 1; i < a->argc; i++)
		grub_export(g, a->argv[i]);
	return GRUB_TRUE;
}

/* Fedora counts boots with these: `increment boot_counter`. */
static int count(struct grub *g, const struct grub_args *a, int by)
{
	const char *old;
	char text[24];

	if (a->argc < 2)
		return GRUB_FALSE;
	old = grub_get(g, a->argv[1]);
	snprintf(text, sizeof(text), "%ld", (old ? strtol(old, NULL, 10) % 1000000 : 0) + by);
	grub_set(g, a->argv[1], text);
	return GRUB_TRUE;
}

static int cmd_increment(struct grub *g, const struct grub_args *a)
{
	return count(g, a, 1);
}

static int cmd_decrement(struct grub *g, const struct grub_args *a)
{
	return count(g, a, -1);
}

/* --- flow --- */

static int cmd_true(struct grub *g, const struct grub_args *a)
{
	(void)g, (void)a;
	return GRUB_TRUE;
}

static int cmd_false(struct grub *g, const struct grub_args *a)
{
	(void)g, (void)a;
	return GRUB_FALSE;
}

static int leave(struct grub *g, const struct grub_args *a, enum grub_flow flow)
{
	uint64_t loops = 1;

	if (a->argc > 1 && parse_uint(a->argv[1], 1, GRUB_MAX_DEPTH, &loops, NULL) < 0)
		return GRUB_FALSE;
	g->flow = flow;
	g->loops = (unsigned)loops;
	return GRUB_TRUE;
}

static int cmd_break(struct grub *g, const struct grub_args *a)
{
	return leave(g, a, FLOW_BREAK);
}

static int cmd_continue(struct grub *g, const struct grub_args *a)
{
	return leave(g, a, FLOW_CONTINUE);
}

static int cmd_return(struct grub *g, const struct grub_args *a)
{
	g->flow = FLOW_RETURN;
	return a->argc > 1 ? strcmp(a->argv[1], "0") != 0 : g->status;
}

static int cmd_shift(struct grub *g, const struct grub_args *a)
{
	uint64_t n = 1;

	if (a->argc > 1 && parse_uint(a->argv[1], 0, GRUB_MAX_ARGS, &n, NULL) < 0)
		return GRUB_FALSE;
	if (!g->args.argc || n > g->args.argc - 1)
		return GRUB_FALSE;
	g->args.argc -= (unsigned)n;
	g->args.argv += n;
	return GRUB_TRUE;
}

static int cmd_setparams(struct grub *g, const struct grub_args *a)
{
	g->args = *a;
	return GRUB_TRUE;
}

/* --- menu --- */

static int cmd_menuentry(struct grub *g, const struct grub_args *a)
{
	return grub_add_entry(g, a, false);
}

static int cmd_submenu(struct grub *g, const struct grub_args *a)
{
	return grub_add_entry(g, a, true);
}

/* An entry is booted at its end without it; a script that makes no menu says it. */
static int cmd_boot(struct grub *g, const struct grub_args *a)
{
	(void)a;
	if (!g->pick.kernel[0])
		return GRUB_FALSE;
	g->done = true;
	return GRUB_TRUE;
}

/* --- the table --- */

static const struct {
	const char *name;
	grub_command *run;
} commands[] = {
	{"[", grub_test},
	{"blscfg", grub_blscfg},
	{"boot", cmd_boot},
	{"break", cmd_break},
	{"configfile", grub_configfile},
	{"continue", cmd_continue},
	{"decrement", cmd_decrement},
	{"export", cmd_export},
	{"false", cmd_false},
	{"increment", cmd_increment},
	{"initrd", grub_initrd},
	{"initrd16", grub_initrd},
	{"initrdefi", grub_initrd},
	{"linux", grub_linux},
	{"linux16", grub_linux},
	{"linuxefi", grub_linux},
	{"load_env", grub_load_env},
	{"menuentry", cmd_menuentry},
	{"normal", grub_configfile},
	{"probe", grub_probe},
	{"return", cmd_return},
	{"save_env", grub_save_env},
	{"search", grub_search},
	{"search.file", grub_search_file},
	{"search.fs_label", grub_search_label},
	{"search.fs_uuid", grub_search_uuid},
	{"set", cmd_set},
	{"setparams", cmd_setparams},
	{"shift", cmd_shift},
	{"source", grub_source},
	{".", grub_source},
	{"submenu", cmd_submenu},
	{"test", grub_test},
	{"true", cmd_true},
	{"unset", cmd_unset},
};

/* What concerns screens, sounds, modules and other systems. */
static const char *const decide_nothing[] = {
	"authenticate",
	"background_color",
	"background_image",
	"bli",
	"chainloader",
	"clear",
	"cls",
	"cpuid",
	"devicetree",
	"echo",
	"gfxmode",
	"gfxpayload",
	"halt",
	"insmod",
	"keymap",
	"loadfont",
	"load_video",
	"module2",
	"multiboot2",
	"nativedisk",
	"password",
	"password_pbkdf2",
	"play",
	"reboot",
	"recordfail",
	"rmmod",
	"savedefault",
	"serial",
	"sleep",
	"terminal_input",
	"terminal_output",
	"videoinfo",
};

/* Questions that a VM without firmware, keyboard and odd hardware answers with no. */
static const char *const are_false[] = {"cmostest", "fwsetup", "hwmatch", "keystatus", "smbios"};

grub_command *grub_find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, name))
			return commands[i].run;
	return NULL;
}

static bool is_in(const char *name, const char *const list[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

bool grub_is_ignored(const char *name, int *status)
{
	*status = is_in(name, are_false, ARRAY_LEN(are_false)) ? GRUB_FALSE : GRUB_TRUE;
	return *status == GRUB_FALSE || is_in(name, decide_nothing, ARRAY_LEN(decide_nothing));
}
