/* SPDX-License-Identifier: Apache-2.0
 *
 * The spec without the rest of croft, for tests/spec: `speccheck config FILE` writes what `croft
 * config` writes, `speccheck cloud-config FILE` what cloud-init is told by the spec's own keys,
 * `speccheck schema` what `croft schema` writes; complaints go to stderr.
 */
#include "base/util.h"
#include "provision/spec/spec.h"

static int show_spec(const char *path, bool cloud_config, struct buf *out)
{
	struct err err = {0};
	auto_spec struct spec *spec = spec_check(path, &err);

	if (!spec) {
		fprintf(stderr, "speccheck: %s\n", err.msg);
		return err_exit_code(err.kind);
	}
	diags_print(&spec->diags, stderr, false);
	if (spec->diags.errors)
		return err_exit_code(ERR_SPEC);
	yaml_emit(cloud_config ? spec->vms[0].cloud_config : spec->normalised, out);
	return 0;
}

int main(int argc, char **argv)
{
	auto_buf struct buf out = BUF_INIT(64 * MIB);
	int rc = 0;

	if (argc == 2 && !strcmp(argv[1], "schema")) {
		spec_schema(&out);
	} else if (argc == 3 && (!strcmp(argv[1], "config") || !strcmp(argv[1], "cloud-config"))) {
		rc = show_spec(argv[2], !strcmp(argv[1], "cloud-config"), &out);
	} else {
		fputs("usage: speccheck config FILE | cloud-config FILE | schema\n", stderr);
		return 2;
	}
	fputs(buf_str(&out), stdout);
	return rc;
}
