/* SPDX-License-Identifier: Apache-2.0
 *
 * Boot Loader Specification entries: the input is three entry files, a grubenv (which is not there
 * when it is empty) and systemd-boot's loader.conf, with NUL bytes between them.
 */
#include <string.h>

#include "images/inspect/boot.h"
#include "tests/lib/inspect/memfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct mem_file files[] = {
		{"/boot/loader/entries/a-1.conf", "", 0},
		{"/boot/loader/entries/b-2+3-1.conf", "", 0},
		{"/boot/loader/entries/c-0-rescue.conf", "", 0},
		{"/boot/grub2/grubenv", "", 0},
		{"/boot/loader/loader.conf", "", 0},
		{"/boot/k", "k", 0},
		{"/boot/i", "i", 0},
	};
	static struct mem_disk d;
	char *text[5];

	mem_split(data, n, text, ARRAY_LEN(text));
	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		files[i].content = text[i];
	if (!*text[3])
		files[3] = (struct mem_file){"/unrelated", "x", 0};
	mem_disk_init(&d, "gpt");
	mem_disk_add(&d, 1, "linux", "root", "aaaa-1", files, ARRAY_LEN(files));
	boot_find(&d.v, 0);
	if (d.in.boot.source == BOOT_NONE ? !d.in.boot_note[0]
					  : !fsys_is_file(d.v.fs[0], d.in.boot.kernel))
		abort();
	mem_disk_done(&d);
	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		free(text[i]);
	return 0;
}
