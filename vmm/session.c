/* SPDX-License-Identifier: Apache-2.0
 *
 * A VM's session: see session.h.
 */
#include "vmm/session.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/util.h"
#include "vmm/control/verbs.h"
#include "vmm/dev/chardev_hub.h"
#include "vmm/machine.h"

enum {
	SHORT_LIFE_MS = 1000, /* a machine that resets within it is a loop, maybe ... */
	FIRST_WAIT_MS = 10,   /* ... which waits, each time about twice as long ... */
	MAX_WAIT_MS = 1000,   /* ... up to this */
};

struct session {
	const struct vmm_config *config; /* borrowed */
	int kvm;			 /* borrowed */
	struct loop *loop;
	struct chardev *console, *hvc0;
	struct control *control;
	struct machine *machine; /* NULL while a restart waits, and when one has failed */
	bool paused;		 /* of every machine, until it is resumed */
	bool stopping;		 /* the machine's power button was pressed */
	uint64_t start_ms, resets;
	uint64_t past_io, past_mmio; /* exits of the machines before this one */

	struct loop_timer *again; /* the next machine is due */
	uint64_t machine_ms;	  /* when this one was made */
	uint64_t wait_ms;	  /* for the last restart */
	struct log_limit restarts;

	bool killed; /* whatever the machine does at the same moment, it does not come back */
	struct loop_fd *signals;
	int signalfd;

	bool ended; /* what was ready at the same time is still served */
	enum power_event end;
	char end_detail[512];
};

static void machine_ended(void *ctx, enum power_event event, const char *detail);

static int make_machine(struct session *s, struct err *err)
{
	const struct machine_env env = {
		.kvm = s->kvm,
		.loop = s->loop,
		.console = s->console,
		.hvc0 = s->hvc0,
		.power = {.event = machine_ended, .ctx = s},
	};

	s->machine = machine_new(s->config, &env, err);
	s->machine_ms = now_ms();
	return s->machine ? 0 : -1;
}

static void finish(struct session *s, enum power_event event, const char *detail)
{
	s->ended = true;
	s->end = event;
	snprintf(s->end_detail, sizeof(s->end_detail), "%s", detail);
	loop_timer_cancel(s->again);
	loop_stop(s->loop);
}

static void start_again(void *ctx)
{
	struct session *s = ctx;
	struct err err = {0};

	if (make_machine(s, &err) < 0) {
		err_wrap(&err, "the VM cannot start again");
		finish(s, POWER_FAILED, err.msg);
	} else if (!s->paused) {
		machine_resume(s->machine);
	}
}

/* A new machine takes the place of the one that ended. A guest that does nothing but reset gets it
 * later and later: it would fill a processor, and the log, with the making of machines. */
static void restart(struct session *s)
{
	bool short_life = now_ms() - s->machine_ms < SHORT_LIFE_MS;
	struct machine_stats stats;
	struct err err = {0};

	/* What the next machine would read is not what this one wrote. */
	if (machine_sync(s->machine, &err) < 0) {
		finish(s, POWER_FAILED, err.msg);
		return;
	}
	machine_stats(s->machine, &stats);
	s->past_io += stats.exits_io;
	s->past_mmio += stats.exits_mmio;
	machine_free(take_ptr(s->machine));
	s->resets++;
	s->stopping = false;
	s->wait_ms = short_life ? min_u64(2 * s->wait_ms + FIRST_WAIT_MS, MAX_WAIT_MS) : 0;
	loop_timer_set(s->again, s->wait_ms);
}

static bool wants_restart(const struct session *s, enum power_event event)
{
	switch (event) {
	case POWER_RESET:
		return s->config->on_reboot == VMM_ON_RESTART;
	case POWER_PANIC:
	case POWER_TRIPLE_FAULT:
		return s->config->on_panic == VMM_ON_RESTART;
	default:
		return false;
	}
}

static void machine_ended(void *ctx, enum power_event event, const char *detail)
{
	struct session *s = ctx;

	if (s->killed)
		event = POWER_KILLED;
	if (wants_restart(s, event)) {
		log_limited(&s->restarts, LOG_INFO, "the machine ended, and starts again: %s: %s",
			    power_event_name(event), detail);
		restart(s);
	} else {
		log_at(event == POWER_FAILED ? LOG_ERROR : LOG_INFO, "the machine ended: %s: %s",
		       power_event_name(event), detail);
		finish(s, event, detail);
	}
}

static void kill_machine(struct session *s, const char *why)
{
	s->killed = true;
	if (s->machine)
		machine_end(s->machine, POWER_KILLED, why);
	else if (!s->ended)
		finish(s, POWER_KILLED, why);
}

static void quit_key(void *ctx)
{
	kill_machine(ctx, "Ctrl-] on the console");
}

static void on_signal(void *ctx, uint32_t events)
{
	struct session *s = ctx;
	struct signalfd_siginfo info;
	char why[32];

	(void)events;
	if (read(s->signalfd, &info, sizeof(info)) != sizeof(info))
		return;
	snprintf(why, sizeof(why), "signal %u", info.ssi_signo);
	kill_machine(s, why);
}

/* Whoever asks the process to end gets the disks flushed and the exit report written. The threads
 * that are started from here on inherit the mask. */
static int watch_signals(struct session *s, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	s->signalfd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->signalfd < 0)
		return err_sys(err, ERR_HOST, "signalfd");
	s->signals = loop_add(s->loop, s->signalfd, EPOLLIN, on_signal, s, err);
	return s->signals ? 0 : -1;
}

