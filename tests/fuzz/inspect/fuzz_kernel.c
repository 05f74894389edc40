/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts of a kernel. The input is the file; with its first byte odd, the magics of a bzImage are
 * put in place, with the second lowest bit those of an ELF file.
 */
#include <elf.h>
#include <string.h>

#include "images/inspect/kernel.h"
#include "base/util.h"

struct memory {
	const uint8_t *data;
	size_t n;
};

static int read_memory(void *ctx, uint64_t off, void *dst, size_t n, size_t *got)
{
	const struct memory *m = ctx;

	*got = off < m->n ? min_u64(n, m->n - off) : 0;
	if (*got)
		memcpy(dst, m->data + off, *got);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct kernel_facts k = {0};
	struct err err = {0};
	struct memory m;
	uint8_t *copy;

	if (n < 1)
		return 0;
	copy = malloc(n);
	memcpy(copy, data + 1, n - 1);
	m = (struct memory){copy, n - 1};
	if ((data[0] & 1) && m.n >= 0x268) {
		memcpy(copy + 0x1FE, "\x55\xaaxxHdrS", 8);
		copy[0x207] = 2;
	} else if ((data[0] & 2) && m.n >= sizeof(Elf64_Ehdr)) {
		memcpy(copy,
		       "\x7f"
		       "ELF\2\1",
		       6);
		put_le16(copy + 18, EM_X86_64);
		put_le16(copy + 54, sizeof(Elf64_Phdr));
	}
	if (kernel_facts_from(read_memory, &m, &k, &err) == 0 &&
	    (!k.kind[0] || !memchr(k.version, 0, sizeof(k.version))))
		abort();
	free(copy);
	return 0;
}
