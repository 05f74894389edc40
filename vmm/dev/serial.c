/* SPDX-License-Identifier: Apache-2.0
 *
 * A 16550A UART (National Semiconductor PC16550D data sheet; section numbers are its). Transmission
 * takes no time, so the transmitter is always empty and the guest never waits; what is received
 * comes from the stream when there is room for it, so nothing overruns. Left out: the divisor has no
 * effect, there are no parity, framing or break errors, and the modem inputs always say "ready".
 */
#include "vmm/dev/serial.h"

#include "base/mem.h"
#include "base/util.h"

enum {
	/* Registers; with DLAB set the first two are the divisor. */
	RBR_THR = 0,
	IER = 1,
	IIR_FCR = 2,
	LCR = 3,
	MCR = 4,
	LSR = 5,
	MSR = 6,
	SCR = 7,

	IER_RECEIVED = 1 << 0,
	IER_THR_EMPTY = 1 << 1,
	IER_LINE_STATUS = 1 << 2,
	IER_MODEM_STATUS = 1 << 3,

	IIR_NONE = 0x01,
	IIR_THR_EMPTY = 0x02,
	IIR_RECEIVED = 0x04,
	IIR_TIMEOUT = 0x0c, /* received, but fewer than the trigger level */
	IIR_MODEM_STATUS = 0x00,
	IIR_FIFO_ON = 0xc0,

	FCR_ENABLE = 1 << 0,
	FCR_CLEAR_RECEIVER = 1 << 1,

	LCR_DLAB = 1 << 7,

	MCR_DTR = 1 << 0,
	MCR_RTS = 1 << 1,
	MCR_OUT1 = 1 << 2,
	MCR_OUT2 = 1 << 3,
	MCR_LOOP = 1 << 4,

	LSR_DATA_READY = 1 << 0,
	LSR_THR_EMPTY = 1 << 5,
	LSR_IDLE = 1 << 6,

	MSR_DELTAS = 0x0f,
	MSR_CTS = 1 << 4,
	MSR_DSR = 1 << 5,
	MSR_RI = 1 << 6,
	MSR_DCD = 1 << 7,

	FIFO_SIZE = 16,
};

struct serial {
	pthread_mutex_t lock;
	struct chardev *stream; /* borrowed */
	struct irq_line irq;
	bool irq_level;

	uint8_t ier, fcr, lcr, mcr, msr, scr;
	uint16_t divisor;
	bool thr_empty_pending; /* cleared by reading IIR and by writing THR (8.6.3) */
	uint8_t fifo[FIFO_SIZE];
	unsigned fifo_start, fifo_len;
};

