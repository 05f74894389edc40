/* SPDX-License-Identifier: Apache-2.0
 *
 * The virtio core: status, features, queues, what breaks a device and what a reset mends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/virtio_config.h>

#include "base/mem.h"
#include "base/util.h"
#include "tests/lib/vmm/vdrv.h"

enum { F_A = 3, F_NEEDS_A = 4, F_NEVER = 5 };

#define V1 VIRTIO_FEATURE(VIRTIO_F_VERSION_1)

struct toy {
	struct virtio_dev vd;
	struct chain chain;
	unsigned activated, resets, queue_resets, pauses, resumes, notified[2];
	bool refuse_activation, stall, endless;
	uint8_t config[8];
	struct toy **freed;
};

static struct vdrv d;
static struct toy *toy;

static struct toy *toy_of(struct virtio_dev *vd)
{
	return container_of(vd, struct toy, vd);
}

static bool echo(struct virtio_dev *vd, unsigned q, struct chain *c)
{
	if (toy_of(vd)->stall)
		return false;
	virtio_push(vd, q, c->head, (uint32_t)c->in_len);
	if (toy_of(vd)->endless)
		gring_offer(&d.ring[q], c->head);
	return true;
}

static void toy_queue(struct virtio_dev *vd, unsigned q)
{
	toy_of(vd)->notified[q]++;
	virtio_serve(vd, q, &toy_of(vd)->chain, echo);
}

static int toy_activate(struct virtio_dev *vd, struct err *err)
{
	toy_of(vd)->activated++;
	return toy_of(vd)->refuse_activation ? err_set(err, ERR_HOST, "the host is out of toys")
					     : 0;
}

static void toy_reset(struct virtio_dev *vd)
{
	toy_of(vd)->resets++;
}

static void toy_queue_reset(struct virtio_dev *vd, unsigned q)
{
	(void)q;
	toy_of(vd)->queue_resets++;
}

static void toy_pause(struct virtio_dev *vd)
{
	toy_of(vd)->pauses++;
}

static void toy_resume(struct virtio_dev *vd)
{
	toy_of(vd)->resumes++;
}

static void toy_cfg_read(struct virtio_dev *vd, unsigned off, void *dst, unsigned n)
{
	memcpy(dst, toy_of(vd)->config + off, n);
}

static void toy_cfg_write(struct virtio_dev *vd, unsigned off, const void *src, unsigned n)
{
	memcpy(toy_of(vd)->config + off, src, n);
}

static void toy_free(struct virtio_dev *vd)
{
	if (toy_of(vd)->freed)
		*toy_of(vd)->freed = NULL;
}

static const struct virtio_dependency dependencies[] = {{F_NEEDS_A, F_A}, {0, 0}};

static const struct virtio_class toy_class = {
	.name = "toy",
	.id = 63,
	.nqueues = 2,
	.queue_size = 64,
	.cfg_size = 8,
	.features = VIRTIO_FEATURE(F_A) | VIRTIO_FEATURE(F_NEEDS_A),
	.dependencies = dependencies,
	.queue = toy_queue,
	.activate = toy_activate,
	.reset = toy_reset,
	.queue_reset = toy_queue_reset,
	.cfg_read = toy_cfg_read,
	.cfg_write = toy_cfg_write,
	.pause = toy_pause,
	.resume = toy_resume,
	.free = toy_free,
};

static int setup(void **state)
{
	(void)state;
	vdrv_init(&d);
	toy = NEW(struct toy);
	virtio_init(&toy->vd, &toy_class, "toy0", d.mem, d.loop);
	vdrv_attach(&d, &toy->vd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	toy->freed = &toy;
	vdrv_done(&d);
	assert_null(toy);
	return 0;
}

static void up(void)
{
	vdrv_restart(&d, VDRV_ALL);
}

/* --- features (2.2) --- */

static void test_offered_features(void **state)
{
	(void)state;
	assert_int_equal(toy->vd.features, VIRTIO_FEATURE(F_A) | VIRTIO_FEATURE(F_NEEDS_A) | V1 |
						   VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) |
						   VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |
						   VIRTIO_FEATURE(VIRTIO_F_RING_RESET));
}

