/* SPDX-License-Identifier: Apache-2.0
 *
 * A fuzzer's bytes as choices. What follows the end reads as zero, and zero is the honest choice
 * everywhere, so that short inputs are valid ones and a target breaks one thing at a time.
 */
#ifndef TESTS_LIB_VMM_FUZZIN_H
#define TESTS_LIB_VMM_FUZZIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuzzin {
	const uint8_t *p;
	size_t left;
};

static inline bool fuzz_more(const struct fuzzin *f)
{
	return f->left > 0;
}

static inline uint8_t fuzz_u8(struct fuzzin *f)
{
	if (!f->left)
		return 0;
	f->left--;
	return *f->p++;
}

static inline uint64_t fuzz_uint(struct fuzzin *f, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)fuzz_u8(f) << (8 * i);
	return v;
}

/* One of n. */
static inline unsigned fuzz_pick(struct fuzzin *f, unsigned n)
{
	return fuzz_u8(f) % n;
}

/* Rarely: the moment to break something. */
static inline bool fuzz_rare(struct fuzzin *f)
{
	return fuzz_u8(f) >= 0xe0;
}

/* A number near the edges where mistakes live. */
static inline uint64_t fuzz_edge(struct fuzzin *f)
{
	static const uint64_t edges[] = {
		0,
		1,
		2,
		7,
		8,
		15,
		16,
		255,
		256,
		511,
		512,
		4095,
		4096,
		65535,
		65536,
		0x7fffffff,
		0x80000000,
		0xfffffff0,
		0xffffffff,
		0x100000000,
		UINT64_MAX >> 9,
		UINT64_MAX >> 1,
		UINT64_MAX - 4095,
		UINT64_MAX - 15,
		UINT64_MAX,
	};
	unsigned i = fuzz_u8(f);

	if (i < sizeof(edges) / sizeof(edges[0]))
		return edges[i];
	return fuzz_uint(f, 1 + i % 8);
}

#endif
