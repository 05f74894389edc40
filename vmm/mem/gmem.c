/* SPDX-License-Identifier: Apache-2.0
 *
 * Guest memory: see gmem.h. This file and virtq.c are the only ones that turn a guest's address
 * into a pointer; gmem_ptr is the whole security argument.
 */
#include "vmm/mem/gmem.h"

#include <sys/mman.h>

#include "base/mem.h"
#include "base/util.h"
#include "vmm/mem/layout.h"

#define HUGE_PAGE (2 * MIB)
#define PAGE	  4096

/*
 * Anonymous memory whose host address is a multiple of the huge page, as the guest addresses of our
 * regions are: only then can KVM map 2 MiB at a time. Reserved with a huge page to spare, then
 * trimmed.
 */
static int map_region(struct gmem_region *r, gpa_t gpa, uint64_t size, struct err *err)
{
	uint64_t reserve = size + HUGE_PAGE, before;
	uint8_t *raw, *host;

	raw = mmap(NULL, reserve, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (raw == MAP_FAILED)
		return err_sys(err, ERR_HOST, "cannot reserve %llu MiB of guest memory",
			       (unsigned long long)(size / MIB));
	host = (uint8_t *)align_up((uintptr_t)raw, HUGE_PAGE);
	before = (uint64_t)(host - raw);
	if (before)
		munmap(raw, before);
	if (reserve - before > size)
		munmap(host + size, reserve - before - size);

	/* Both are advice: a kernel without transparent huge pages runs the guest all the same. */
	(void)madvise(host, size, MADV_HUGEPAGE);
	(void)madvise(host, size, MADV_DONTDUMP);
	/* Of the lowest 2 MiB a few pages are ever used: to zero all of them for the first costs more
	 * than everything else until the guest starts. */
	if (gpa == 0)
		(void)madvise(host, min_u64(size, HUGE_PAGE), MADV_NOHUGEPAGE);
	*r = (struct gmem_region){.gpa = gpa, .size = size, .host = host};
	return 0;
}

struct gmem *gmem_new(uint64_t bytes, struct err *err)
{
	uint64_t low = min_u64(bytes, LAYOUT_HOLE);
	struct gmem *m;

	if (!bytes || bytes % PAGE || bytes > UINT64_C(1) << 46) {
		err_set(err, ERR_FAILED,
			"guest memory of %llu bytes: want whole pages, at most 64 TiB",
			(unsigned long long)bytes);
		return NULL;
	}
	m = NEW(struct gmem);
	m->size = bytes;
	if (map_region(&m->regions[m->n], 0, low, err) < 0)
		goto fail;
	m->n++;
	if (bytes > low) {
		if (map_region(&m->regions[m->n], LAYOUT_4GIB, bytes - low, err) < 0)
			goto fail;
		m->n++;
	}
	return m;
fail:
	gmem_free(m);
	return NULL;
}

void gmem_free(struct gmem *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < m->n; i++)
		munmap(m->regions[i].host, m->regions[i].size);
	free(m);
}

void *gmem_ptr(const struct gmem *m, gpa_t gpa, uint64_t len)
{
	for (unsigned i = 0; len && i < m->n; i++) {
		const struct gmem_region *r = &m->regions[i];

		if (gpa >= r->gpa && range_inside(gpa - r->gpa, len, r->size))
			return r->host + (gpa - r->gpa);
	}
	return NULL;
}

int gmem_read(const struct gmem *m, gpa_t gpa, void *dst, size_t n)
{
	const void *src = gmem_ptr(m, gpa, n);

	if (!src)
		return -1;
	memcpy(dst, src, n);
	return 0;
}

int gmem_write(struct gmem *m, gpa_t gpa, const void *src, size_t n)
{
	void *dst = gmem_ptr(m, gpa, n);

	if (!dst)
		return -1;
	memcpy(dst, src, n);
	return 0;
}

void gmem_clear(struct gmem *m)
{
	for (unsigned i = 0; i < m->n; i++)
		/* Private anonymous pages that were given back read as zeroes. It fails only for
		 * memory that somebody locked; then there is nothing for it but to write them. */
		if (madvise(m->regions[i].host, m->regions[i].size, MADV_DONTNEED) < 0)
			memset(m->regions[i].host, 0, m->regions[i].size);
}
