/* SPDX-License-Identifier: Apache-2.0
 *
 * extlinux.conf with a second file to include (behind a NUL byte), and the other small texts of an
 * image: os-release and the options of an entry.
 */
#include <string.h>

#include "images/inspect/boot.h"
#include "images/inspect/osrelease.h"
#include "tests/lib/inspect/memfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct mem_file files[] = {{"/boot/extlinux.conf", "", 0},
				   {"/boot/inc", "", 0},
				   {"/boot/k", "k", 0},
				   {"/boot/i", "i", 0}};
	static struct mem_disk d;
	struct os_release os = {0};
	struct boot_entry e = {0};
	struct err err = {0};
	char line[256];
	char *text[2];

	mem_split(data, n, text, ARRAY_LEN(text));
	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		files[i].content = text[i];
	mem_disk_init(&d, "none");
	mem_disk_add(&d, 0, "", "/", "aaaa-1", files, ARRAY_LEN(files));
	if (extlinux_boot(&d.v, 0, "/boot/extlinux.conf", &e, &err) == 0 &&
	    !fsys_is_file(d.v.fs[0], e.kernel))
		abort();
	mem_disk_done(&d);

	os_release_parse(text[0], &os);
	snprintf(e.cmdline, sizeof(e.cmdline), "%s", text[0]);
	if (boot_cmdline(&e, text[1], 200, line, sizeof(line), &err) == 0 && strlen(line) > 200)
		abort();
	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		free(text[i]);
	return 0;
}
