/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes ACPI machine language (ACPI 6.4, 20.2): just what the SSDT needs. A block (scope, device,
 * package) is begun and ended; its length is filled in at the end.
 */
#ifndef VMM_ACPI_AML_H
#define VMM_ACPI_AML_H

#include <stdint.h>

#include "base/buf.h"

/* Each aml_*_begin returns what aml_end wants. Names are whole AML paths, as "\\_SB_" or "C000". */
size_t aml_scope_begin(struct buf *, const char *path);
size_t aml_device_begin(struct buf *, const char *name);
size_t aml_package_begin(struct buf *, uint8_t elements);
void aml_end(struct buf *, size_t begun);

void aml_name(struct buf *, const char *path); /* Name (path, ...): the value comes next */
void aml_int(struct buf *, uint64_t);
void aml_string(struct buf *, const char *);

#endif
