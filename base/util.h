/* SPDX-License-Identifier: Apache-2.0
 *
 * The few things every file wants: array length, container_of, checked arithmetic for sizes that
 * others choose, little- and big-endian fields, and the cleanup attributes that declare a release
 * where the resource is acquired.
 */
#ifndef BASE_UTIL_H
#define BASE_UTIL_H

#include <assert.h>
#include <dirent.h>
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Built with a sanitizer, which makes system calls and takes memory of its own. (GCC does not tell
 * of its undefined-behaviour sanitizer, which needs neither.) */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(undefined_behavior_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* `align` is a power of two. align_up of a value within `align` of 2^64 wraps: check the range first. */
static inline uint64_t align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

static inline uint64_t align_up(uint64_t v, uint64_t align)
{
	return align_down(v + align - 1, align);
}

static inline bool is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* True when the result fits; *out is untouched otherwise. */
static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *out)
{
	uint64_t r;

	if (__builtin_add_overflow(a, b, &r))
		return false;
	*out = r;
	return true;
}

static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *out)
{
	uint64_t r;

	if (__builtin_mul_overflow(a, b, &r))
		return false;
	*out = r;
	return true;
}

/* [off, off + len) lies inside [0, size); no overflow is possible. */
static inline bool range_inside(uint64_t off, uint64_t len, uint64_t size)
{
	return len <= size && off <= size - len;
}

/* Fields of on-disk and on-wire structures, at any alignment. */
#define ENDIAN_FIELD(bits, end)                                                                    \
	static inline uint##bits##_t get_##end##bits(const void *p)                                \
	{                                                                                          \
		uint##bits##_t v;                                                                  \
		memcpy(&v, p, sizeof(v));                                                          \
		return end##bits##toh(v);                                                          \
	}                                                                                          \
	static inline void put_##end##bits(void *p, uint##bits##_t v)                              \
	{                                                                                          \
		v = hto##end##bits(v);                                                             \
		memcpy(p, &v, sizeof(v));                                                          \
	}
ENDIAN_FIELD(16, le)
ENDIAN_FIELD(32, le)
ENDIAN_FIELD(64, le)
ENDIAN_FIELD(16, be)
ENDIAN_FIELD(32, be)
ENDIAN_FIELD(64, be)
#undef ENDIAN_FIELD

/*
 * auto_free char *s = ...;   freed when the scope ends
 * auto_close int fd = ...;   closed when the scope ends, if >= 0
 * Hand over in plain sight: `out->fd = take_fd(&fd);`, `return take_ptr(s);`
 */
static inline void auto_free_fn(void *p)
{
	free(*(void **)p);
}

static inline void auto_close_fn(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void auto_fclose_fn(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void auto_closedir_fn(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define auto_free     __attribute__((cleanup(auto_free_fn)))
#define auto_close    __attribute__((cleanup(auto_close_fn)))
#define auto_fclose   __attribute__((cleanup(auto_fclose_fn)))
#define auto_closedir __attribute__((cleanup(auto_closedir_fn)))

/* For a type with x_free(struct x *): DEFINE_AUTO(blk, struct blk, blk_close) gives auto_blk. */
#define DEFINE_AUTO(name, type, release)                                                           \
	static inline void auto_##name##_fn(type **p)                                              \
	{                                                                                          \
		release(*p);                                                                       \
	}

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define take_ptr(p)                                                                                \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

#endif
