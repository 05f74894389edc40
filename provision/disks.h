/* SPDX-License-Identifier: Apache-2.0
 *
 * The names that the disk step gives and the VM step opens.
 */
#ifndef PROVISION_DISKS_H
#define PROVISION_DISKS_H

#include "provision/spec/spec.h"

/* File of a further disk that is given by size, in the VM's directory; the caller frees. */
char *disk_file_name(const struct spec_disk *);

#endif
