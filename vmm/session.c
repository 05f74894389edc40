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

struct session {
	const struct vmm_config *config; /* borrowed */
	int kvm;			 /* borrowed */
	struct loop *loop;
	struct chardev *console, *hvc0;
	struct control *control;
	struct machine *machine;
	enum vmm_state state;
	uint64_t start_ms, resets;
	uint64_t past_io, past_mmio; /* exits of the machines before this one */

	bool killed; /* whatever the machine does at the same moment, it does not come back */
	struct loop_fd *signals;
	int signalfd;

	enum power_event end;
	char end_detail[512];
};

static void machine_ended(void *ctx, enum power_event event, const char *detail);

static struct machine *make_machine(struct session *s, struct err *err)
{
	const struct machine_env env = {
		.kvm = s->kvm,
		.loop = s->loop,
		.console = s->console,
		.hvc0 = s->hvc0,
		.power = {.event = machine_ended, .ctx = s},
	};

	return machine_new(s->config, &env, err);
}

static void finish(struct session *s, enum power_event event, const char *detail)
{
	s->state = VMM_STOPPED;
	s->end = event;
	snprintf(s->end_detail, sizeof(s->end_detail), "%s", detail);
	loop_stop(s->loop);
}

/* A new machine takes the place of the one that ended. */
static void restart(struct session *s)
{
	struct machine_stats stats;
	struct err err = {0};

	machine_stats(s->machine, &stats);
	s->past_io += stats.exits_io;
	s->past_mmio += stats.exits_mmio;
	machine_free(s->machine);
	s->resets++;
	s->machine = make_machine(s, &err);
	s->state = VMM_RUNNING;
	if (!s->machine) {
		err_wrap(&err, "the VM cannot start again");
		finish(s, POWER_FAILED, err.msg);
		return;
	}
	machine_resume(s->machine);
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
	log_at(event == POWER_FAILED ? LOG_ERROR : LOG_INFO, "the machine ended: %s: %s",
	       power_event_name(event), detail);
	if (wants_restart(s, event))
		restart(s);
	else
		finish(s, event, detail);
}

static void kill_machine(struct session *s, const char *why)
{
	s->killed = true;
	machine_end(s->machine, POWER_KILLED, why);
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
	s->loop = loop_new(err);
	if (!s->loop || watch_signals(s, err) < 0 || open_consoles(s, err) < 0)
		goto fail;
	s->machine = make_machine(s, err);
	if (!s->machine)
		goto fail;
	return s;
fail:
	session_free(s);
	return NULL;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	machine_free(s->machine);
	control_free(s->control);
	loop_fd_remove(s->signals);
	auto_close_fn(&s->signalfd);
	if (s->console)
		chardev_flush(s->console);
	chardev_free(s->hvc0);
	chardev_free(s->console);
	loop_free(s->loop);
	free(s);
}

void session_run(struct session *s, enum power_event *event, const char **detail)
{
	machine_resume(s->machine);
	s->state = VMM_RUNNING;
	loop_run(s->loop);
	/* What the guest said last has to be out before anybody hears that it ended. */
	machine_free(take_ptr(s->machine));
	chardev_flush(s->console);
	*event = s->end;
	*detail = s->end_detail;
}

/* --- control --------------------------------------------------------------------------------------------- */

void session_status(struct session *s, struct vmm_status *out)
{
	struct machine_stats stats = {0};

	if (s->machine)
		machine_stats(s->machine, &stats);
	*out = (struct vmm_status){
		.state = s->state,
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

static int not_while(struct session *s, enum vmm_state state, struct err *err)
{
	if (s->state != state)
		return 0;
	return err_set(err, ERR_CONFLICT, "the VM is %s", vmm_state_name(state));
}

int session_shutdown(struct session *s, struct err *err)
{
	if (not_while(s, VMM_PAUSED, err) < 0)
		return err_hint(err, "resume it first");
	if (!machine_press_power_button(s->machine))
		return err_set(err, ERR_CONFLICT,
			       "the guest does not listen to its power button (yet)");
	s->state = VMM_STOPPING;
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
	(void)err;
	machine_end(s->machine, POWER_RESET, "asked for on the control socket");
	return 0;
}

int session_pause(struct session *s, struct err *err)
{
	(void)err;
	machine_pause(s->machine);
	s->state = VMM_PAUSED;
	return 0;
}

int session_resume(struct session *s, struct err *err)
{
	if (s->state != VMM_PAUSED)
		return err_set(err, ERR_CONFLICT, "the VM is not paused");
	machine_resume(s->machine);
	s->state = VMM_RUNNING;
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
