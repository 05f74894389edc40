/* SPDX-License-Identifier: Apache-2.0
 *
 * Words of the command line that are known and not supported yet, as PLANNED rows are for the keys
 * of a spec: they are refused by name, with what to do meanwhile where there is something.
 */
#include <string.h>

#include "base/util.h"
#include "cli/cli.h"

/* As they are written; an option without a command is one of all commands. */
static const struct {
	const char *words, *meanwhile;
} planned[] = {
	{"init", "begin with one of templates/"},
	{"run", "write a croft.yaml, then croft up"},
	{"create", "croft up"},
	{"start", "croft up"},
	{"restart", "croft down, then croft up"},
	{"reset", NULL},
	{"pause", NULL},
	{"resume", NULL},
	{"kill", "croft down --force --grace 0s"},
	{"inspect", "croft status -o json"},
	{"events", NULL},
	{"top", NULL},
	{"exec", "croft ssh -- CMD"},
	{"cp", NULL},
	{"wait", "croft up --wait"},
	{"image boot-info", "croft image inspect"},
	{"image gc", "croft image prune"},
	{"volume", NULL},
	{"network", NULL},
	{"snapshot", NULL},
	{"clone", NULL},
	{"disk", NULL},
	{"seed diff", "croft plan"},
	{"seed lint", "croft validate"},
	{"export", NULL},
	{"test", NULL},
	{"completion", NULL},
	{"up --dry-run", "croft plan"},
	{"up --attach", "croft up, then croft console"},
	{"up --no-start", NULL},
	{"down --dry-run", NULL},
	{"destroy --dry-run", NULL},
	{"destroy --volumes", NULL},
	{"doctor --fix", "croft doctor says what to do"},
	{"doctor --json", "croft doctor -o json"},
	{"logs --since", NULL},
	{"logs --cloud-init", "croft ssh -- cat /var/log/cloud-init-output.log"},
	{"logs --kernel", "croft ssh -- dmesg"},
	{"--log-format", NULL},
	{"--project", "write name: in the spec"},
	{"-o wide", NULL},
	{"-o jsonl", "-o json"},
	{"-o yaml", "-o json"},
	{"-o name", "-o json"},
};

bool cli_planned(const char *words, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(planned); i++) {
		if (strcmp(words, planned[i].words) != 0)
			continue;
		err_set(err, ERR_USAGE, "'%s': not supported yet", words);
		if (planned[i].meanwhile)
			err_hint(err, "meanwhile: %s", planned[i].meanwhile);
		return true;
	}
	return false;
}
