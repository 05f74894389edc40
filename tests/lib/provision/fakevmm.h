/* SPDX-License-Identifier: Apache-2.0
 *
 * A VMM without a machine: it takes its configuration and descriptors as croft-vmm does, checks
 * that they are what they should be, and answers on the control socket. A test program calls it
 * from main when it finds itself started as `PROGRAM --config FILE`, and names itself in CROFT_VMM.
 *
 * CROFT_TEST_VMM says how it behaves: "refuse" (says why and ends), "die" (exit code 3), "killed"
 * (by a signal), "stubborn" (does not heed the power button), otherwise well. CROFT_TEST_CONSOLE
 * names a file that it writes to its console. Each instance appends its pid to the file
 * CROFT_TEST_PIDS.
 */
#ifndef TESTS_LIB_PROVISION_FAKEVMM_H
#define TESTS_LIB_PROVISION_FAKEVMM_H

#include <stdbool.h>

bool fakevmm_wanted(int argc, char **argv);
int fakevmm_main(const char *config);

#endif
