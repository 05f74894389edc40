/* SPDX-License-Identifier: Apache-2.0
 *
 * What ssh is told about a VM (vm_ssh_argv in provision.h is the whole of it).
 */
#ifndef PROVISION_SSH_H
#define PROVISION_SSH_H

#include "provision/state.h"

/* The name under which the VM's host key is pinned; the caller frees. */
char *ssh_host_alias(const struct vm_name *);

/* Who the images of a distribution let in, by os-release ID; NULL: not known. */
const char *ssh_default_user(const char *os_id);

/* Who to log in as: whom the spec makes, else whom the image lets in; NULL: not known. */
const char *ssh_user(const struct vm_state *);

/*
 * argv for ssh to `address`; `batch` asks nothing and gives up soon. `cmd` NULL: a login. One
 * element is a line for the guest's shell; several are one command, each quoted so that it arrives
 * as it is. NULL: a path of the VM's cannot be said in ssh's configuration.
 */
char **ssh_argv(const struct vmdir *, const struct vm_state *, const char *address, bool batch,
		const char *const *cmd, struct err *err);

#endif
