/* SPDX-License-Identifier: Apache-2.0
 *
 * A split virtqueue (virtio 1.2, 2.7), device side. Ring addresses are checked as whole ranges when
 * the queue is enabled and translated once. Each descriptor is copied once and the copy is checked;
 * a chain is at most the queue size, or VIRTQ_MAX_SIZE inside an indirect table; an indirect table
 * inside an indirect table is refused; the available index may be at most the queue size ahead.
 * Whatever is wrong is the guest's fault: the call returns -1, the device is told to need a reset
 * (virtio_broken), the VM goes on.
 *
 *      avail.idx -->  | head | head | head |     the guest adds, up to `size` ahead of last_avail
 *     last_avail -->  pop: head -> desc[head] -> next -> next     copied, checked, into a chain
 *      next_used -->  | id,len | id,len |        push: filled, then published by used.idx
 */
#ifndef VMM_VIRTIO_VIRTQ_H
#define VMM_VIRTIO_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/mem/gmem.h"

enum { VIRTQ_MAX_SIZE = 1024, CHAIN_MAX_IOV = 1024 + 2 };

/* The ring as the device uses it; what the guest configures is kept in virtio_pci.c until then. */
struct virtq {
	struct gmem *mem;
	uint16_t size; /* power of two, <= VIRTQ_MAX_SIZE */
	bool enabled;
	bool event_idx, indirect;     /* negotiated */
	uint8_t *desc, *avail, *used; /* host addresses of checked ranges */
	uint16_t last_avail;	      /* next entry to take */
	uint16_t next_used;	      /* next entry to fill */
	uint16_t signalled_used;      /* next_used when virtq_should_notify was asked last */
	const char *error;	      /* why the last call said -1 */
};

/* A popped buffer: readable parts first, then writable ones; the iovecs point into guest memory. */
struct chain {
	uint16_t head;
	unsigned nout, nin;		 /* device-readable, device-writable */
	uint64_t out_len, in_len;	 /* bytes */
	struct iovec iov[CHAIN_MAX_IOV]; /* out parts, then in parts */
};

/* Checks the addresses (virtio 1.2, 2.7: alignment 16, 2, 4) and enables; -1 with q->error.
 * The caller has set event_idx and indirect. */
int virtq_enable(struct virtq *, struct gmem *, uint16_t size, gpa_t desc, gpa_t avail, gpa_t used);
void virtq_reset(struct virtq *);

/* 1 got one, 0 empty (or not enabled), -1 malformed. */
int virtq_pop(struct virtq *, struct chain *);
/* Undoes the last pop (the device could not take it now). */
void virtq_unpop(struct virtq *);
/* Returns a buffer with `written` bytes; visible to the guest at once. */
void virtq_push(struct virtq *, uint16_t head, uint32_t written);
/* For VIRTIO_NET_F_MRG_RXBUF: fill entries first, then publish them together. */
void virtq_fill(struct virtq *, uint16_t head, uint32_t written, unsigned ahead);
void virtq_publish(struct virtq *, unsigned n);
/* Does the guest want an interrupt for what was pushed since the last call? */
bool virtq_should_notify(struct virtq *);
/* Doorbell suppression: off while polling; on again returns true when buffers arrived meanwhile. */
void virtq_notify_off(struct virtq *);
bool virtq_notify_on(struct virtq *);

/* Copying between a chain's parts and our memory, from a byte offset: the bytes copied. */
size_t chain_read(const struct chain *, uint64_t off, void *dst, size_t n);
size_t chain_write(const struct chain *, uint64_t off, const void *src, size_t n);
/* iovec of the readable (or writable) bytes [off, off+len): the count, or -1 (bounds, max). */
int chain_out_iov(const struct chain *, uint64_t off, uint64_t len, struct iovec *, int max);
int chain_in_iov(const struct chain *, uint64_t off, uint64_t len, struct iovec *, int max);

#endif
