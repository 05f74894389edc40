/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounded JSON: see json.h. What jansson would allocate is estimated from the text before it is
 * read.
 */
#include "images/store/catalog/json.h"

#include <stdbool.h>
#include <string.h>

enum { MAX_DEPTH = 16, MAX_CONTAINERS = 400000, MAX_VALUES = 4000000 };

static bool is_reasonable(const char *text, size_t n)
{
	size_t depth = 0, containers = 0, values = 0;
	bool quoted = false;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
			continue;
		}
		quoted = c == '"';
		values += c == ',' || c == ':';
		containers += c == '{' || c == '[';
		depth += c == '{' || c == '[';
		if (depth > MAX_DEPTH || containers > MAX_CONTAINERS || values > MAX_VALUES)
			return false;
		if ((c == '}' || c == ']') && depth)
			depth--;
	}
	return true;
}

json_t *json_read(const char *text, size_t n, const char *from, struct err *err)
{
	json_error_t at;
	json_t *root;

	if (!is_reasonable(text, n)) {
		err_set(err, ERR_VERIFY,
			"'%s' is deeper or has more in it than any index of images", from);
		return NULL;
	}
	root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &at);
	if (!root)
		err_set(err, ERR_VERIFY, "'%s':%d:%d: not JSON: %s", from, at.line, at.column,
			at.text);
	return root;
}

const char *json_text(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);

	return text && strlen(text) == json_string_length(value) ? text : NULL;
}
