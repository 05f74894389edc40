/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiny guests: see payload.h.
 */
#include "tests/lib/vmm/payload.h"

#include <assert.h>
#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "vmm/dev/pm.h"
#include "vmm/mem/layout.h"

void emit(struct code *c, const void *bytes, size_t n)
{
	assert(n <= sizeof(c->b) - c->n);
	memcpy(c->b + c->n, bytes, n);
	c->n += n;
}

static void emit_dx(struct code *c, uint16_t port)
{
	const uint8_t mov[] = {0x66, 0xba, (uint8_t)port, (uint8_t)(port >> 8)};

	emit(c, mov, sizeof(mov));
}

void emit_outb(struct code *c, uint16_t port, uint8_t v)
{
	const uint8_t out[] = {0xb0, v, 0xee};

	emit_dx(c, port);
	emit(c, out, sizeof(out));
}

void emit_outw(struct code *c, uint16_t port, uint16_t v)
{
	const uint8_t out[] = {0x66, 0xb8, (uint8_t)v, (uint8_t)(v >> 8), 0x66, 0xef};

	emit_dx(c, port);
	emit(c, out, sizeof(out));
}

void emit_print(struct code *c, const char *text)
{
	for (; *text; text++)
		emit_outb(c, PORT_COM1, (uint8_t)*text);
}

void emit_in_al(struct code *c, uint16_t port)
{
	emit_dx(c, port);
	emit(c, "\xec", 1);
}

/* The displacement counts from the end of the instruction. */
static uint32_t displacement(const struct code *c, size_t length, size_t target)
{
	return (uint32_t)(target - (c->n + length));
}

void emit_jump(struct code *c, size_t target)
{
	uint32_t rel = displacement(c, 5, target);

	emit(c, "\xe9", 1);
	emit(c, &rel, 4);
}

void emit_wait_al(struct code *c, uint8_t mask, size_t target)
{
	const uint8_t test[] = {0xa8, mask, 0x0f, 0x84}; /* test al, mask; jz */
	uint32_t rel = displacement(c, sizeof(test) + 4, target);

	emit(c, test, sizeof(test));
	emit(c, &rel, 4);
}

void emit_power_off(struct code *c)
{
	emit_outw(c, PORT_PM_BASE + PM_CONTROL, PM_SLEEP_TYPE_S5 << 10 | 1 << 13);
	emit_spin(c);
}

void emit_spin(struct code *c)
{
	emit(c, "\xeb\xfe", 2);
}

size_t payload_image(const struct code *c, uint32_t entry, uint8_t *out, size_t room)
{
	struct {
		Elf64_Ehdr e;
		Elf64_Phdr ph[2];
		struct {
			uint32_t name_size, desc_size, type;
			char name[4];
			uint32_t entry;
		} note;
	} h = {
		.e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		      .e_type = ET_EXEC,
		      .e_machine = EM_X86_64,
		      .e_version = EV_CURRENT,
		      .e_phoff = offsetof(__typeof__(h), ph),
		      .e_ehsize = sizeof(Elf64_Ehdr),
		      .e_phentsize = sizeof(Elf64_Phdr),
		      .e_phnum = 2},
		.ph = {{.p_type = PT_LOAD,
			.p_offset = sizeof(h),
			.p_paddr = PAYLOAD_ADDRESS,
			.p_filesz = c->n,
			.p_memsz = c->n + 4096},
		       {.p_type = PT_NOTE,
			.p_offset = offsetof(__typeof__(h), note),
			.p_filesz = sizeof(h.note),
			.p_memsz = sizeof(h.note),
			.p_align = 4}},
		.note = {4, 4, 18, "Xen", entry},
	};

	assert(sizeof(h) + c->n <= room);
	memcpy(out, &h, sizeof(h));
	memcpy(out + sizeof(h), c->b, c->n);
	return sizeof(h) + c->n;
}

int payload_fd(const struct code *c, uint32_t entry)
{
	uint8_t image[8192];
	size_t n = payload_image(c, entry, image, sizeof(image));
	int fd = memfd_create("payload", MFD_CLOEXEC);

	assert(fd >= 0 && pwrite_all(fd, image, n, 0) == 0);
	return fd;
}
