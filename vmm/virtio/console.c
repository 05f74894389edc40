/* SPDX-License-Identifier: Apache-2.0
 *
 * The console device (virtio 1.2, 5.3): port 0, which the guest knows as hvc0, on a character
 * stream. With VIRTIO_CONSOLE_F_MULTIPORT the port is announced and opened through the control
 * queues; drivers without it simply have it. No second port: it would be a channel, not a console.
 *
 *      stream -> queue 0 -> guest         device's control messages -> queue 2
 *      stream <- queue 1 <- guest         driver's control messages <- queue 3
 */
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>

#include "base/mem.h"
#include "base/util.h"
#include "vmm/dev/chardev.h"
#include "vmm/virtio/devices.h"

enum { INPUT, OUTPUT, CONTROL_IN, CONTROL_OUT, QUEUES };

enum {
	QUEUE_SIZE = 64,
	MAX_OUTPUT = 1 << 20, /* bytes of one buffer: many times what a driver writes at once */
	COLUMNS = 80,	      /* until somebody measures a terminal, what terminals have */
	ROWS = 24,
};

/*
 * Control messages that wait for a buffer of the driver. Each is sent once after the event that
 * asks for it, in this order, so that a set of flags is all the queue there is.
 */
enum message {
	MESSAGE_ADD = 1 << 0,	  /* the port is there: after DEVICE_READY */
	MESSAGE_CONSOLE = 1 << 1, /* it is a console: after PORT_READY */
	MESSAGE_OPEN = 1 << 2,	  /* and our side of it is open: with the former */
};

struct console {
	struct virtio_dev vd;
	struct chardev *chardev; /* borrowed: lives as long as the machine */
	struct virtio_console_config config;
	unsigned pending; /* enum message */
	bool open;	  /* the guest's side: only then input is given to it */
	struct chain chain;
};

static struct console *console_of(struct virtio_dev *vd)
{
	return container_of(vd, struct console, vd);
}

/* --- data ------------------------------------------------------------------------------------- */

static bool write_out(struct virtio_dev *vd, unsigned q, struct chain *c)
{
	if (c->out_len > MAX_OUTPUT) {
		virtio_broken(vd, "%llu bytes of output in one buffer",
			      (unsigned long long)c->out_len);
		return false;
	}
	for (unsigned i = 0; i < c->nout; i++)
		chardev_write(console_of(vd)->chardev, c->iov[i].iov_base, c->iov[i].iov_len);
	virtio_push(vd, q, c->head, 0);
	return true;
}

/* One buffer of input; "not now" when there is none. */
static bool read_in(struct virtio_dev *vd, unsigned q, struct chain *c)
{
	uint32_t total = 0;

	for (unsigned i = c->nout; i < c->nout + c->nin; i++) {
		size_t got = chardev_read(console_of(vd)->chardev, c->iov[i].iov_base,
					  c->iov[i].iov_len);

		total += (uint32_t)got;
		if (got < c->iov[i].iov_len)
			break;
	}
	if (!total && c->in_len)
		return false;
	virtio_push(vd, q, c->head, total);
	return true;
}

static void give_input(struct console *con)
{
	if (con->open && virtio_running(&con->vd) && con->vd.vq[INPUT].enabled)
		virtio_serve(&con->vd, INPUT, &con->chain, read_in);
}

static void on_input(void *ctx)
{
	struct console *con = ctx;

	virtio_lock(&con->vd);
	give_input(con);
	virtio_unlock(&con->vd);
}

/* --- control (5.3.6.2) ------------------------------------------------------------------------ */

static bool send_message(struct virtio_dev *vd, unsigned q, struct chain *c)
{
	struct console *con = console_of(vd);
	static const uint16_t events[] = {
		[MESSAGE_ADD] = VIRTIO_CONSOLE_PORT_ADD,
		[MESSAGE_CONSOLE] = VIRTIO_CONSOLE_CONSOLE_PORT,
		[MESSAGE_OPEN] = VIRTIO_CONSOLE_PORT_OPEN,
	};
	unsigned first = con->pending & -con->pending;
	struct virtio_console_control message = {.id = 0, .value = htole16(1)};

	if (!first)
		return false;
	message.event = htole16(events[first]);
	if (chain_write(c, 0, &message, sizeof(message)) < sizeof(message)) {
		virtio_broken(vd, "a control buffer is too small for a message");
		return false;
	}
	con->pending &= ~first;
	virtio_push(vd, q, c->head, sizeof(message));
	return true;
}

