/* SPDX-License-Identifier: Apache-2.0
 *
 * The entropy device: buffers of any shape.
 */
#include "tests/lib/vmm/vfuzz.h"
#include "vmm/virtio/devices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vdrv d;
	struct fuzzin f = {data, size};

	if (!d.vd) {
		vdrv_init(&d);
		vdrv_attach(&d, rng_new("rng0", d.mem, d.loop, NULL));
	}
	vfuzz_begin(&d, &f);
	for (int i = 0; i < 100 && fuzz_more(&f); i++) {
		if (fuzz_rare(&f)) {
			vfuzz_aside(&d, &f);
			continue;
		}
		for (unsigned n = 1 + fuzz_pick(&f, 4); n; n--)
			vdrv_in(&d, 1 + fuzz_u8(&f));
		vfuzz_offer(&d, 0, &f);
	}
	return 0;
}
