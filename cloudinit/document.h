/* SPDX-License-Identifier: Apache-2.0
 *
 * What kind of document somebody handed in as user-data or vendor-data, told by cloud-init's own
 * rules (user_data.py, handlers/__init__.py): gzip is unpacked, MIME is known by its header,
 * everything else by how its first line begins.
 */
#ifndef CLOUDINIT_DOCUMENT_H
#define CLOUDINIT_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum document_kind {
	DOC_EMPTY,
	DOC_UNKNOWN, /* cloud-init ignores it */
	DOC_MIME,
	DOC_CLOUD_CONFIG,
	DOC_CLOUD_CONFIG_ARCHIVE,
	DOC_CLOUD_CONFIG_JSONP,
	DOC_SCRIPT,
	DOC_BOOTHOOK,
	DOC_PART_HANDLER,
	DOC_INCLUDE,
	DOC_INCLUDE_ONCE,
	DOC_JINJA,
	DOC_KINDS
};

/* The kind of a text that is not packed. */
enum document_kind document_kind(const char *text, size_t len);
/* "text/cloud-config"; NULL for the first two. */
const char *document_content_type(enum document_kind);
/* "#cloud-config"; NULL where no line says it. */
const char *document_header(enum document_kind);

/* cloud-init takes any text that says MIME-Version early on for a message, whatever is above. */
bool document_looks_like_mime(const char *text, size_t len);

bool document_is_gzip(const char *data, size_t len);
/* Appends what the packed bytes hold. ERR_CORRUPT; ERR_SPEC when it is more than `out` takes. */
int document_unpack(const char *data, size_t len, struct buf *out, struct err *err);

#endif
