/* SPDX-License-Identifier: Apache-2.0
 *
 * The console device: output, input, and the control messages around a port.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/virtio_console.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/util.h"
#include "tests/lib/vmm/vdrv.h"
#include "vmm/dev/chardev_hub.h"
#include "vmm/virtio/devices.h"

enum { INPUT, OUTPUT, CONTROL_IN, CONTROL_OUT };

static struct vdrv d;
static struct chardev *chardev;
static int client, log_fd;

static void start(uint64_t want)
{
	int pair[2];

	vdrv_init(&d);
	chardev = chardev_new(d.loop);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	chardev_set_log(chardev, log_fd, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	client = pair[0];
	assert_int_equal(chardev_attach(chardev, pair[1], 0, false, NULL), 0);
	vdrv_start(&d, console_new("console0", chardev, d.mem, d.loop, NULL), want);
}

static int setup(void **state)
{
	(void)state;
	start(VDRV_ALL);
	return 0;
}

static int setup_single(void **state)
{
	(void)state;
	start(VIRTIO_FEATURE(VIRTIO_CONSOLE_F_SIZE));
	return 0;
}

static int teardown(void **state)
{
	struct loop *loop = d.loop;

	(void)state;
	d.loop = NULL; /* the stream wants it, and the device wants the stream */
	vdrv_done(&d);
	chardev_free(chardev);
	loop_free(loop);
	close(client);
	close(log_fd);
	return 0;
}

static void logged(const char *want)
{
	char got[256] = {0};
	ssize_t n;

	chardev_flush(chardev);
	vdrv_run(&d);
	n = pread(log_fd, got, sizeof(got) - 1, 0);
	assert_int_equal(n, strlen(want));
	assert_string_equal(got, want);
}

static void type(const char *text)
{
	assert_int_equal(send(client, text, strlen(text), 0), strlen(text));
	vdrv_run(&d);
}

static void control(uint32_t id, uint16_t event, uint16_t value)
{
	struct virtio_console_control m = {htole32(id), htole16(event), htole16(value)};

	vdrv_out(&d, &m, sizeof(m));
	vdrv_kick(&d, CONTROL_OUT);
	assert_true(vdrv_used_on(&d, CONTROL_OUT).found);
}

static struct virtio_console_control *control_buffer(void)
{
	struct virtio_console_control *m = vdrv_in(&d, sizeof(*m));

	vdrv_offer(&d, CONTROL_IN);
	return m;
}

static void test_output(void **state)
{
	(void)state;
	vdrv_out(&d, "hello, ", 7);
	vdrv_out(&d, "world", 5);
	vdrv_kick(&d, OUTPUT);
	assert_true(vdrv_used(&d).found);
	logged("hello, world");
}

static void test_too_much_output(void **state)
{
	static uint8_t junk[1 << 20];

	(void)state;
	vdrv_out(&d, junk, sizeof(junk));
	vdrv_out(&d, "x", 1);
	vdrv_kick(&d, OUTPUT);
	assert_true(vdrv_needs_reset(&d));
}

static void test_input_without_ports(void **state)
{
	char *a, *b;

	(void)state;
	type("early");
	a = vdrv_in(&d, 3);
	vdrv_offer(&d, INPUT);
	b = vdrv_in(&d, 16);
	vdrv_kick(&d, INPUT);
	assert_int_equal(vdrv_used_on(&d, INPUT).len, 3);
	assert_int_equal(vdrv_used_on(&d, INPUT).len, 2);
	assert_memory_equal(a, "ear", 3);
	assert_memory_equal(b, "ly", 2);

	b = vdrv_in(&d, 16);
	vdrv_kick(&d, INPUT);
	assert_false(vdrv_used_on(&d, INPUT).found); /* waits for somebody to type */
	type("late");
	assert_int_equal(vdrv_used_on(&d, INPUT).len, 4);
	assert_memory_equal(b, "late", 4);
}

