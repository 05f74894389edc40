/* SPDX-License-Identifier: Apache-2.0
 *
 * A C structure as a JSON file, through a table of its fields: one row a field, and writing,
 * reading, checking and releasing come from the row. For the files that provision keeps about a VM
 * (state.json, journal, boot.json, ladder.json). What is read is not trusted: a wrong kind, a text
 * longer than its field or a list longer than its array is an error that names the key.
 */
#ifndef PROVISION_RECORD_H
#define PROVISION_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum record_kind {
	RECORD_TEXT,   /* char[size], NUL-terminated */
	RECORD_STRING, /* char *, owned; NULL is left out */
	RECORD_NUMBER, /* uint64_t */
	RECORD_FLAG,   /* bool */
	RECORD_LIST,   /* item[max] and a size_t count, each item a record of its own */
};

struct record_class;

struct record_field {
	const char *key; /* "image.digest" is the key digest of the object image */
	enum record_kind kind;
	size_t off, size;      /* of the field; of one item for a list */
	size_t count_off, max; /* lists */
	const struct record_class *item;
};

struct record_class {
	const char *name; /* for messages: "state" */
	uint64_t version; /* written as "version", and the only one that is read; 0: none (items) */
	const struct record_field *fields;
	size_t nfields;
};

/* A value that a file holds but no row knows is dropped: an older croft may have written it. */
int record_read(const struct record_class *, const char *json, size_t n, void *out, struct err *);
void record_write(const struct record_class *, const void *, struct buf *json);
/* Releases the strings, and zeroes the structure's fields. */
void record_done(const struct record_class *, void *);

enum { RECORD_MAX_BYTES = 1 << 20 };

/*
 * The same with a file. ERR_NOT_FOUND when there is none; `durable`: by file_replace, else by
 * file_put.
 */
int record_load(const struct record_class *, const char *path, void *out, struct err *);
int record_save(const struct record_class *, const char *path, const void *, bool durable,
		struct err *);

#define RECORD_ROW(type, field, key_, kind_)                                                       \
	{                                                                                          \
		.key = (key_), .kind = (kind_), .off = offsetof(type, field),                      \
		.size = sizeof(((type *)0)->field)                                                 \
	}
#define RECORD_ROW_LIST(type, array, count, key_, class_)                                          \
	{                                                                                          \
		.key = (key_), .kind = RECORD_LIST, .off = offsetof(type, array),                  \
		.size = sizeof(((type *)0)->array[0]), .count_off = offsetof(type, count),         \
		.max = sizeof(((type *)0)->array) / sizeof(((type *)0)->array[0]),                 \
		.item = (class_)                                                                   \
	}

#endif
