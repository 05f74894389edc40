/* SPDX-License-Identifier: Apache-2.0
 *
 * System call filters: see syscalls.h.
 */
#include "base/syscalls.h"

#include <errno.h>

#include "base/util.h"

static int add(scmp_filter_ctx filter, const struct syscall_rule *rows, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const struct syscall_rule *row = &rows[i];

		switch (row->with) {
		case SYSCALL_ANY:
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, row->call, 0);
			break;
		case SYSCALL_MASKED:
			r = seccomp_rule_add(
				filter, SCMP_ACT_ALLOW, row->call, 1,
				SCMP_CMP64(row->arg, SCMP_CMP_MASKED_EQ, row->mask, row->value));
			break;
		case SYSCALL_REFUSED:
			r = seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint16_t)row->value),
					     row->call, 0);
			break;
		}
	}
	return r;
}

static int set_attributes(scmp_filter_ctx filter)
{
	/* The store-bypass mitigation that older kernels tie to seccomp is for programs that run
	 * the code of others in their own address space. */
	int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);

	/* A tree, not a list. */
	return r ? r : seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
}

int syscalls_restrict(uint32_t otherwise, const struct syscall_rule *rows, size_t n,
		      const struct syscall_rule *more, size_t nmore)
{
	scmp_filter_ctx filter;
	int r;

	if (SANITIZED)
		return 0;
	filter = seccomp_init(otherwise);
	if (!filter)
		return -ENOMEM;
	r = set_attributes(filter);
	if (r == 0)
		r = add(filter, rows, n);
	if (r == 0)
		r = add(filter, more, nmore);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}
