/* SPDX-License-Identifier: Apache-2.0
 *
 * croft doctor: what this host can do, and how to mend what it cannot.
 */
#include <unistd.h>

#include "cli/commands.h"
#include "cli/show.h"
#include "provision/doctor.h"

static void print(const struct cli *cli, const struct doctor *d)
{
	static const char *const colours[] = {
		[CHECK_OK] = "\x1b[32m", [CHECK_WARN] = "\x1b[33m", [CHECK_FAIL] = "\x1b[31m"};
	bool colour = cli->colour && isatty(STDOUT_FILENO);

	for (unsigned i = 0; i < d->n; i++) {
		const struct check *c = &d->list[i];

		printf("%s%-4s%s  %-12s %s\n", colour ? colours[c->status] : "", check_status_name(c->status),
		       colour ? "\x1b[0m" : "", c->name, c->text);
		if (c->fix[0])
			printf("%19s-> %s\n", "", c->fix);
	}
}

static json_t *json(const struct doctor *d)
{
	json_t *checks = json_array();

	for (unsigned i = 0; i < d->n; i++) {
		const struct check *c = &d->list[i];

		json_array_append_new(checks, json_pack("{s:s, s:s, s:s, s:s}", "name", c->name, "status",
							check_status_name(c->status), "text", c->text, "fix",
							c->fix));
	}
	return json_pack("{s:s, s:o}", "worst", check_status_name(d->worst), "checks", checks);
}

static int run(struct cli *cli, struct err *err)
{
	struct doctor d = {0};

	(void)err;
	doctor_run(&d);
	if (cli->output == OUT_JSON)
		show_json(json(&d));
	else
		print(cli, &d);
	return d.worst == CHECK_FAIL ? err_exit_code(ERR_HOST) : 0;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.summary = "check what this host can do, and say how to mend it",
	.details = "Exit code 4 when a check failed; warnings are about things that croft can do without.\n",
	.json = true,
	.run = run,
};
