/* SPDX-License-Identifier: Apache-2.0
 *
 * The entropy device (virtio 1.2, 5.4): fills buffers with random bytes. It is the shortest device;
 * start a new one from it. The pieces: a class table, a constructor, and a function for each event
 * that the device cares about. The core holds the device's lock around all of them, so there is no
 * mutex here; and it checked everything about a chain that can be checked without knowing the
 * device.
 */
#include <linux/virtio_ids.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/util.h"
#include "vmm/virtio/devices.h"

enum {
	QUEUE_SIZE = 64,
	MAX_BYTES = 4096, /* a buffer; a driver copes with less than it asked for */
};

struct rng {
	struct virtio_dev vd; /* first: virtio_free frees the whole */
	struct chain chain;   /* large, so it is kept here and not on the stack */
};

/* One buffer. A pool that is ready never lets us wait, and a short answer is an answer. */
static bool fill(struct virtio_dev *vd, unsigned q, struct chain *c)
{
	uint8_t bytes[MAX_BYTES];
	ssize_t got = getrandom(bytes, min_u64(c->in_len, sizeof(bytes)), 0);

	virtio_push(vd, q, c->head, got > 0 ? (uint32_t)chain_write(c, 0, bytes, (size_t)got) : 0);
	return true;
}

static void rng_queue(struct virtio_dev *vd, unsigned q)
{
	struct rng *rng = container_of(vd, struct rng, vd);

	virtio_serve(vd, q, &rng->chain, fill);
}

static const struct virtio_class rng_class = {
	.name = "rng",
	.id = VIRTIO_ID_RNG,
	.nqueues = 1,
	.queue_size = QUEUE_SIZE,
	.pci_class = 0x00ff00,
	.queue = rng_queue,
};

struct virtio_dev *rng_new(const char *id, struct gmem *mem, struct loop *loop, struct err *err)
{
	struct rng *rng = NEW(struct rng);

	(void)err; /* nothing here can fail */
	virtio_init(&rng->vd, &rng_class, id, mem, loop);
	return &rng->vd;
}
