/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking up one image: what source.c (what is good enough) and source_name.c (names of the
 * catalog) share.
 */
#ifndef IMAGES_STORE_LOOKUP_H
#define IMAGES_STORE_LOOKUP_H

#include "images/store/catalog/resolve.h"
#include "images/store/catalog/source.h"

/* Everything that looking up one image needs. */
struct lookup {
	const struct image_want *want;
	const char *cache_dir;
	const struct fetcher *fetcher;
	struct catalog_image image;
	struct found found;
	char *file;	  /* the image, as a path below the mirrors or a URL */
	char *dir;	  /* and what is before its last slash */
	char *index_path; /* the listing that was read, which is often the checksum file */
	char *index_url;
	struct buf index;
	struct image_source *out;
};

/* Fills in l->out for l->want->name. */
int source_name(struct lookup *, struct err *);
void lookup_done(struct lookup *); /* not what `out` holds */

#endif
