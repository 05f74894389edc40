/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels and initrds unpacked on the host, once, instead of in the guest at every boot.
 *
 * An unpacked kernel is its bzImage's boot sector and setup code, and then, where the compressed
 * payload was, what was in it: the ELF image and the relocations that follow it. payload_offset and
 * payload_length of the setup header (kernel: Documentation/arch/x86/boot.rst) name that place; the
 * VMM knows such a kernel by the ELF magic there. An unpacked initrd is a plain cpio archive.
 */
#ifndef IMAGES_INSPECT_UNPACK_H
#define IMAGES_INSPECT_UNPACK_H

#include <stdint.h>

#include "base/err.h"

/*
 * Both read `in_fd` by offset in a guarded process (base/guard.h) and write at most max_bytes to
 * `out_fd`, a new file, at its offset. ERR_UNSUPPORTED: there is nothing to unpack, or nothing that
 * we can; the file is good as it is. ERR_CORRUPT: what was unpacked makes no sense.
 */
int kernel_unpack(int in_fd, int out_fd, uint64_t max_bytes, struct err *);
int initrd_unpack(int in_fd, int out_fd, uint64_t max_bytes, struct err *);

/* The same in this process: for a caller that is guarded already, and for fuzzing. */
int kernel_unpack_here(int in_fd, int out_fd, uint64_t max_bytes, struct err *);
int initrd_unpack_here(int in_fd, int out_fd, uint64_t max_bytes, struct err *);

#endif
