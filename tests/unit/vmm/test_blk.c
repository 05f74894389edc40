/* SPDX-License-Identifier: Apache-2.0
 *
 * The block device on real images: requests, their limits, and what a reset leaves behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/virtio_blk.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/util.h"
#include "tests/lib/vmm/vdrv.h"
#include "vmm/virtio/devices.h"

#define DISK (8 * MIB)

static struct vdrv d;
static const uint8_t junk[64 * 1024];
static int image; /* a second descriptor of the image, for looking */

static struct virtio_dev *make(enum blk_format format, unsigned flags)
{
	struct blk_layer layer = {
		.fd = memfd_create("image", MFD_CLOEXEC), .format = format, .name = "x"};
	struct err err = {0};
	struct blk *blk;

	if (format == BLK_RAW)
		assert_int_equal(ftruncate(layer.fd, DISK), 0);
	else
		assert_int_equal(qcow2_create(layer.fd, &(struct blk_create){.size = DISK}, &err),
				 0);
	image = dup(layer.fd);
	blk = blk_open(&layer, 1, flags, &err);
	if (!blk)
		fail_msg("%s", err.msg);
	return blk_new("disk 'root'", blk, "serial-0123456789abcdef", d.mem, d.loop, NULL);
}

static void start(enum blk_format format, unsigned flags, uint64_t want)
{
	vdrv_init(&d);
	vdrv_start(&d, make(format, flags), want);
}

static int setup(void **state)
{
	(void)state;
	start(BLK_RAW, BLK_DISCARD, VDRV_ALL);
	return 0;
}

static int setup_qcow2(void **state)
{
	(void)state;
	start(BLK_QCOW2, BLK_DISCARD, VDRV_ALL);
	return 0;
}

static int setup_rdonly(void **state)
{
	(void)state;
	start(BLK_RAW, BLK_RDONLY, VDRV_ALL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vdrv_done(&d);
	close(image);
	return 0;
}

/* --- requests --- */

static void header(uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr h = {.type = htole32(type), .sector = htole64(sector)};

	vdrv_out(&d, &h, sizeof(h));
}

/* Completes the buffer being built with a status byte, sends it, and waits: the status. */
static uint8_t finish(uint32_t *len)
{
	uint8_t *status = vdrv_in(&d, 1);
	struct vdrv_used u;

	*status = 0xee;
	vdrv_kick(&d, 0);
	u = vdrv_wait(&d, 0);
	assert_true(u.found);
	if (len)
		*len = u.len;
	return *status;
}

static uint8_t write_at(uint64_t sector, const void *data, uint32_t n)
{
	header(VIRTIO_BLK_T_OUT, sector);
	vdrv_out(&d, data, n);
	return finish(NULL);
}

static void test_write_then_read(void **state)
{
	uint8_t data[1024], *back;
	uint32_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	assert_int_equal(write_at(5, data, sizeof(data)), VIRTIO_BLK_S_OK);
	header(VIRTIO_BLK_T_IN, 5);
	back = vdrv_in(&d, sizeof(data));
	assert_int_equal(finish(&len), VIRTIO_BLK_S_OK);
	assert_int_equal(len, sizeof(data) + 1);
	assert_memory_equal(back, data, sizeof(data));
	assert_true(d.interrupts[0] > 0);
}

static void test_data_in_odd_pieces(void **state)
{
	uint8_t data[1024], *a, *b, *c;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 13 + 1);
	header(VIRTIO_BLK_T_OUT, 0);
	vdrv_out(&d, data, 100);
	vdrv_out(&d, data + 100, 700);
	vdrv_out(&d, data + 800, 224);
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_OK);
	header(VIRTIO_BLK_T_IN, 0);
	a = vdrv_in(&d, 1);
	b = vdrv_in(&d, 1000);
	c = vdrv_in(&d, 23);
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_OK);
	assert_memory_equal(a, data, 1);
	assert_memory_equal(b, data + 1, 1000);
	assert_memory_equal(c, data + 1001, 23);
}

/* 2.7.4.1: the device must not assume a layout of descriptors. */
static void test_header_data_and_status_share_descriptors(void **state)
{
	uint8_t out[16 + 512] = {VIRTIO_BLK_T_OUT}, *in;

	(void)state;
	memset(out + 16, 0x5a, 512);
	vdrv_out(&d, out, 7);
	vdrv_out(&d, out + 7, sizeof(out) - 7);
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_OK);
	header(VIRTIO_BLK_T_IN, 0);
	in = vdrv_in(&d, 513);
	in[512] = 0xee;
	vdrv_kick(&d, 0);
	assert_int_equal(vdrv_wait(&d, 0).len, 513);
	assert_int_equal(in[512], VIRTIO_BLK_S_OK);
	assert_memory_equal(in, out + 16, 512);
}

