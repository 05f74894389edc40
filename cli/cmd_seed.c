/* SPDX-License-Identifier: Apache-2.0
 *
 * croft seed show|build: what cloud-init will be told, to read or to use with another tool.
 */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/outfile.h"
#include "base/util.h"
#include "cli/commands.h"
#include "cli/spec.h"
#include "cloudinit/seed.h"
#include "provision/provision.h"

static int render(const struct cli *cli, const char *vm_name, struct seed *out, struct err *err)
{
	struct spec_vm *vm;
	auto_spec struct spec *spec = cli_spec_vm(cli, vm_name, &vm, NULL, err);

	if (!spec)
		return -1;
	if (!vm->seed)
		return err_set(err, ERR_SPEC, "'%s' has no seed (cloud_init: none)", vm->name);
	return vm_seed(spec, vm, out, err);
}

static int run_show(struct cli *cli, struct err *err)
{
	struct seed seed = {0};
	const char *only = cli_option(cli, "only");
	bool found = !only;

	if (render(cli, cli->nargs ? cli->args[0] : NULL, &seed, err) < 0)
		return -1;
	for (int f = 0; f < SEED_FILES; f++) {
		const char *name = seed_file_name((enum seed_file)f);

		if (only && strcmp(only, name) != 0)
			continue;
		found = true;
		if (!only && seed.files[f].len)
			printf("%s# ---- %s ----\n", f ? "\n" : "", name);
		fwrite(buf_str(&seed.files[f]), 1, seed.files[f].len, stdout);
	}
	seed_done(&seed);
	if (!found)
		return err_set(err, ERR_USAGE,
			       "--only %s: not a document of the seed (user-data, meta-data, network-config, "
			       "vendor-data)",
			       only);
	return 0;
}

static const struct option_def show_options[] = {
	{"only", 0, "NAME", false, "one document: user-data, meta-data, network-config or vendor-data"},
	{0},
};

const struct command cmd_seed_show = {
	.name = "seed show",
	.args = "[VM]",
	.summary = "print the documents that cloud-init will be given",
	.options = show_options,
	.max_args = 1,
	.run = run_show,
};

static int run_build(struct cli *cli, struct err *err)
{
	const char *path = cli_option(cli, "output");
	auto_buf struct buf iso = BUF_INIT(64 * MIB);
	struct seed seed = {0};
	struct outfile out;
	int rc;

	if (!path)
		return err_set(err, ERR_USAGE, "say where to write it: -o seed.iso");
	if (render(cli, cli->nargs ? cli->args[0] : NULL, &seed, err) < 0)
		return -1;
	rc = seed_iso(&seed, &iso, err);
	seed_done(&seed);
	if (rc < 0)
		return -1;
	if (!strcmp(path, "-"))
		return write_all(STDOUT_FILENO, iso.data, iso.len) < 0
			       ? err_sys(err, ERR_FAILED, "cannot write the seed")
			       : 0;
	/* It may hold a password or the host's private key. */
	if (outfile_open(&out, path, 0600, err) < 0)
		return -1;
	rc = write_all(out.fd, iso.data, iso.len) < 0
		     ? err_sys(err, ERR_FAILED, "cannot write '%s'", path)
		     : outfile_commit(&out, err);
	outfile_done(&out);
	return rc;
}

static const struct option_def build_options[] = {
	{"output", 'o', "FILE", false, "where to write the disk; - is stdout"},
	{0},
};

const struct command cmd_seed_build = {
	.name = "seed build",
	.args = "[VM]",
	.summary = "write the seed disk (ISO 9660, label cidata)",
	.details = "The same spec gives the same bytes. The VM's SSH host key is part of it once the VM exists.\n",
	.options = build_options,
	.max_args = 1,
	.run = run_build,
};
