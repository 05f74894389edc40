/* SPDX-License-Identifier: Apache-2.0
 *
 * Version comparison, as rpm and GRUB's blscfg do it and as the Boot Loader Specification has it.
 */
#ifndef IMAGES_INSPECT_VERCMP_H
#define IMAGES_INSPECT_VERCMP_H

/* < 0, 0, > 0 as a is older than, equal to, newer than b. NULL is older than anything. */
int version_compare(const char *a, const char *b);

/*
 * The same after UAPI.10, where '-', '^' and '.' order as well as separate: "6.1-2" is older than
 * "6.1.1-1", and "arch-fallback.conf" than "arch.conf".
 */
int version_compare_uapi(const char *a, const char *b);

#endif
