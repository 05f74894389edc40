/* SPDX-License-Identifier: Apache-2.0
 *
 * A second opinion on qcow2 images, for tests that check thousands of them: an image in memory is
 * walked by the specification alone, references are counted and compared with the refcounts. It
 * shares no code with images/disk; `qemu-img check` is the third opinion where a file is at hand.
 */
#ifndef TESTS_LIB_DISK_QCHECK_H
#define TESTS_LIB_DISK_QCHECK_H

#include <stddef.h>
#include <stdint.h>

struct qcheck {
	unsigned corruptions, leaks;
	char first[160]; /* what the first corruption is */
};

/* An image file's bytes; past the end it reads as zeroes. */
struct qcheck qcheck_image(const uint8_t *image, size_t n);

#endif
