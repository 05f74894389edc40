/* SPDX-License-Identifier: Apache-2.0
 *
 * A growable byte buffer, born with a ceiling. Appending past the ceiling drops the data and sets
 * `overflow`, so a sequence of appends needs one check at its end. The data is always followed by a
 * NUL that does not count, so a text can be used in place.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;    /* owned; NULL while empty */
	size_t len;
	size_t cap;
	size_t ceiling; /* bytes; never grows past it */
	bool overflow;
};

#define BUF_INIT(ceiling_bytes) ((struct buf){.ceiling = (ceiling_bytes)})

void buf_done(struct buf *); /* releases; the buffer is empty again and keeps its ceiling */
void buf_reset(struct buf *); /* empties, keeps the memory */
void buf_put(struct buf *, const void *data, size_t n);
void buf_puts(struct buf *, const char *s);
void buf_putc(struct buf *, char c);
void buf_printf(struct buf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *, const char *fmt, va_list ap);
char *buf_take(struct buf *); /* the caller owns the text (never NULL); the buffer is empty */
const char *buf_str(const struct buf *); /* never NULL */

static inline void auto_buf_fn(struct buf *b)
{
	buf_done(b);
}
#define auto_buf __attribute__((cleanup(auto_buf_fn)))

#endif