static void test_indirect(void **state)
{
	uint8_t data[512];

	(void)state;
	memset(data, 0x77, sizeof(data));
	d.indirect = true;
	assert_int_equal(write_at(0, data, sizeof(data)), VIRTIO_BLK_S_OK);
}

static void test_flush(void **state)
{
	(void)state;
	header(VIRTIO_BLK_T_FLUSH, 0);
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_OK);
}

static void test_get_id(void **state)
{
	uint8_t *id;

	(void)state;
	header(VIRTIO_BLK_T_GET_ID, 0);
	id = vdrv_in(&d, 20);
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_OK);
	assert_memory_equal(id, "serial-0123456789abc", 20);
	header(VIRTIO_BLK_T_GET_ID, 0);
	id = vdrv_in(&d, 6);
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_OK);
	assert_memory_equal(id, "serial", 6);
	header(VIRTIO_BLK_T_GET_ID, 0); /* room for the status only */
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_OK);
}

static uint8_t range(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes r = {htole64(sector), htole32(sectors),
						    htole32(flags)};

	header(type, 0);
	vdrv_out(&d, &r, sizeof(r));
	return finish(NULL);
}

static void test_write_zeroes_and_discard(void **state)
{
	uint8_t data[8192], *back, zero[4096] = {0};

	(void)state;
	memset(data, 0x33, sizeof(data));
	assert_int_equal(write_at(0, data, sizeof(data)), VIRTIO_BLK_S_OK);
	assert_int_equal(range(VIRTIO_BLK_T_WRITE_ZEROES, 4, 8, 0), VIRTIO_BLK_S_OK);
	header(VIRTIO_BLK_T_IN, 0);
	back = vdrv_in(&d, sizeof(data));
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_OK);
	assert_memory_equal(back, data, 2048);
	assert_memory_equal(back + 2048, zero, 4096);
	assert_memory_equal(back + 6144, data, 2048);
	assert_int_equal(
		range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP),
		VIRTIO_BLK_S_OK);
	assert_int_equal(range(VIRTIO_BLK_T_DISCARD, 0, 16, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(range(VIRTIO_BLK_T_DISCARD, DISK / 512, 0, 0), VIRTIO_BLK_S_OK);
}

static void test_ranges_that_are_refused(void **state)
{
	struct virtio_blk_discard_write_zeroes two[2] = {0};

	(void)state;
	assert_int_equal(range(VIRTIO_BLK_T_DISCARD, 0, 8, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0x80000001), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(range(VIRTIO_BLK_T_DISCARD, DISK / 512 - 1, 2, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range(VIRTIO_BLK_T_DISCARD, UINT64_MAX, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range(VIRTIO_BLK_T_DISCARD, UINT64_MAX / 512, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range(VIRTIO_BLK_T_WRITE_ZEROES, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
	header(VIRTIO_BLK_T_DISCARD, 0);
	vdrv_out(&d, two, sizeof(two)); /* more segments than offered */
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_IOERR);
	header(VIRTIO_BLK_T_DISCARD, 0);
	vdrv_out(&d, two, 15);
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_IOERR);
	header(VIRTIO_BLK_T_DISCARD, 0);
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_IOERR);
}

static void test_transfers_that_are_refused(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t bytes;
		uint8_t status;
	} cases[] = {
		{0, 511, VIRTIO_BLK_S_IOERR},
		{0, 1, VIRTIO_BLK_S_IOERR},
		{DISK / 512, 512, VIRTIO_BLK_S_IOERR},
		{DISK / 512 - 1, 1024, VIRTIO_BLK_S_IOERR},
		{DISK / 512 - 1, 512, VIRTIO_BLK_S_OK},
		{UINT64_MAX, 512, VIRTIO_BLK_S_IOERR},
		{UINT64_MAX / 512 + 1, 512, VIRTIO_BLK_S_IOERR}, /* times 512 is 0 */
		{UINT64_MAX / 512, 512, VIRTIO_BLK_S_IOERR},
	};
	uint32_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		header(VIRTIO_BLK_T_IN, cases[i].sector);
		vdrv_in(&d, cases[i].bytes);
		assert_int_equal(finish(&len), cases[i].status);
		assert_int_equal(len, cases[i].status == VIRTIO_BLK_S_OK ? cases[i].bytes + 1 : 0);
		header(VIRTIO_BLK_T_OUT, cases[i].sector);
		vdrv_out(&d, junk, cases[i].bytes);
		assert_int_equal(finish(&len), cases[i].status);
		assert_int_equal(len, 1);
	}
	header(VIRTIO_BLK_T_IN, 0); /* nothing at all is fine */
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_OK);
	assert_false(vdrv_needs_reset(&d));
}

static void test_unknown_types(void **state)
{
	static const uint32_t types[] = {2, 3, 5, 7, 9, 10, 12, 14, 15, 0x80000000, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		header(types[i], 0);
		assert_int_equal(finish(NULL), VIRTIO_BLK_S_UNSUPP);
	}
}

static void test_a_request_without_header(void **state)
{
	(void)state;
	vdrv_out(&d, "0123456789abcde", 15);
	vdrv_in(&d, 1);
	vdrv_kick(&d, 0);
	assert_true(vdrv_needs_reset(&d));
}

static void test_a_request_without_status(void **state)
{
	(void)state;
	header(VIRTIO_BLK_T_FLUSH, 0);
	vdrv_kick(&d, 0);
	assert_true(vdrv_needs_reset(&d));
	vdrv_restart(&d, VDRV_ALL);
	header(VIRTIO_BLK_T_FLUSH, 0);
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_OK);
}

