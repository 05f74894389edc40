/* SPDX-License-Identifier: Apache-2.0
 *
 * vCPU threads: see vcpu.h.
 *
 * What a thread is to do is one word, `want`. To make a vCPU that is in the guest look at it, others
 * change the word, set immediate_exit in its shared page and send it a signal: the signal ends a
 * KVM_RUN that is under way, immediate_exit one that is about to begin (api.rst, 5, kvm_run). The
 * thread clears immediate_exit before it reads the word, so no change is missed.
 */
#include "vmm/kvm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/util.h"
#include "vmm/event/loop.h"

enum {
	STACK_BYTES = 256 << 10, /* reserved, not touched */
	PAGE = 4096,
};
#define KICK_SIGNAL SIGRTMIN

enum want { WANT_RUN, WANT_PAUSE, WANT_STOP };

struct vcpu {
	struct vcpus *set;
	unsigned index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
	uint64_t exits_io, exits_mmio; /* written by the thread, read by all */
};

struct vcpus {
	struct kvm *kvm; /* borrowed */
	struct vcpu_env env;
	struct coalesced *coalesced;
	pthread_mutex_t lock; /* guards what follows; `want` is read without it too */
	pthread_cond_t changed;
	enum want want;
	unsigned parked; /* threads that wait for a change */
	unsigned n, created;
	struct vcpu cpu[];
};

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/* --- exits ----------------------------------------------------------------------------------------- */

static void port_access(struct vcpu *v, uint16_t port, unsigned size, bool out, void *data)
{
	const struct vcpu_env *env = &v->set->env;
	uint64_t val = 0;

	if (out) {
		memcpy(&val, data, size);
		bus_write(env->ports, port, size, val);
		coalesced_saw_write(v->set->coalesced, port);
	} else {
		bus_read(env->ports, port, size, &val);
		memcpy(data, &val, size);
	}
}

static void exit_io(struct vcpu *v)
{
	uint8_t *data = (uint8_t *)v->run + v->run->io.data_offset;
	unsigned size = v->run->io.size;

	count(&v->exits_io);
	for (uint32_t i = 0; i < v->run->io.count; i++) /* more than one: a string instruction */
		port_access(v, v->run->io.port, size, v->run->io.direction == KVM_EXIT_IO_OUT,
			    data + i * size);
}

static void exit_mmio(struct vcpu *v)
{
	struct bus *mmio = v->set->env.mmio;
	uint64_t addr = v->run->mmio.phys_addr, val = 0;
	unsigned len = v->run->mmio.len;
	uint8_t *data = v->run->mmio.data;

	count(&v->exits_mmio);
	/* An odd length is an access that crosses a page: nobody's registers do. */
	if (!is_pow2(len)) {
		memset(data, 0xff, v->run->mmio.is_write ? 0 : len);
		return;
	}
	if (v->run->mmio.is_write) {
		memcpy(&val, data, len);
		bus_write(mmio, addr, len, val);
	} else {
		bus_read(mmio, addr, len, &val);
		memcpy(data, &val, len);
	}
}

static void give_up(struct vcpu *v, enum power_event event, const char *what)
{
	char where[256], detail[384];

	vcpu_describe(v->fd, where, sizeof(where));
	snprintf(detail, sizeof(detail), "vCPU %u: %s; %s", v->index, what, where);
	power_event(&v->set->env.power, event, detail);
}

static void exit_system_event(struct vcpu *v)
{
	const struct power *power = &v->set->env.power;

	switch (v->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		power_event(power, POWER_OFF, "KVM system event");
		break;
	case KVM_SYSTEM_EVENT_RESET:
		power_event(power, POWER_RESET, "KVM system event");
		break;
	default:
		give_up(v, POWER_PANIC, "KVM system event: crash");
		break;
	}
}

