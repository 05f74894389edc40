/* SPDX-License-Identifier: Apache-2.0
 *
 * The grub.cfg interpreter: the input is a script, and behind a NUL byte a grubenv and behind
 * another one a file to source. Kernels and initrds with short names are there to be found.
 */
#include <string.h>

#include "images/inspect/grub.h"
#include "tests/lib/inspect/memfs.h"

static void check(const struct mem_disk *d, const struct boot_entry *e)
{
	if (!memchr(e->kernel, 0, sizeof(e->kernel)) ||
	    !memchr(e->cmdline, 0, sizeof(e->cmdline)) || !memchr(e->title, 0, sizeof(e->title)) ||
	    e->ninitrd > BOOT_MAX_INITRDS)
		abort();
	/* What is selected exists. */
	if (volume_by_number(&d->v, e->part) == VOLUME_NONE ||
	    !fsys_is_file(d->v.fs[volume_by_number(&d->v, e->part)], e->kernel))
		abort();
	for (unsigned i = 0; i < e->ninitrd; i++)
		if (!fsys_is_file(d->v.fs[volume_by_number(&d->v, e->part)], e->initrd[i]))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct mem_file files[] = {
		{"/boot/grub/grub.cfg", "", 0},
		{"/boot/grub/grubenv", "", 0},
		{"/boot/grub/custom.cfg", "", 0},
		{"/k", "k", 0},
		{"/i", "i", 0},
		{"/loader/entries/a.conf", "linux /k\noptions $x\ninitrd /i $y\n", 0},
	};
	struct mem_file other[] = {{"/k2", "k", 0}};
	static struct mem_disk d;
	struct boot_entry e = {0};
	struct err err = {0};
	char *text[3];
	int vol;

	mem_split(data, n, text, ARRAY_LEN(text));
	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		files[i].content = text[i];
	mem_disk_init(&d, "gpt");
	vol = mem_disk_add(&d, 1, "linux", "root", "aaaa-1", files, ARRAY_LEN(files));
	mem_disk_add(&d, 2, "linux", "data", "bbbb-2", other, ARRAY_LEN(other));
	if (grub_boot(&d.v, vol, "/boot/grub/grub.cfg", &e, &err) == 0)
		check(&d, &e);
	else if (err.kind == ERR_NONE)
		abort();
	mem_disk_done(&d);
	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		free(text[i]);
	return 0;
}
