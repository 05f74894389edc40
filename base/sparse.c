/* SPDX-License-Identifier: Apache-2.0
 *
 * See sparse.h. The usual granule is large enough that a disk image does not fall into a thousand
 * extents, and small enough that little is lost at their edges.
 */
#include "base/sparse.h"

#include <stdbool.h>
#include <string.h>

#include "base/file.h"
#include "base/util.h"

enum { USUAL_GRANULE = 16 << 10 };

static bool all_zero(const char *p, size_t n)
{
	return p[0] == 0 && !memcmp(p, p + 1, n - 1);
}

int sparse_put(struct sparse *s, uint64_t off, const void *data, size_t n)
{
	const uint32_t granule = s->granule ? s->granule : USUAL_GRANULE;
	const char *p = data;

	while (n) {
		size_t run = 0, part = 0;
		bool hole = false;

		/* Granules that are to be written, up to the first that need not. */
		while (run < n && !hole) {
			part = min_u64(n - run, granule - (off + run) % granule);
			hole = off + run >= s->dirty && all_zero(p + run, part);
			run += hole ? 0 : part;
		}
		if (run && pwrite_all(s->fd, p, run, off) < 0)
			return -1;
		if (run)
			s->dirty = max_u64(s->dirty, off + run);
		run += hole ? part : 0;
		p += run;
		off += run;
		n -= run;
	}
	return 0;
}
