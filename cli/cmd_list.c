/* SPDX-License-Identifier: Apache-2.0
 *
 * croft list: every VM of this user.
 */
#include "base/num.h"
#include "base/util.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "cli/table.h"
#include "provision/provision.h"

static void add_row(struct table *t, const struct vm_info *v)
{
	char memory[SIZE_TEXT], uptime[SIZE_TEXT];

	table_cell(t, "%s", v->name);
	table_cell(t, "%s", show_state(v));
	table_cell(t, "%s", v->phase == VM_RUNS ? rung_name(v->ladder.current) : "-");
	table_cell(t, "%s", v->address ? v->address : "-");
	table_cell(t, "%u", v->cpus);
	table_cell(t, "%s", format_size(v->memory, memory, sizeof(memory)));
	table_cell(t, "%s", v->phase == VM_RUNS ? format_duration(v->uptime_ms, uptime, sizeof(uptime)) : "-");
	table_cell(t, "%s", trust_name(v->trust));
	table_cell(t, "%s", v->spec_path ? v->spec_path : "-");
}

static int run(struct cli *cli, struct err *err)
{
	static const char *const headings[] = {"NAME", "STATE",	 "RUNG",  "ADDRESS", "CPUS",
					       "MEMORY", "UPTIME", "TRUST", "SPEC",    NULL};
	struct vm_name *names = NULL;
	json_t *array = json_array();
	struct table *t = table_new(headings);
	size_t n = 0;
	int rc = vm_list(&names, &n, err);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct vm_info info = {0};
		struct err why = {0};

		/* One damaged VM must not hide the others. */
		if (vm_info_get(&names[i], &info, &why) < 0) {
			fprintf(stderr, "croft: %s: %s\n", names[i].vm, why.msg);
			continue;
		}
		json_array_append_new(array, show_vm_json(&info));
		add_row(t, &info);
		vm_info_done(&info);
	}
	if (rc == 0 && cli->output == OUT_JSON)
		show_json(json_incref(array));
	else if (rc == 0 && n)
		table_print(t, stdout);
	else if (rc == 0 && !cli->quiet)
		fputs("no VMs; write a croft.yaml and type 'croft up'\n", stderr);
	json_decref(array);
	table_free(t);
	free(names);
	return rc;
}

const struct command cmd_list = {
	.name = "list",
	.alias = "ps",
	.summary = "show every VM and its state",
	.json = true,
	.run = run,
};
