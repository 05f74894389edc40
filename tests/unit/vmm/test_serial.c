/* SPDX-License-Identifier: Apache-2.0
 *
 * The 16550A, by the data sheet and by what Linux' 8250 driver tries on it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/socket.h>

#include "base/util.h"
#include "tests/lib/vmm/fakes.h"
#include "vmm/dev/chardev_hub.h"
#include "vmm/dev/serial.h"
#include "vmm/mem/layout.h"

enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR, THR = 0, FCR = 2 };

static struct loop *loop;
static struct chardev *hub;
static struct fake_irq irq;
static struct serial *uart;
static int peer; /* the other end of the console */

static int setup(void **state)
{
	struct irq_line line = fake_irq_line(&irq, GSI_COM1);
	int pair[2];

	(void)state;
	memset(&irq, 0, sizeof(irq));
	loop = loop_new(NULL);
	hub = chardev_new(loop);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0 ||
	    chardev_attach(hub, pair[0], 0, false, NULL) < 0)
		return -1;
	peer = pair[1];
	uart = serial_new(hub, &line);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	serial_free(uart);
	chardev_free(hub);
	loop_free(loop);
	close(peer);
	return 0;
}

static uint8_t in(unsigned reg)
{
	return (uint8_t)serial_bus.read(uart, reg, 1);
}

static void out(unsigned reg, uint8_t v)
{
	serial_bus.write(uart, reg, v, 1);
}

static void type(const char *text)
{
	assert_int_equal(write(peer, text, strlen(text)), strlen(text));
	loop_settle(loop);
}

static void test_output(void **state)
{
	char got[16] = "";

	(void)state;
	for (const char *p = "hello"; *p; p++) {
		assert_int_equal(in(LSR), 0x60); /* ready at any time */
		out(THR, (uint8_t)*p);
	}
	chardev_flush(hub);
	assert_int_equal(read(peer, got, sizeof(got)), 5);
	assert_string_equal(got, "hello");
	assert_int_equal(irq.raised[GSI_COM1], 0);
}

static void test_transmit_interrupts(void **state)
{
	(void)state;
	out(IER, 2); /* enabled while empty: at once (8.6.3) */
	assert_true(irq.level[GSI_COM1]);
	assert_int_equal(in(IIR) & 0x0f, 2); /* reading it ends it */
	assert_false(irq.level[GSI_COM1]);
	assert_int_equal(in(IIR) & 0x0f, 1);
	out(THR, 'x'); /* and empty again */
	assert_true(irq.level[GSI_COM1]);
	out(IER, 0);
	assert_false(irq.level[GSI_COM1]);
	assert_int_equal(in(IIR) & 0x0f, 1);
	out(IER, 2);
	in(IIR);
	out(IER, 2); /* on already: nothing new (what Linux calls a bug when it is otherwise) */
	assert_int_equal(in(IIR) & 0x0f, 1);
}

static void test_input_through_the_fifo(void **state)
{
	(void)state;
	out(FCR, 0x01 | 0x80); /* FIFOs on, trigger at 8 */
	assert_int_equal(in(IIR) & 0xc0, 0xc0);
	out(IER, 1);
	type("abc");
	assert_true(irq.level[GSI_COM1]);
	assert_int_equal(in(IIR) & 0x0f, 0x0c); /* below the trigger level: the timeout */
	type("defghij");
	assert_int_equal(in(IIR) & 0x0f, 0x04);
	for (const char *p = "abcdefghij"; *p; p++) {
		assert_int_equal(in(LSR), 0x61);
		assert_int_equal(in(RBR), *p);
	}
	assert_int_equal(in(LSR), 0x60);
	assert_false(irq.level[GSI_COM1]);
	assert_int_equal(in(RBR), 0); /* empty */
}

