/* SPDX-License-Identifier: Apache-2.0
 *
 * Version comparison as rpm, GRUB's blscfg and the Boot Loader Specification do it.
 */
#ifndef IMAGES_INSPECT_VERCMP_H
#define IMAGES_INSPECT_VERCMP_H

/* < 0, 0, > 0 as a is older than, equal to, newer than b. NULL is older than anything. */
int version_compare(const char *a, const char *b);

#endif