static void send_messages(struct console *con)
{
	if (con->pending && virtio_running(&con->vd) && con->vd.vq[CONTROL_IN].enabled)
		virtio_serve(&con->vd, CONTROL_IN, &con->chain, send_message);
}

static bool take_message(struct virtio_dev *vd, unsigned q, struct chain *c)
{
	struct console *con = console_of(vd);
	struct virtio_console_control m;
	bool value;

	if (chain_read(c, 0, &m, sizeof(m)) < sizeof(m)) {
		virtio_broken(vd, "a control message is too short");
		return false;
	}
	value = m.value;
	switch (le16toh(m.event)) {
	case VIRTIO_CONSOLE_DEVICE_READY:
		if (value)
			con->pending |= MESSAGE_ADD;
		break;
	case VIRTIO_CONSOLE_PORT_READY:
		if (value && !m.id)
			con->pending |= MESSAGE_CONSOLE | MESSAGE_OPEN;
		break;
	case VIRTIO_CONSOLE_PORT_OPEN:
		if (!m.id)
			con->open = value;
		break;
	}
	virtio_push(vd, q, c->head, 0);
	return true;
}

/* --- the device ------------------------------------------------------------------------------- */

static void console_queue(struct virtio_dev *vd, unsigned q)
{
	struct console *con = console_of(vd);

	switch (q) {
	case INPUT:
		give_input(con);
		break;
	case OUTPUT:
		virtio_serve(vd, q, &con->chain, write_out);
		break;
	case CONTROL_OUT:
		virtio_serve(vd, q, &con->chain, take_message);
		give_input(con); /* the port may be open now */
		send_messages(con);
		break;
	case CONTROL_IN:
		send_messages(con);
		break;
	}
}

static int console_activate(struct virtio_dev *vd, struct err *err)
{
	(void)err;
	console_of(vd)->open = !virtio_has(vd, VIRTIO_CONSOLE_F_MULTIPORT);
	return 0;
}

static void console_reset(struct virtio_dev *vd)
{
	console_of(vd)->open = false;
	console_of(vd)->pending = 0;
}

static void console_cfg_read(struct virtio_dev *vd, unsigned off, void *dst, unsigned n)
{
	memcpy(dst, (const uint8_t *)&console_of(vd)->config + off, n);
}

/* 5.3.4: a character in an emergency, before the driver runs or after it died. */
static void console_cfg_write(struct virtio_dev *vd, unsigned off, const void *src, unsigned n)
{
	if (off == offsetof(struct virtio_console_config, emerg_wr) && n)
		chardev_write(console_of(vd)->chardev, src, 1);
}

static void console_free(struct virtio_dev *vd)
{
	chardev_set_reader(console_of(vd)->chardev, NULL, NULL);
}

static const struct virtio_class console_class = {
	.name = "console",
	.id = VIRTIO_ID_CONSOLE,
	.nqueues = QUEUES,
	.queue_size = QUEUE_SIZE,
	.cfg_size = sizeof(struct virtio_console_config),
	.pci_class = 0x078000,
	.features = VIRTIO_FEATURE(VIRTIO_CONSOLE_F_SIZE) |
		    VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT) |
		    VIRTIO_FEATURE(VIRTIO_CONSOLE_F_EMERG_WRITE),
	.queue = console_queue,
	.activate = console_activate,
	.reset = console_reset,
	.cfg_read = console_cfg_read,
	.cfg_write = console_cfg_write,
	.free = console_free,
};

struct virtio_dev *console_new(const char *id, struct chardev *chardev, struct gmem *mem,
			       struct loop *loop, struct err *err)
{
	struct console *con = NEW(struct console);

	(void)err; /* nothing here can fail */
	virtio_init(&con->vd, &console_class, id, mem, loop);
	con->chardev = chardev;
	con->config.cols = htole16(COLUMNS);
	con->config.rows = htole16(ROWS);
	con->config.max_nr_ports = htole32(1);
	chardev_set_reader(chardev, on_input, con);
	return &con->vd;
}
