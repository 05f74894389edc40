/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets of the devices share: the fake driver, kept from one input to the next and
 * reset between them, and the one thing that may be wrong about a buffer that is offered.
 */
#ifndef TESTS_LIB_VMM_VFUZZ_H
#define TESTS_LIB_VMM_VFUZZ_H

#include "tests/lib/vmm/fuzzin.h"
#include "tests/lib/vmm/vdrv.h"

/* Before an input: resets the device and negotiates what is offered, less what the input says. */
void vfuzz_begin(struct vdrv *, struct fuzzin *);
/* Offers the buffer that was built, perhaps with one thing wrong, and perhaps rings. */
void vfuzz_offer(struct vdrv *, unsigned q, struct fuzzin *);
/* Things that happen beside buffers: reset, pause, configuration accesses, notifications. */
void vfuzz_aside(struct vdrv *, struct fuzzin *);

#endif