static void test_features_that_are_refused(void **state)
{
	(void)state;
	assert_true(vdrv_negotiate(&d, V1));
	assert_true(vdrv_negotiate(&d, V1 | VIRTIO_FEATURE(F_A) | VIRTIO_FEATURE(F_NEEDS_A)));
	assert_false(vdrv_negotiate(&d, 0)); /* legacy */
	assert_false(vdrv_negotiate(&d, V1 | VIRTIO_FEATURE(F_NEVER)));
	assert_false(vdrv_negotiate(&d, V1 | VIRTIO_FEATURE(63)));
	assert_false(vdrv_negotiate(&d, V1 | VIRTIO_FEATURE(F_NEEDS_A)));
	assert_int_equal(toy->activated, 0);
}

static void test_features_are_fixed_by_features_ok(void **state)
{
	(void)state;
	assert_true(vdrv_negotiate(&d, V1));
	virtio_set_features(&toy->vd, V1 | VIRTIO_FEATURE(F_A));
	assert_false(virtio_has(&toy->vd, F_A));
}

/* --- status (2.1, 3.1) --- */

static void test_driver_ok_activates_once(void **state)
{
	(void)state;
	up();
	assert_int_equal(toy->activated, 1);
	virtio_set_status(&toy->vd, toy->vd.status);
	assert_int_equal(toy->activated, 1);
}

