/* SPDX-License-Identifier: Apache-2.0
 *
 * The split ring under a guest that adds good buffers and, now and then, breaks one thing of the
 * ring. Whatever comes out of virtq_pop must lie in guest memory and add up.
 */
#include "base/util.h"
#include "tests/lib/vmm/fuzzin.h"
#include "tests/lib/vmm/gring.h"
#include "tests/lib/vmm/guarded.h"
#include "vmm/virtio/virtq.h"

#define RAM   (1 * MIB)
#define RING  UINT64_C(0x1000)
#define TABLE UINT64_C(0x40000) /* indirect tables */
#define DATA  UINT64_C(0x80000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gmem *mem;
static struct gring ring;
static struct virtq q;
static struct chain chain;
static unsigned popped; /* and not yet returned */

static void check_chain(void)
{
	uint64_t out = 0, in = 0;
	struct iovec iov[CHAIN_MAX_IOV];
	uint8_t bytes[64];

	if (chain.nout + chain.nin > CHAIN_MAX_IOV || chain.nout + chain.nin == 0 ||
	    chain.head >= q.size)
		abort();
	for (unsigned i = 0; i < chain.nout + chain.nin; i++) {
		guarded_check(mem, chain.iov[i].iov_base, chain.iov[i].iov_len);
		if (!chain.iov[i].iov_len)
			abort();
		*(i < chain.nout ? &out : &in) += chain.iov[i].iov_len;
	}
	if (out != chain.out_len || in != chain.in_len || out + in > UINT32_MAX)
		abort();
	if (chain_out_iov(&chain, 0, out, iov, CHAIN_MAX_IOV) != (int)chain.nout ||
	    chain_in_iov(&chain, 0, in, iov, CHAIN_MAX_IOV) != (int)chain.nin ||
	    (in && chain_in_iov(&chain, 1, in, iov, CHAIN_MAX_IOV) != -1))
		abort();
	if (chain_read(&chain, out / 2, bytes, sizeof(bytes)) !=
		    min_u64(sizeof(bytes), out - out / 2) ||
	    chain_write(&chain, in / 2, bytes, sizeof(bytes)) !=
		    min_u64(sizeof(bytes), in - in / 2))
		abort();
}

/* A chain of good parts in the ring or in a table, of which one field may be wrong. */
static void add(struct fuzzin *f)
{
	unsigned n = 1 + fuzz_pick(f, 8), outs = fuzz_pick(f, n + 1);
	bool indirect = fuzz_u8(f) & 1;
	uint16_t head = (uint16_t)(ring.next_desc % ring.size);
	gpa_t table = indirect ? TABLE + 16 * fuzz_pick(f, 16) : ring.desc;
	unsigned base = indirect ? 0 : head, broken = fuzz_rare(f) ? fuzz_pick(f, n) : n;

	for (unsigned i = 0; i < n; i++) {
		unsigned at = indirect ? i : (base + i) % ring.size;
		uint64_t addr = DATA + 64 * fuzz_u8(f);
		uint32_t len = 1 + fuzz_u8(f);
		uint16_t flags = (uint16_t)((i + 1 < n ? VRING_DESC_F_NEXT : 0) |
					    (i >= outs ? VRING_DESC_F_WRITE : 0));
		uint16_t next = (uint16_t)(indirect ? i + 1 : (base + i + 1) % ring.size);

		if (i == broken)
			switch (fuzz_pick(f, 4)) {
			case 0:
				addr = fuzz_edge(f);
				break;
			case 1:
				len = (uint32_t)fuzz_edge(f);
				break;
			case 2:
				flags = (uint16_t)fuzz_uint(f, 2);
				break;
			case 3:
				next = (uint16_t)fuzz_edge(f);
				break;
			}
		gring_desc_at(mem, table, at, addr, len, flags, next);
	}
	if (indirect)
		gring_put_desc(
			&ring, head, table, fuzz_rare(f) ? (uint32_t)fuzz_edge(f) : 16 * n,
			VRING_DESC_F_INDIRECT | (fuzz_rare(f) ? (uint16_t)fuzz_uint(f, 2) : 0), 0);
	ring.next_desc = (uint16_t)((head + (indirect ? 1 : n)) % ring.size);
	gring_offer(&ring, fuzz_rare(f) ? (uint16_t)fuzz_edge(f) : head);
}

static void step(struct fuzzin *f)
{
	uint32_t head, len;

	switch (fuzz_pick(f, 12)) {
	case 0:
	case 1:
	case 2:
		add(f);
		break;
	case 3:
	case 4:
	case 5:
		if (virtq_pop(&q, &chain) > 0) {
			check_chain();
			popped++;
		} else if (q.error && !*q.error) {
			abort();
		}
		break;
	case 6:
		if (popped) {
			virtq_push(&q, chain.head, fuzz_u8(f));
			popped--;
		}
		break;
	case 7:
		if (popped > 1) {
			virtq_fill(&q, chain.head, 1, 1);
			virtq_fill(&q, chain.head, 2, 0);
			virtq_publish(&q, 2);
			popped -= 2;
		}
		break;
	case 8:
		if (popped) {
			virtq_unpop(&q);
			popped--;
		}
		break;
	case 9:
		virtq_should_notify(&q);
		gring_set_used_event(&ring, (uint16_t)fuzz_uint(f, 2));
		break;
	case 10:
		virtq_notify_off(&q);
		virtq_notify_on(&q);
		while (gring_take_used(&ring, &head, &len))
			;
		break;
	case 11: /* anything, anywhere in the ring */
		if (fuzz_rare(f)) {
			gpa_t at = RING + fuzz_uint(f, 2) % (20 * (uint64_t)ring.size + 64);
			uint8_t byte = fuzz_u8(f);

			gmem_write(mem, at, &byte, 1);
		} else {
			gring_set_avail_flags(&ring, fuzz_u8(f) & 1);
		}
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzzin f = {data, size};
	uint16_t n;
	uint8_t features;

	if (!mem)
		mem = guarded_gmem(RAM);
	n = (uint16_t)(1u << fuzz_pick(&f, 9));
	features = fuzz_u8(&f);
	gring_place(&ring, mem, n, RING);
	memset(gmem_ptr(mem, TABLE, 4096), 0, 4096);
	virtq_reset(&q);
	popped = 0;
	q.event_idx = features & 1;
	q.indirect = !(features & 2);
	if (virtq_enable(&q, mem, n, ring.desc, ring.avail, ring.used) < 0)
		abort();
	/* Places that the guest chose badly; enabled or not, nothing outside. */
	if (features & 0x80) {
		struct virtq other = {0};
		gpa_t desc = fuzz_edge(&f), avail = fuzz_edge(&f), used = fuzz_edge(&f);
		uint16_t s = (uint16_t)fuzz_edge(&f);

		if (virtq_enable(&other, mem, s, desc, avail, used) == 0) {
			guarded_check(mem, other.desc, 16 * (uint64_t)s);
			guarded_check(mem, other.avail, 6 + 2 * (uint64_t)s);
			guarded_check(mem, other.used, 6 + 8 * (uint64_t)s);
		}
	}
	for (int i = 0; i < 500 && fuzz_more(&f); i++)
		step(&f);
	return 0;
}
