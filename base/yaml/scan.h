/* SPDX-License-Identifier: Apache-2.0
 *
 * What libyaml could not scan, in words that help.
 */
#ifndef BASE_YAML_SCAN_H
#define BASE_YAML_SCAN_H

#include <limits.h>
#include <yaml.h>

#include "base/yaml/diag.h"

/* Adds the one complaint for a parser that has stopped. */
void scan_complain(const yaml_parser_t *, const struct source *, struct diags *);

/* libyaml counts from 0. */
static inline struct mark mark_of(yaml_mark_t m)
{
	return (struct mark){
		.line = m.line < UINT_MAX ? (unsigned)m.line + 1 : UINT_MAX,
		.column = m.column < UINT_MAX ? (unsigned)m.column + 1 : UINT_MAX,
	};
}

#endif