static unsigned fifo_capacity(const struct serial *s)
{
	return s->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static void fifo_put(struct serial *s, uint8_t byte)
{
	s->fifo[(s->fifo_start + s->fifo_len++) % FIFO_SIZE] = byte;
}

/* Takes from the stream what fits. */
static void receive(struct serial *s)
{
	uint8_t bytes[FIFO_SIZE];
	size_t n;

	if (s->mcr & MCR_LOOP || s->fifo_len >= fifo_capacity(s))
		return;
	n = chardev_read(s->stream, bytes, fifo_capacity(s) - s->fifo_len);
	for (size_t i = 0; i < n; i++)
		fifo_put(s, bytes[i]);
}

/* The interrupt of the highest priority (table V: identification). */
static uint8_t pending(const struct serial *s)
{
	static const uint8_t trigger[] = {1, 4, 8, 14};

	if (s->ier & IER_RECEIVED && s->fifo_len) {
		bool below = s->fcr & FCR_ENABLE && s->fifo_len < trigger[s->fcr >> 6];

		return below ? IIR_TIMEOUT : IIR_RECEIVED;
	}
	if (s->ier & IER_THR_EMPTY && s->thr_empty_pending)
		return IIR_THR_EMPTY;
	if (s->ier & IER_MODEM_STATUS && s->msr & MSR_DELTAS)
		return IIR_MODEM_STATUS;
	return IIR_NONE;
}

static void update_irq(struct serial *s)
{
	bool level = pending(s) != IIR_NONE;

	if (level != s->irq_level) {
		s->irq_level = level;
		irq_set(&s->irq, level);
	}
}

/* In loop mode the modem outputs are the inputs, which is how Linux tells a UART from an empty port. */
static void update_modem(struct serial *s)
{
	uint8_t now = MSR_CTS | MSR_DSR | MSR_DCD, was = s->msr & 0xf0;

	if (s->mcr & MCR_LOOP)
		now = (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
		      (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
	/* Delta bits sit four below; the ring indicator's tells only the trailing edge. */
	s->msr |= ((now ^ was) & (uint8_t)~MSR_RI) >> 4 | (was & ~now & MSR_RI) >> 4;
	s->msr = (s->msr & MSR_DELTAS) | now;
}

static void transmit(struct serial *s, uint8_t byte)
{
	if (!(s->mcr & MCR_LOOP))
		chardev_write(s->stream, &byte, 1);
	else if (s->fifo_len < fifo_capacity(s))
		fifo_put(s, byte);
	s->thr_empty_pending = true;
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t iir = pending(s);

	if (iir == IIR_THR_EMPTY)
		s->thr_empty_pending = false;
	return iir | (s->fcr & FCR_ENABLE ? IIR_FIFO_ON : 0);
}

static uint8_t read_rbr(struct serial *s)
{
	uint8_t byte = 0;

	if (s->fifo_len) {
		byte = s->fifo[s->fifo_start];
		s->fifo_start = (s->fifo_start + 1) % FIFO_SIZE;
		s->fifo_len--;
	}
	receive(s);
	return byte;
}

static uint8_t read_register(struct serial *s, uint64_t reg)
{
	uint8_t v;

	switch (reg) {
	case RBR_THR:
		return s->lcr & LCR_DLAB ? (uint8_t)s->divisor : read_rbr(s);
	case IER:
		return s->lcr & LCR_DLAB ? (uint8_t)(s->divisor >> 8) : s->ier;
	case IIR_FCR:
		return read_iir(s);
	case LCR:
		return s->lcr;
	case MCR:
		return s->mcr;
	case LSR:
		return LSR_THR_EMPTY | LSR_IDLE | (s->fifo_len ? LSR_DATA_READY : 0);
	case MSR:
		v = s->msr;
		s->msr &= (uint8_t)~MSR_DELTAS;
		return v;
	default:
		return s->scr;
	}
}

static void write_ier(struct serial *s, uint8_t v)
{
	/* Enabling the interrupt while the transmitter is empty raises it at once (8.6.3). */
	if (v & IER_THR_EMPTY && !(s->ier & IER_THR_EMPTY))
		s->thr_empty_pending = true;
	s->ier = v & (IER_RECEIVED | IER_THR_EMPTY | IER_LINE_STATUS | IER_MODEM_STATUS);
}

static void write_fcr(struct serial *s, uint8_t v)
{
	/* Switching the FIFOs on or off clears them (8.4). */
	if ((v ^ s->fcr) & FCR_ENABLE || v & FCR_CLEAR_RECEIVER)
		s->fifo_start = s->fifo_len = 0;
	s->fcr = v & FCR_ENABLE ? v & (FCR_ENABLE | 0xc0) : 0;
	receive(s);
}

static void write_register(struct serial *s, uint64_t reg, uint8_t v)
{
	switch (reg) {
	case RBR_THR:
		if (s->lcr & LCR_DLAB)
			s->divisor = (s->divisor & 0xff00) | v;
		else
			transmit(s, v);
		break;
	case IER:
		if (s->lcr & LCR_DLAB)
			s->divisor = (uint16_t)(v << 8) | (s->divisor & 0xff);
		else
			write_ier(s, v);
		break;
	case IIR_FCR:
		write_fcr(s, v);
		break;
	case LCR:
		s->lcr = v;
		break;
	case MCR:
		s->mcr = v & 0x1f;
		update_modem(s);
		receive(s);
		break;
	case SCR:
		s->scr = v;
		break;
	default: /* LSR and MSR are for reading */
		break;
	}
}

/* Registers are bytes; a wider access is one to each in turn, as on the ISA bus. */
static uint64_t serial_read(void *dev, uint64_t off, unsigned size)
{
	struct serial *s = dev;
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)read_register(s, off + i) << 8 * i;
	update_irq(s);
	return v;
}

static void serial_write(void *dev, uint64_t off, uint64_t val, unsigned size)
{
	struct serial *s = dev;

	for (unsigned i = 0; i < size; i++)
		write_register(s, off + i, (uint8_t)(val >> 8 * i));
	update_irq(s);
}

const struct bus_ops serial_bus = {.name = "serial port", .read = serial_read, .write = serial_write};

static void on_readable(void *ctx)
{
	struct serial *s = ctx;

	pthread_mutex_lock(&s->lock);
	receive(s);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

struct serial *serial_new(struct chardev *stream, const struct irq_line *irq)
{
	struct serial *s = NEW(struct serial);

	s->stream = stream;
	s->irq = *irq;
	s->divisor = 12; /* 9600 baud, as firmware leaves it */
	s->msr = MSR_CTS | MSR_DSR | MSR_DCD;
	pthread_mutex_init(&s->lock, NULL);
	chardev_set_reader(stream, on_readable, s);
	return s;
}

void serial_free(struct serial *s)
{
	if (!s)
		return;
	chardev_set_reader(s->stream, NULL, NULL);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

pthread_mutex_t *serial_lock(struct serial *s)
{
	return &s->lock;
}
