/* SPDX-License-Identifier: Apache-2.0
 *
 * What a spec's image is to the store: the want, with the catalogs in reach and with what
 * croft.lock says of it. One place, so that `up`, `lock` and `image pull` ask for the same bytes.
 */
#ifndef PROVISION_IMAGE_H
#define PROVISION_IMAGE_H

#include "images/store/catalog/source.h"
#include "provision/lock.h"
#include "provision/spec/spec.h"

struct image_ask {
	struct image_want want; /* its pointers are the spec's, or below */
	const char *what;	/* the path, URL or name as the spec has it */
	const char *arch;
	bool lockable;			   /* a local file is the user's own, and is not locked */
	const struct image_source *locked; /* what croft.lock says, or NULL */
	/* owned */
	struct lockfile lock;
	char *catalogs[2];
	const char *files[3];
};

/* spec_path NULL: an image without a spec, such as `image pull debian:13` asks for; no lock
 * then. */
int image_ask(const char *spec_path, const struct spec_image *, struct image_ask *, struct err *);
void image_ask_done(struct image_ask *);

/*
 * Adds a complaint to the spec's for each image whose name no catalog in reach knows, unless
 * croft.lock pins it.
 */
void image_check_names(struct spec *);

/*
 * The files that may hold a catalog: beside the spec (spec_path may be NULL), then the user's.
 * `owned` takes what is to be freed; `files` ends with NULL.
 */
void image_catalogs(const char *spec_path, char *owned[2], const char *files[3]);

#endif
