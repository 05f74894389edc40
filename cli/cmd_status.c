/* SPDX-License-Identifier: Apache-2.0
 *
 * croft status: one VM in full, with the rungs it reached and why.
 */
#include <string.h>

#include "base/num.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "provision/provision.h"

static void print(const struct vm_info *v)
{
	char memory[SIZE_TEXT], disk[SIZE_TEXT], uptime[SIZE_TEXT];

	printf("name:      %s\n", v->name);
	printf("state:     %s", show_state(v));
	if (v->phase == VM_RUNS)
		printf(" (pid %lld, up %s)", (long long)v->pid,
		       format_duration(v->uptime_ms, uptime, sizeof(uptime)));
	else if (v->stop_reason && strcmp(v->stop_reason, show_state(v)) != 0)
		printf(" (%s)", v->stop_reason);
	printf("\naddress:   %s\n", v->address ? v->address : "-");
	printf("log in as: %s\n", v->user ? v->user : "-");
	printf("machine:   %u CPUs, %s memory, %s disk\n", v->cpus,
	       format_size(v->memory, memory, sizeof(memory)), format_size(v->disk, disk, sizeof(disk)));
	printf("image:     %s\n", v->image ? v->image : "-");
	printf("           %s, %s\n", v->digest ? v->digest : "-", trust_name(v->trust));
	printf("boot:      %s\n", v->boot ? v->boot : "-");
	printf("spec:      %s\n", v->spec_path ? v->spec_path : "-");
	printf("directory: %s\n", v->dir);
	printf("socket:    %s\n", v->socket);
	if (v->phase == VM_RUNS) {
		puts("ready:");
		show_ladder(&v->ladder, stdout);
	}
}

static int run(struct cli *cli, struct err *err)
{
	struct vm_info info = {0};
	struct vm_name name;

	if (vm_resolve(cli->nargs ? cli->args[0] : NULL, cli->spec_path, &name, err) < 0 ||
	    vm_info_get(&name, &info, err) < 0)
		return -1;
	if (cli->output == OUT_JSON)
		show_json(show_vm_json(&info));
	else
		print(&info);
	vm_info_done(&info);
	return 0;
}

const struct command cmd_status = {
	.name = "status",
	.alias = "info",
	.args = "[VM]",
	.summary = "show one VM: state, address, image, how ready it is",
	.max_args = 1,
	.json = true,
	.run = run,
};
