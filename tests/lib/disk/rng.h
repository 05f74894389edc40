/* SPDX-License-Identifier: Apache-2.0
 *
 * A small seeded generator (splitmix64), so that a failing run can be repeated.
 */
#ifndef TESTS_LIB_DISK_RNG_H
#define TESTS_LIB_DISK_RNG_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 to n - 1 */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
	return rng_next(r) % n;
}

static inline void rng_fill(struct rng *r, void *dst, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = rng_next(r);

		memcpy((char *)dst + i, &v, n - i < 8 ? n - i : 8);
	}
}

#endif
