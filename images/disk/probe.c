/* SPDX-License-Identifier: Apache-2.0
 *
 * What an image file says about itself, without opening it as a disk; and the gate for images from
 * outside, which may be no more than a disk.
 */
#include <errno.h>
#include <sys/stat.h>

#include "images/disk/block.h"
#include "images/disk/host.h"
#include "images/disk/qcow2_header.h"

static void fill_qcow2(const struct qcow2_header *h, struct blk_info *out)
{
	out->format = BLK_QCOW2;
	out->virtual_size = h->size;
	out->qcow2_version = h->version;
	out->cluster_size = 1u << h->cluster_bits;
	out->dirty = h->incompatible & QCOW2_INCOMPAT_DIRTY;
	out->corrupt = h->incompatible & QCOW2_INCOMPAT_CORRUPT;
	out->external_data = h->incompatible & QCOW2_INCOMPAT_EXTERNAL_DATA;
	out->compressed_zstd = h->compression == QCOW2_ZSTD;
	out->extended_l2 = h->extended_l2;
	out->encrypted = h->crypt != 0;
	static_assert(sizeof(out->backing) == sizeof(h->backing), "names fit");
	memcpy(out->backing, h->backing, sizeof(out->backing));
	static_assert(sizeof(out->unknown_features) == sizeof(h->refused), "names fit");
	memcpy(out->unknown_features, h->refused, sizeof(out->unknown_features));
}

/* The descriptor stays the caller's: nothing here closes the host. */
static int probe(int fd, struct blk_info *out, struct qcow2_header *h, struct err *err)
{
	struct host host;
	struct stat st;
	int r;

	*out = (struct blk_info){.format = BLK_RAW};
	host = (struct host){.fd = fd};
	if (fstat(fd, &st) < 0)
		return err_sys(err, ERR_HOST, "cannot stat");
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(err, ERR_HOST, "neither a regular file nor a block device");
	host.is_blockdev = S_ISBLK(st.st_mode);
	r = host_size(&host, &out->file_size);
	if (r < 0) {
		errno = -r;
		return err_sys(err, ERR_HOST, "cannot tell the size");
	}
	out->allocated = (uint64_t)st.st_blocks * 512;
	out->virtual_size = out->file_size;
	if (!qcow2_magic(&host))
		return 0;
	if (qcow2_header_read(&host, h, err) < 0)
		return -1;
	fill_qcow2(h, out);
	return 0;
}

int blk_probe(int fd, struct blk_info *out, struct err *err)
{
	struct qcow2_header h;

	return probe(fd, out, &h, err);
}

int blk_check_foreign(int fd, uint64_t max_size, struct blk_info *out, struct err *err)
{
	struct qcow2_header h;
	struct err why = {0};

	if (probe(fd, out, &h, err) < 0)
		return -1;
	if (!out->virtual_size)
		return err_set(err, ERR_VERIFY, "the image is empty");
	if (out->virtual_size > max_size)
		return err_set(
			err, ERR_VERIFY,
			"the image presents a disk of %llu bytes, more than the %llu allowed",
			(unsigned long long)out->virtual_size, (unsigned long long)max_size);
	if (out->format != BLK_QCOW2)
		return 0;
	if (out->backing[0])
		return err_set(err, ERR_VERIFY,
			       "the image names a backing file ('%s'), which an image from outside "
			       "may not; flatten it with `qemu-img convert -O qcow2`",
			       out->backing);
	if (out->corrupt)
		return err_set(
			err, ERR_VERIFY,
			"the image is marked corrupt (repair it with `qemu-img check -r all`)");
	if (qcow2_header_check(&h, out->file_size, false, &why) < 0)
		return err_set(err, ERR_VERIFY, "%s", why.msg);
	return 0;
}
