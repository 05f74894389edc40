// SPDX-License-Identifier: Apache-2.0
//
// Images in memory: see image.h.
#include "tests/lib/disk/image.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/disk/qcheck.h"

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

int mem_file(const void *bytes, size_t n)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	must(fd >= 0 && pwrite_all(fd, bytes, n, 0) == 0, "memfd");
	return fd;
}

int mem_reopen(int fd)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	must(again >= 0, "reopen");
	return again;
}

uint8_t *mem_bytes(int fd, size_t *n)
{
	struct stat st;
	uint8_t *bytes;

	must(fstat(fd, &st) == 0, "stat");
	*n = (size_t)st.st_size;
	bytes = xmalloc(*n ? *n : 1);
	must(pread_all(fd, bytes, *n, 0, NULL) == 0, "read");
	return bytes;
}

static int create(const struct blk_create *how)
{
	struct err err = {0};
	int fd = mem_file("", 0);

	if (qcow2_create(fd, how, &err) < 0)
		fprintf(stderr, "%s\n", err.msg);
	must(!err.kind, "qcow2_create");
	return fd;
}

int mem_qcow2(uint64_t size, uint32_t cluster, bool extended)
{
	return create(&(struct blk_create){
		.size = size, .cluster_size = cluster, .extended_l2 = extended});
}

int mem_overlay(uint64_t size, uint32_t cluster, bool extended, enum blk_format format,
		uint64_t backing)
{
	return create(&(struct blk_create){.size = size,
					   .cluster_size = cluster,
					   .extended_l2 = extended,
					   .backing_name = "below",
					   .backing_format = format,
					   .backing_size = backing});
}

struct blk *mem_open(int top, enum blk_format format, int below, enum blk_format below_format,
		     unsigned flags, struct err *err)
{
	struct blk_layer layers[2] = {
		{.fd = mem_reopen(top), .format = format, .name = "top"},
		{.fd = -1, .format = below_format, .name = "below"},
	};

	if (below >= 0)
		layers[1].fd = mem_reopen(below);
	return blk_open(layers, below >= 0 ? 2 : 1, flags, err);
}

struct blk *mem_must_open(int fd, unsigned flags)
{
	struct err err = {0};
	struct blk *blk = mem_open(fd, BLK_QCOW2, -1, BLK_RAW, flags, &err);

	if (!blk)
		fprintf(stderr, "%s\n", err.msg);
	must(blk != NULL, "blk_open");
	return blk;
}

static struct qcheck check(int fd)
{
	size_t n;
	uint8_t *bytes = mem_bytes(fd, &n);
	struct qcheck q = qcheck_image(bytes, n);

	free(bytes);
	return q;
}

unsigned mem_corruptions(int fd)
{
	struct qcheck q = check(fd);

	if (q.corruptions)
		fprintf(stderr, "%u corruptions: %s\n", q.corruptions, q.first);
	return q.corruptions;
}

unsigned mem_leaks(int fd)
{
	return check(fd).leaks;
}
