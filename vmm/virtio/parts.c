/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of guest memory as a run of bytes: see parts.h.
 */
#include "vmm/virtio/parts.h"

#include "base/util.h"

struct cursor {
	const struct iovec *part;
	unsigned n;   /* left, with this one */
	uint64_t off; /* in this one, or beyond it */
};

/* The next piece of at most `want` bytes; .iov_len 0 at the end. */
static struct iovec next_piece(struct cursor *at, uint64_t want)
{
	struct iovec piece = {0};

	while (at->n && at->off >= at->part->iov_len) {
		at->off -= at->part->iov_len;
		at->part++;
		at->n--;
	}
	if (at->n) {
		piece.iov_base = (uint8_t *)at->part->iov_base + at->off;
		piece.iov_len = min_u64(want, at->part->iov_len - at->off);
		at->off += piece.iov_len;
	}
	return piece;
}

int parts_slice(const struct iovec *parts, unsigned n, uint64_t off, uint64_t len,
		struct iovec *out, int max)
{
	struct cursor at = {parts, n, off};
	int count = 0;

	while (len) {
		struct iovec piece = next_piece(&at, len);

		if (!piece.iov_len || count == max)
			return -1;
		out[count++] = piece;
		len -= piece.iov_len;
	}
	return count;
}

size_t parts_read(const struct iovec *parts, unsigned n, uint64_t off, void *dst, size_t len)
{
	struct cursor at = {parts, n, off};
	struct iovec piece;
	size_t done = 0;

	while (done < len && (piece = next_piece(&at, len - done)).iov_len) {
		memcpy((uint8_t *)dst + done, piece.iov_base, piece.iov_len);
		done += piece.iov_len;
	}
	read_once();
	return done;
}

size_t parts_write(const struct iovec *parts, unsigned n, uint64_t off, const void *src, size_t len)
{
	struct cursor at = {parts, n, off};
	struct iovec piece;
	size_t done = 0;

	while (done < len && (piece = next_piece(&at, len - done)).iov_len) {
		memcpy(piece.iov_base, (const uint8_t *)src + done, piece.iov_len);
		done += piece.iov_len;
	}
	return done;
}
