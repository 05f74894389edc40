/* SPDX-License-Identifier: Apache-2.0
 *
 * This terminal, or a pipe, and a console's socket joined: what `croft console` does.
 */
#ifndef CLI_RELAY_H
#define CLI_RELAY_H

#include <stdbool.h>

/*
 * Copies standard input to `console` and that to standard output until Ctrl-], the end of the
 * console, or of standard output. True when the user detached. A terminal is raw meanwhile, and is
 * what it was before when a signal ends the program. Input from a pipe goes to the guest to its
 * end; then output is copied on until the VM ends.
 */
bool relay(int console, bool read_only);

#endif
