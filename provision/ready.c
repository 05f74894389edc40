/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting for a rung of the readiness ladder. A timeout is not a failure of the VM: it says which
 * rung is missing, how old the VM is, and what was seen last, and the VM is kept.
 */
#include <errno.h>
#include <time.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "base/util.h"
#include "provision/doctor.h"
#include "provision/outcome.h"
#include "provision/watch.h"

static const char *const names[] = {"vmm", "kernel", "userspace", "network", "ssh", "cloud-init"};
static_assert(ARRAY_LEN(names) == RUNGS, "every rung has a name");

const char *rung_name(enum rung r)
{
	return (unsigned)r < RUNGS ? names[r] : "ready";
}

int rung_parse(const char *name, enum rung *out, struct err *err)
{
	const char *near;

	if (!strcmp(name, "ready")) {
		*out = RUNG_CLOUD_INIT;
		return 0;
	}
	for (unsigned i = 0; i < RUNGS; i++)
		if (!strcmp(name, names[i])) {
			*out = (enum rung)i;
			return 0;
		}
	err_set(err, ERR_USAGE,
		"'%s' is no rung: vmm, kernel, userspace, network, ssh, cloud-init (or ready)",
		name);
	near = text_nearest(name, names, ARRAY_LEN(names));
	return near ? err_hint(err, "did you mean %s?", near) : -1;
}

enum { TICK_MS = 500, PROBE_MS = 1000, LAST_ASK_MS = 1000 };

/* The lowest rung up to `rung` that is still missing, or RUNGS. */
static enum rung missing(const struct ladder *l, enum rung rung)
{
	for (unsigned i = 0; i <= (unsigned)rung && i < RUNGS; i++)
		if (l->rungs[i].applies && !l->rungs[i].reached)
			return (enum rung)i;
	return RUNGS;
}

static int ended(struct watch *w, struct err *err)
{
	bool crashed;
	auto_free char *why = stop_reason(&w->dir, &w->state, &crashed);

	return err_set(err, ERR_VM, "%s ended before it was ready: %s%s%s", w->dir.name.vm,
		       why ? why : "no reason is known",
		       w->console.last[0] ? "; its console says last: " : "", w->console.last);
}

/* `what` is missing; RUNGS: no rung, only what cloud-init makes of its work. */
static int timed_out(const struct watch *w, enum rung what, uint64_t timeout_ms, struct err *err)
{
	const struct ladder *l = &w->ladder;
	const struct console_seen *stuck = &w->console.facts[CONSOLE_STUCK];
	char limit[SIZE_TEXT], at[SIZE_TEXT];

	format_duration(timeout_ms, limit, sizeof(limit));
	if (what == RUNGS)
		return err_set(err, ERR_TIMEOUT,
			       "%s runs and cloud-init finished, but its result could not be asked "
			       "over ssh within %s (croft ssh %s -- cloud-init status --long)",
			       w->dir.name.vm, limit, w->dir.name.vm);
	err_set(err, ERR_TIMEOUT,
		"%s runs, and '%s' was not reached within %s; the last rung is '%s', at %s "
		"(%.100s)",
		w->dir.name.vm, rung_name(what), limit, rung_name(l->current),
		format_duration(l->rungs[l->current].at_ms, at, sizeof(at)),
		l->rungs[l->current].evidence);
	if (stuck->seen)
		return err_hint(err, "the guest waits for a person: %.120s", stuck->line);
	if (w->hint[0] && (what == RUNG_NETWORK || what == RUNG_SSH))
		return err_hint(err, "%s", w->hint);
	if (l->last_console[0])
		return err_hint(err, "last line of the console: %.120s", l->last_console);
	if (kvm_is_interpreted())
		return err_hint(err,
				"this machine's KVM interprets guest code, and stock kernels get "
				"nowhere on it: croft doctor says more");
	return err_hint(err, "nothing was seen on the console");
}