/* More than the FIFO holds waits in the hub; nothing is lost, nothing overruns. */
static void test_a_paste(void **state)
{
	char text[3000];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	out(FCR, 1);
	out(IER, 1);
	assert_int_equal(write(peer, text, sizeof(text)), sizeof(text));
	loop_settle(loop);
	while (in(LSR) & 1) {
		assert_true(irq.level[GSI_COM1]);
		assert_int_equal(in(RBR), text[n++]);
		if (n % 100 == 0)
			loop_settle(loop);
	}
	assert_int_equal(n, sizeof(text));
}

static void test_without_fifos(void **state)
{
	(void)state;
	type("xy");
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(IIR), 1); /* not enabled, and no FIFO bits */
	out(IER, 1);
	assert_int_equal(in(IIR), 4);
	assert_int_equal(in(RBR), 'x');
	assert_int_equal(in(RBR), 'y');
	assert_int_equal(in(LSR), 0x60);
}

static void test_divisor(void **state)
{
	char c;

	(void)state;
	out(LCR, 0x83);
	out(0, 0x01);
	out(1, 0x02);
	assert_int_equal(in(0), 1);
	assert_int_equal(in(1), 2);
	out(LCR, 0x03);
	assert_int_equal(in(IER), 0); /* not touched by the divisor */
	chardev_flush(hub);
	assert_int_equal(read(peer, &c, 1), -1); /* nothing was sent */
}

/* Linux' autoconfig(): IER keeps its four bits, the scratch register is one, loop mode turns MCR into MSR. */
static void test_what_linux_probes(void **state)
{
	(void)state;
	out(IER, 0xff);
	assert_int_equal(in(IER), 0x0f);
	out(IER, 0);
	out(SCR, 0xa5);
	assert_int_equal(in(SCR), 0xa5);
	out(MCR, 0x10 | 0x0a); /* loop, RTS and OUT2 */
	assert_int_equal(in(MSR) & 0xf0, 0x90);
	out(MCR, 0x0b);
	assert_int_equal(in(MSR) & 0xf0, 0xb0); /* CTS, DSR, DCD: somebody is there */
	out(FCR, 0x01);
	assert_int_equal(in(IIR) >> 6, 3); /* a 16550A */
	out(FCR, 0);
	assert_int_equal(in(IIR) >> 6, 0);
}

static void test_loop_mode(void **state)
{
	char c;

	(void)state;
	out(FCR, 1);
	out(MCR, 0x10);
	type("from outside");
	assert_int_equal(in(LSR), 0x60); /* the line is cut */
	out(THR, 'l');
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(RBR), 'l');
	for (int i = 0; i < 40; i++) /* beyond the FIFO */
		out(THR, 'z');
	chardev_flush(hub);
	assert_int_equal(read(peer, &c, 1), -1);
	out(FCR, 3); /* cleared */
	out(MCR, 0);
	assert_int_equal(in(RBR), 'f');
}

static void test_modem_status_interrupt(void **state)
{
	(void)state;
	out(IER, 8);
	out(MCR, 0x10); /* all inputs fall */
	assert_int_equal(in(IIR) & 0x0f, 0);
	assert_true(irq.level[GSI_COM1]);
	assert_int_equal(in(MSR) & 0x0f, 0x0b); /* CTS, DSR, DCD changed */
	assert_int_equal(in(MSR) & 0x0f, 0);
	assert_false(irq.level[GSI_COM1]);
}

static void test_wide_accesses(void **state)
{
	(void)state;
	serial_bus.write(uart, SCR - 1, 0x5500, 2); /* MSR, SCR */
	assert_int_equal(in(SCR), 0x55);
	assert_int_equal(serial_bus.read(uart, LCR, 4), 0x00u | 0u << 8 | 0x60u << 16 | 0xb0u << 24);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_output),
		T(test_transmit_interrupts),
		T(test_input_through_the_fifo),
		T(test_a_paste),
		T(test_without_fifos),
		T(test_divisor),
		T(test_what_linux_probes),
		T(test_loop_mode),
		T(test_modem_status_interrupt),
		T(test_wide_accesses),
	};

	return cmocka_run_group_tests_name("serial", tests, NULL, NULL);
}