static void exit_internal_error(struct vcpu *v)
{
	char what[96];

	if (v->run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
		snprintf(what, sizeof(what), "KVM cannot emulate an instruction of the guest");
	else
		snprintf(what, sizeof(what), "KVM internal error %u", v->run->internal.suberror);
	give_up(v, POWER_FAILED, what);
}

static void handle_exit(struct vcpu *v)
{
	char what[96];

	coalesced_drain(v->set->coalesced);
	switch (v->run->exit_reason) {
	case KVM_EXIT_IO:
		exit_io(v);
		break;
	case KVM_EXIT_MMIO:
		exit_mmio(v);
		break;
	case KVM_EXIT_SHUTDOWN:
		give_up(v, POWER_TRIPLE_FAULT, "triple fault");
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		exit_system_event(v);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		exit_internal_error(v);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(what, sizeof(what), "the CPU refuses to enter the guest (reason 0x%llx)",
			 v->run->fail_entry.hardware_entry_failure_reason);
		give_up(v, POWER_FAILED, what);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_HLT: /* the in-kernel APIC waits for the interrupt itself */
		break;
	default:
		snprintf(what, sizeof(what), "unexpected KVM exit %u", v->run->exit_reason);
		give_up(v, POWER_FAILED, what);
		break;
	}
}

/* --- threads --------------------------------------------------------------------------------------- */

/* Waits while paused; false when it is time to end. */
static bool may_run(struct vcpu *v)
{
	struct vcpus *set = v->set;
	enum want want;

	__atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&set->want, __ATOMIC_SEQ_CST) == WANT_RUN)
		return true;
	pthread_mutex_lock(&set->lock);
	set->parked++;
	pthread_cond_broadcast(&set->changed);
	while (set->want == WANT_PAUSE)
		pthread_cond_wait(&set->changed, &set->lock);
	set->parked--;
	want = set->want;
	pthread_mutex_unlock(&set->lock);
	return want == WANT_RUN;
}

static void *run_vcpu(void *ctx)
{
	struct vcpu *v = ctx;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", v->index);
	pthread_setname_np(pthread_self(), name);
	while (may_run(v)) {
		if (ioctl(v->fd, KVM_RUN, 0) == 0) {
			handle_exit(v);
		} else if (errno == EINTR || errno == EAGAIN) {
			coalesced_drain(v->set->coalesced);
		} else {
			char what[96];

			snprintf(what, sizeof(what), "KVM_RUN: %s", strerror(errno));
			give_up(v, POWER_FAILED, what);
		}
	}
	return NULL;
}

static void kicked(int sig)
{
	(void)sig; /* its arrival ends KVM_RUN; there is nothing to do */
}

static int start_thread(struct vcpu *v, struct err *err)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	rc = pthread_create(&v->thread, &attr, run_vcpu, v);
	pthread_attr_destroy(&attr);
	if (rc) {
		errno = rc;
		return err_sys(err, ERR_HOST, "cannot start the thread of vCPU %u", v->index);
	}
	v->started = true;
	return 0;
}

int vcpus_start(struct vcpus *set, struct err *err)
{
	struct sigaction sa = {.sa_handler = kicked};

	sigaction(KICK_SIGNAL, &sa, NULL);
	for (unsigned i = 0; i < set->n; i++)
		if (start_thread(&set->cpu[i], err) < 0)
			return -1;
	return 0;
}

static void set_want(struct vcpus *set, enum want want)
{
	pthread_mutex_lock(&set->lock);
	if (set->want != WANT_STOP)
		__atomic_store_n(&set->want, want, __ATOMIC_SEQ_CST);
	pthread_cond_broadcast(&set->changed);
	for (unsigned i = 0; i < set->n && want != WANT_RUN; i++) {
		struct vcpu *v = &set->cpu[i];

		if (!v->started)
			continue;
		__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		pthread_kill(v->thread, KICK_SIGNAL);
	}
	pthread_mutex_unlock(&set->lock);
}

void vcpus_stop(struct vcpus *set)
{
	set_want(set, WANT_STOP);
}

void vcpus_pause(struct vcpus *set)
{
	set_want(set, WANT_PAUSE);
	pthread_mutex_lock(&set->lock);
	while (set->want == WANT_PAUSE && set->parked < set->n)
		pthread_cond_wait(&set->changed, &set->lock);
	pthread_mutex_unlock(&set->lock);
	coalesced_drain(set->coalesced);
}

