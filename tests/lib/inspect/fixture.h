/* SPDX-License-Identifier: Apache-2.0
 *
 * Disk images for the tests of images/inspect, made without root: trees of files below a temporary
 * directory, file systems from them with mke2fs -d, partition tables with sgdisk and sfdisk.
 */
#ifndef TESTS_LIB_INSPECT_FIXTURE_H
#define TESTS_LIB_INSPECT_FIXTURE_H

#include "base/buf.h"
#include "images/disk/block.h"
#include "images/inspect/inspect.h"

struct fixture {
	char dir[64]; /* temporary; everything lives below it */
};

/* All of these fail the running test (or abort outside of one) when something goes wrong. */
void fixture_init(struct fixture *);
void fixture_done(struct fixture *);

/* dir/NAME; the text is overwritten by the fourth call after it. */
const char *fixture_path(const struct fixture *, const char *name);

/* A file dir/TREE/PATH with its directories. */
void fixture_file(struct fixture *, const char *tree, const char *path, const void *data, size_t n);
void fixture_text(struct fixture *, const char *tree, const char *path, const char *text);
void fixture_link(struct fixture *, const char *tree, const char *path, const char *target);
/* As fixture_text, with a file of tests/unit/inspect/data. */
void fixture_data(struct fixture *, const char *tree, const char *path, const char *data);

/* A minimal bzImage with this version text. */
void fixture_kernel(struct fixture *, const char *tree, const char *path, const char *version);

/* mke2fs -d dir/TREE dir/OUT; options may be NULL or separate words. */
void fixture_mke2fs(struct fixture *, const char *tree, const char *out, uint64_t bytes,
		    const char *options);

/* Copies dir/FS into dir/DISK at an offset; the disk grows as needed. */
void fixture_place(struct fixture *, const char *disk, const char *fs, uint64_t off);
void fixture_truncate(struct fixture *, const char *name, uint64_t bytes);

/* Partitions dir/disk.img. */
void fixture_sgdisk(struct fixture *, const char *options);

/* Runs a program that has to succeed; its standard output goes to `out` unless that is NULL. */
void fixture_run(const char *const argv[], struct buf *out);
/* The same through sh -c, for pipes and here-documents. */
void fixture_shell(const char *command);

/*
 * Whether a file of dir/FS can be located; then, with the file system somewhere on a disk, its
 * content has to be where fsys_locate says.
 */
bool fixture_locate(struct fixture *, const char *fs, const char *path, const char *content);

struct blk *fixture_open(const struct fixture *, const char *name);

/* The Debian 12 cloud layout as dir/disk.img: GPT, p14 BIOS boot, p15 ESP, p1 ext4 with a
 * grub.cfg. */
void fixture_debian(struct fixture *);

#endif
