/* SPDX-License-Identifier: Apache-2.0
 *
 * Scatter lists: see iov.h.
 */
#include "images/disk/iov.h"

#include "base/util.h"

bool iov_total(const struct iovec *iov, int n, uint64_t *total)
{
	uint64_t sum = 0;

	if (n < 0)
		return false;
	for (int i = 0; i < n; i++)
		if (!checked_add(sum, iov[i].iov_len, &sum))
			return false;
	*total = sum;
	return true;
}

/* The next piece, at most `len` bytes; never empty unless len is 0 or the list is at its end. */
static struct iovec next_piece(struct iov_pos *pos, size_t len)
{
	struct iovec piece = {0};

	while (pos->n && pos->skip == pos->iov->iov_len) {
		pos->iov++;
		pos->n--;
		pos->skip = 0;
	}
	if (!pos->n)
		return piece;
	piece.iov_base = (char *)pos->iov->iov_base + pos->skip;
	piece.iov_len = min_u64(len, pos->iov->iov_len - pos->skip);
	pos->skip += piece.iov_len;
	return piece;
}

size_t iov_take(struct iov_pos *pos, size_t len, struct iovec *out, int *nout)
{
	size_t taken = 0;
	int n = 0;

	while (n < *nout && taken < len) {
		struct iovec piece = next_piece(pos, len - taken);

		if (!piece.iov_len)
			break;
		out[n++] = piece;
		taken += piece.iov_len;
	}
	*nout = n;
	return taken;
}

void iov_skip(struct iov_pos *pos, size_t len)
{
	while (len) {
		struct iovec piece = next_piece(pos, len);

		assert(piece.iov_len);
		len -= piece.iov_len;
	}
}

void iov_put_zeroes(struct iov_pos *pos, size_t len)
{
	while (len) {
		struct iovec piece = next_piece(pos, len);

		assert(piece.iov_len);
		memset(piece.iov_base, 0, piece.iov_len);
		len -= piece.iov_len;
	}
}

void iov_put(struct iov_pos *pos, const void *src, size_t len)
{
	const char *from = src;

	while (len) {
		struct iovec piece = next_piece(pos, len);

		assert(piece.iov_len);
		memcpy(piece.iov_base, from, piece.iov_len);
		from += piece.iov_len;
		len -= piece.iov_len;
	}
}

void iov_get(struct iov_pos *pos, void *dst, size_t len)
{
	char *to = dst;

	while (len) {
		struct iovec piece = next_piece(pos, len);

		assert(piece.iov_len);
		memcpy(to, piece.iov_base, piece.iov_len);
		to += piece.iov_len;
		len -= piece.iov_len;
	}
}
