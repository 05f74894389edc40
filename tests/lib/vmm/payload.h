/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiny guests: a few instructions of 32-bit code, assembled by hand, as an ELF image with a PVH entry.
 * They run on any /dev/kvm, also one that runs no stock kernel.
 */
#ifndef TESTS_LIB_VMM_PAYLOAD_H
#define TESTS_LIB_VMM_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct code {
	uint8_t b[2048];
	size_t n;
};

enum { PAYLOAD_ADDRESS = 0x100000 };

void emit(struct code *, const void *bytes, size_t n);
void emit_outb(struct code *, uint16_t port, uint8_t v);
void emit_outw(struct code *, uint16_t port, uint16_t v);
void emit_print(struct code *, const char *text); /* to COM1, a byte at a time */
void emit_in_al(struct code *, uint16_t port);	  /* al = port */
void emit_jump(struct code *, size_t target);	  /* to an offset in the code */
/* Jumps there while (al & mask) == 0. */
void emit_wait_al(struct code *, uint8_t mask, size_t target);
void emit_power_off(struct code *);
void emit_spin(struct code *); /* jmp . */

/* The image in a memfd; `entry` is the note's value (PAYLOAD_ADDRESS for a good one). */
int payload_fd(const struct code *, uint32_t entry);
/* The image's bytes: returns its size. */
size_t payload_image(const struct code *, uint32_t entry, uint8_t *out, size_t room);

#endif
