/* SPDX-License-Identifier: Apache-2.0
 *
 * What a spec asks of the machine: see asked.h.
 */
#include "provision/asked.h"

#include <stdarg.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/util.h"

static void __attribute__((format(printf, 3, 4)))
ask(struct vm_state *s, const char *value, const char *key, ...)
{
	char text[128];
	va_list ap;

	if (!value || s->nasked == ARRAY_LEN(s->asked))
		return;
	va_start(ap, key);
	vsnprintf(text, sizeof(text), key, ap);
	va_end(ap);
	s->asked[s->nasked++] = (struct asked){xstrdup(text), xstrdup(value)};
}

static void ask_nic(struct vm_state *s, const struct spec_nic *nic)
{
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", nic->mac[0], nic->mac[1],
		 nic->mac[2], nic->mac[3], nic->mac[4], nic->mac[5]);
	ask(s, nic->bridge, "networks.%s.bridge", nic->name);
	ask(s, mac, "networks.%s.mac", nic->name);
}

static void ask_disk(struct vm_state *s, const struct spec_disk *d)
{
	ask(s, d->path ? d->path : "new", "disks.%s", d->name);
	ask(s, blk_format_name(d->format), "disks.%s.format", d->name);
	ask(s, d->read_only ? "true" : "false", "disks.%s.read_only", d->name);
}

void asked_fill(struct vm_state *s, const struct spec_vm *vm)
{
	char text[SIZE_TEXT];

	for (size_t i = 0; i < s->nasked; i++) {
		free(s->asked[i].key);
		free(s->asked[i].value);
	}
	s->nasked = 0;
	snprintf(text, sizeof(text), "%u", vm->cpus);
	ask(s, text, "cpus");
	ask(s, format_size_exact(vm->memory, text, sizeof(text)), "memory");
	ask(s, vm->seed ? "true" : "false", "seed");
	ask(s, vm->boot.mode == BOOT_KERNEL ? "kernel" : "auto", "boot.mode");
	ask(s, vm->boot.kernel, "boot.kernel");
	ask(s, vm->boot.initrd, "boot.initrd");
	ask(s, vm->boot.cmdline, "boot.cmdline");
	ask(s, vm->boot.cmdline_append, "boot.cmdline_append");
	ask(s, vm->console_log ? "true" : "false", "console.log");
	for (unsigned i = 0; i < vm->nnics; i++)
		ask_nic(s, &vm->nics[i]);
	for (unsigned i = 0; i < vm->ndisks; i++)
		ask_disk(s, &vm->disks[i]);
}

static const char *find(const struct vm_state *s, const char *key)
{
	for (size_t i = 0; i < s->nasked; i++)
		if (s->asked[i].key && !strcmp(s->asked[i].key, key))
			return s->asked[i].value;
	return NULL;
}

static void put_change(struct buf *out, const char *key, const char *was, const char *now)
{
	buf_printf(out, "%s%s: %s -> %s", out->len ? ", " : "", key, was ? was : "(none)",
		   now ? now : "(none)");
}

void asked_diff(const struct vm_state *last, const struct spec_vm *vm, struct buf *out)
{
	struct vm_state *want = NEW(struct vm_state);

	asked_fill(want, vm);
	for (size_t i = 0; i < want->nasked; i++) {
		const char *was = find(last, want->asked[i].key);

		if (!was || strcmp(was, want->asked[i].value))
			put_change(out, want->asked[i].key, was, want->asked[i].value);
	}
	for (size_t i = 0; i < last->nasked; i++)
		if (last->asked[i].key && !find(want, last->asked[i].key))
			put_change(out, last->asked[i].key, last->asked[i].value, NULL);
	state_done(want);
	free(want);
}
