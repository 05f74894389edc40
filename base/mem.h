/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of our own bookkeeping. The x functions never return NULL: when a few hundred bytes of our
 * own are not to be had, the program says so and ends, which is safe because everything on disk is
 * replaced atomically or journalled (docs/architecture.md). They are for sizes that we choose. A size
 * that a guest, a file or a user chooses is checked against a ceiling first and then goes through
 * malloc() with an error path; the VMM allocates nothing of a guest's choosing.
 *
 * An arena holds trees that live and die together, such as a parsed spec.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

void *xmalloc(size_t n);
void *xzalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
/* Grows an array: *cap elements of `size` become at least `need`; doubles. */
void *xgrow(void *p, size_t *cap, size_t need, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define NEW(type) ((type *)xzalloc(sizeof(type)))

struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *);
void *arena_zalloc(struct arena *, size_t n); /* aligned for any type */
char *arena_strdup(struct arena *, const char *s);
char *arena_strndup(struct arena *, const char *s, size_t n);
char *arena_printf(struct arena *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
