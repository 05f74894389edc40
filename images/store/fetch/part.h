/* SPDX-License-Identifier: Apache-2.0
 *
 * A download that may be cut: the bytes that came (PART), and beside them (PART.json) of which file
 * at which server they are the beginning. Bytes are only appended, so the length of PART is how
 * many there are, also after kill -9. They are trusted no more than the server: what is kept is
 * hashed again when the download goes on.
 */
#ifndef IMAGES_STORE_PART_H
#define IMAGES_STORE_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What identifies the file at its server; the texts are "" when it did not say. */
struct part_origin {
	char url[2048];		/* the mirror, as it was asked for */
	char etag[256];		/* with its quotes; only a strong one (RFC 9110, 8.8.3) */
	char last_modified[64]; /* an HTTP date; only when it is a strong validator (8.8.2.2) */
	bool redirected;	/* the answer came from elsewhere */
	uint64_t total;		/* bytes of the whole; 0: unknown */
};

struct part {
	int fd;
	char *path, *record;
	char *digest;	/* expected, or NULL */
	uint64_t bytes; /* in the file and in `block` */
	char *block;	/* what was not written yet */
	size_t filled;
	struct part_origin origin; /* valid while bytes > 0 */
};

/*
 * Opens what there is, or makes a new one. Bytes that are not known to belong to what is wanted (no
 * record, another digest; without a digest also: from before the machine's last start, since a
 * power cut loses bytes silently) are dropped.
 */
int part_open(struct part *, const char *path, const char *digest, struct err *);
void part_close(struct part *);	 /* the files stay */
void part_remove(struct part *); /* the files go, now */

/* Starts over, with bytes of this origin. */
int part_begin(struct part *, const struct part_origin *, struct err *);
/* Nothing is kept. */
int part_drop(struct part *, struct err *);
/* Appends; *written is how many bytes more can be read from fd than before, which lag behind. */
int part_append(struct part *, const void *data, size_t n, uint64_t *written, struct err *);
/* Writes what lags behind. */
int part_flush(struct part *, uint64_t *written, struct err *);
/* All of it came: what the server did not say about its length is known now, and recorded. */
int part_whole(struct part *, struct err *);

#endif
