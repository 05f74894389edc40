/* SPDX-License-Identifier: Apache-2.0
 *
 * A C structure as a JSON file: see record.h.
 */
#include "provision/record.h"

#include <inttypes.h>
#include <jansson.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"

/* The object that holds the last part of a dotted key; created when `make`. *leaf is that part. */
static json_t *holder(json_t *root, const char *key, const char **leaf, bool make)
{
	const char *dot = strchr(key, '.');
	char name[64];
	json_t *sub;

	*leaf = dot ? dot + 1 : key;
	if (!dot)
		return root;
	snprintf(name, sizeof(name), "%.*s", (int)(dot - key), key);
	sub = json_object_get(root, name);
	if (!sub && make)
		json_object_set_new(root, name, sub = json_object());
	return json_is_object(sub) ? sub : NULL;
}

/* --- writing ---------------------------------------------------------------------------------- */

static json_t *to_json(const struct record_class *, const void *);

static json_t *field_to_json(const struct record_field *f, const char *base)
{
	const void *p = base + f->off;
	json_t *list;

	switch (f->kind) {
	case RECORD_TEXT:
		return json_string(p);
	case RECORD_STRING:
		return *(char *const *)p ? json_string(*(char *const *)p) : NULL;
	case RECORD_NUMBER:
		return json_integer((json_int_t) * (const uint64_t *)p);
	case RECORD_FLAG:
		return json_boolean(*(const bool *)p);
	case RECORD_LIST:
		list = json_array();
		for (size_t i = 0; i < *(const size_t *)(base + f->count_off); i++)
			json_array_append_new(list, to_json(f->item, base + f->off + i * f->size));
		return list;
	}
	return NULL;
}

static json_t *to_json(const struct record_class *c, const void *rec)
{
	json_t *root = json_object();

	if (c->version)
		json_object_set_new(root, "version", json_integer((json_int_t)c->version));
	for (size_t i = 0; i < c->nfields; i++) {
		const char *leaf;
		json_t *in = holder(root, c->fields[i].key, &leaf, true);

		json_object_set_new(in, leaf,
				    field_to_json(&c->fields[i], rec)); /* NULL: left out */
	}
	return root;
}

void record_write(const struct record_class *c, const void *rec, struct buf *out)
{
	json_t *root = to_json(c, rec);
	auto_free char *text = json_dumps(root, JSON_INDENT(2));

	json_decref(root);
	buf_puts(out, text ? text : "");
	buf_putc(out, '\n');
}

/* --- reading ---------------------------------------------------------------------------------- */

static int from_json(const struct record_class *, json_t *, void *, struct err *);

static int wrong(const struct record_field *f, const char *want, struct err *err)
{
	return err_set(err, ERR_CORRUPT, "'%s' is not %s", f->key, want);
}

static int list_from_json(const struct record_field *f, json_t *v, char *base, struct err *err)
{
	size_t n = json_array_size(v);

	if (!json_is_array(v) || n > f->max)
		return err_set(err, ERR_CORRUPT, "'%s' is not a list of at most %zu", f->key,
			       f->max);
	for (size_t i = 0; i < n; i++) {
		/*
		 * Counted before it is filled: what a failure leaves behind is released with the
		 * rest.
		 */
		*(size_t *)(base + f->count_off) = i + 1;
		if (from_json(f->item, json_array_get(v, i), base + f->off + i * f->size, err) < 0)
			return err_wrap(err, "%s[%zu]", f->key, i);
	}
	return 0;
}

static int field_from_json(const struct record_field *f, json_t *v, char *base, struct err *err)
{
	void *p = base + f->off;

	switch (f->kind) {
	case RECORD_TEXT:
		if (!json_is_string(v) || json_string_length(v) >= f->size)
			return err_set(err, ERR_CORRUPT, "'%s' is not a text of at most %zu bytes",
				       f->key, f->size - 1);
		snprintf(p, f->size, "%s", json_string_value(v));
		return 0;
	case RECORD_STRING:
		if (!json_is_string(v))
			return wrong(f, "a text", err);
		*(char **)p = xstrdup(json_string_value(v));
		return 0;
	case RECORD_NUMBER:
		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return wrong(f, "a whole number", err);
		*(uint64_t *)p = (uint64_t)json_integer_value(v);
		return 0;
	case RECORD_FLAG:
		if (!json_is_boolean(v))
			return wrong(f, "true or false", err);
		*(bool *)p = json_is_true(v);
		return 0;
	case RECORD_LIST:
		return list_from_json(f, v, base, err);
	}
	return 0;
}

static int from_json(const struct record_class *c, json_t *root, void *rec, struct err *err)
{
	if (!json_is_object(root))
		return err_set(err, ERR_CORRUPT, "not a JSON object");
	for (size_t i = 0; i < c->nfields; i++) {
		const struct record_field *f = &c->fields[i];
		const char *leaf;
		json_t *in = holder(root, f->key, &leaf, false);
		json_t *v = in ? json_object_get(in, leaf) : NULL;

		if (v && field_from_json(f, v, rec, err) < 0)
			return -1;
	}
	return 0;
}

static int check_version(const struct record_class *c, json_t *root, struct err *err)
{
	json_t *v = json_object_get(root, "version");

	if (!c->version)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) <= 0)
		return err_set(err, ERR_CORRUPT, "'version' is missing");
	if ((uint64_t)json_integer_value(v) != c->version)
		return err_set(err, ERR_UNSUPPORTED,
			       "version %" PRIu64
			       " of this file is %s than this croft (it knows %" PRIu64 ")",
			       (uint64_t)json_integer_value(v),
			       (uint64_t)json_integer_value(v) > c->version ? "newer" : "older",
			       c->version);
	return 0;
}

int record_read(const struct record_class *c, const char *json, size_t n, void *out,
		struct err *err)
{
	json_error_t why;
	json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES, &why);
	int rc;

	if (!root)
		return err_set(err, ERR_CORRUPT, "line %d column %d: %s", why.line, why.column,
			       why.text);
	rc = check_version(c, root, err);
	if (rc == 0 && (rc = from_json(c, root, out, err)) < 0)
		record_done(c, out);
	json_decref(root);
	return rc;
}

void record_done(const struct record_class *c, void *rec)
{
	char *base = rec;

	for (size_t i = 0; i < c->nfields; i++) {
		const struct record_field *f = &c->fields[i];
		size_t *count = (size_t *)(base + f->count_off);

		if (f->kind == RECORD_STRING) {
			free(*(char **)(base + f->off));
		} else if (f->kind == RECORD_LIST) {
			for (size_t j = 0; j < *count; j++)
				record_done(f->item, base + f->off + j * f->size);
			*count = 0;
			continue;
		}
		memset(base + f->off, 0, f->size);
	}
}

/* --- files ------------------------------------------------------------------------------------ */

int record_load(const struct record_class *c, const char *path, void *out, struct err *err)
{
	auto_buf struct buf text = BUF_INIT(RECORD_MAX_BYTES);

	if (file_read(path, &text, err) < 0)
		return -1;
	if (record_read(c, buf_str(&text), text.len, out, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}

int record_save(const struct record_class *c, const char *path, const void *rec, bool durable,
		struct err *err)
{
	auto_buf struct buf text = BUF_INIT(RECORD_MAX_BYTES);

	record_write(c, rec, &text);
	if (text.overflow)
		return err_set(err, ERR_FAILED, "%s would be larger than %d bytes", path,
			       RECORD_MAX_BYTES);
	return (durable ? file_replace : file_put)(path, text.data, text.len, 0600, err);
}
