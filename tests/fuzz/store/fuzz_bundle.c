/* SPDX-License-Identifier: Apache-2.0
 *
 * Bundles: raw bytes as the file, read as the guarded child reads it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/util.h"
#include "images/store/cache/bundle.h"

enum { MAX_IMAGE = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_close int fd = memfd_create("bundle", MFD_CLOEXEC),
		       out = memfd_create("image", MFD_CLOEXEC);
	auto_buf struct buf result = BUF_INIT(1 << 20);
	struct bundle_read read = {.fd = fd, .out_fd = out, .max_bytes = MAX_IMAGE};
	struct stat st;

	if (fd < 0 || out < 0 || pwrite_all(fd, data, size, 0) < 0)
		return 0;
	(void)bundle_detect(fd);
	if (bundle_read_work(&read, &result, NULL) == 0 && result.len < sizeof(uint64_t))
		abort();
	if (fstat(out, &st) < 0 || st.st_size > MAX_IMAGE)
		abort();
	return 0;
}
