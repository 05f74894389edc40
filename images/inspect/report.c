/* SPDX-License-Identifier: Apache-2.0
 *
 * See report.h. The form is the structure itself, since both ends are the same program, with the
 * trail behind it.
 */
#include "images/inspect/report.h"

#include <string.h>

#include "base/clean.h"
#include "base/mem.h"

#define CLEAN(field)                                                                               \
	clean_copy((field), sizeof(field), (field), strnlen((field), sizeof(field) - 1))

/*
 * A bool of unknown bytes may hold more than 0 and 1, which the language does not allow to
 * look at.
 */
static void clean_bool(bool *b)
{
	uint8_t byte;

	memcpy(&byte, b, 1);
	*b = byte != 0;
}

void report_write(const struct inspect *in, struct buf *out)
{
	buf_put(out, in, sizeof(*in));
	buf_puts(out, in->trail ? in->trail : "");
}

static bool check_part(struct inspect_part *p, uint64_t disk_size)
{
	CLEAN(p->type);
	CLEAN(p->type_name);
	CLEAN(p->name);
	CLEAN(p->partuuid);
	CLEAN(p->fs);
	CLEAN(p->fs_label);
	CLEAN(p->fs_uuid);
	CLEAN(p->note);
	clean_bool(&p->fs_dirty);
	clean_bool(&p->fs_replayed);
	return range_inside(p->off, p->size, disk_size);
}

static bool check_boot(struct boot_entry *b)
{
	CLEAN(b->config);
	CLEAN(b->title);
	CLEAN(b->kernel);
	CLEAN(b->cmdline);
	for (unsigned i = 0; i < BOOT_MAX_INITRDS; i++)
		CLEAN(b->initrd[i]);
	return b->source >= BOOT_NONE && b->source <= BOOT_NEWEST && b->ninitrd <= BOOT_MAX_INITRDS;
}

static bool check(struct inspect *in)
{
	CLEAN(in->table);
	CLEAN(in->boot_note);
	CLEAN(in->os.id);
	CLEAN(in->os.version_id);
	CLEAN(in->os.pretty_name);
	CLEAN(in->os.id_like);
	CLEAN(in->kernel.kind);
	CLEAN(in->kernel.version);
	CLEAN(in->kernel.payload);
	clean_bool(&in->gpt_backup);
	clean_bool(&in->kernel.entry64);
	clean_bool(&in->kernel.relocatable);
	clean_bool(&in->kernel.above4g);
	clean_bool(&in->kernel.pvh);
	if (in->nparts > INSPECT_MAX_PARTS || !check_boot(&in->boot) ||
	    !range_inside(in->boot.used.off, in->boot.used.size, in->disk_size) ||
	    (in->root_part != -1u && in->root_part >= in->nparts))
		return false;
	for (unsigned i = 0; i < in->nparts; i++)
		if (!check_part(&in->part[i], in->disk_size))
			return false;
	return true;
}

/* Lines of text: within each, control characters are made visible as everywhere. */
static char *clean_lines(const char *text, size_t n)
{
	auto_buf struct buf out = BUF_INIT(n + 2);

	while (n) {
		const char *eol = memchr(text, '\n', n);
		size_t len = eol ? (size_t)(eol - text) : n;
		auto_free char *line = xmalloc(len + 1);

		clean_copy(line, len + 1, text, len);
		buf_puts(&out, line);
		buf_putc(&out, '\n');
		text += len + (eol != NULL);
		n -= len + (eol != NULL);
	}
	return buf_take(&out);
}

struct inspect *report_read(const struct buf *b, struct err *err)
{
	struct inspect *in = NEW(struct inspect);

	if (b->len >= sizeof(*in)) {
		memcpy(in, b->data, sizeof(*in));
		in->trail = clean_lines(b->data + sizeof(*in), b->len - sizeof(*in));
		memset(&in->image, 0, sizeof(in->image)); /* the caller's */
		if (check(in))
			return in;
	}
	inspect_free(in);
	err_set(err, ERR_CORRUPT, "the findings about the image are damaged");
	return NULL;
}
