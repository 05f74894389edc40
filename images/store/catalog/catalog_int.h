/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the catalog share: the tree as it was written, and the layers of an image in
 * it.
 */
#ifndef IMAGES_STORE_CATALOG_INT_H
#define IMAGES_STORE_CATALOG_INT_H

#include "base/mem.h"
#include "base/yaml/yaml.h"
#include "images/store/catalog/catalog.h"

struct distro {
	const char *name, *from;
	const struct yaml_node *map, *versions, *variants; /* variants may be NULL */
};

struct catalog {
	struct arena *arena;
	struct diags diags;
	struct distro *distros; /* sorted by name */
	size_t ndistros, cap;
	struct catalog_version *versions;
	size_t nversions, versions_cap;
};

/* One image, as the places in the tree that say something about it. */
struct pick {
	const struct distro *distro;
	const struct yaml_pair *version, *variant; /* variant NULL: the plain one */
	const char *arch;
};

/* What is nearest to the image: of its variant, its version, its distribution. NULL: nowhere, or
 * null. */
const struct yaml_node *pick_key(const struct pick *, const char *key);
/* The architectures of a pick (arch is not read), NULL-terminated, in the arena. */
const char *const *pick_arches(struct catalog *, const struct pick *);

/* catalog_keys.c: complains about what is wrong in a distribution's tree; true when nothing is. */
bool catalog_check_distro(struct catalog *, const struct yaml_pair *);

/*
 * catalog_fill.c: the image with its templates filled in. Mistakes that show only then are
 * complained about; false.
 */
bool catalog_fill(struct catalog *, const struct pick *, struct catalog_image *out);

#endif
