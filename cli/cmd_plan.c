/* SPDX-License-Identifier: Apache-2.0
 *
 * croft plan: what `croft up` would do, step by step, without doing it.
 */
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/show.h"
#include "cli/spec.h"
#include "provision/provision.h"

static const struct option_def options[] = {
	{"detailed-exitcode", 0, NULL, false, "exit with 2 when there is something to do"},
	{"insecure", 0, NULL, false, "as for up: accept an http(s) image without a digest"},
	{"offline", 0, NULL, false, "as for up: the image must be in the cache"},
	{0},
};

enum { CHANGES_PENDING = 2 };

static json_t *plan_json(const struct vm_name *name, const struct vm_plan *plan)
{
	json_t *steps = json_array();

	for (unsigned i = 0; i < plan->n; i++)
		json_array_append_new(steps,
				      json_pack("{s:s, s:s, s:s}", "step", plan->lines[i].step,
						"action", step_state_name(plan->lines[i].state),
						"text", plan->lines[i].text));
	return json_pack("{s:s, s:s, s:b, s:o}", "project", name->project, "name", name->vm,
			 "changes", vm_plan_changes(plan), "steps", steps);
}

/* What the signs mean, for those that were used. */
static void explain(const struct vm_name *name, const struct vm_plan *plan)
{
	bool restart = false, act = false;

	for (unsigned i = 0; i < plan->n; i++) {
		restart |= plan->lines[i].state == STEP_PENDING;
		act |= plan->lines[i].state == STEP_CREATE || plan->lines[i].state == STEP_CHANGE;
	}
	if (!act && !restart)
		fprintf(stderr, "%s is up and as the spec says\n", name->vm);
	if (act)
		fprintf(stderr, "next: croft up %s does what is marked + (made) and ~ (changed)\n",
			name->vm);
	if (restart)
		fprintf(stderr, "next: croft down %s, then croft up, for what is marked !\n",
			name->vm);
}

static int run(struct cli *cli, struct err *err)
{
	struct up_options up = {
		.insecure = cli_option(cli, "insecure"),
		.offline = cli_option(cli, "offline"),
	};
	struct vm_name name = {0};
	struct reporter reporter;
	struct vm_plan plan;
	struct spec_vm *vm;
	bool changes;

	auto_spec struct spec *spec =
		cli_spec_vm(cli, cli->nargs ? cli->args[0] : NULL, &vm, &name, err);
	if (!spec)
		return -1;

	progress_start(cli, &reporter);
	if (vm_plan(spec, vm, &up, &reporter, &plan, err) < 0)
		return -1;
	progress_end();
	if (cli->output == OUT_JSON)
		show_json(plan_json(&name, &plan));
	else
		vm_plan_print(&plan, stdout);
	if (cli->output != OUT_JSON && !cli->quiet)
		explain(&name, &plan);
	changes = vm_plan_changes(&plan);
	vm_plan_done(&plan);
	return changes && cli_option(cli, "detailed-exitcode") ? CHANGES_PENDING : 0;
}

const struct command cmd_plan = {
	.name = "plan",
	.args = "[VM]",
	.summary = "show what 'up' would do",
	.details = "Looks at the spec, at what was made of it and at what runs, and prints a line "
		   "for each step\n"
		   "of 'up': '+' is made or started, '~' is changed, '!' takes effect after 'down' "
		   "and 'up',\n"
		   "and no sign means that it is as the spec says. Nothing is done and no request "
		   "is made, so of\n"
		   "an image that is not in the cache only that is known which croft.lock or the "
		   "catalog says:\n"
		   "its trust above all.\n\n"
		   "Fails as 'up' would: a disk that cannot shrink or is not there, another image, "
		   "a bridge that is\n"
		   "missing, an address that is taken.\n",
	.options = options,
	.max_args = 1,
	.json = true,
	.run = run,
};
