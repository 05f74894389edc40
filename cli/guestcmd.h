/* SPDX-License-Identifier: Apache-2.0
 *
 * One command in the guest, by ssh: its exit code, and what became of ssh itself.
 */
#ifndef CLI_GUESTCMD_H
#define CLI_GUESTCMD_H

#include "base/err.h"

/*
 * Runs `argv` (argv[0] is ssh, or what takes its options), which is taken, and returns the exit
 * code of the guest's command; ERR_GUEST_CMD with ssh's own words when ssh failed. A signal that
 * would end this program ends ssh instead: 128 + signal.
 */
int guest_command(char **argv, struct err *);

#endif
