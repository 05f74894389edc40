/* SPDX-License-Identifier: Apache-2.0
 *
 * unpack kernel|initrd IN OUT: what `croft up` does to a kernel or an initrd before it boots, for
 * the benchmark and for tests of the VMM by hand.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/util.h"
#include "images/inspect/unpack.h"

int main(int argc, char **argv)
{
	auto_close int in = -1, out = -1;
	struct err err = {0};
	int rc;

	if (argc != 4 || (strcmp(argv[1], "kernel") && strcmp(argv[1], "initrd"))) {
		fprintf(stderr, "usage: unpack kernel|initrd IN OUT\n");
		return 2;
	}
	in = open(argv[2], O_RDONLY | O_CLOEXEC);
	out = open(argv[3], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (in < 0 || out < 0) {
		perror("unpack");
		return 1;
	}
	rc = (argv[1][0] == 'k' ? kernel_unpack : initrd_unpack)(in, out, GIB, &err);
	if (rc < 0)
		fprintf(stderr, "unpack: %s\n", err.msg);
	return rc < 0;
}
