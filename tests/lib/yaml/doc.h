/* SPDX-License-Identifier: Apache-2.0
 *
 * A YAML text parsed for a test, with its complaints and what was written from it.
 */
#ifndef TESTS_LIB_YAML_DOC_H
#define TESTS_LIB_YAML_DOC_H

#include "base/yaml/yaml.h"

struct doc {
	struct arena *arena;
	struct source source;
	struct diags diags;
	struct yaml_node *root; /* NULL: not understood */
	struct buf out;
};

void doc_open(struct doc *, const char *text, size_t len);
void doc_close(struct doc *);
/* The tree as YAML or JSON, or the complaints as diags_print writes them; valid until the next
 * call. */
const char *doc_yaml(struct doc *);
const char *doc_json(struct doc *);
const char *doc_complaints(struct doc *);

#endif