/* 1: not there yet; otherwise the end of the wait. */
static int judge(struct watch *w, enum rung rung, struct err *err)
{
	const struct console_seen *panic = &w->console.facts[CONSOLE_PANIC];
	const struct ladder *l = &w->ladder;

	if (!w->alive)
		return ended(w, err);
	if (panic->seen)
		return err_set(err, ERR_VM, "%s: the guest's kernel gave up: %s", w->dir.name.vm,
			       panic->line);
	if (missing(l, rung) != RUNGS)
		return 1;
	/* Done is not the same as well: where we can log in, cloud-init says itself. */
	if (rung == RUNG_CLOUD_INIT && l->rungs[RUNG_CLOUD_INIT].applies) {
		if (l->rungs[RUNG_SSH].reached && !w->asked_cloud_init && !w->login_refused)
			return 1;
		if (l->cloud_init_failed)
			return err_set(
				err, ERR_CLOUD_INIT,
				"%s is usable, and cloud-init reported errors: %s (croft ssh %s -- "
				"cloud-init status --long)",
				w->dir.name.vm, l->cloud_init_error, w->dir.name.vm);
	}
	return 0;
}

static void tell_waiting(const struct watch *w, enum rung rung, const struct reporter *rep,
			 uint64_t since_ms)
{
	enum rung next = missing(&w->ladder, rung);
	char what[64];

	if (!rep || !rep->waiting)
		return;
	snprintf(what, sizeof(what), "for %s", rung_name(next == RUNGS ? rung : next));
	rep->waiting(rep->ctx, what, w->console.last, since_ms);
}

/* A rung that is reached is told once, as a step that is done. */
static void tell_reached(const struct watch *w, const struct reporter *rep, bool told[RUNGS])
{
	for (unsigned i = 0; i < RUNGS; i++) {
		const struct rung_state *r = &w->ladder.rungs[i];

		if (r->reached && !told[i] && rep && rep->step)
			rep->step(rep->ctx, rung_name((enum rung)i), true, r->evidence);
		told[i] = r->reached;
	}
}

static void ask_cloud_init(struct watch *w, const struct reporter *rep, uint64_t timeout_ms)
{
	bool knew = w->no_cloud_init;

	watch_ask_cloud_init(w, timeout_ms);
	if (w->no_cloud_init && !knew && rep && rep->note)
		rep->note(rep->ctx,
			  "this image has no cloud-init: nothing in it looks at the seed");
}

int vm_wait(const struct vm_name *name, enum rung rung, uint64_t timeout_ms,
	    const struct reporter *rep, struct ladder *out, struct err *err)
{
	uint64_t start = now_ms();
	bool told[RUNGS] = {0};
	struct watch w;
	int rc = watch_open(name, &w, err);

	*out = (struct ladder){0};
	if (rc < 0)
		goto done;
	for (;;) {
		uint64_t spent = now_ms() - start;

		watch_poll(&w, PROBE_MS);
		/* The last look is at what is there, with a moment for an answer over ssh. */
		spent = now_ms() - start;
		if (rung == RUNG_CLOUD_INIT)
			ask_cloud_init(&w, rep,
				       timeout_ms > spent ? timeout_ms - spent : LAST_ASK_MS);
		tell_reached(&w, rep, told);
		rc = judge(&w, rung, err);
		if (rc <= 0)
			break;
		if (rep && rep->interrupted && rep->interrupted(rep->ctx)) {
			rc = err_set(err, ERR_INTERRUPTED, "interrupted; %s still runs", name->vm);
			break;
		}
		if (spent >= timeout_ms) {
			rc = timed_out(&w, missing(&w.ladder, rung), timeout_ms, err);
			break;
		}
		tell_waiting(&w, rung, rep, spent);
		nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000L}, NULL);
	}
	*out = w.ladder;
	w.ladder.console_tail = NULL; /* the caller's now */
done:
	watch_close(&w);
	return rc;
}
