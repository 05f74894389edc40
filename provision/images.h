/* SPDX-License-Identifier: Apache-2.0
 *
 * Which VM stands on which image of the cache.
 */
#ifndef PROVISION_IMAGES_H
#define PROVISION_IMAGES_H

#include "images/store/manage.h"
#include "provision/provision.h"

struct image_use {
	struct vm_name vm;
	char *path;	  /* of the image, or NULL */
	char digest[140]; /* of what it came as */
};

struct image_users {
	struct image_use *uses;
	size_t n, cap;
};

/*
 * Of every VM of this user. ERR_CONFLICT when the state of one cannot be read: it may stand on any
 * image.
 */
int image_users_load(struct image_users *, struct err *);
void image_users_done(struct image_users *);
/* The i-th VM that uses the image, or NULL. */
const struct vm_name *image_user(const struct image_users *, const struct image_entry *, size_t i);

/* For store_remove and store_prune: looks at the VMs each time it is asked. */
extern const struct image_guard image_vms_guard;

#endif
