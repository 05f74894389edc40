/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints croft-spec(5) from the spec's field table: run by the build.
 */
#include "provision/spec/spec.h"

int main(void)
{
	spec_manual(stdout);
	return ferror(stdout) ? 1 : 0;
}
