/* SPDX-License-Identifier: Apache-2.0
 *
 * What is common to all virtio devices: status, feature negotiation, configuration space, queues,
 * locking and interrupts. A device file is only the device: a `static const struct virtio_class`, a
 * constructor, and one line in the machine's device_kinds[]. rng.c is the shortest; start from it.
 *
 * Locking: the core takes the device's lock around every call into a class, so device files hold no
 * mutex; a callback that a device registers elsewhere (its descriptor on the loop) takes it with
 * virtio_lock. A device belongs to one loop: doorbells and its own descriptors are served there.
 * Status, reset and pause arrive on whatever thread the guest or the machine uses.
 */
#ifndef VMM_VIRTIO_VIRTIO_H
#define VMM_VIRTIO_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "vmm/event/loop.h"
#include "vmm/mem/gmem.h"
#include "vmm/virtio/virtq.h"

enum { VIRTIO_MAX_QUEUES = 16 };

#define VIRTIO_FEATURE(bit) (UINT64_C(1) << (bit))

struct virtio_dev;

/* A feature that may be accepted only together with another (virtio 1.2, 2.2.1). */
struct virtio_dependency {
	uint8_t feature, needs;
};

/* Any function may be NULL. `active` means: between DRIVER_OK and the next reset. */
struct virtio_class {
	const char *name;
	uint16_t id, nqueues, queue_size, cfg_size;
	uint32_t pci_class; /* 24 bits */
	uint64_t features;  /* besides those that the core offers (CORE_FEATURES in virtio.c) */
	const struct virtio_dependency *dependencies;	/* up to one whose feature == needs */
	void (*queue)(struct virtio_dev *, unsigned q); /* buffers arrived; active */
	void (*negotiated)(struct virtio_dev *); /* FEATURES_OK: what configuration begins with */
	int (*activate)(struct virtio_dev *, struct err *); /* DRIVER_OK */
	void (*reset)(struct virtio_dev *); /* drains: no completion after it returns; active */
	void (*queue_reset)(struct virtio_dev *, unsigned q); /* the same, for one queue; active */
	void (*cfg_read)(struct virtio_dev *, unsigned off, void *, unsigned n);
	void (*cfg_write)(struct virtio_dev *, unsigned off, const void *, unsigned n);
	/* Drains, and puts what was written where it survives; no loop calls it any more. */
	int (*sync)(struct virtio_dev *, struct err *);
	void (*pause)(struct virtio_dev *);  /* drains; active */
	void (*resume)(struct virtio_dev *); /* active; every queue is looked at afterwards */
	void (*free)(struct virtio_dev *);   /* what it holds, not the struct itself */
};

/* How the core reaches the guest; virtio_pci.c in the machine, a counter in the tests. */
struct virtio_transport_ops {
	void (*queue_interrupt)(void *transport, unsigned q); /* any thread */
	void (*config_interrupt)(void *transport);
	void (*kick)(void *transport, unsigned q); /* virtio_queue_notify(q) on the loop, soon */
	void (*reset)(void *transport); /* forget the guest's settings; the lock is held */
};

struct virtio_dev {
	const struct virtio_class *class;
	char id[24];	      /* names it in messages: "net0", "disk 'root'" */
	pthread_mutex_t lock; /* recursive */
	struct gmem *mem;     /* borrowed: lives as long as the machine */
	struct loop *loop;    /* borrowed: where it is served */
	uint64_t features;    /* offered: class features plus the instance's own */
	uint64_t negotiated;  /* valid from FEATURES_OK */
	uint8_t status;
	uint32_t generation; /* counts resets, of a queue too: older completions are dropped */
	uint8_t config_generation;
	struct virtq vq[VIRTIO_MAX_QUEUES];
	unsigned nqueues;
	bool broken, paused;
	pthread_mutex_t why_lock; /* a leaf; `lock`, too, is held to write broken_why */
	char broken_why[128];
	struct log_limit log;
	const struct virtio_transport_ops *transport_ops;
	void *transport;
};

/*
 * For constructors: fills in the core part. The device's struct begins with its struct virtio_dev
 * and is allocated with NEW. The loop and memory are borrowed.
 */
void virtio_init(struct virtio_dev *, const struct virtio_class *, const char *id, struct gmem *,
		 struct loop *);
/* class->free, the lock, the memory. No loop calls the device any more. NULL is fine. */
void virtio_free(struct virtio_dev *);

static inline bool virtio_has(const struct virtio_dev *vd, unsigned feature_bit)
{
	return vd->negotiated >> feature_bit & 1;
}

/* Active, not broken and not paused: it may touch its queues. */
bool virtio_running(const struct virtio_dev *);

/* For devices, with the lock held. */
void virtio_lock(struct virtio_dev *);
void virtio_unlock(struct virtio_dev *);
void virtio_broken(struct virtio_dev *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The next buffer; a malformed one breaks the device and there are no more. */
bool virtio_pop(struct virtio_dev *, unsigned q, struct chain *);
/*
 * Serves a queue: pops each buffer and calls one(), with doorbells off meanwhile, then interrupts.
 * one() pushes the buffer, now or later, and returns true; false means "not now": the buffer stays
 * in the queue, and the device kicks the queue when it can go on. After a batch others on the loop
 * get a turn.
 */
void virtio_serve(struct virtio_dev *, unsigned q, struct chain *,
		  bool (*one)(struct virtio_dev *, unsigned q, struct chain *));
void virtio_push(struct virtio_dev *, unsigned q, uint16_t head, uint32_t written);
void virtio_interrupt(struct virtio_dev *, unsigned q); /* if the guest wants one */
/* class->queue again, from the loop: others first. */
void virtio_kick(struct virtio_dev *, unsigned q);
void virtio_config_changed(struct virtio_dev *);

/* For the transport; each takes the lock. */
void virtio_set_status(struct virtio_dev *, uint8_t status);
/* Refused after FEATURES_OK; checked at FEATURES_OK. */
void virtio_set_features(struct virtio_dev *, uint64_t driver_features);
/* -1: the guest's mistake, and the device is broken. */
int virtio_queue_enable(struct virtio_dev *, unsigned q, uint16_t size, gpa_t desc, gpa_t avail,
			gpa_t used);
void virtio_queue_reset(struct virtio_dev *, unsigned q);
void virtio_queue_notify(struct virtio_dev *, unsigned q);
/* What lies beyond the device's configuration reads zero and is not written. */
void virtio_cfg_read(struct virtio_dev *, unsigned off, void *, unsigned n);
void virtio_cfg_write(struct virtio_dev *, unsigned off, const void *, unsigned n);

/* Why it is broken; empty if it is not. Any thread; never waits for what the device is doing. */
void virtio_why_broken(struct virtio_dev *, char *out, size_t n);

/* For the transport (status 0) and the machine; each takes the lock. */
void virtio_reset(struct virtio_dev *);
void virtio_pause(struct virtio_dev *); /* when it returns the device touches no guest memory */
void virtio_resume(struct virtio_dev *);
/* Before virtio_free, for who wants to know: the last chance to say that data is lost. */
int virtio_sync(struct virtio_dev *, struct err *);

#endif