static void test_more_segments_than_offered(void **state)
{
	struct virtio_blk_outhdr h = {.type = VIRTIO_BLK_T_IN};
	gpa_t table = vdrv_alloc(&d, 16 * 600), at = vdrv_alloc(&d, 4096);
	uint8_t *status = gmem_ptr(d.mem, at, 1);

	(void)state;
	memcpy(gmem_ptr(d.mem, at + 16, sizeof(h)), &h, sizeof(h));
	gring_desc_at(d.mem, table, 0, at + 16, sizeof(h), VRING_DESC_F_NEXT, 1);
	for (unsigned i = 1; i <= 512; i++)
		gring_desc_at(d.mem, table, i, at + 64 + i, 1,
			      VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, (uint16_t)(i + 1));
	gring_desc_at(d.mem, table, 513, at, 1, VRING_DESC_F_WRITE, 0);
	gring_put_desc(&d.ring[0], 0, table, 514 * 16, VRING_DESC_F_INDIRECT, 0);
	gring_offer(&d.ring[0], 0);
	vdrv_kick(&d, 0);
	assert_true(vdrv_wait(&d, 0).found);
	assert_int_equal(*status, VIRTIO_BLK_S_IOERR);
	assert_false(vdrv_needs_reset(&d));
}

/* --- many at once --- */

static void test_a_full_queue(void **state)
{
	uint8_t *status[VDRV_QUEUE_SIZE / 4], done = 0;

	(void)state;
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < ARRAY_LEN(status); i++) {
			header(i % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, i * 8);
			if (i % 2)
				vdrv_in(&d, 512);
			else
				vdrv_out(&d, junk, 512);
			status[i] = vdrv_in(&d, 1);
			*status[i] = 0xee;
			vdrv_offer(&d, 0);
		}
		vdrv_kick(&d, 0);
		for (size_t i = 0; i < ARRAY_LEN(status); i++)
			assert_true(vdrv_wait(&d, 0).found);
		for (size_t i = 0; i < ARRAY_LEN(status); i++)
			done += *status[i] == VIRTIO_BLK_S_OK;
		assert_int_equal(done, ARRAY_LEN(status));
		done = 0;
		d.heap = MIB;
	}
}

static int setup_long_queue(void **state)
{
	(void)state;
	vdrv_init(&d);
	d.queue_size = 256;
	d.indirect = true;
	vdrv_start(&d, make(BLK_RAW, 0), VDRV_ALL);
	return 0;
}

/* More requests than the engine takes at once: the rest waits, and is not forgotten. */
static void test_more_requests_than_slots(void **state)
{
	uint8_t *status[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(status); i++) {
		header(VIRTIO_BLK_T_IN, i);
		vdrv_in(&d, 512);
		status[i] = vdrv_in(&d, 1);
		*status[i] = 0xee;
		vdrv_offer(&d, 0);
	}
	vdrv_kick(&d, 0);
	for (size_t i = 0; i < ARRAY_LEN(status); i++)
		assert_true(vdrv_wait(&d, 0).found);
	for (size_t i = 0; i < ARRAY_LEN(status); i++)
		assert_int_equal(*status[i], VIRTIO_BLK_S_OK);
}

/* --- reset and pause --- */

