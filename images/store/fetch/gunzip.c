/* SPDX-License-Identifier: Apache-2.0
 *
 * See gunzip.h. What follows the last member is ignored, as gzip(1) does.
 */
#include "images/store/fetch/gunzip.h"

#include <errno.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/util.h"

enum { INPUT_BYTES = 128 << 10 };

struct gunzip {
	struct tail *from;
	z_stream z;
	bool between; /* a member ended; another may follow */
	bool ended;
	unsigned char input[INPUT_BYTES];
};

struct gunzip *gunzip_new(struct tail *from)
{
	struct gunzip *g = NEW(struct gunzip);

	g->from = from;
	if (inflateInit2(&g->z, 15 + 16) == Z_OK) /* the largest window; a gzip header */
		return g;
	free(g);
	return NULL;
}

void gunzip_free(struct gunzip *g)
{
	if (!g)
		return;
	inflateEnd(&g->z);
	free(g);
}

/* Gets input when there is none: 1, 0 at the end, -1. */
static int fill(struct gunzip *g)
{
	ssize_t got;

	if (g->z.avail_in)
		return 1;
	got = tail_read(g->from, g->input, sizeof(g->input));
	if (got <= 0)
		return (int)got;
	g->z.next_in = g->input;
	g->z.avail_in = (unsigned)got;
	return 1;
}

static int damaged(void)
{
	errno = EBADMSG;
	return -1;
}

ssize_t gunzip_read(struct gunzip *g, void *dst, size_t n)
{
	g->z.next_out = dst;
	g->z.avail_out = (unsigned)min_u64(n, 1 << 30);
	while (!g->ended && g->z.next_out == dst) {
		int more = fill(g), rc;

		if (more < 0)
			return -1;
		if (g->between) {
			g->between = false;
			g->ended = !more || g->z.next_in[0] != 0x1f || inflateReset(&g->z) != Z_OK;
			continue;
		}
		if (!more)
			return damaged(); /* in the middle of a member */
		rc = inflate(&g->z, Z_NO_FLUSH);
		if (rc != Z_OK && rc != Z_STREAM_END)
			return damaged();
		g->between = rc == Z_STREAM_END;
	}
	return (char *)g->z.next_out - (char *)dst;
}
