/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels and initrds to be unpacked, in this process and without its guard. What comes out of a
 * kernel is loadable or refused elsewhere; here nothing may break, and no more than allowed is written.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "images/inspect/unpack.h"

enum { MOST = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try(int (*fn)(int, int, uint64_t, struct err *), int in, int out)
{
	struct err err = {0};
	struct stat st;

	if (ftruncate(out, 0) < 0)
		abort();
	if (fn(in, out, MOST, &err) < 0 && !err.msg[0])
		abort();
	if (fstat(out, &st) < 0 || st.st_size > MOST)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int in = -1, out;

	if (in < 0) {
		in = memfd_create("in", MFD_CLOEXEC);
		out = memfd_create("out", MFD_CLOEXEC);
	}
	if (ftruncate(in, 0) < 0 || pwrite_all(in, data, size, 0) < 0)
		abort();
	try(kernel_unpack_here, in, out);
	try(initrd_unpack_here, in, out);
	return 0;
}
