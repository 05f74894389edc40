/* SPDX-License-Identifier: Apache-2.0
 *
 * What a spec asks of the machine, as a flat list of key and value, in the spec's own words. Kept
 * from the last start, it tells which changes of the spec wait for the next one.
 */
#ifndef PROVISION_ASKED_H
#define PROVISION_ASKED_H

#include "provision/state.h"

void asked_fill(struct vm_state *, const struct spec_vm *);
/* "cpus: 2 -> 4, memory: 1GiB -> 2GiB"; empty when nothing differs. Appends. */
void asked_diff(const struct vm_state *last, const struct spec_vm *, struct buf *out);

#endif
