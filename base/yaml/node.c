/* SPDX-License-Identifier: Apache-2.0
 *
 * Nodes: looking into a tree and building one.
 */
#include <string.h>

#include "base/util.h"
#include "base/yaml/yaml.h"

/* Makes room for one more element; the arena keeps the old array until it is freed itself. */
static void *room(struct arena *arena, void *list, size_t n, size_t *cap, size_t size)
{
	void *bigger;

	if (n < *cap)
		return list;
	*cap = *cap ? *cap * 2 : 4;
	bigger = arena_zalloc(arena, *cap * size);
	if (n)
		memcpy(bigger, list, n * size);
	return bigger;
}

static struct yaml_node *find(const struct yaml_node *map, const char *key, size_t *index)
{
	size_t len = strlen(key);

	if (!map || map->kind != YAML_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++) {
		const struct yaml_node *k = map->pairs[i].key;

		if (k->len == len && !memcmp(k->text, key, len)) {
			*index = i;
			return map->pairs[i].value;
		}
	}
	return NULL;
}

struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	size_t index;

	return find(map, key, &index);
}

static struct yaml_node *make(struct arena *arena, enum yaml_kind kind)
{
	struct yaml_node *node = arena_zalloc(arena, sizeof(*node));

	node->kind = kind;
	return node;
}

static struct yaml_node *make_scalar(struct arena *arena, const char *text, bool plain)
{
	struct yaml_node *node = make(arena, YAML_SCALAR);

	node->text = arena_strdup(arena, text);
	node->len = strlen(text);
	node->plain = plain;
	return node;
}

struct yaml_node *yaml_map(struct arena *arena)
{
	return make(arena, YAML_MAP);
}

struct yaml_node *yaml_seq(struct arena *arena)
{
	return make(arena, YAML_SEQ);
}

struct yaml_node *yaml_str(struct arena *arena, const char *text)
{
	return make_scalar(arena, text, false);
}

struct yaml_node *yaml_plain(struct arena *arena, const char *text)
{
	return make_scalar(arena, text, true);
}

void yaml_set(struct arena *arena, struct yaml_node *map, const char *key, struct yaml_node *value)
{
	size_t index;

	assert(map->kind == YAML_MAP);
	if (find(map, key, &index))
		map->pairs[index].value = value;
	else
		yaml_append(arena, map, yaml_str(arena, key), value);
}

void yaml_append(struct arena *arena, struct yaml_node *map, struct yaml_node *key,
		 struct yaml_node *value)
{
	map->pairs = room(arena, map->pairs, map->n, &map->cap, sizeof(*map->pairs));
	map->pairs[map->n++] = (struct yaml_pair){.key = key, .value = value};
}

void yaml_add(struct arena *arena, struct yaml_node *seq, struct yaml_node *item)
{
	assert(seq->kind == YAML_SEQ);
	seq->items = room(arena, seq->items, seq->n, &seq->cap, sizeof(*seq->items));
	seq->items[seq->n++] = item;
}
