/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of a configuration, for a run by hand: what is given as a path is opened (a control
 * socket made, a tap attached to), what is given as a descriptor is checked.
 */
#ifndef VMM_FILES_H
#define VMM_FILES_H

#include "base/err.h"
#include "vmm/config.h"

/* The pipe that setting up reports to: first, so that the other failures reach it. */
int files_open_ready(struct vmm_config *, struct err *);

/* Afterwards every file that is not absent has fd >= 0, and keeps its path for messages. */
int files_open(struct vmm_config *, struct err *);

#endif
