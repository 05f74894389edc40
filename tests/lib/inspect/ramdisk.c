/* SPDX-License-Identifier: Apache-2.0
 *
 * See ramdisk.h.
 */
#include "tests/lib/inspect/ramdisk.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/file.h"

struct ramdisk ramdisk_new(uint64_t size)
{
	struct ramdisk d = {.fd = memfd_create("disk", MFD_CLOEXEC)};
	struct blk_layer layer = {.format = BLK_RAW, .name = "ramdisk"};
	struct err err = {0};

	layer.fd = fcntl(d.fd, F_DUPFD_CLOEXEC, 0);
	if (d.fd < 0 || layer.fd < 0 || ftruncate(d.fd, (off_t)size) < 0)
		abort();
	d.blk = blk_open(&layer, 1, BLK_RDONLY, &err);
	if (!d.blk)
		abort();
	return d;
}

void ramdisk_put(struct ramdisk *d, uint64_t off, const void *data, size_t n)
{
	if (pwrite_all(d->fd, data, n, off) < 0)
		abort();
}

void ramdisk_free(struct ramdisk *d)
{
	blk_close(d->blk);
	close(d->fd);
}
