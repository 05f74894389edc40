/* SPDX-License-Identifier: Apache-2.0
 *
 * The spec's field table (fields.c) and its types (types*.c). A row says everything about a key
 * once; reading, defaults, `explain`, the JSON Schema and croft-spec(5) are walks over the rows.
 *
 * Rows form a tree by their paths: "networks" holds "networks.*" (a map of names), which holds
 * "networks.*.address"; "disks" holds "disks[]" (the items of a list), which holds "disks[].size".
 */
#ifndef PROVISION_SPEC_FIELD_H
#define PROVISION_SPEC_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/yaml/yaml.h"

/* What a changed value takes to come into force (spec.md, "Change classes"). */
enum change {
	CHANGE_NONE,
	CHANGE_LIVE,
	CHANGE_REAPPLY,
	CHANGE_RESTART,
	CHANGE_GROW,
	CHANGE_RECREATE
};

struct field {
	const char *path;
	const struct type *type;
	const char *initial;	  /* the default, as it would be written; "{}": an empty map */
	const char *initial_note; /* the default in words: computed, or somebody else's */
	const char *help;	  /* one line */
	const char *details;	  /* more, in paragraphs, or NULL */
	const char *example;	  /* YAML, or NULL */
	enum change change;
	const char *cloud_key; /* passed to cloud-init under this key of user-data */
	uint64_t min, max; /* int, size; the most characters of a host name, entries of a list */
	uint64_t step;	   /* size: a multiple of this */
	const char *const *words; /* NULL-terminated: of an enum, or what a map may be instead */
	const char *const *later; /* words that are known and not supported yet */
	const char *short_key;	  /* a map may be a scalar instead: the value of this key */
	const char *children;	  /* the rows below are those below this path */
	bool required;
	bool literal; /* ${} means nothing here */
	bool one;     /* a list may be its only item instead */
	bool empty;   /* an empty list says something to cloud-init: that there is to be none */
	bool planned; /* known, not supported yet; help holds the next move or is NULL */
};

extern const struct field fields[];
extern const size_t nfields;
extern const struct field root_field; /* the file itself: path "" */

/* Rows directly below `parent`, in the table's order: pass NULL, then the last one; NULL ends. */
const struct field *field_next(const struct field *parent, const struct field *last);
/* The row of a key of a map; NULL: none. */
const struct field *field_child(const struct field *parent, const char *key);
/* The row of a list's items or of the values of a map of names; NULL: none. */
const struct field *field_item(const struct field *parent);
/* By path as people write it ("networks.lan.mac", "disks.size"); `deepest`: where it stopped. */
const struct field *field_find(const char *path, const struct field **deepest, const char **rest);
/* The key, without what is before it. */
const char *field_key(const struct field *);
const char *change_name(enum change);

/* --- reading ----------------------------------------------------------------------- */

struct reader {
	struct arena *arena;
	struct diags *diags;
	const char *dir; /* what relative paths of the spec are relative to */
	size_t taken;	 /* bytes that variables and key files have put in */
};

/* A key file that is named a thousand times counts a thousand times. */
enum { READER_MAX_TAKEN = 16 << 20 };

/* Where a value stands: a chain on the stack, written out for complaints only. */
struct place {
	const struct place *up; /* NULL at the top */
	const struct field *field;
	const char *key; /* NULL for an item of a list */
	size_t index;
	bool short_form; /* the map was written as the value of its short_key */
};

/*
 * Reads a value by its row's type and returns it normalised: checked, in its long form, with
 * defaults, in new nodes that keep their marks. NULL after a complaint, or for a value that stands
 * for none.
 */
struct yaml_node *read_value(struct reader *, const struct place *, const struct yaml_node *);
struct yaml_node *read_map(struct reader *, const struct place *, const struct yaml_node *);
struct yaml_node *read_list(struct reader *, const struct place *, const struct yaml_node *);
struct yaml_node *read_names(struct reader *, const struct place *, const struct yaml_node *);

/* An error at a node, led by the path of the place. */
void complain(struct reader *, const struct place *, const struct yaml_node *, const char *help,
	      const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void caution(struct reader *, const struct place *, const struct yaml_node *, const char *help,
	     const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/*
 * The text of a scalar with ${} replaced (interpolate.c): the same pointer when there was nothing
 * to replace, NULL after a complaint.
 */
const char *interpolate(struct reader *, const struct place *, const struct yaml_node *);
/* "$" as it must be written to be itself. */
const char *interpolate_escape(struct arena *, const char *text);

/* A text on its way through a type's check: see struct type. */
struct value {
	struct reader *reader;
	const struct place *place;
	const struct yaml_node *node;
	const char *text;	    /* in, and out in its canonical form */
	const char *problem, *help; /* out: what is wrong, and the next move */
};

/* --- types ------------------------------------------------------------------------- */

struct type {
	const char *name; /* "size" */
	const char *help; /* how its values are written */
	struct yaml_node *(*read)(struct reader *, const struct place *, const struct yaml_node *);
	void (*check)(struct value *); /* of texts: read_text calls it */
	const char *pattern; /* of texts: a regular expression (ECMA 262) for the schema */
	bool bare;	     /* the normalised text is written as a number or boolean */
	bool any;	     /* `check` looks at unquoted numbers and booleans itself */
	bool lines;	     /* line breaks are part of the text */
	bool splices;	     /* one item of a list may stand for several: read returns a list */
	/* Adds what the schema says of such a value; NULL: a string, with the pattern. */
	void (*schema)(struct arena *, const struct field *, struct yaml_node *out);
};

struct yaml_node *read_text(struct reader *, const struct place *, const struct yaml_node *);

/* types.c: what every format has */
extern const struct type type_bool, type_int, type_enum, type_size, type_text, type_line, type_name;
/* types_map.c */
extern const struct type type_map, type_list, type_names, type_image, type_networks;
/* types_host.c: files of the host, and what is fetched */
extern const struct type type_path, type_url, type_digest, type_image_name, type_document,
	type_config, type_cmdline;
/* ssh_key.c */
extern const struct type type_ssh_key;
/* types_net.c */
extern const struct type type_mac, type_cidr, type_ip, type_bridge, type_hostname;
/* types_guest.c: what cloud-init and the guest understand */
extern const struct type type_user, type_guest_path, type_mode, type_password, type_hash,
	type_package, type_command, type_timezone, type_locale, type_owner;

extern const struct type *const all_types[]; /* NULL-terminated, in the order of the manual */

/* A file of the host that the spec names: regular, at most `max` bytes. -1 with the reason in v. */
int read_host_file(struct value *v, const char *path, size_t max, struct buf *out);
/* ~ and paths relative to the spec, absolute and without "//" and "/./". */
const char *host_path(struct reader *, const char *text);

/* schema.c */
struct yaml_node *schema_of(struct arena *, const struct field *);

#endif