static void offer_writes(uint8_t *status[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		header(VIRTIO_BLK_T_OUT, 1000 + 128 * i);
		vdrv_out(&d, junk, 32768);
		status[i] = vdrv_in(&d, 1);
		*status[i] = 0xee;
		vdrv_offer(&d, 0);
	}
	virtio_queue_notify(d.vd, 0);
}

static void test_reset_with_requests_in_flight(void **state)
{
	uint8_t *status[8], before[8];

	(void)state;
	offer_writes(status, ARRAY_LEN(status));
	virtio_set_status(d.vd, 0);
	for (size_t i = 0; i < ARRAY_LEN(status); i++)
		before[i] = *status[i];
	memset(gmem_ptr(d.mem, d.ring[0].used, 64), 0xaa, 64);
	vdrv_run(&d);
	/* Nothing of before the reset reaches the guest after it. */
	for (size_t i = 0; i < ARRAY_LEN(status); i++)
		assert_int_equal(*status[i], before[i]);
	assert_int_equal(get_le64(gmem_ptr(d.mem, d.ring[0].used, 8)), 0xaaaaaaaaaaaaaaaa);
	vdrv_restart(&d, VDRV_ALL);
	header(VIRTIO_BLK_T_FLUSH, 0);
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_OK);
}

static void test_queue_reset_with_requests_in_flight(void **state)
{
	uint8_t *status[8];

	(void)state;
	offer_writes(status, ARRAY_LEN(status));
	virtio_queue_reset(d.vd, 0);
	memset(gmem_ptr(d.mem, d.ring[0].used, 64), 0xaa, 64);
	vdrv_run(&d);
	assert_int_equal(get_le64(gmem_ptr(d.mem, d.ring[0].used, 8)), 0xaaaaaaaaaaaaaaaa);
}

static void test_pause_waits_for_requests(void **state)
{
	uint8_t *status[8];

	(void)state;
	offer_writes(status, ARRAY_LEN(status));
	virtio_pause(d.vd);
	for (size_t i = 0; i < ARRAY_LEN(status); i++)
		assert_int_equal(*status[i], VIRTIO_BLK_S_OK);
	assert_int_equal(gring_used_idx(&d.ring[0]), ARRAY_LEN(status));
	assert_true(d.interrupts[0] > 0);
	virtio_resume(d.vd);
}

/* --- configuration and modes --- */

static struct virtio_blk_config config(void)
{
	struct virtio_blk_config c;

	virtio_cfg_read(d.vd, 0, &c, sizeof(c));
	return c;
}

static void test_configuration(void **state)
{
	struct virtio_blk_config c = config();

	(void)state;
	assert_int_equal(c.capacity, DISK / 512);
	assert_int_equal(c.seg_max, 254);
	assert_int_equal(c.blk_size, 512);
	assert_int_equal(c.physical_block_exp, 3);
	assert_int_equal(c.max_discard_seg, 1);
	assert_int_equal(c.max_write_zeroes_seg, 1);
	assert_int_equal(c.max_secure_erase_sectors, 0);
	assert_true(virtio_has(d.vd, VIRTIO_BLK_F_FLUSH));
	assert_false(virtio_has(d.vd, VIRTIO_BLK_F_RO));
	assert_false(virtio_has(d.vd, VIRTIO_BLK_F_MQ));
}

static void test_qcow2_topology(void **state)
{
	(void)state;
	assert_int_equal(config().opt_io_size, 65536 / 512);
	assert_int_equal(config().discard_sector_alignment, 65536 / 512);
	assert_int_equal(write_at(0, junk, 4096), VIRTIO_BLK_S_OK);
	header(VIRTIO_BLK_T_FLUSH, 0);
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_OK);
	assert_int_equal(range(VIRTIO_BLK_T_DISCARD, 0, 128, 0), VIRTIO_BLK_S_OK);
}

