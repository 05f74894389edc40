/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of the field table in words, for `explain` and the manual.
 */
#ifndef PROVISION_SPEC_DOC_H
#define PROVISION_SPEC_DOC_H

#include "base/buf.h"
#include "provision/spec/field.h"

/* "size, 64MiB to 4TiB", "word: auto or kernel", "map, or the number of count alone" */
void doc_type(const struct field *, struct buf *);
/* "2", "the VM's name", or empty */
void doc_initial(const struct field *, struct buf *);
/* What a change takes: "the VM is started again"; NULL: nothing to say. */
const char *doc_change(const struct field *);

#endif
