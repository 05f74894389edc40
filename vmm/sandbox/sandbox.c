/* SPDX-License-Identifier: Apache-2.0
 *
 * Entering the sandbox: see sandbox.h.
 */
#include "vmm/sandbox/sandbox.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int sandbox_drop_privileges(struct err *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, ERR_HOST, "no_new_privs");
	if (syscall(SYS_capset, &header, none) < 0) /* glibc has no wrapper */
		return err_sys(err, ERR_HOST, "cannot drop capabilities");
	return 0;
}

int sandbox_enter(struct err *err)
{
	/* Here, because gmtime_r() reads the time zone's file when it is first called. */
	tzset();
	if (sandbox_drop_privileges(err) < 0 || sandbox_restrict_paths(err) < 0 ||
	    sandbox_restrict_syscalls(err) < 0)
		return err_wrap(err, "sandbox");
	return 0;
}
