/* SPDX-License-Identifier: Apache-2.0
 *
 * libext2fs reads through an io_manager; this one reads a partition of a struct blk and refuses
 * every write. Each request is checked against the partition and counted, so that structures which
 * refer to each other in circles run into an I/O error instead of running forever.
 */
#include "images/inspect/ext.h"

#include <string.h>

#include "base/mem.h"

/* Requests for one file system: 512 MiB of metadata at 4 KiB each, far above any honest use. */
enum { IO_BUDGET = 1 << 17 };

/* The overlay's copies of the blocks that [off, off + n) touches, laid over what was read. */
static errcode_t apply_overlay(struct ext_dev *d, uint64_t off, uint8_t *dst, size_t n)
{
	uint32_t bs = d->block_size;
	auto_free uint8_t *copy = NULL;

	for (uint64_t at = align_down(off, bs); at < off + n; at += bs) {
		uint64_t from = max_u64(at, off), to = min_u64(at + bs, off + n), where;
		bool escaped;

		if (!jbd2_lookup(d->overlay, at / bs, &where, &escaped))
			continue;
		if (!copy)
			copy = xmalloc(bs);
		if (!range_inside(where * bs, bs, d->size) ||
		    blk_read(d->blk, d->off + where * bs, copy, bs) < 0)
			return EXT2_ET_SHORT_READ;
		if (escaped)
			put_be32(copy, JBD2_MAGIC);
		memcpy(dst + (from - off), copy + (from - at), to - from);
	}
	return 0;
}

errcode_t ext_dev_read(struct ext_dev *d, uint64_t off, void *dst, size_t n)
{
	if (!range_inside(off, n, d->size) || blk_read(d->blk, d->off + off, dst, n) < 0)
		return EXT2_ET_SHORT_READ;
	return d->overlay ? apply_overlay(d, off, dst, n) : 0;
}

/* --- the io_manager --- */

/* io_manager.open gets a name and nothing else: ext_dev_open leaves the device here for it. */
static __thread struct ext_dev *opening;
static const struct struct_io_manager manager;

static errcode_t io_open(const char *name, int flags, io_channel *out)
{
	io_channel c = xzalloc(sizeof(*c));

	(void)flags;
	c->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	c->manager = (io_manager)(uintptr_t)&manager; /* the library's type knows no const */
	c->name = xstrdup(name);
	c->block_size = 1024;
	c->refcount = 1;
	c->private_data = opening;
	*out = c;
	return 0;
}

static errcode_t io_close(io_channel c)
{
	if (--c->refcount > 0)
		return 0;
	free(c->name);
	free(c);
	return 0;
}

static errcode_t io_set_blksize(io_channel c, int size)
{
	c->block_size = size;
	return 0;
}

/* A negative count is a number of bytes. */
static errcode_t io_read64(io_channel c, unsigned long long block, int count, void *data)
{
	struct ext_dev *d = c->private_data;
	uint64_t off, n;

	if (!d->budget)
		return EXT2_ET_SHORT_READ; /* fs_ext.c says why */
	d->budget--;
	if (!checked_mul(block, (uint64_t)c->block_size, &off))
		return EXT2_ET_SHORT_READ;
	n = count < 0 ? (uint64_t) - (int64_t)count : (uint64_t)count * (uint64_t)c->block_size;
	return ext_dev_read(d, off, data, n);
}

static errcode_t io_read(io_channel c, unsigned long block, int count, void *data)
{
	return io_read64(c, block, count, data);
}

static errcode_t io_write64(io_channel c, unsigned long long block, int count, const void *data)
{
	(void)c, (void)block, (void)count, (void)data;
	return EXT2_ET_RO_FILSYS;
}

static errcode_t io_write(io_channel c, unsigned long block, int count, const void *data)
{
	return io_write64(c, block, count, data);
}

static errcode_t io_write_byte(io_channel c, unsigned long off, int count, const void *data)
{
	return io_write64(c, off, count, data);
}

static errcode_t io_write_range(io_channel c, unsigned long long block, unsigned long long count)
{
	(void)count;
	return io_write64(c, block, 0, NULL);
}

static errcode_t io_flush(io_channel c)
{
	(void)c;
	return 0;
}

static const struct struct_io_manager manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "croft block device, read-only",
	.open = io_open,
	.close = io_close,
	.set_blksize = io_set_blksize,
	.read_blk = io_read,
	.read_blk64 = io_read64,
	.write_blk = io_write,
	.write_blk64 = io_write64,
	.write_byte = io_write_byte,
	.discard = io_write_range,
	.zeroout = io_write_range,
	.flush = io_flush,
};

errcode_t ext_dev_open(struct ext_dev *d, ext2_filsys *out)
{
	errcode_t rc;

	d->budget = IO_BUDGET;
	opening = d;
	rc = ext2fs_open2("disk", NULL, EXT2_FLAG_64BITS, 0, 0, (io_manager)(uintptr_t)&manager,
			  out);
	opening = NULL;
	return rc;
}
