/* SPDX-License-Identifier: Apache-2.0
 *
 * Expands an image as the cache does, without the cache: expand FORMAT:FILE OUT. Prints the tree
 * digest. For tests/cache against qemu-img, and for the benchmark.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "images/store/cache/expand.h"

static int run(const char *image, const char *out, struct err *err)
{
	const char *colon = strchr(image, ':');
	struct blk_layer layer = {.fd = -1, .format = BLK_QCOW2, .name = image};
	char content[DIGEST_TEXT];
	struct survey survey;
	struct stat st;
	auto_close int fd = -1;

	if (!colon)
		return err_set(err, ERR_USAGE, "usage: expand FORMAT:FILE OUT");
	if (!strncmp(image, "raw:", 4))
		layer.format = BLK_RAW;
	layer.fd = open(colon + 1, O_RDONLY | O_CLOEXEC);
	if (layer.fd < 0 || fstat(layer.fd, &st) < 0)
		return err_sys(err, ERR_FAILED, "%s", image);
	auto_blk struct blk *src = blk_open(&layer, 1, BLK_RDONLY, err);
	if (!src || image_survey(src, (uint64_t)st.st_size, NULL, &survey, err) < 0)
		return -1;
	fd = open(out, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(err, ERR_FAILED, "%s", out);
	if (image_expand(src, fd, out, NULL, content, err) < 0)
		return -1;
	printf("%s\n", content);
	return 0;
}

int main(int argc, char **argv)
{
	struct err err = {0};

	if (argc == 3 && run(argv[1], argv[2], &err) == 0)
		return 0;
	fprintf(stderr, "expand: %s\n", argc == 3 ? err.msg : "usage: expand FORMAT:FILE OUT");
	return 1;
}