static void test_opening_the_port(void **state)
{
	struct virtio_console_control *add = control_buffer(), *console = control_buffer(), *open;
	char *in = vdrv_in(&d, 16);

	(void)state;
	vdrv_kick(&d, INPUT);
	type("x");
	assert_false(vdrv_used_on(&d, INPUT).found); /* nobody has opened it */

	control(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	assert_int_equal(vdrv_used_on(&d, CONTROL_IN).len, 8);
	assert_int_equal(add->id, 0);
	assert_int_equal(add->event, VIRTIO_CONSOLE_PORT_ADD);

	control(0, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_int_equal(vdrv_used_on(&d, CONTROL_IN).len, 8);
	assert_int_equal(console->event, VIRTIO_CONSOLE_CONSOLE_PORT);
	assert_int_equal(console->value, 1);
	assert_false(vdrv_used_on(&d, CONTROL_IN).found); /* no buffer yet */
	open = control_buffer();
	vdrv_kick(&d, CONTROL_IN);
	assert_int_equal(vdrv_used_on(&d, CONTROL_IN).len, 8);
	assert_int_equal(open->event, VIRTIO_CONSOLE_PORT_OPEN);

	control(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_int_equal(vdrv_used_on(&d, INPUT).len, 1);
	assert_int_equal(*in, 'x');
	control(0, VIRTIO_CONSOLE_PORT_OPEN, 0);
	vdrv_in(&d, 16);
	vdrv_kick(&d, INPUT);
	type("y");
	assert_false(vdrv_used_on(&d, INPUT).found);
}

static void test_messages_that_mean_nothing(void **state)
{
	(void)state;
	control_buffer();
	control(7, VIRTIO_CONSOLE_PORT_READY, 1); /* a port that is not there */
	control(7, VIRTIO_CONSOLE_PORT_OPEN, 1);
	control(0, VIRTIO_CONSOLE_DEVICE_READY, 0);
	control(0, VIRTIO_CONSOLE_PORT_READY, 0);
	control(0, 4711, 1);
	control(UINT32_MAX, UINT16_MAX, UINT16_MAX);
	assert_false(vdrv_used_on(&d, CONTROL_IN).found);
	assert_false(vdrv_needs_reset(&d));
	/* A driver that asks a thousand times is told once. */
	for (int i = 0; i < 1000; i++) {
		control(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
		d.heap = 2 * MIB;
	}
	assert_true(vdrv_used_on(&d, CONTROL_IN).found);
}

static void test_malformed_messages(void **state)
{
	(void)state;
	vdrv_out(&d, "seven b", 7);
	vdrv_kick(&d, CONTROL_OUT);
	assert_true(vdrv_needs_reset(&d));
	vdrv_restart(&d, VDRV_ALL);
	vdrv_in(&d, 7);
	vdrv_offer(&d, CONTROL_IN);
	control(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	assert_true(vdrv_needs_reset(&d));
}

static void test_configuration(void **state)
{
	struct virtio_console_config c;

	(void)state;
	virtio_cfg_read(d.vd, 0, &c, sizeof(c));
	assert_int_equal(c.cols, 80);
	assert_int_equal(c.rows, 24);
	assert_int_equal(c.max_nr_ports, 1);
	virtio_cfg_write(d.vd, 8, "!\0\0", 4);
	virtio_cfg_write(d.vd, 0, "zzzz", 4);
	logged("!");
}

static void test_reset_closes_the_port(void **state)
{
	(void)state;
	control(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	control(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	vdrv_restart(&d, VDRV_ALL);
	vdrv_in(&d, 16);
	vdrv_kick(&d, INPUT);
	type("y");
	assert_false(vdrv_used_on(&d, INPUT).found);
	control_buffer();
	vdrv_kick(&d, CONTROL_IN);
	assert_false(vdrv_used_on(&d, CONTROL_IN).found);
}

static void test_pause_holds_input_back(void **state)
{
	char *in = vdrv_in(&d, 16);

	(void)state;
	vdrv_kick(&d, INPUT);
	virtio_pause(d.vd);
	*in = 'q';
	type("y");
	assert_int_equal(*in, 'q');
	virtio_resume(d.vd);
	vdrv_run(&d);
	assert_int_equal(*in, 'y');
}

int main(void)
{
#define CON_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CON_TEST(test_output),
		CON_TEST(test_too_much_output),
		cmocka_unit_test_setup_teardown(test_input_without_ports, setup_single, teardown),
		CON_TEST(test_opening_the_port),
		CON_TEST(test_messages_that_mean_nothing),
		CON_TEST(test_malformed_messages),
		CON_TEST(test_configuration),
		CON_TEST(test_reset_closes_the_port),
		cmocka_unit_test_setup_teardown(test_pause_holds_input_back, setup_single,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
