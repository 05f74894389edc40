/* SPDX-License-Identifier: Apache-2.0
 *
 * A small compressed qcow2: see packed.h. Header, L1, L2 and the data (docs/interop/qcow2.txt of
 * QEMU); no refcounts, which a reader does not need.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "tests/lib/store/packed.h"

enum { CLUSTER = 65536, L1_AT = CLUSTER, L2_AT = 2 * CLUSTER, DATA_AT = 3 * CLUSTER };

void packed_content(const struct packed_image *p, uint64_t i, unsigned char *out)
{
	uint64_t x = (p->shared ? 0 : i) * 0x9e3779b97f4a7c15 + p->flip + 1;

	for (size_t k = 0; k < CLUSTER; k++) {
		if (k % 16 == 0)
			x = x * 6364136223846793005 + 1442695040888963407;
		out[k] = (unsigned char)(x >> 56);
	}
}

static size_t deflate_raw(const unsigned char *in, unsigned char *out, size_t room)
{
	z_stream z = {.next_in = (unsigned char *)in,
		      .avail_in = CLUSTER,
		      .next_out = out,
		      .avail_out = (unsigned)room};

	if (deflateInit2(&z, 6, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY) != Z_OK ||
	    deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	deflateEnd(&z);
	return z.total_out;
}

static void put(int fd, const void *data, size_t n, uint64_t off)
{
	if (pwrite_all(fd, data, n, off) < 0)
		abort();
}

uint64_t packed_write(const char *path, const struct packed_image *p)
{
	auto_close int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	unsigned char header[104] = {0}, l1[8], in[CLUSTER], out[2 * CLUSTER];
	auto_free unsigned char *l2 = xzalloc(CLUSTER);
	uint64_t at = DATA_AT, first = 0;

	put_be32(header, 0x514649fb);
	put_be32(header + 4, 3);
	put_be32(header + 20, 16);		      /* cluster_bits */
	put_be64(header + 24, p->clusters * CLUSTER); /* size */
	put_be32(header + 36, 1);		      /* l1_size */
	put_be64(header + 40, L1_AT);
	put_be64(header + 48, L1_AT); /* refcount table: of no use to a reader */
	put_be32(header + 56, 1);
	put_be32(header + 96, 4);    /* refcount_order */
	put_be32(header + 100, 104); /* header_length */
	put_be64(l1, L2_AT | UINT64_C(1) << 63);
	for (uint64_t i = 0; i < p->used; i++) {
		uint64_t desc = first;

		if (!p->shared || i == 0) {
			size_t n = CLUSTER;

			packed_content(p, i, in);
			if (p->plain) {
				put(fd, in, n, at);
				desc = at | UINT64_C(1) << 63;
			} else {
				n = deflate_raw(in, out, sizeof(out));
				if (p->cut && i + 1 == p->used)
					memset(out, 0xff, n);
				put(fd, out, n, at);
				/* "Compressed Clusters Descriptor": sectors beyond the first from
				 * bit 54 on */
				desc = UINT64_C(1) << 62 | at |
				       ((at + n - 1) / 512 - at / 512) << (62 - (16 - 8));
			}
			first = desc;
			at += n;
		}
		put_be64(l2 + i * 8, desc);
	}
	put(fd, header, sizeof(header), 0);
	put(fd, l1, sizeof(l1), L1_AT);
	put(fd, l2, CLUSTER, L2_AT);
	at = align_up(at, CLUSTER);
	if (ftruncate(fd, (off_t)at) < 0)
		abort();
	return at;
}
