/* SPDX-License-Identifier: Apache-2.0
 *
 * Decompression: see inflate.h. Deflate goes to libdeflate, which is twice as fast as zlib but
 * wants a stream that is whole and ends where the cluster does; what it does not take, such as a
 * stream whose end was left out because the cluster was full, goes to zlib.
 */
#include "images/disk/inflate.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum { ZSTD_WINDOW_LOG = 23 }; /* at most 8 MiB of window; clusters have at most 2 */

struct inflater {
	struct libdeflate_decompressor *deflate;
	z_stream zlib;
	bool zlib_ready;
	ZSTD_DCtx *zstd;
	uint8_t *input;
	size_t input_size;
};

struct inflater *inflater_new(void)
{
	return calloc(1, sizeof(struct inflater));
}

void inflater_free(struct inflater *f)
{
	if (!f)
		return;
	libdeflate_free_decompressor(f->deflate);
	if (f->zlib_ready)
		inflateEnd(&f->zlib);
	ZSTD_freeDCtx(f->zstd);
	free(f->input);
	free(f);
}

uint8_t *inflater_input(struct inflater *f, size_t n)
{
	if (f->input_size < n) {
		free(f->input);
		f->input = malloc(n);
		f->input_size = f->input ? n : 0;
	}
	return f->input;
}

static int inflate_zlib(struct inflater *f, size_t n, uint8_t *out, size_t out_len)
{
	z_stream *z = &f->zlib;
	int r;

	/* Writers use a window of 4 KiB; one that used more is served too. */
	if (!f->zlib_ready && inflateInit2(z, -15) != Z_OK)
		return -ENOMEM;
	if (f->zlib_ready && inflateReset(z) != Z_OK)
		return -EIO;
	f->zlib_ready = true;
	z->next_in = f->input;
	z->avail_in = (unsigned)n;
	z->next_out = out;
	z->avail_out = (unsigned)out_len;
	r = inflate(z, Z_FINISH);
	return (r == Z_STREAM_END || r == Z_BUF_ERROR || r == Z_OK) && !z->avail_out ? 0 : -EIO;
}

static int inflate_deflate(struct inflater *f, size_t n, uint8_t *out, size_t out_len)
{
	size_t used;

	if (!f->deflate)
		f->deflate = libdeflate_alloc_decompressor();
	if (!f->deflate)
		return -ENOMEM;
	/* With `used`, what follows the stream is not looked at: a descriptor counts whole
	 * sectors. */
	if (libdeflate_deflate_decompress_ex(f->deflate, f->input, n, out, out_len, &used, NULL) ==
	    LIBDEFLATE_SUCCESS)
		return 0;
	return inflate_zlib(f, n, out, out_len);
}

static int inflate_zstd(struct inflater *f, size_t n, uint8_t *out, size_t out_len)
{
	ZSTD_inBuffer in = {.src = f->input, .size = n};
	ZSTD_outBuffer to = {.dst = out, .size = out_len};

	if (!f->zstd) {
		f->zstd = ZSTD_createDCtx();
		if (!f->zstd)
			return -ENOMEM;
		ZSTD_DCtx_setParameter(f->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	}
	ZSTD_DCtx_reset(f->zstd, ZSTD_reset_session_only);
	/* A cluster may be several frames; each call moves forward or ends the loop. */
	while (to.pos < to.size) {
		size_t in_was = in.pos, out_was = to.pos;
		size_t r = ZSTD_decompressStream(f->zstd, &to, &in);

		if (ZSTD_isError(r) || (in.pos == in_was && to.pos == out_was))
			return -EIO;
	}
	return 0;
}

int inflater_run(struct inflater *f, enum qcow2_compression how, size_t n, uint8_t *out,
		 size_t out_len)
{
	return how == QCOW2_ZSTD ? inflate_zstd(f, n, out, out_len)
				 : inflate_deflate(f, n, out, out_len);
}