static void test_cache_mode(void **state)
{
	uint8_t off = 0, on = 1;
	unsigned wce = offsetof(struct virtio_blk_config, wce);

	(void)state;
	assert_int_equal(config().wce, 1);
	virtio_cfg_write(d.vd, wce, &off, 1);
	assert_int_equal(config().wce, 0);
	assert_int_equal(write_at(0, junk, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_OK);
	virtio_cfg_write(d.vd, wce, &on, 1);
	assert_int_equal(config().wce, 1);
	virtio_cfg_write(d.vd, 0, "\xff\xff\xff\xff\xff\xff\xff\xff",
			 8); /* capacity is read-only */
	assert_int_equal(config().capacity, DISK / 512);

	/* What a driver chooses before DRIVER_OK holds, too. */
	virtio_set_status(d.vd, 0);
	assert_true(vdrv_negotiate(&d, d.vd->features));
	assert_int_equal(config().wce, 1);
	virtio_cfg_write(d.vd, wce, &off, 1);
	vdrv_queues(&d);
	vdrv_driver_ok(&d);
	assert_int_equal(config().wce, 0);
	virtio_set_status(d.vd, 0);
	assert_true(vdrv_negotiate(&d, VIRTIO_FEATURE(VIRTIO_F_VERSION_1) |
					       VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE)));
	assert_int_equal(config().wce, 0);

	/* A driver that cannot flush gets write-through, and stays in it unless it can say so. */
	vdrv_restart(&d, VIRTIO_FEATURE(32));
	assert_int_equal(config().wce, 0);
	virtio_cfg_write(d.vd, wce, &on, 1);
	assert_int_equal(config().wce, 0);
	assert_int_equal(write_at(0, junk, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(range(VIRTIO_BLK_T_DISCARD, 0, 8, 0),
			 VIRTIO_BLK_S_UNSUPP); /* not negotiated */
}

static void test_read_only(void **state)
{
	(void)state;
	assert_true(virtio_has(d.vd, VIRTIO_BLK_F_RO));
	assert_false(virtio_has(d.vd, VIRTIO_BLK_F_DISCARD));
	assert_int_equal(write_at(0, junk, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	header(VIRTIO_BLK_T_FLUSH, 0);
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_OK);
	header(VIRTIO_BLK_T_IN, 0);
	vdrv_in(&d, 512);
	assert_int_equal(finish(NULL), VIRTIO_BLK_S_OK);
}

/* The host's failure is an I/O error for the guest, and the device goes on. */
static void test_a_write_that_fails(void **state)
{
	struct rlimit old, small = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(write_at(64, junk, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(write_at(64, junk, 512), VIRTIO_BLK_S_OK);
	assert_false(vdrv_needs_reset(&d));
}

/* Metadata of an image that finds no room any more: whoever ends the device hears of it. */
static void test_a_last_flush_that_fails(void **state)
{
	struct rlimit old, small;
	struct err err = {0};

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(write_at(64, junk, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){.rlim_cur = 4096, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(virtio_sync(d.vd, &err), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(err.kind, ERR_HOST);
	assert_non_null(strstr(err.msg, "root"));
	assert_non_null(strstr(err.msg, "the last flush"));
	assert_int_equal(virtio_sync(d.vd, &err), 0);
}

static void test_no_descriptor_for_the_engine(void **state)
{
	struct blk_layer layer = {
		.fd = memfd_create("x", MFD_CLOEXEC), .format = BLK_RAW, .name = "x"};
	struct rlimit old, none;
	struct err err = {0};
	struct blk *blk;

	(void)state;
	assert_int_equal(ftruncate(layer.fd, DISK), 0);
	blk = blk_open(&layer, 1, 0, NULL);
	assert_non_null(blk);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_null(
		blk_new("disk 'x'", blk, "x", d.mem, d.loop, &err)); /* and it closed the image */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(strncmp(err.msg, "disk 'x': ", 10), 0);
}

int main(void)
{
#define BLK_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		BLK_TEST(test_write_then_read),
		BLK_TEST(test_data_in_odd_pieces),
		BLK_TEST(test_header_data_and_status_share_descriptors),
		BLK_TEST(test_indirect),
		BLK_TEST(test_flush),
		BLK_TEST(test_get_id),
		BLK_TEST(test_write_zeroes_and_discard),
		BLK_TEST(test_ranges_that_are_refused),
		BLK_TEST(test_transfers_that_are_refused),
		BLK_TEST(test_unknown_types),
		BLK_TEST(test_a_request_without_header),
		BLK_TEST(test_a_request_without_status),
		BLK_TEST(test_more_segments_than_offered),
		BLK_TEST(test_a_full_queue),
		cmocka_unit_test_setup_teardown(test_more_requests_than_slots, setup_long_queue,
						teardown),
		BLK_TEST(test_reset_with_requests_in_flight),
		BLK_TEST(test_queue_reset_with_requests_in_flight),
		BLK_TEST(test_pause_waits_for_requests),
		BLK_TEST(test_configuration),
		cmocka_unit_test_setup_teardown(test_qcow2_topology, setup_qcow2, teardown),
		BLK_TEST(test_cache_mode),
		cmocka_unit_test_setup_teardown(test_read_only, setup_rdonly, teardown),
		BLK_TEST(test_a_write_that_fails),
		cmocka_unit_test_setup_teardown(test_a_last_flush_that_fails, setup_qcow2,
						teardown),
		BLK_TEST(test_no_descriptor_for_the_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
