/* SPDX-License-Identifier: Apache-2.0
 *
 * The private key that goes with a spec's public one.
 */
#ifndef PROVISION_IDENTITY_H
#define PROVISION_IDENTITY_H

#include "provision/spec/spec.h"

/* The path of a private key on this host whose public half the spec gives to the guest, or NULL. */
char *identity_find(const struct spec *, const struct spec_vm *);

#endif
