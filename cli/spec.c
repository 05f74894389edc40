/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading the spec for a command: see spec.h.
 */
#include "cli/spec.h"

#include "base/util.h"
#include "provision/image.h"

int spec_refuse(const struct spec *spec, struct err *err)
{
	size_t n = spec->diags.errors;

	return err_set(err, ERR_SPEC, "%s: %zu error%s", spec->source->name, n, n == 1 ? "" : "s");
}

struct spec *cli_spec(const struct cli *cli, const char *path, struct err *err)
{
	auto_spec struct spec *spec = spec_check_stream(path ? path : cli->spec_path, err);

	if (!spec)
		return NULL;
	image_check_names(spec);
	if (spec->diags.errors || !cli->quiet)
		diags_print(&spec->diags, stderr, cli->colour);
	if (spec->diags.errors) {
		spec_refuse(spec, err);
		return NULL;
	}
	return take_ptr(spec);
}

struct spec *cli_spec_vm(const struct cli *cli, const char *name, struct spec_vm **vm,
			 struct vm_name *full, struct err *err)
{
	auto_spec struct spec *spec = cli_spec(cli, NULL, err);

	if (full && spec && spec->stream) {
		err_set(err, ERR_USAGE, "the spec of a VM has to be a file that stays, not a pipe");
		return NULL;
	}
	*vm = spec ? spec_vm_find(spec, name, err) : NULL;
	if (!*vm)
		return NULL;
	if (full) {
		snprintf(full->project, sizeof(full->project), "%s", spec->project);
		snprintf(full->vm, sizeof(full->vm), "%s", (*vm)->name);
	}
	return take_ptr(spec);
}
