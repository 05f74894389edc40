/* SPDX-License-Identifier: Apache-2.0
 *
 * croft schema: the spec's JSON Schema.
 */
#include "base/util.h"
#include "cli/commands.h"
#include "provision/spec/spec.h"

static int run(struct cli *cli, struct err *err)
{
	auto_buf struct buf json = BUF_INIT(4 * MIB);

	(void)cli;
	(void)err;
	spec_schema(&json);
	fwrite(buf_str(&json), 1, json.len, stdout);
	return 0;
}

const struct command cmd_schema = {
	.name = "schema",
	.summary = "print the spec's JSON Schema (2020-12), for editors",
	.details = "An editor with YAML language support completes and checks croft.yaml with it:\n"
		   "  croft schema > croft.schema.json\n"
		   "and in the file:  # yaml-language-server: $schema=croft.schema.json\n",
	.json = true,
	.run = run,
};
