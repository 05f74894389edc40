/* SPDX-License-Identifier: Apache-2.0
 *
 * Complaints about a text that somebody wrote, collected so that one run shows all of them:
 *
 *     croft.yaml:14:9: error: disk: 500MiB is smaller than the image (2.0GiB)
 *        14 | disk: 500MiB
 *           |       ^
 *           = help: write at least 2GiB
 */
#ifndef BASE_YAML_DIAG_H
#define BASE_YAML_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct arena;

/* Counted from 1; column in characters as an editor shows them. line 0: the file as a whole. */
struct mark {
	unsigned line, column;
};

enum diag_level { DIAG_ERROR, DIAG_WARNING };

/* A text that marks point into. Its strings are borrowed, and outlive the diags that use it. */
struct source {
	const char *name; /* as the user wrote the path */
	const char *text;
	size_t len;
	unsigned line_offset;	/* for a text embedded in another file: lines before it there */
	unsigned column_offset; /* and the indentation that was taken from each line */
};

/* Line `n` (from 1) of the text as given, without its break; NULL when there is no such line. */
const char *source_line(const struct source *, unsigned n, size_t *len);

struct diag {
	enum diag_level level;
	const struct source *source;
	struct mark at;
	const char *message;
	const char *help; /* the next move, or NULL */
};

enum { DIAGS_MAX = 200 }; /* a hostile file does not get more lines of complaint than that */

struct diags {
	struct arena *arena; /* borrowed; holds the texts */
	struct diag *list;   /* in the order of report; diags_print sorts by position */
	size_t n, cap, errors;
	bool full;
};

void diags_init(struct diags *, struct arena *);
void diags_done(struct diags *);
void diag_add(struct diags *, enum diag_level, const struct source *, struct mark, const char *help,
	      const char *fmt, ...) __attribute__((format(printf, 6, 7)));
#define diag_error(ds, src, at, help, ...) diag_add(ds, DIAG_ERROR, src, at, help, __VA_ARGS__)
#define diag_warn(ds, src, at, help, ...)  diag_add(ds, DIAG_WARNING, src, at, help, __VA_ARGS__)

/* Sorted by position; source lines and carets below each; control characters shown as '?'. */
void diags_print(const struct diags *, FILE *, bool colour);
/* [{"level","file","line","column","message","help"}...] for -o json. The caller frees. */
char *diags_json(const struct diags *);

#endif
