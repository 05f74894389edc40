/* SPDX-License-Identifier: Apache-2.0
 *
 * The split virtqueue, device side: see virtq.h. Everything here reads memory that the guest may
 * change at any moment, so each field is loaded once, and only the loaded value is checked and
 * used.
 */
#include "vmm/virtio/virtq.h"

#include <linux/virtio_ring.h>

#include "base/util.h"
#include "vmm/virtio/parts.h"

/* Virtio 1.2, 2.7.6 and 2.7.8; used_event and avail_event follow the entries (2.7.10). */
enum {
	DESC_BYTES = 16,
	AVAIL_FLAGS = 0,
	AVAIL_IDX = 2,
	AVAIL_RING = 4,
	USED_FLAGS = 0,
	USED_IDX = 2,
	USED_RING = 4,
	USED_ELEM_BYTES = 8,
};

static_assert(sizeof(struct vring_desc) == DESC_BYTES, "virtio 1.2, 2.7.5");
static_assert(sizeof(struct vring_used_elem) == USED_ELEM_BYTES, "virtio 1.2, 2.7.8");

static uint16_t load16(const uint8_t *p)
{
	return le16toh(__atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE));
}

static void store16(uint8_t *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)p, htole16(v), __ATOMIC_RELEASE);
}

/* Orders our store to one part of the ring before our load from another (virtio 1.2, 2.7.13.4). */
static void full_barrier(void)
{
	__sync_synchronize();
}

static uint16_t avail_idx(const struct virtq *q)
{
	return load16(q->avail + AVAIL_IDX);
}

/* --- setting up ------------------------------------------------------------------------------- */

static int fail(struct virtq *q, const char *why)
{
	q->error = why;
	return -1;
}

int virtq_enable(struct virtq *q, struct gmem *mem, uint16_t size, gpa_t desc, gpa_t avail,
		 gpa_t used)
{
	if (!is_pow2(size) || size > VIRTQ_MAX_SIZE)
		return fail(q, "the queue size is not a power of two up to 1024");
	if (desc % 16 || avail % 2 || used % 4) /* virtio 1.2, 2.7 */
		return fail(q, "a ring address is not aligned");
	q->desc = gmem_ptr(mem, desc, (uint64_t)size * DESC_BYTES);
	q->avail = gmem_ptr(mem, avail, AVAIL_RING + (uint64_t)size * 2 + 2);
	q->used = gmem_ptr(mem, used, USED_RING + (uint64_t)size * USED_ELEM_BYTES + 2);
	if (!q->desc || !q->avail || !q->used)
		return fail(q, "a ring does not lie in RAM");
	q->mem = mem;
	q->size = size;
	q->last_avail = q->next_used = q->signalled_used = 0;
	q->error = NULL;
	q->enabled = true;
	return 0;
}

void virtq_reset(struct virtq *q)
{
	*q = (struct virtq){0};
}

/* --- taking buffers --------------------------------------------------------------------------- */

/* A table of descriptors: the ring's own, or an indirect one. */
struct table {
	const uint8_t *desc;
	uint32_t n;
	bool indirect;
};

static void copy_desc(const struct table *t, uint32_t i, struct vring_desc *out)
{
	struct vring_desc d;

	memcpy(&d, t->desc + (size_t)i * DESC_BYTES, sizeof(d));
	read_once(); /* the guest can rewrite it: only the copy is checked and used */
	out->addr = le64toh(d.addr);
	out->len = le32toh(d.len);
	out->flags = le16toh(d.flags);
	out->next = le16toh(d.next);
}

/* virtio 1.2, 2.7.5.3.1: not with NEXT, not inside another table, whole descriptors. */
static int enter_indirect(struct virtq *q, const struct vring_desc *d, struct table *t)
{
	if (!q->indirect)
		return fail(q, "an indirect descriptor without VIRTIO_F_INDIRECT_DESC");
	if (t->indirect)
		return fail(q, "an indirect table inside an indirect table");
	if (d->flags & VRING_DESC_F_NEXT)
		return fail(q, "an indirect descriptor with a next one");
	if (!d->len || d->len % DESC_BYTES)
		return fail(q, "an indirect table's length is no multiple of 16");
	t->desc = gmem_ptr(q->mem, d->addr, d->len);
	if (!t->desc)
		return fail(q, "an indirect table does not lie in RAM");
	t->n = d->len / DESC_BYTES;
	t->indirect = true;
	return 0;
}

