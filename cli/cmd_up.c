/* SPDX-License-Identifier: Apache-2.0
 *
 * croft up: makes the VM of the spec, starts it, and waits for it if asked to.
 */
#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "base/util.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/show.h"
#include "cli/spec.h"
#include "provision/provision.h"

static const struct option_def options[] = {
	{"wait", 'w', "RUNG", true,
	 "wait until ready, or until RUNG: vmm, kernel, userspace, network, ssh, cloud-init"},
	{"timeout", 't', "TIME", false, "how long to wait (default: 10m)"},
	{"insecure", 0, NULL, false, "accept an http(s) image without a digest"},
	{"offline", 0, NULL, false, "make no request: the image must be in the cache"},
	{0},
};

/* A timeout is not a failure of the VM: shows what is known, so that the next look is a short one. */
static void explain_timeout(const struct ladder *l, const char *vm)
{
	progress_end();
	show_ladder(l, stderr);
	if (l->console_tail && *l->console_tail)
		fprintf(stderr, "--- last lines of the console\n%s---\n", l->console_tail);
	fprintf(stderr, "The VM was kept and still runs: look with 'croft console %s', wait on with "
			"'croft up --wait'.\n",
		vm);
}

static int show_result(const struct cli *cli, const struct vm_name *name, struct err *err)
{
	struct vm_info info = {0};
	char uptime[SIZE_TEXT];

	if (vm_info_get(name, &info, err) < 0)
		return -1;
	if (cli->output == OUT_JSON) {
		show_json(show_vm_json(&info));
	} else {
		printf("%s  %s  %s  up %s\n", info.name, show_state(&info),
		       info.address ? info.address : "no address",
		       format_duration(info.uptime_ms, uptime, sizeof(uptime)));
		if (!cli->quiet)
			fprintf(stderr, "next: %s %s\n", info.address ? "croft ssh" : "croft console",
				info.name);
	}
	vm_info_done(&info);
	return 0;
}

static int run(struct cli *cli, struct err *err)
{
	const char *wait = cli_option(cli, "wait"), *timeout = cli_option(cli, "timeout");
	struct up_options up = {
		.insecure = cli_option(cli, "insecure"),
		.offline = cli_option(cli, "offline"),
	};
	enum rung rung = RUNG_CLOUD_INIT;
	uint64_t timeout_ms = 10 * 60 * 1000;
	struct ladder ladder = {0};
	struct vm_name name = {0};
	struct spec_vm *vm;
	struct reporter reporter;
	bool started;
	int rc;

	if (wait && *wait && rung_parse(wait, &rung, err) < 0)
		return -1;
	if (timeout && !wait)
		return err_set(err, ERR_USAGE, "--timeout goes with --wait");
	if (timeout && parse_duration(timeout, &timeout_ms, err) < 0)
		return err_wrap(err, "--timeout");

	auto_spec struct spec *spec =
		cli_spec_vm(cli, cli->nargs ? cli->args[0] : NULL, &vm, &name, err);
	if (!spec)
		return -1;

	progress_start(cli, &reporter);
	if (vm_up(spec, vm, &up, &reporter, &started, err) < 0)
		return -1;
	if (!started && !cli->quiet) {
		progress_end();
		fprintf(stderr, "%s is up already and as the spec says\n", vm->name);
	}
	if (wait) {
		rc = vm_wait(&name, rung, timeout_ms, &reporter, &ladder, err);
		if (rc < 0 && err->kind == ERR_TIMEOUT)
			explain_timeout(&ladder, vm->name);
		ladder_done(&ladder);
		if (rc < 0)
			return -1;
	}
	progress_end();
	return show_result(cli, &name, err);
}

const struct command cmd_up = {
	.name = "up",
	.alias = "apply",
	.args = "[VM]",
	.summary = "create and start what the spec describes",
	.details =
		"Fetches and checks the image, makes the disk and the seed, sets up the network and starts\n"
		"the VM; does only what is missing, so a second 'up' does nothing. What fails is undone, and\n"
		"a report stays in the VM's directory. A VM belongs to the spec that it was made from: another\n"
		"one that gives the same name is refused, unless the first is gone.\n\n"
		"With --wait, returns when the VM is ready: each rung (vmm, kernel, userspace, network, ssh,\n"
		"cloud-init) is shown with its evidence. Exit code 8 after the timeout: the VM still runs;\n"
		"9 when cloud-init reported errors: the VM is usable; 7 when the VM ended.\n",
	.options = options,
	.max_args = 1,
	.json = true,
	.run = run,
};
