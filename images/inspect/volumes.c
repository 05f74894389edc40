/* SPDX-License-Identifier: Apache-2.0
 *
 * File systems by what configuration files call them by.
 */
#include "images/inspect/volumes.h"

#include <strings.h>
#include <string.h>

void volumes_done(struct volumes *v)
{
	for (int i = 0; i < INSPECT_MAX_PARTS; i++)
		fsys_close(v->fs[i]);
	buf_done(&v->trail);
}

struct fsys *volume_fs(struct volumes *v, int i)
{
	struct inspect_part *p = &v->in->part[i];
	struct err why = {0};

	if (v->tried[i] || v->fs[i])
		return v->fs[i];
	v->tried[i] = true;
	v->fs[i] = fsys_open(v->blk, p, &why);
	if (!v->fs[i] && !p->note[0])
		snprintf(p->note, sizeof(p->note), "%s", why.msg);
	return v->fs[i];
}

int volume_by_number(const struct volumes *v, unsigned number)
{
	for (unsigned i = 0; i < v->in->nparts; i++)
		if (v->in->part[i].number == number)
			return (int)i;
	return VOLUME_NONE;
}

int volume_by_uuid(const struct volumes *v, const char *uuid)
{
	for (unsigned i = 0; i < v->in->nparts; i++)
		if (v->in->part[i].fs_uuid[0] && !strcasecmp(v->in->part[i].fs_uuid, uuid))
			return (int)i;
	return VOLUME_NONE;
}

int volume_by_label(const struct volumes *v, const char *label)
{
	for (unsigned i = 0; i < v->in->nparts; i++)
		if (v->in->part[i].fs_label[0] && !strcmp(v->in->part[i].fs_label, label))
			return (int)i;
	return VOLUME_NONE;
}

const char *volume_name(const struct volumes *v, int i)
{
	static char name[32];

	if (!v->in->part[i].number)
		return "the disk";
	snprintf(name, sizeof(name), "partition %u", v->in->part[i].number);
	return name;
}

void trail(struct volumes *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&v->trail, fmt, ap);
	va_end(ap);
	buf_putc(&v->trail, '\n');
}
