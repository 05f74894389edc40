/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading the spec for a command, with every complaint shown.
 */
#ifndef CLI_SPEC_H
#define CLI_SPEC_H

#include "cli/cli.h"
#include "provision/provision.h"
#include "provision/spec/spec.h"

/*
 * Loads the spec that the command line names (`path`, else -f, else the search) and shows what
 * there is to say about it on stderr. The caller frees. NULL with ERR_SPEC when there are errors.
 */
struct spec *cli_spec(const struct cli *, const char *path, struct err *);

/*
 * The same, and the VM that it is about: `name`, or the only one. *full, unless NULL, is its name with
 * its project.
 */
struct spec *cli_spec_vm(const struct cli *, const char *name, struct spec_vm **vm,
			 struct vm_name *full, struct err *);

/* The ERR_SPEC for a spec with errors that have been shown: "croft.yaml: 3 errors". */
int spec_refuse(const struct spec *, struct err *);

#endif
