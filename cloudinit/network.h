/* SPDX-License-Identifier: Apache-2.0
 *
 * The network-config document that croft makes for a VM's NICs, and what an address is.
 */
#ifndef CLOUDINIT_NETWORK_H
#define CLOUDINIT_NETWORK_H

#include "cloudinit/seed.h"

/* Each says what is wrong with the text ("is not an address"), or NULL. */
const char *wrong_address(const char *text);  /* 10.0.0.5, fd00::5 */
const char *wrong_prefixed(const char *text); /* 10.0.0.5/24 */
const char *wrong_mac(const char *text);      /* 52:54:00:12:34:56 */

/* Appends the document; nothing for no NICs. ERR_SPEC for what is not an address. */
int network_render(const struct seed_nic *, unsigned n, struct buf *out, struct err *err);

#endif