static int open_consoles(struct session *s, struct err *err)
{
	const struct vmm_config *c = s->config;

	s->console = chardev_new(s->loop);
	if (c->console_log.fd >= 0)
		chardev_set_log(s->console, c->console_log.fd, c->console_log_max);
	if (c->console_stdio)
		chardev_attach_stdio(s->console, STDIN_FILENO, STDOUT_FILENO, quit_key, s);
	if (c->virtio_console)
		s->hvc0 = chardev_new(s->loop);
	if (c->control.fd >= 0)
		s->control = control_new(s->loop, c->control.fd, control_serve, s, err);
	return c->control.fd >= 0 && !s->control ? -1 : 0;
}

struct session *session_new(const struct vmm_config *config, int kvm, struct err *err)
{
	struct session *s = NEW(struct session);

	s->config = config;
	s->kvm = kvm;
	s->start_ms = now_ms();
	s->signalfd = -1;
	s->restarts = (struct log_limit)LOG_LIMIT_INIT;
	s->loop = loop_new(err);
	if (!s->loop)
		goto fail;
	s->again = loop_timer_new(s->loop, start_again, s);
	if (watch_signals(s, err) < 0 || open_consoles(s, err) < 0 || make_machine(s, err) < 0)
		goto fail;
	return s;
fail:
	session_free(s);
	return NULL;
}

static void flush_consoles(struct session *s)
{
	if (s->console)
		chardev_flush(s->console);
	if (s->hvc0)
		chardev_flush(s->hvc0);
}

void session_free(struct session *s)
{
	if (!s)
		return;
	machine_free(s->machine);
	control_free(s->control);
	loop_fd_remove(s->signals);
	auto_close_fn(&s->signalfd);
	flush_consoles(s);
	chardev_free(s->hvc0);
	chardev_free(s->console);
	loop_timer_free(s->again);
	loop_free(s->loop);
	free(s);
}

void session_run(struct session *s, enum power_event *event, const char **detail)
{
	machine_resume(s->machine);
	loop_run(s->loop);
	/* What the guest said last has to be out before anybody hears that it ended. */
	machine_free(take_ptr(s->machine));
	flush_consoles(s);
	*event = s->end;
	*detail = s->end_detail;
}

/* --- control --------------------------------------------------------------------------------------------- */

static enum vmm_state state_of(const struct session *s)
{
	if (s->ended)
		return VMM_STOPPED;
	if (s->paused)
		return VMM_PAUSED;
	return s->stopping ? VMM_STOPPING : VMM_RUNNING;
}

void session_status(struct session *s, struct vmm_status *out)
{
	struct machine_stats stats = {0};

	if (s->machine)
		machine_stats(s->machine, &stats);
	*out = (struct vmm_status){
		.state = state_of(s),
		.pid = getpid(),
		.cpus = s->config->cpus,
		.memory = s->config->memory,
		.uptime_ms = now_ms() - s->start_ms,
		.console_bytes = chardev_written(s->console),
		.resets = s->resets,
		.exits_io = s->past_io + stats.exits_io,
		.exits_mmio = s->past_mmio + stats.exits_mmio,
	};
	snprintf(out->name, sizeof(out->name), "%s", s->config->name);
	snprintf(out->last_broken, sizeof(out->last_broken), "%s", stats.last_broken);
}

static int not_ended(const struct session *s, struct err *err)
{
	return s->ended ? err_set(err, ERR_CONFLICT, "the VM has ended") : 0;
}

static int needs_machine(const struct session *s, struct err *err)
{
	if (not_ended(s, err) < 0)
		return -1;
	return s->machine ? 0 : err_set(err, ERR_CONFLICT, "the VM is about to start again");
}

int session_shutdown(struct session *s, struct err *err)
{
	if (needs_machine(s, err) < 0)
		return -1;
	if (s->paused) {
		err_set(err, ERR_CONFLICT, "the VM is paused");
		return err_hint(err, "resume it first");
	}
	if (!machine_press_power_button(s->machine))
		return err_set(err, ERR_CONFLICT,
			       "the guest does not listen to its power button (yet)");
	s->stopping = true;
	return 0;
}

int session_kill(struct session *s, struct err *err)
{
	(void)err;
	kill_machine(s, "asked for on the control socket");
	return 0;
}

int session_reset(struct session *s, struct err *err)
{
	if (needs_machine(s, err) < 0)
		return -1;
	machine_end(s->machine, POWER_RESET, "asked for on the control socket");
	return 0;
}

int session_pause(struct session *s, struct err *err)
{
	if (not_ended(s, err) < 0)
		return -1;
	s->paused = true;
	if (s->machine)
		machine_pause(s->machine);
	return 0;
}

int session_resume(struct session *s, struct err *err)
{
	if (not_ended(s, err) < 0)
		return -1;
	if (!s->paused)
		return err_set(err, ERR_CONFLICT, "the VM is not paused");
	s->paused = false;
	if (s->machine)
		machine_resume(s->machine);
	return 0;
}

struct chardev *session_console(struct session *s, const char *port, struct err *err)
{
	if (!strcmp(port, "ttyS0"))
		return s->console;
	if (!strcmp(port, "hvc0") && s->hvc0)
		return s->hvc0;
	err_set(err, ERR_NOT_FOUND, "this machine has no console '%s'", port);
	return NULL;
}
