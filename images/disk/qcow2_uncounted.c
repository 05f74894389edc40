/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of the file that no refcount block counts. The format takes them for free, and so does the
 * allocator, which makes a block there when it arrives. They are harmless where a file was padded,
 * on block devices, and after a crash while a block was made. An image that lost the entry of a
 * block looks the same and has data there. So before an image is written to, its tables are asked,
 * once, and only if it has such a part: what we allocate later is always counted.
 */
#include <errno.h>

#include "base/util.h"
#include "images/disk/qcow2.h"

static bool has_block(const struct qcow2 *q, uint64_t block)
{
	return block < q->reftable_size && q->reftable[block];
}

bool qcow2_all_counted(const struct qcow2 *q)
{
	uint64_t bytes = q->cluster_size * qcow2_refcounts_in(q, q->cluster_size);

	for (uint64_t block = 0; block < q->file_end / bytes + (q->file_end % bytes != 0); block++)
		if (!has_block(q, block))
			return false;
	return true;
}

static int check_clusters(const struct qcow2 *q, uint64_t first, uint64_t n, struct err *err)
{
	for (uint64_t c = first; c < first + n && c < q->file_end >> q->cluster_bits; c++)
		if (!has_block(q, c / qcow2_refcounts_in(q, q->cluster_size)))
			return err_set(
				err, ERR_CORRUPT,
				"the cluster at %#llx is in use, but no refcount block counts "
				"it (repair the image with `qemu-img check -r all`)",
				(unsigned long long)c << q->cluster_bits);
	return 0;
}

static int check_l2(const struct qcow2 *q, const uint8_t *raw, struct err *err)
{
	for (uint64_t at = 0; at < q->cluster_size; at += q->entry_size) {
		struct l2_entry e = {.desc = get_be64(raw + at)};
		uint64_t first = l2_host(&e) >> q->cluster_bits, n = 1;

		if (l2_is_packed(&e))
			packed_clusters(q, e.desc, &first, &n);
		if (check_clusters(q, first, n, err) < 0)
			return -1;
	}
	return 0;
}

int qcow2_check_counted(const struct qcow2 *q, const uint64_t *l1, uint64_t n,
			struct cluster_set *seen, struct err *err)
{
	auto_free uint8_t *raw = malloc(q->cluster_size);

	for (uint64_t i = 0; i < n; i++) {
		uint64_t off = l1[i] & QCOW2_OFFSET_MASK;
		int r;

		if (!qcow2_valid_cluster(q, off))
			continue;
		if (!raw || !cluster_set_reserve(seen, 1))
			return err_set(err, ERR_HOST, "out of memory");
		if (!cluster_set_add(seen, off >> q->cluster_bits))
			continue;
		r = host_read(q->host, raw, q->cluster_size, off);
		if (r < 0) {
			errno = -r;
			return err_sys(err, ERR_HOST, "cannot read the table at %#llx",
				       (unsigned long long)off);
		}
		if (check_clusters(q, off >> q->cluster_bits, 1, err) < 0 ||
		    check_l2(q, raw, err) < 0)
			return -1;
	}
	return 0;
}
