/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of the field table in words: see doc.h.
 */
#include "provision/spec/doc.h"

#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "base/util.h"

static void put_words(const char *const *words, struct buf *out)
{
	for (size_t i = 0; words[i]; i++)
		buf_printf(out, "%s%s", !i ? "" : words[i + 1] ? ", " : " or ", words[i]);
}

static void put_range(const struct field *f, struct buf *out)
{
	char low[SIZE_TEXT], high[SIZE_TEXT];

	if (f->type == &type_int && f->min == f->max)
		buf_printf(out, ": %" PRIu64, f->min);
	else if (f->type == &type_int)
		buf_printf(out, ", %" PRIu64 " to %" PRIu64, f->min, f->max);
	else if (f->type == &type_size)
		buf_printf(out, ", %s to %s", format_size_exact(f->min, low, sizeof(low)),
			   format_size_exact(f->max, high, sizeof(high)));
	else if (f->type != &type_hostname && f->max)
		buf_printf(out, " of at most %" PRIu64, f->max);
}

void doc_type(const struct field *f, struct buf *out)
{
	const struct field *item = field_item(f);

	buf_puts(out, f->type->name);
	if (f->type == &type_enum) {
		buf_puts(out, ": ");
		put_words(f->words, out);
	} else {
		put_range(f, out);
	}
	if (f->type == &type_list && item)
		buf_printf(out, "; items: %s", item->type->name);
	if (f->one)
		buf_puts(out, "; one item alone needs no list");
	if (f->type == &type_map && f->short_key)
		buf_printf(out, "; or %s alone", f->short_key);
	if (f->type != &type_enum && f->words) {
		buf_puts(out, "; or ");
		put_words(f->words, out);
	}
	if (f->later) {
		buf_puts(out, " (not supported yet: ");
		put_words(f->later, out);
		buf_putc(out, ')');
	}
}

void doc_initial(const struct field *f, struct buf *out)
{
	if (f->initial_note)
		buf_puts(out, f->initial_note);
	else if (f->initial && strcmp(f->initial, "{}") != 0)
		buf_puts(out, f->initial);
}

const char *doc_change(const struct field *f)
{
	static const char *const words[] = {
		[CHANGE_NONE] = NULL,
		[CHANGE_LIVE] = "live: comes into force at once",
		[CHANGE_REAPPLY] = "reapply: used at a VM's first boot; one that exists keeps what "
				   "it has (`croft destroy` and `croft up` make a new one)",
		[CHANGE_RESTART] = "restart: comes into force at the next start",
		[CHANGE_GROW] = "grow: the disk grows at the next start; it never shrinks",
		[CHANGE_RECREATE] = "recreate: needs the VM destroyed and made again",
	};

	return words[f->change];
}
