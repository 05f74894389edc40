/* SPDX-License-Identifier: Apache-2.0
 *
 * Checking a YAML document against a table of keys: unknown ones, kinds of values, what is
 * deprecated. The tables are written by hand after the schemas of cloud-init 22 to 25; they look as
 * deep as people usually write.
 */
#ifndef CLOUDINIT_CHECK_H
#define CLOUDINIT_CHECK_H

#include <stdbool.h>

#include "base/yaml/yaml.h"

/* What a value may be, as a set. */
enum value_kind {
	V_TEXT = 1,
	V_INT = 2,
	V_FLOAT = 4,
	V_BOOL = 8,
	V_NULL = 16,
	V_LIST = 32,
	V_MAP = 64,
};

struct key {
	const char *name; /* "*": any name */
	unsigned kinds;	  /* of the value; 0: anything */
	unsigned items;	  /* of each item, if it is a list; 0: anything */
	/* Keys of the map, or of the maps in the list; NULL: not looked into. */
	const struct key *inside;
	/* The only texts allowed, ends with NULL; NULL: any. */
	const char *const *values;
	/* Says what is wrong with a text, or NULL; asked about each item, if it is a list. */
	const char *(*wrong)(const char *text);
	bool required;
	/* The next move for a key that is deprecated, or `ignored`: without effect here. */
	const char *instead;
	bool ignored;
};

/* Rows of a table: KEY("name", kinds, .further = fields), and the last one. */
/* clang-format off */
#define KEY(key_name, value_kinds, ...) {.name = (key_name), .kinds = (value_kinds), ##__VA_ARGS__}
#define KEYS_END {.name = NULL}
#define WORDS(...) (const char *const[]){__VA_ARGS__, NULL}
/* clang-format on */

/* `what` names the document or the map in complaints: "cloud-config", "users". */
void check_map(const struct yaml_node *map, const struct key *, const char *what, struct diags *);

extern const struct key cloud_config_keys[];
extern const struct key network_v1_keys[], network_v2_keys[];
extern const struct key meta_data_keys[];

#endif
