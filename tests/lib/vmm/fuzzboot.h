/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads a fuzzer's input as a kernel into a machine of 32 MiB.
 */
#ifndef TESTS_LIB_VMM_FUZZBOOT_H
#define TESTS_LIB_VMM_FUZZBOOT_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "vmm/boot/boot.h"

/* What is loaded enters guest memory, and a refusal says why. */
static inline void fuzz_boot(const uint8_t *data, size_t size)
{
	static struct gmem *mem;
	static int fd = -1;
	struct boot_entry e;
	struct err err = {0};

	if (!mem) {
		mem = gmem_new(32 * MIB, NULL);
		fd = memfd_create("kernel", 0);
	}
	if (ftruncate(fd, 0) < 0 || pwrite_all(fd, data, size, 0) < 0)
		abort();
	if (boot_load(mem, &(struct boot_config){.kernel = fd, .initrd = -1, .cmdline = "quiet"}, &e, &err) < 0) {
		if (err.kind != ERR_VM || !err.msg[0])
			abort();
	} else if (!gmem_ptr(mem, e.ip, 1) || !gmem_ptr(mem, e.param, 1)) {
		abort();
	}
}

#endif
