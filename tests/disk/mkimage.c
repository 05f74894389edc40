// SPDX-License-Identifier: Apache-2.0
//
// Makes or grows an image, as its own process:
//
//	mkimage [--cluster BYTES] [--extended] FILE SIZE [FORMAT:BACKING]
//	mkimage --grow FORMAT FILE SIZE [FORMAT:BACKING]
//
// SIZE 0 is the backing file's.
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>

#include "base/num.h"
#include "images/disk/block.h"

static int fail(const char *what, const struct err *err)
{
	fprintf(stderr, "mkimage: %s: %s\n", what, err->msg);
	return 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"cluster", 1, 0, 'c'}, {"extended", 0, 0, 'e'}, {"grow", 1, 0, 'g'}, {0}};
	struct blk_create how = {0};
	struct blk_info info;
	struct err err = {0};
	const char *grow = NULL;
	enum blk_format format;
	uint64_t n;
	int c, fd;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			if (parse_u64(optarg, &n, &err) < 0)
				return fail(optarg, &err);
			how.cluster_size = (uint32_t)n;
			break;
		case 'e':
			how.extended_l2 = true;
			break;
		case 'g':
			grow = optarg;
			break;
		default:
			return 2;
		}
	}
	if (argc - optind < 2 || parse_u64(argv[optind + 1], &how.size, &err) < 0)
		return 2;
	if (argc - optind > 2) {
		char *colon = strchr(argv[optind + 2], ':');
		int backing;

		if (!colon)
			return 2;
		*colon = 0;
		how.backing_name = colon + 1;
		backing = open(how.backing_name, O_RDONLY | O_CLOEXEC);
		if (blk_format_parse(argv[optind + 2], &how.backing_format, &err) < 0 ||
		    blk_probe(backing, &info, &err) < 0)
			return fail(how.backing_name, &err);
		how.backing_size =
			how.backing_format == BLK_RAW ? info.file_size : info.virtual_size;
	}
	fd = open(argv[optind], O_RDWR | O_CLOEXEC | (grow ? 0 : O_CREAT | O_TRUNC), 0600);
	if (grow) {
		if (blk_format_parse(grow, &format, &err) < 0 ||
		    blk_grow(fd, format, how.size, how.backing_size, &err) < 0)
			return fail(argv[optind], &err);
		return 0;
	}
	return qcow2_create(fd, &how, &err) < 0 ? fail(argv[optind], &err) : 0;
}