void vcpus_resume(struct vcpus *set)
{
	/* Keeps the guest's watchdogs calm about the time it did not see. It fails for a guest that
	 * does not use kvm-clock, which is fine. */
	for (unsigned i = 0; i < set->n; i++)
		kvm_ioctl(set->cpu[i].fd, KVM_KVMCLOCK_CTRL, NULL);
	set_want(set, WANT_RUN);
}

void vcpus_join(struct vcpus *set)
{
	for (unsigned i = 0; i < set->n; i++) {
		if (set->cpu[i].started)
			pthread_join(set->cpu[i].thread, NULL);
		set->cpu[i].started = false;
	}
	coalesced_drain(set->coalesced);
}

void vcpus_exits(const struct vcpus *set, uint64_t *io, uint64_t *mmio)
{
	*io = *mmio = 0;
	for (unsigned i = 0; i < set->n; i++) {
		*io += __atomic_load_n(&set->cpu[i].exits_io, __ATOMIC_RELAXED);
		*mmio += __atomic_load_n(&set->cpu[i].exits_mmio, __ATOMIC_RELAXED);
	}
}

/* --- making them ----------------------------------------------------------------------------------- */

static int make_vcpu(struct vcpus *set, unsigned index, const struct boot_entry *entry, struct err *err)
{
	struct vcpu *v = &set->cpu[index];
	void *run;

	v->set = set;
	v->index = index;
	v->fd = kvm_ioctl(set->kvm->vm, KVM_CREATE_VCPU, (void *)(uintptr_t)index);
	if (v->fd < 0)
		return err_sys(err, ERR_HOST, "KVM: cannot create vCPU %u", index);
	set->created++;
	run = mmap(NULL, set->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (run == MAP_FAILED)
		return err_sys(err, ERR_HOST, "KVM: cannot map vCPU %u", index);
	v->run = run;
	if (vcpu_set_cpuid(set->kvm, v->fd, index, set->n, err) < 0 ||
	    vcpu_set_msrs(set->kvm, v->fd, err) < 0 || vcpu_set_xcr0(set->kvm, v->fd, err) < 0 ||
	    vcpu_set_lapic(v->fd, err) < 0)
		return -1;
	return index == 0 ? vcpu_set_regs(v->fd, entry, err) : 0;
}

struct vcpus *vcpus_new(struct kvm *k, unsigned n, const struct boot_entry *entry,
			const struct vcpu_env *env, struct err *err)
{
	struct vcpus *set = xzalloc(sizeof(*set) + n * sizeof(set->cpu[0]));

	set->kvm = k;
	set->env = *env;
	set->n = n;
	set->want = WANT_PAUSE;
	pthread_mutex_init(&set->lock, NULL);
	pthread_cond_init(&set->changed, NULL);
	for (unsigned i = 0; i < n; i++)
		if (make_vcpu(set, i, entry, err) < 0) {
			vcpus_free(set);
			return NULL;
		}
	set->coalesced = coalesced_new(
		k->vm, (void *)((uint8_t *)set->cpu[0].run + KVM_COALESCED_MMIO_PAGE_OFFSET * PAGE),
		env->ports, env->loop);
	return set;
}

void vcpus_coalesce_port(struct vcpus *set, uint16_t port)
{
	if (kvm_has(set->kvm, KVM_CAP_COALESCED_PIO) > 0)
		coalesced_set_port(set->coalesced, port);
}

void vcpus_coalesce_index(struct vcpus *set, uint16_t port)
{
	if (kvm_has(set->kvm, KVM_CAP_COALESCED_PIO) > 0)
		coalesced_add_index(set->coalesced, port);
}

void vcpus_free(struct vcpus *set)
{
	if (!set)
		return;
	coalesced_free(set->coalesced);
	for (unsigned i = 0; i < set->created; i++) {
		assert(!set->cpu[i].started);
		if (set->cpu[i].run)
			munmap(set->cpu[i].run, set->kvm->run_size);
		close(set->cpu[i].fd);
	}
	pthread_mutex_destroy(&set->lock);
	pthread_cond_destroy(&set->changed);
	free(set);
}
