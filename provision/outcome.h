/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a VM ended, from the report that the VMM leaves and, where there is none, from what else is
 * known.
 */
#ifndef PROVISION_OUTCOME_H
#define PROVISION_OUTCOME_H

#include "provision/state.h"

/*
 * "poweroff", "panic: ..."; NULL when no VMM was ever started. *crashed: nobody wanted it to end.
 * Of a VM that does not run. The caller frees.
 */
char *stop_reason(const struct vmdir *, const struct vm_state *, bool *crashed);

#endif