static void test_driver_ok_without_features_ok(void **state)
{
	(void)state;
	virtio_set_status(&toy->vd, VIRTIO_CONFIG_S_DRIVER);
	virtio_set_status(&toy->vd, VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_true(vdrv_needs_reset(&d));
	assert_int_equal(toy->activated, 0);
}

static void test_bits_cannot_be_cleared(void **state)
{
	uint8_t before;

	(void)state;
	up();
	before = toy->vd.status;
	virtio_set_status(&toy->vd, VIRTIO_CONFIG_S_DRIVER);
	assert_int_equal(toy->vd.status, before);
	virtio_set_status(&toy->vd, before | 0x30); /* bits that mean nothing */
	assert_int_equal(toy->vd.status, before);
	virtio_set_status(&toy->vd,
			  before | VIRTIO_CONFIG_S_NEEDS_RESET); /* the device's own bit */
	assert_false(vdrv_needs_reset(&d));
}

static void test_reset(void **state)
{
	uint32_t generation = toy->vd.generation;

	(void)state;
	up();
	virtio_set_status(&toy->vd, 0);
	assert_int_equal(toy->vd.status, 0);
	assert_int_equal(toy->vd.negotiated, 0);
	assert_int_equal(toy->resets, 1);
	assert_false(toy->vd.vq[0].enabled);
	assert_true(toy->vd.generation != generation);
	virtio_set_status(&toy->vd, 0); /* not active: the class is not bothered */
	assert_int_equal(toy->resets, 1);
	up();
	assert_int_equal(toy->activated, 2);
}

static void test_activation_that_fails(void **state)
{
	(void)state;
	toy->refuse_activation = true;
	up();
	assert_true(vdrv_needs_reset(&d));
	assert_string_equal(toy->vd.broken_why, "the host is out of toys");
	assert_int_equal(d.config_interrupts, 1);
}

static void *ask_why(void *why)
{
	virtio_why_broken(&toy->vd, why, 128);
	return NULL;
}

/* A device that is busy, for as long as its disk likes, still says why it is broken. */
static void test_why_while_it_is_busy(void **state)
{
	char why[128] = "?";
	pthread_t thread;

	(void)state;
	ask_why(why);
	assert_string_equal(why, "");
	toy->refuse_activation = true;
	up();
	virtio_lock(&toy->vd);
	pthread_create(&thread, NULL, ask_why, why);
	pthread_join(thread, NULL);
	virtio_unlock(&toy->vd);
	assert_string_equal(why, "the host is out of toys");
	virtio_set_status(&toy->vd, 0);
	ask_why(why);
	assert_string_equal(why, "");
}

/* --- queues --- */

static void test_queue_before_features_ok(void **state)
{
	struct gring r;

	(void)state;
	gring_place(&r, d.mem, 8, 0x10000);
	assert_int_equal(virtio_queue_enable(&toy->vd, 0, 8, r.desc, r.avail, r.used), -1);
	assert_true(vdrv_needs_reset(&d));
	assert_int_equal(d.config_interrupts, 0); /* 2.1.2: only after DRIVER_OK */
}

static void test_queue_larger_than_offered(void **state)
{
	struct gring r;

	(void)state;
	vdrv_negotiate(&d, V1);
	gring_place(&r, d.mem, 128, 0x10000);
	assert_int_equal(virtio_queue_enable(&toy->vd, 0, 128, r.desc, r.avail, r.used), -1);
	assert_true(vdrv_needs_reset(&d));
}

static void test_queue_is_enabled_once(void **state)
{
	struct gring r;

	(void)state;
	up();
	gring_place(&r, d.mem, 8, 0x90000);
	assert_int_equal(virtio_queue_enable(&toy->vd, 0, 8, r.desc, r.avail, r.used), -1);
	assert_int_equal(toy->vd.vq[0].size, 64);
	assert_false(vdrv_needs_reset(&d));
}

static void test_buffers_before_driver_ok(void **state)
{
	(void)state;
	vdrv_negotiate(&d, V1);
	vdrv_queues(&d);
	vdrv_in(&d, 8);
	vdrv_kick(&d, 0);
	assert_false(vdrv_used(&d).found); /* 3.1.1: nothing is consumed before DRIVER_OK */
	vdrv_driver_ok(&d);
	assert_true(vdrv_used(&d).found);
}

static void test_notify_of_what_is_not_there(void **state)
{
	(void)state;
	up();
	virtio_queue_notify(&toy->vd, 2);
	virtio_queue_notify(&toy->vd, 15);
	virtio_queue_notify(&toy->vd, 4000);
	assert_int_equal(toy->notified[0], 1); /* the look at DRIVER_OK */
}

static void test_one_interrupt_for_all_that_waited(void **state)
{
	unsigned n = 0;

	(void)state;
	up();
	for (int i = 0; i < 64; i++) {
		vdrv_in(&d, 4);
		vdrv_offer(&d, 0);
	}
	vdrv_kick(&d, 0);
	while (vdrv_used(&d).found)
		n++;
	assert_int_equal(n, 64);
	assert_int_equal(d.interrupts[0], 1);
}

/* A guest that adds a buffer for each that is served does not keep the loop for itself. */
static void test_others_get_their_turn(void **state)
{
	(void)state;
	up();
	toy->endless = true;
	vdrv_in(&d, 4);
	vdrv_offer(&d, 0);
	virtio_queue_notify(&toy->vd, 0);
	assert_in_range(gring_used_idx(&d.ring[0]), 1, 1000);
	assert_true(d.kicked[0]);
	assert_int_equal(d.interrupts[0], 1);
}

static void test_not_now_leaves_the_buffer(void **state)
{
	(void)state;
	up();
	toy->stall = true;
	vdrv_in(&d, 4);
	vdrv_kick(&d, 0);
	assert_false(vdrv_used(&d).found);
	toy->stall = false;
	virtio_kick(&toy->vd, 0);
	vdrv_run(&d);
	assert_true(vdrv_used(&d).found);
}

static void test_a_broken_ring_breaks_that_device(void **state)
{
	(void)state;
	up();
	gring_set_avail_idx(&d.ring[0], 1000);
	vdrv_kick(&d, 0);
	assert_true(vdrv_needs_reset(&d));
	assert_non_null(strstr(toy->vd.broken_why, "queue 0: the available index"));
	assert_int_equal(d.config_interrupts, 1);
	/* It is left alone, also in its other queue. */
	vdrv_in(&d, 4);
	vdrv_kick(&d, 1);
	assert_false(vdrv_used_on(&d, 1).found);
	up();
	vdrv_in(&d, 4);
	vdrv_kick(&d, 0);
	assert_true(vdrv_used(&d).found);
	assert_false(vdrv_needs_reset(&d));
}

static void test_queue_reset(void **state)
{
	struct gring r;

	(void)state;
	up();
	virtio_queue_reset(&toy->vd, 0);
	assert_int_equal(toy->queue_resets, 1);
	assert_false(toy->vd.vq[0].enabled);
	assert_true(toy->vd.vq[1].enabled);
	gring_place(&r, d.mem, 16, 0x90000);
	assert_int_equal(virtio_queue_enable(&toy->vd, 0, 16, r.desc, r.avail, r.used), 0);
	assert_int_equal(toy->vd.vq[0].size, 16);
}

/* --- pause --- */

static void test_pause(void **state)
{
	(void)state;
	up();
	virtio_pause(&toy->vd);
	virtio_pause(&toy->vd);
	assert_int_equal(toy->pauses, 1);
	vdrv_in(&d, 4);
	vdrv_kick(&d, 0);
	assert_false(vdrv_used(&d).found);
	virtio_resume(&toy->vd);
	vdrv_run(&d);
	assert_int_equal(toy->resumes, 1);
	assert_true(vdrv_used(&d).found); /* the doorbell that nobody heard */
	virtio_resume(&toy->vd);
	assert_int_equal(toy->resumes, 1);
}

static void test_pause_of_a_device_that_never_ran(void **state)
{
	(void)state;
	virtio_pause(&toy->vd);
	virtio_resume(&toy->vd);
	assert_int_equal(toy->pauses + toy->resumes, 0);
}

/* --- configuration --- */

static void test_configuration_bounds(void **state)
{
	uint8_t got[8];

	(void)state;
	virtio_cfg_write(&toy->vd, 0, "abcdefgh", 8);
	virtio_cfg_write(&toy->vd, 5, "wxyz", 4); /* across the end: not written */
	virtio_cfg_write(&toy->vd, 8, "z", 1);
	virtio_cfg_write(&toy->vd, UINT32_MAX, "z", 1);
	memset(got, 0xff, sizeof(got));
	virtio_cfg_read(&toy->vd, 6, got, 4);
	assert_memory_equal(got, "gh\0\0", 4);
	virtio_cfg_read(&toy->vd, 3000, got, 8);
	assert_memory_equal(got, "\0\0\0\0\0\0\0\0", 8);
}

static void test_configuration_change(void **state)
{
	uint8_t before = toy->vd.config_generation;

	(void)state;
	virtio_config_changed(&toy->vd);
	assert_int_equal(d.config_interrupts, 0);
	up();
	virtio_config_changed(&toy->vd);
	assert_int_equal(d.config_interrupts, 1);
	assert_int_equal(toy->vd.config_generation, before + 2);
}

int main(void)
{
#define CORE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CORE_TEST(test_offered_features),
		CORE_TEST(test_features_that_are_refused),
		CORE_TEST(test_features_are_fixed_by_features_ok),
		CORE_TEST(test_driver_ok_activates_once),
		CORE_TEST(test_driver_ok_without_features_ok),
		CORE_TEST(test_bits_cannot_be_cleared),
		CORE_TEST(test_reset),
		CORE_TEST(test_activation_that_fails),
		CORE_TEST(test_why_while_it_is_busy),
		CORE_TEST(test_queue_before_features_ok),
		CORE_TEST(test_queue_larger_than_offered),
		CORE_TEST(test_queue_is_enabled_once),
		CORE_TEST(test_buffers_before_driver_ok),
		CORE_TEST(test_notify_of_what_is_not_there),
		CORE_TEST(test_one_interrupt_for_all_that_waited),
		CORE_TEST(test_others_get_their_turn),
		CORE_TEST(test_not_now_leaves_the_buffer),
		CORE_TEST(test_a_broken_ring_breaks_that_device),
		CORE_TEST(test_queue_reset),
		CORE_TEST(test_pause),
		CORE_TEST(test_pause_of_a_device_that_never_ran),
		CORE_TEST(test_configuration_bounds),
		CORE_TEST(test_configuration_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