static int add_part(struct virtq *q, struct chain *c, const struct vring_desc *d)
{
	bool in = d->flags & VRING_DESC_F_WRITE;
	void *p;

	if (c->nout + c->nin == CHAIN_MAX_IOV)
		return fail(q, "a descriptor chain with too many parts");
	if (!in && c->nin)
		return fail(q, "a readable descriptor after a writable one"); /* 2.7.4.2 */
	p = gmem_ptr(q->mem, d->addr, d->len);
	if (!p)
		return fail(q, "a buffer is empty or does not lie in RAM");
	c->iov[c->nout + c->nin] = (struct iovec){.iov_base = p, .iov_len = d->len};
	if (in) {
		c->nin++;
		c->in_len += d->len;
	} else {
		c->nout++;
		c->out_len += d->len;
	}
	if (c->out_len + c->in_len > UINT32_MAX)
		return fail(q, "a descriptor chain longer than 4 GiB"); /* 2.7.5.2 */
	return 0;
}

static int walk(struct virtq *q, uint16_t head, struct chain *c)
{
	struct table t = {.desc = q->desc, .n = q->size};
	unsigned seen = 0, limit = q->size;
	struct vring_desc d;
	uint32_t i = head;

	for (;;) {
		if (i >= t.n)
			return fail(q, "a descriptor index outside its table");
		if (seen++ == limit)
			return fail(
				q,
				"a descriptor chain that loops or is longer than its table may be");
		copy_desc(&t, i, &d);
		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (enter_indirect(q, &d, &t) < 0)
				return -1;
			seen = 0;
			limit = VIRTQ_MAX_SIZE;
			i = 0;
			continue;
		}
		if (add_part(q, c, &d) < 0)
			return -1;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		i = d.next;
	}
}

int virtq_pop(struct virtq *q, struct chain *c)
{
	uint16_t pending, head;

	if (!q->enabled)
		return 0;
	pending = (uint16_t)(avail_idx(q) - q->last_avail);
	if (!pending)
		return 0;
	if (pending > q->size)
		return fail(q, "the available index runs ahead by more than the queue");
	head = load16(q->avail + AVAIL_RING + 2 * (q->last_avail & (q->size - 1)));
	c->head = head;
	c->nout = c->nin = 0;
	c->out_len = c->in_len = 0;
	if (walk(q, head, c) < 0)
		return -1;
	q->last_avail++;
	return 1;
}

void virtq_unpop(struct virtq *q)
{
	q->last_avail--;
}

/* --- returning them --------------------------------------------------------------------------- */

void virtq_fill(struct virtq *q, uint16_t head, uint32_t written, unsigned ahead)
{
	unsigned i = (q->next_used + ahead) & (q->size - 1u);
	uint8_t *elem = q->used + USED_RING + USED_ELEM_BYTES * i;

	put_le32(elem, head);
	put_le32(elem + 4, written);
}

void virtq_publish(struct virtq *q, unsigned n)
{
	q->next_used += n;
	store16(q->used + USED_IDX, q->next_used);
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t written)
{
	virtq_fill(q, head, written, 0);
	virtq_publish(q, 1);
}

/* --- who wants to be told --------------------------------------------------------------------- */

bool virtq_should_notify(struct virtq *q)
{
	uint16_t old = q->signalled_used, new = q->next_used;

	if (!q->enabled || old == new)
		return false;
	q->signalled_used = new;
	full_barrier();
	if (!q->event_idx) /* virtio 1.2, 2.7.7 */
		return !(load16(q->avail + AVAIL_FLAGS) & VRING_AVAIL_F_NO_INTERRUPT);
	/* virtio 1.2, 2.7.10: has used.idx passed used_event since the last time? */
	return vring_need_event(load16(q->avail + AVAIL_RING + 2 * q->size), new, old);
}

void virtq_notify_off(struct virtq *q)
{
	/* With EVENT_IDX an avail_event that stays behind is silence already. */
	if (q->enabled && !q->event_idx)
		store16(q->used + USED_FLAGS, VRING_USED_F_NO_NOTIFY);
}

bool virtq_notify_on(struct virtq *q)
{
	if (!q->enabled)
		return false;
	if (q->event_idx)
		store16(q->used + USED_RING + USED_ELEM_BYTES * q->size, q->last_avail);
	else
		store16(q->used + USED_FLAGS, 0);
	full_barrier();
	return avail_idx(q) != q->last_avail;
}

/* --- a chain's bytes -------------------------------------------------------------------------- */

int chain_out_iov(const struct chain *c, uint64_t off, uint64_t len, struct iovec *out, int max)
{
	return parts_slice(c->iov, c->nout, off, len, out, max);
}

int chain_in_iov(const struct chain *c, uint64_t off, uint64_t len, struct iovec *out, int max)
{
	return parts_slice(c->iov + c->nout, c->nin, off, len, out, max);
}

size_t chain_read(const struct chain *c, uint64_t off, void *dst, size_t n)
{
	return parts_read(c->iov, c->nout, off, dst, n);
}

size_t chain_write(const struct chain *c, uint64_t off, const void *src, size_t n)
{
	return parts_write(c->iov + c->nout, c->nin, off, src, n);
}
